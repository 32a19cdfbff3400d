"""The results that the project ships, each one entry in ``RESULTS``: what is flown, beside what, and what is promised.

They stand in Python rather than in a file of configs/: names are checked before anything is flown, a limit is written
with its unit's factor and its source in a comment, and configs/ holds experiments alone.

To add one: train its policy with ``python -m agents.curves CONFIG --ship runs/NAME``, add its entry here, and run
``python -m agents.results --only NAME --page docs/results.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.scoring.touchdowns import QUANTITIES
from agents.seeds import EVALUATION, within
from lunar_env.flying.statistics import STRICT

COUNTS = ("landed", "strict")
SHOWN = ("landed", "strict", "speed", "descent_rate", "lateral_speed", "propellant_used")
SURVIVABLE, FRONTIER = "survivable", "frontier"
AMONG = {  # which of all episodes
    SURVIVABLE: "the survivable episodes",  # agents/scoring/survivable.py
    FRONTIER: "the episodes inside the frontier",  # agents/frontier.py: of descents that begin at first sight
}


@dataclass(frozen=True)
class Floor:
    """A promise: at least this share of the episodes end well, with none of some quantities above its limit."""

    share: float
    at_most: Mapping[str, float] = field(default_factory=dict)  # in SI units, all in the same episode
    landed: bool = True  # as the scenario has it; False counts every touchdown within the limits
    among: str = ""  # a key of AMONG: of these episodes, instead of all
    lower_bound: bool = False  # the share is that of the lower end of the 95 % Wilson interval
    above: str = ""  # pilot of the table that ends well less often, and not by chance: see statistics.chance_of_wins

    def words(self) -> str:
        """For instance "landed with rate of descent at most 2 m/s: at least 95 % of all episodes"."""
        shown = {QUANTITIES[name]: limit for name, limit in self.at_most.items()}
        limits = ", ".join(f"{one.words} at most {one.per_si * limit:g} {one.unit}" for one, limit in shown.items())
        ended = ("landed" if self.landed else "touched down") + (f" with {limits}" if limits else "")
        promise = f"at least {100.0 * self.share:g} % of {AMONG.get(self.among, 'all episodes')}"
        promise += " by the lower end of the interval" if self.lower_bound else ""
        promise += f", and more than `{self.above}`" if self.above else ""
        return f"{ended.replace(' °', '°')}: {promise}"


@dataclass(frozen=True)
class Thrift:
    """A promise: on average the first episodes cost at most so much more propellant than the least that is possible.

    That is the fuel optimum to the pad at rest of each of these episodes, see agents/limits/optimum.py.
    """

    share: float  # above the optimum
    episodes: int = 24  # each takes seconds to solve; as many as the optimum beside the published figures is of

    def words(self) -> str:
        """For instance "propellant of the first 24 episodes: at most 15 % above the optimum to the pad"."""
        return (
            f"propellant of the first {self.episodes} episodes: at most {100.0 * self.share:g} % above the optimum to "
            "the pad, at rest"
        )


@dataclass(frozen=True)
class Published:
    """Figures of others, to stand beside; they are quoted, not flown."""

    source: str  # who, where, and its mark
    figures: Mapping[str, str]  # text by column


@dataclass(frozen=True)
class ShippedResult:
    """One table: a shipped policy and its rivals on the same episodes."""

    name: str
    scenario: str
    policy: str  # folder
    pilots: tuple[str, ...]  # that fly beside it
    floors: tuple[Floor | Thrift, ...]  # of the policy
    changes: Mapping[str, Any] = field(default_factory=dict)  # to the scenario
    episodes: int = 10_000
    seed: int = EVALUATION[0]
    shows: tuple[str, ...] = SHOWN
    published: tuple[Published, ...] = ()
    note: str = ""  # one sentence below the table
    among: str = ""  # a key of AMONG: what was landed of these episodes stands beside what was landed of all

    def __post_init__(self) -> None:
        """Refuse descents that are no test, columns that nobody measures, and floors without what they stand on."""
        try:
            within(EVALUATION, self.seed)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        columns = {*self.shows, *(name for other in self.published for name in other.figures)}
        floors = [floor for floor in self.floors if isinstance(floor, Floor)]
        limits = {name for floor in floors for name in floor.at_most}
        unknown = sorted((columns - {*COUNTS, *QUANTITIES}) | (limits - {*QUANTITIES}))
        if unknown:
            known = ", ".join((*COUNTS, *QUANTITIES))
            raise ValueError(f"{self.name}: nothing measures {', '.join(unknown)}; known: {known}")
        if self.among not in ("", *AMONG):
            known = " or ".join(map(repr, AMONG))
            raise ValueError(f"{self.name}: among must be {known} or nothing, got {self.among!r}")
        for floor in floors:
            if floor.among not in ("", self.among):
                raise ValueError(f"{self.name}: a floor is among {floor.among!r} episodes, the table is not")
            if floor.above not in ("", *self.pilots):
                raise ValueError(f"{self.name}: a floor is above {floor.above!r}, who is not among the pilots")


NO_PAD = "The trained policies were not asked to come down at the pad; where they land is where their way down ends."
# The paper varies gravity and mass where the rebuilt sets do not, so its figures are of other descents.
GAUDET_TESTS = (
    "The paper's figures do not stand beside these: the set is rebuilt without its dispersions of gravity and mass, "
    "so they are of other descents. What else differs stands in `lunar_env/missions/gaudet.py`."
)

# Resilience handed over at first sight, as agents/frontier.py does it: upright, engine off, altimeter awake.
FIRST_SIGHT = {
    "start.altitude": {"low": 200.0, "high": 5_000.0, "log": True},
    "start.descent_rate": [0.0, 120.0],
    **{f"start.{name}": 0.0 for name in ("distance", "cross_distance", "speed", "cross_speed", "tilt", "throttle")},
    "start.propellant": 104.0,
    "start.burnt": 1.0 - 42.0 / 104.0,  # 42 kg left, the median of what as_flown has then
    "faults.late_acquisition.probability": 0.0,
}

RESULTS = (
    ShippedResult(
        name="vertical_truth",
        scenario="vertical",
        changes={"observation": "truth"},
        policy="runs/vertical_truth",
        pilots=("cautious",),
        floors=(Floor(0.99),),
    ),
    ShippedResult(
        name="vertical_lag",
        scenario="vertical",
        changes={"observation": "beams", "altimeter.delay": 0.6},
        policy="runs/vertical_lag",
        pilots=(),  # classical ones need to be told altitude and velocity
        floors=(Floor(0.99),),
    ),
    ShippedResult(
        name="reference",
        scenario="resilience",
        policy="runs/reference",
        pilots=("robust", "cautious", "as_flown"),
        floors=(Floor(0.99), Floor(0.95, STRICT)),  # [P]
        shows=(*SHOWN, "distance"),
        note=NO_PAD,
    ),
    ShippedResult(
        name="first_sight",
        scenario="resilience",
        changes=FIRST_SIGHT,
        policy="runs/first_sight",
        pilots=("reference", "robust", "cautious", "as_flown"),
        among=FRONTIER,
        floors=(Floor(0.95, among=FRONTIER),),
        shows=("landed", "speed", "descent_rate", "lateral_speed", "propellant_used"),
        note="Nobody can land an episode outside the frontier. Landing rates over altitude and rate of descent: "
        "[the physical limit](pilots.md#the-physical-limit).",
    ),
    ShippedResult(
        name="first_sight_from_the_top",
        scenario="resilience",
        policy="runs/first_sight",
        pilots=("reference",),
        floors=(Floor(0.99),),
        shows=(*SHOWN, "distance"),
        note=NO_PAD,
    ),
    ShippedResult(
        name="gaudet_beams",
        scenario="gaudet_beams",
        policy="runs/gaudet_beams",
        pilots=(),  # those of agents/pilots/ need to be told altitude and velocity
        floors=(Floor(0.90, {"speed": 2.0}, landed=False),),
        shows=("landed", "speed", "descent_rate", "lateral_speed", "distance", "propellant_used"),
        note=f"Nothing tells where the pad is, and this policy was not asked to go there. {GAUDET_TESTS}",
    ),
    ShippedResult(
        name="gaudet_nominal",
        scenario="gaudet_nominal",
        policy="runs/gaudet_nominal",
        pilots=("dr_dv",),
        floors=(Floor(0.99), Thrift(0.15)),
        shows=("landed", "speed", "descent_rate", "lateral_speed", "distance", "propellant_used"),
        note=GAUDET_TESTS,
    ),
    ShippedResult(
        name="gaudet_sensor_bias",
        scenario="gaudet_sensor_bias",
        policy="runs/gaudet_sensor_bias",
        pilots=("dr_dv",),
        floors=(Floor(0.99),),
        shows=("landed", "speed", "descent_rate", "lateral_speed", "distance", "propellant_used"),
        note=GAUDET_TESTS,
    ),
    ShippedResult(
        name="gaudet_engine_failure",
        scenario="gaudet_engine_failure",
        policy="runs/gaudet_engine_failure",
        pilots=("dr_dv",),
        floors=(Floor(0.999, {"speed": 1.5}, landed=False),),
        shows=("landed", "speed", "descent_rate", "lateral_speed", "distance", "propellant_used"),
        note=f"{GAUDET_TESTS} The goal was to have none above 1.5 m/s. Its seed is chosen on 10,000 descents, for "
        "what is rare decides.",
    ),
    ShippedResult(
        name="any_fault",
        scenario="any_fault",
        policy="runs/any_fault",
        pilots=("robust", "wary", "cautious", "reference"),
        episodes=5_000,
        among=SURVIVABLE,
        floors=(Floor(0.93, among=SURVIVABLE, lower_bound=True, above="robust"),),
        note="The goal was 97 % of the survivable by the lower end of the interval; nobody here reaches it. The plan "
        "itself, flown on true readings, lands 96.9 %. What was tried: [below](#what-was-tried-for-any_fault).",
    ),
)
