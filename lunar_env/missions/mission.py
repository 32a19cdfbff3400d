"""What a mission is: a descent as it happened, the same without its fault, and the published figures of its end."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

from lunar_env.autopilot import FlightPlan
from lunar_env.dynamics import STANDARD_GRAVITY, Mass
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario

if TYPE_CHECKING:
    from lunar_env.replays import Flights

FULL_TURN = Range(0.0, 6.283185)
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
    measure: "Callable[[Flights], float]"  # see measures.py


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


def burnt(mass: float, speed: float, specific_impulse: float) -> float:
    """Propellant [kg] that a change of speed [m/s] costs a vehicle of a mass [kg]: Tsiolkovsky's equation."""
    return mass * (1.0 - exp(-speed / (specific_impulse * STANDARD_GRAVITY)))
