"""What a mission is: a descent as it happened, the same without its fault, and the published figures of its end."""

from collections.abc import Callable
from dataclasses import dataclass
from math import radians

from lunar_env.missions.measures import Traces
from lunar_env.missions.plan import FlightPlan
from lunar_env.quantities import Number, Range, middle
from lunar_env.scenario import Scenario
from lunar_env.vehicle.actuators import Attitude
from lunar_env.vehicle.dynamics import Mass

FULL_TURN = Range(0.0, radians(360.0))
ROUNDED_TURN = Range(0.0, 6.283185)  # of the whole descents: another number in float32, which their flights keep
TURN_RATE = 0.2  # [rad/s^2] that the reaction control of a vehicle of unknown torque can give [P], as Series 1's


@dataclass(frozen=True)
class Check:
    """A published figure of a flight, and the interval in which the replays' mean must lie."""

    what: str
    unit: str
    published: float
    low: float
    high: float
    source: str  # with its mark
    measure: Callable[[Traces], float]  # see measures.py


@dataclass(frozen=True)
class Mission:
    """One row of the catalogue."""

    title: str
    date: str
    story: str  # what happened, one or two sentences
    flown: Scenario  # as it happened
    planned: Scenario | None  # the same without its fault; None for a success
    plan: FlightPlan
    checks: tuple[Check, ...]

    @property
    def name(self) -> str:
        """The name of its scenario."""
        return self.flown.name

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """As flown and, for a failure, as planned."""
        return (self.flown,) if self.planned is None else (self.flown, self.planned)


def cylinder(dry: float, radius: float, height: float) -> Mass:
    """Mass and inertia [C] of a vehicle as a uniform cylinder [m] of its dry mass [kg], a shape that is assumed."""
    return Mass(
        dry=dry,
        inertia_transverse=round(dry * (3.0 * radius**2 + height**2) / 12.0, 1),
        inertia_axial=round(dry * radius**2 / 2.0, 1),
    )


def reaction_control(mass: Mass, **others: Number) -> Attitude:
    """Attitude control that turns a vehicle of unknown thrusters as quickly as Series 1's turns it [P]."""
    return Attitude(maximum_torque=round(TURN_RATE * middle(mass.inertia_transverse), 1), **others)
