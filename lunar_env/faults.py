"""How an altimeter goes wrong, by name. Each fault is drawn per episode and acts inside the sensor chain.

A fault has a chance to be present in an episode, an onset and a duration where they apply, and a magnitude.
With a probability of zero it does not exist.
"""

from dataclasses import dataclass, field

import warp as wp

from lunar_env.quantities import Number, mirrored, number

wp.set_module_options({"enable_backward": False})


@dataclass(frozen=True)
class LateAcquisition:
    """No valid range above an altitude: what Resilience met, below 900 m instead of above 3 km [V2: SN24]."""

    probability: Number = number(0.0, "-", "chance that an episode has it", probability=True)
    altitude: Number = number(900.0, "m", "height above ground of the first possible return", low=0.0, high=1e6)


@dataclass(frozen=True)
class DelayedReadings:
    """Readings arrive late by an extra delay for a while: the "delayed" of the first reports on Resilience."""

    probability: Number = number(0.0, "-", "chance that an episode has it", probability=True)
    onset: Number = number(0.0, "s", "after the start", low=0.0, high=1e5)
    duration: Number = number(1e4, "s", "how long it lasts", low=0.0, high=1e5)
    delay: Number = number(1.0, "s", "on top of the normal delay; whole ticks [P: 0-2 s]", low=0.0, high=10.0)
    unstamped: Number = number(0.0, "-", "chance that the time stamp hides the extra delay", probability=True)


@dataclass(frozen=True)
class Dropout:
    """Returns are lost for a while, each sample with a chance."""

    probability: Number = number(0.0, "-", "chance that an episode has it", probability=True)
    onset: Number = number(0.0, "s", "after the start", low=0.0, high=1e5)
    duration: Number = number(1e4, "s", "how long it lasts", low=0.0, high=1e5)
    loss: Number = number(1.0, "-", "share of samples lost meanwhile", low=0.0, high=1.0)


@dataclass(frozen=True)
class Faults:
    """All faults by name."""

    late_acquisition: LateAcquisition = field(default_factory=LateAcquisition)
    delayed_readings: DelayedReadings = field(default_factory=DelayedReadings)
    dropout: Dropout = field(default_factory=Dropout)


FaultsDrawn = mirrored(Faults)


@wp.func
def acting(probability: float, onset: float, duration: float, time: float) -> bool:
    """Whether a drawn fault (probability 1 or 0) acts at a time [s] after the start."""
    return probability > 0.5 and time >= onset and time < onset + duration


@wp.func
def blind(faults: FaultsDrawn, height: float) -> bool:
    """Late acquisition: no return at this true height [m] above the ground."""
    return faults.late_acquisition.probability > 0.5 and height > faults.late_acquisition.altitude


@wp.func
def lost(faults: FaultsDrawn, time: float, chance: float) -> bool:
    """Dropout: this sample is lost; ``chance`` is uniform in [0, 1)."""
    fault = faults.dropout
    return acting(fault.probability, fault.onset, fault.duration, time) and chance < fault.loss


@wp.func
def extra_delay(faults: FaultsDrawn, time: float) -> float:
    """Delayed readings: seconds on top of the normal delay."""
    fault = faults.delayed_readings
    if acting(fault.probability, fault.onset, fault.duration, time):
        return fault.delay
    return 0.0


@wp.func
def hides_delay(faults: FaultsDrawn) -> bool:
    """Delayed readings: whether the time stamp hides the extra delay."""
    return faults.delayed_readings.unstamped > 0.5
