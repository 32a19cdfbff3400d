"""What goes wrong, by name: the failures of real missions as numbers that an episode draws.

Every fault may be present in an episode (``probability``), begins at the first tick that is late enough (``onset``)
and low enough (``below``), and lasts for its ``duration``; what concerns the tanks or the ground at the start
(``terrain_step``, ``propellant_shortage``, ``unsteady_site``) holds from the start. Its magnitude is the first of its
own numbers; at the value named as neutral it changes nothing, bit for bit. Several may act at once. What each does to
the stages of a tick stands in effects.py; the modes are those of the missions reference, section 7.

A new kind whose effect exists is a class here that derives from the kind with that effect, and its line in ``Faults``.
A new effect is a class that derives from ``Fault``, its line, and a function in effects.py.
"""

from dataclasses import dataclass, field, fields
from math import radians
from types import SimpleNamespace
from typing import Any, ClassVar

from lunar_env.quantities import Number, Range, mirrored, number

FOREVER = 1e5  # [s] longer than any episode
ANYWHERE = 1e7  # [m] higher than any start
# Where in a descent a fault may act: on what an episode starts with, the ground, the engine, the inertial unit, whether
# a sample has a return, what its range becomes, how a sample is taken and arrives, the contact with the ground.
STAGES = ("start", "ground", "engine", "inertial", "return", "range", "sample", "contact")


@dataclass(frozen=True)
class Fault:
    """What all faults share."""

    mode: ClassVar[int] = 0  # of the missions reference, section 7
    stages: ClassVar[tuple[str, ...]] = ()  # which of STAGES have to ask whether it acts
    missions: ClassVar[str] = ""  # where it happened, and the source
    breaks: ClassVar[str] = ""  # the baseline that it breaks
    magnitude: ClassVar[str] = ""  # the number that says how bad it is; by default the first of its own
    neutral: ClassVar[float] = 0.0  # its value that changes nothing
    replay: ClassVar[dict[str, Any]] = {}  # the numbers of the mission
    training: ClassVar[dict[str, Any]] = {}  # ranges for training [P]

    probability: Number = number(0.0, "-", "chance that an episode has it", probability=True)
    onset: Number = number(0.0, "s", "after the start: not before", low=0.0, high=FOREVER)
    below: Number = number(ANYWHERE, "m", "height above the ground: not above", low=0.0, high=ANYWHERE)
    duration: Number = number(FOREVER, "s", "how long it lasts", low=0.0, high=FOREVER)


@dataclass(frozen=True)
class LateAcquisition(Fault):
    """The range finder gives no valid range above an altitude."""

    stages = ("sample",)
    mode = 1
    missions = "HAKUTO-R M2 Resilience: below 900 m instead of above 3 km, at 66 m/s [V2: SN24]"
    breaks = "altimeter_braking"
    neutral = ANYWHERE
    replay: ClassVar = {"altitude": 900.0}
    training: ClassVar = {"altitude": Range(200.0, 5_000.0, log=True)}

    altitude: Number = number(900.0, "m", "height above ground of the first possible return", low=0.0, high=ANYWHERE)


@dataclass(frozen=True)
class DelayedReadings(Fault):
    """Readings arrive late by an extra delay, with or without an honest time stamp."""

    stages = ("sample",)
    mode = 2
    missions = 'HAKUTO-R M2 Resilience: "delayed" in the first reports; the delay is unpublished'
    breaks = "altimeter_braking"
    replay: ClassVar = {"delay": 1.0}
    training: ClassVar = {"delay": 2.0, "onset": Range(0.0, 120.0), "unstamped": 0.5}

    delay: Number = number(1.0, "s", "on top of the normal delay; whole ticks [P: 0-2 s]", low=0.0, high=10.0)
    unstamped: Number = number(0.0, "-", "chance that the time stamp hides the extra delay", probability=True)


@dataclass(frozen=True)
class DetectionLoss(Fault):
    """Returns fade: weaker laser, darker or steeper ground, or faster closing than planned."""

    stages = ("sample",)
    mode = 3
    missions = "HAKUTO-R M2 Resilience: candidate causes [V2: ISP2]"
    breaks = "altimeter_braking"
    replay: ClassVar = {"reach": 0.7}
    training: ClassVar = {"reach": Range(0.0, 0.7), "slowness": Range(0.0, 0.02)}

    reach: Number = number(0.7, "-", "share of the detection range that is lost", low=0.0, high=0.999)
    slowness: Number = number(
        0.0, "s/m", "more loss with closing speed v, exp(-v s) [P: 1/(50 m/s)]", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class NoiseBurst(Fault):
    """The range noise grows by a factor."""

    stages = ("sample",)
    mode = 4
    missions = "IM-2 Athena: altimeter noise from 30 km on that never improved [V2: ARS2]"
    breaks = "altimeter_braking"
    replay: ClassVar = {"excess": 29.0}
    training: ClassVar = {"excess": Range(2.0, 29.0), "onset": Range(0.0, 120.0), "duration": Range(5.0, 300.0)}

    excess: Number = number(9.0, "-", "times the normal spread, on top of it", low=0.0, high=1e3)


@dataclass(frozen=True)
class RangingLoss(Fault):
    """Ranging ends for good, and the belief that must do without it is off by a bias."""

    stages = ("return",)
    mode = 5
    missions = "IM-1 Odysseus: no range after 15 km, belief 100 m too high [V2: ARS1]"
    breaks = "inertial"
    replay: ClassVar = {"loss": 1.0, "bias": 100.0, "below": 15_000.0}
    training: ClassVar = {"loss": 1.0, "bias": Range(0.0, 300.0), "below": Range(500.0, 15_000.0, log=True)}

    loss: Number = number(1.0, "-", "share of the samples that are lost", low=0.0, high=1.0)
    bias: Number = number(0.0, "m", "jump of the believed altitude when it begins", low=-1e4, high=1e4)


@dataclass(frozen=True)
class MissingFlag(Fault):
    """Good ranges arrive, but their valid flag is missing."""

    stages = ("sample",)
    mode = 6
    missions = "IM-1 Odysseus: Doppler lidar data unused for want of a flag [V2: ARS1]"
    breaks = "altimeter_braking"
    replay: ClassVar = {"share": 1.0}
    training: ClassVar = {"share": Range(0.2, 1.0), "onset": Range(0.0, 120.0)}

    share: Number = number(1.0, "-", "share of the samples without their flag", low=0.0, high=1.0)


@dataclass(frozen=True)
class TerrainStep(Fault):
    """The ground drops by a cliff on the way to the pad: a crater rim."""

    stages = ("start", "ground")
    mode = 7
    missions = "HAKUTO-R M1: a 3 km rim, taken for a broken altimeter [V2: ISP1]"
    breaks = "gated_filter"
    replay: ClassVar = {"height": 3_000.0}
    training: ClassVar = {"height": Range(50.0, 3_000.0, log=True), "distance": Range(1_000.0, 8_000.0)}

    height: Number = number(300.0, "m", "of the ground before the rim, above the pad's level", low=-1e4, high=1e4)
    distance: Number = number(5_000.0, "m", "of the rim from the pad, uprange", low=-1e6, high=1e6)
    width: Number = number(500.0, "m", "over which the ground drops", low=1.0, high=1e5)


@dataclass(frozen=True)
class RangeBias(Fault):
    """Ranges are off by a step and by a share of the height."""

    stages = ("range",)
    mode = 8
    missions = "HAKUTO-R M1; Apollo 11's slope of 1 degree [V2: DIG]"
    breaks = "altimeter_braking"
    replay: ClassVar = {"step": 0.0, "share": 0.017}
    training: ClassVar = {"step": Range(-100.0, 100.0), "share": Range(-0.05, 0.05)}

    step: Number = number(50.0, "m", "added to every range", low=-1e4, high=1e4)
    share: Number = number(0.0, "m/m", "added per metre of range", low=-0.9, high=1.0)


@dataclass(frozen=True)
class Outliers(Fault):
    """Some ranges are nonsense: short echoes, or a lock on the vehicle's own structure."""

    stages = ("range",)
    mode = 9
    missions = "generic; IM-2 Athena's noise [V2: ARS2]"
    breaks = "altimeter_braking"
    replay: ClassVar = {"share": 0.02}
    training: ClassVar = {"share": Range(0.001, 0.02), "structure": Range(0.0, 0.5)}

    share: Number = number(0.02, "-", "of the samples", low=0.0, high=1.0)
    structure: Number = number(
        0.0, "-", "of these: locks on structure 1-3 m away; the others lie in [0, r]", high=1.0, low=0.0
    )


@dataclass(frozen=True)
class FrozenReading(Fault):
    """The last range is repeated with fresh stamps and a valid flag."""

    stages = ("sample",)
    mode = 10
    missions = "HAKUTO-R M1: estimate stuck near zero [V2: ISP1]"
    breaks = "altimeter_braking"
    replay: ClassVar = {"share": 1.0, "onset": 120.0, "duration": 60.0}
    training: ClassVar = {"share": 1.0, "onset": Range(20.0, 200.0), "duration": Range(1.0, 60.0)}

    share: Number = number(1.0, "-", "of the samples that repeat the last one", low=0.0, high=1.0)


@dataclass(frozen=True)
class RangeAmbiguity(Fault):
    """Ranges wrap around: the echo of an earlier pulse, or a wrong lock."""

    stages = ("range",)
    mode = 11
    missions = "generic for pulse radar and FM-CW lidar [V2: NDL]"
    breaks = "altimeter_braking"
    replay: ClassVar = {"interval": 2_000.0}
    training: ClassVar = {"interval": Range(500.0, 4_000.0, log=True)}

    interval: Number = number(2_000.0, "m", "r becomes r modulo this; 0 for none", low=0.0, high=1e6)


@dataclass(frozen=True)
class Dust(Fault):
    """Near the ground the plume's dust swallows returns, and answers in the ground's place."""

    stages = ("return", "range")
    mode = 12
    missions = "Apollo 12 from 30 m [V2: ASTX]; the Lunar Pallet Lander's plan turns its lidar off at 30 m [V2: LPL]"
    breaks = "altimeter_braking"
    replay: ClassVar = {"height": 30.0}
    training: ClassVar = {"height": Range(5.0, 40.0), "shortfall": Range(0.0, 0.5)}

    height: Number = number(30.0, "m", "of first dust; returns are lost with 1 - h/height", low=0.0, high=1e3)
    shortfall: Number = number(
        0.0, "-", "ranges fall short by up to this share, in proportion to the dust", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class EngineCut(Fault):
    """The computer restarts, and the engine is off until it is back."""

    stages = ("engine",)
    mode = 13
    missions = "Beresheet: inertial unit and reset at 14 km, engine off [V2: BER]"
    breaks = "suicide_burn"
    replay: ClassVar = {"loss": 1.0, "below": 14_000.0}
    training: ClassVar = {"loss": 1.0, "onset": Range(10.0, 120.0), "duration": Range(0.5, 20.0)}

    loss: Number = number(1.0, "-", "share of the commanded throttle that is lost", low=0.0, high=1.0)


@dataclass(frozen=True)
class GyroSaturation(Fault):
    """A gyro sits at its limit: the believed attitude turns away, and all that is computed with it."""

    stages = ("inertial",)
    mode = 14
    missions = "Schiaparelli: 1 s at full scale, altitude estimate negative [V2: SCH]"
    breaks = "as_flown"
    replay: ClassVar = {"rate": radians(165.0), "duration": 1.0}
    training: ClassVar = {"rate": Range(-0.5, 0.5), "onset": Range(10.0, 120.0), "duration": Range(0.1, 2.0)}

    rate: Number = number(0.5, "rad/s", "error of the measured rate about the body's y axis", low=-10.0, high=10.0)


@dataclass(frozen=True)
class DeadAccelerometer(Fault):
    """The accelerometer measures less than it should, or nothing: the belief never slows down."""

    stages = ("inertial",)
    mode = 15
    missions = "Luna-25: unit not switched on, burn of 127 s instead of 84 s [V2: SNL]"
    breaks = "inertial"
    replay: ClassVar = {"loss": 1.0}
    training: ClassVar = {"loss": 1.0, "onset": Range(10.0, 120.0), "duration": Range(0.5, 20.0)}

    loss: Number = number(1.0, "-", "share of the specific force that goes unmeasured", low=0.0, high=1.0)


@dataclass(frozen=True)
class ThrustDeviation(Fault):
    """The engine gives more or less than nominal, and the vehicle turns more slowly."""

    stages = ("engine",)
    mode = 16
    missions = "Chandrayaan-2: more thrust than expected, attitude-rate limit too low [V2: SOM, LS]"
    breaks = "suicide_burn"
    replay: ClassVar = {"excess": 0.15, "sluggish": 0.7}
    training: ClassVar = {"excess": Range(-0.1, 0.15), "sluggish": Range(0.0, 0.7)}

    excess: Number = number(0.15, "-", "of the thrust, on top of the nominal one", low=-0.99, high=10.0)
    sluggish: Number = number(0.0, "-", "share of the attitude-rate limit that is lost", low=0.0, high=0.99)


@dataclass(frozen=True)
class EngineLoss(Fault):
    """An engine of several fails: less thrust, and what is left pushes beside the centre of mass."""

    stages = ("engine",)
    mode = 17
    missions = "SLIM: one of two nozzles lost at about 50 m [V2: JAXA-news]"
    breaks = "suicide_burn"
    replay: ClassVar = {"loss": 0.5, "offset": 0.1, "below": 50.0}
    training: ClassVar = {
        "loss": Range(0.1, 0.7),
        "offset": Range(-0.02, 0.02),
        "below": Range(20.0, 3_000.0, log=True),
    }

    loss: Number = number(0.5, "-", "share of the thrust that is lost", low=0.0, high=1.0)
    offset: Number = number(
        0.0, "m", "of the thrust left over from the centre of mass, along body x", low=-5.0, high=5.0
    )


@dataclass(frozen=True)
class StuckThrottle(Fault):
    """The valve stays where it is."""

    stages = ("engine",)
    mode = 18
    missions = "synthetic; the LM kept out of 60-93 % [R]"
    breaks = "suicide_burn"
    replay: ClassVar = {"share": 1.0, "onset": 120.0, "duration": 5.0}
    training: ClassVar = {"share": 1.0, "onset": Range(5.0, 120.0), "duration": Range(0.5, 5.0)}

    share: Number = number(1.0, "-", "how far the valve holds on to where it is", low=0.0, high=1.0)


@dataclass(frozen=True)
class SpuriousTouchdown(Fault):
    """The touchdown sensor fires in the air, and the engine is cut for good."""

    stages = ("engine",)
    mode = 19
    missions = "Mars Polar Lander: at 40 m, 22 m/s at the ground [V2: MPL]"
    breaks = "as_flown"
    magnitude = "below"
    replay: ClassVar = {"below": 40.0}
    training: ClassVar = {"below": Range(5.0, 100.0)}


@dataclass(frozen=True)
class MissedTouchdown(Fault):
    """Touchdown goes unnoticed, the engine burns on, and the lander bounces."""

    stages = ("contact",)
    mode = 20
    missions = "Surveyor 3: verniers not cut, two bounces [R]"
    breaks = "as_flown"
    replay: ClassVar = {"hold": 3.0}
    training: ClassVar = {"hold": Range(1.0, 5.0)}

    hold: Number = number(3.0, "s", "for which the engine burns on after first contact", low=0.0, high=60.0)
    bounce: Number = number(0.3, "-", "share of the speed with which it leaves the ground [P]", low=0.0, high=1.0)


@dataclass(frozen=True)
class PropellantShortage(Fault):
    """The tanks hold less than the gauge and the plan say."""

    stages = ("start",)
    mode = 21
    missions = "HAKUTO-R M1: tanks empty at 5 km [V2: ISP1]"
    breaks = "cautious"
    replay: ClassVar = {"missing": 0.5}
    training: ClassVar = {"missing": Range(0.0, 0.3)}

    missing: Number = number(0.1, "-", "share of the propellant that is not there at the start", low=0.0, high=0.99)


@dataclass(frozen=True)
class UnsteadySite(Fault):
    """A slope under the pad, and a sideways drift that navigation does not see: what tips a lander over."""

    stages = ("start",)
    mode = 22
    missions = "IM-1, IM-2, SLIM"
    breaks = "as_flown"
    replay: ClassVar = {"slope": radians(12.0), "drift": 2.0}
    training: ClassVar = {"slope": Range(0.0, radians(15.0)), "drift": Range(0.0, 3.0)}

    slope: Number = number(0.0, "rad", "of the ground, on top of the terrain's", low=0.0, high=0.7)
    drift: Number = number(0.0, "m/s", "of lateral speed that the belief does not show, along x", low=-50.0, high=50.0)


@dataclass(frozen=True)
class Dropout(Fault):
    """Returns are lost for a while, each sample with a chance."""

    stages = ("return",)
    missions = "generic"
    breaks = "altimeter_braking"
    training: ClassVar = {"loss": Range(0.2, 1.0), "onset": Range(0.0, 120.0), "duration": Range(1.0, 30.0)}

    loss: Number = number(1.0, "-", "share of samples lost meanwhile", low=0.0, high=1.0)


@dataclass(frozen=True)
class Faults:
    """All faults by name. Their order gives their codes."""

    late_acquisition: LateAcquisition = field(default_factory=LateAcquisition)
    delayed_readings: DelayedReadings = field(default_factory=DelayedReadings)
    detection_loss: DetectionLoss = field(default_factory=DetectionLoss)
    noise_burst: NoiseBurst = field(default_factory=NoiseBurst)
    ranging_loss: RangingLoss = field(default_factory=RangingLoss)
    missing_flag: MissingFlag = field(default_factory=MissingFlag)
    terrain_step: TerrainStep = field(default_factory=TerrainStep)
    range_bias: RangeBias = field(default_factory=RangeBias)
    outliers: Outliers = field(default_factory=Outliers)
    frozen_reading: FrozenReading = field(default_factory=FrozenReading)
    range_ambiguity: RangeAmbiguity = field(default_factory=RangeAmbiguity)
    dust: Dust = field(default_factory=Dust)
    engine_cut: EngineCut = field(default_factory=EngineCut)
    gyro_saturation: GyroSaturation = field(default_factory=GyroSaturation)
    dead_accelerometer: DeadAccelerometer = field(default_factory=DeadAccelerometer)
    thrust_deviation: ThrustDeviation = field(default_factory=ThrustDeviation)
    engine_loss: EngineLoss = field(default_factory=EngineLoss)
    stuck_throttle: StuckThrottle = field(default_factory=StuckThrottle)
    spurious_touchdown: SpuriousTouchdown = field(default_factory=SpuriousTouchdown)
    missed_touchdown: MissedTouchdown = field(default_factory=MissedTouchdown)
    propellant_shortage: PropellantShortage = field(default_factory=PropellantShortage)
    unsteady_site: UnsteadySite = field(default_factory=UnsteadySite)
    dropout: Dropout = field(default_factory=Dropout)


FaultsDrawn = mirrored(Faults)  # its layout; kernels read it as a row of numbers
NAMES = tuple(item.name for item in fields(Faults))
KINDS: dict[str, type[Fault]] = {item.name: item.type for item in fields(Faults)}  # type: ignore[misc]


def effect_of(name: str) -> str:
    """The effect that a fault has: that of the kind from which its own derives, or its own."""
    kind = KINDS[name]
    first = kind.__mro__[kind.__mro__.index(Fault) - 1]
    return next(other for other, one in KINDS.items() if one is first)


def with_effect(effect: str) -> tuple[SimpleNamespace, ...]:
    """The faults that have an effect, for the functions of effects.py.

    Each has its ``code`` and, under the name of each of its numbers, the number's column among those of all faults.
    """
    found, first = [], 0
    for code, (name, kind) in enumerate(KINDS.items()):
        columns = {item.name: first + place for place, item in enumerate(fields(kind))}
        first += len(columns)
        if effect_of(name) == effect:
            found.append(SimpleNamespace(code=code, **columns))
    if not found:
        raise KeyError(f"no fault has the effect {effect!r}")
    return tuple(found)


def bits_of(stage: str) -> int:
    """One bit for each fault that acts in a stage."""
    if stage not in STAGES:
        raise KeyError(f"unknown stage {stage!r}; known: {', '.join(STAGES)}")
    return sum(1 << code for code, kind in enumerate(KINDS.values()) if stage in kind.stages)


def magnitude_of(name: str) -> str:
    """The name of the number that says how bad a fault is."""
    kind = KINDS[name]
    return kind.magnitude or fields(kind)[len(fields(Fault))].name


def with_fault(name: str, **numbers: Any) -> dict[str, Any]:
    """Changes that give every episode a fault: ``load_scenario("vertical", **with_fault("dust", height=20.0))``.

    Raises KeyError for an unknown fault.
    """
    if name not in KINDS:
        raise KeyError(f"unknown fault {name!r}; known: {', '.join(NAMES)}")
    return {f"faults.{name}.{key}": value for key, value in {"probability": 1.0, **numbers}.items()}
