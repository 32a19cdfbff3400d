"""One recorded descent, as the report draws and describes it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.guidance.vehicle import Vehicle
from agents.scoring.statistics import landing_box
from lunar_env import Outcome, Scenario
from lunar_env.flying.episodes import Endings
from lunar_env.flying.trace import Trace


@dataclass(frozen=True, eq=False)
class RecordedFlight:
    """One episode of one pilot. Arrays are float64, one row per decision; nan where unknown."""

    pilot: str
    scenario: str
    outcome: str  # landed, crashed, tipped_over, out_of_propellant, lost, out_of_time, invalid
    time: np.ndarray  # (T,) [s] since the start of the episode
    altitude: np.ndarray  # (T,) [m] true, above ground
    believed_altitude: np.ndarray  # (T,) [m] on board
    measured_altitude: np.ndarray  # (T,) [m] the altimeter's reading, nan where it is not valid
    descent_rate: np.ndarray  # (T,) [m/s] down is positive
    lateral_speed: np.ndarray  # (T,) [m/s]
    throttle: np.ndarray  # (T,) [0..1]
    propellant: np.ndarray  # (T,) [kg] aboard
    first_valid_altitude: float  # [m] true altitude at the first valid reading, nan if there was none
    first_valid_descent_rate: float  # [m/s] at that moment, nan if there was none
    touchdown_descent_rate: float  # [m/s] nan if the ground was not reached
    touchdown_lateral_speed: float  # [m/s] nan if the ground was not reached
    limits: Mapping[str, float]  # of a landing in its scenario, see scoring.statistics.landing_box
    deceleration: float  # [m/s²] net of gravity, of full thrust at the mass of the first valid reading; may be negative

    def __post_init__(self) -> None:
        rows = {name: value.size for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        if len(set(rows.values())) > 1:
            raise ValueError(f"the arrays of a RecordedFlight must have one length, got {rows}")

    def track(self) -> tuple[np.ndarray, np.ndarray]:
        """Descent rate [m/s] and altitude [m], ended by the touchdown where there was one."""
        if not np.isfinite(self.touchdown_descent_rate):
            return self.descent_rate, self.altitude
        return np.append(self.descent_rate, self.touchdown_descent_rate), np.append(self.altitude, 0.0)

    def ending(self) -> str:
        """How it ended, in words: "crashed at 27.5 m/s"."""
        words = self.outcome.replace("_", " ")
        down, sideways = self.touchdown_descent_rate, self.touchdown_lateral_speed
        if np.isfinite(down):
            words += f"{' at' if self.outcome in ('landed', 'crashed') else ', touching down at'} {down:.1f} m/s"
        return words + (f", {sideways:.1f} m/s sideways" if sideways > self.limits["lateral_speed"] else "")


def recorded(pilot: str, scenario: Scenario, trace: Trace, flights: Endings) -> RecordedFlight:
    """The first of some flights as the report draws it.

    Args:
        pilot: how the report calls it.
        scenario: what was flown; its limits and its nominal vehicle are what the flight is held against.
        trace: the flight decision by decision.
        flights: how it ended.
    """
    columns = {name: np.array(column, dtype=np.float64) for name, column in trace.columns.items()}
    record = {name: float(column[0]) for name, column in flights.record.items()}
    outcome = Outcome(int(flights.outcome[0]))
    seen = record["first_valid_altitude"] >= 0.0
    return RecordedFlight(
        pilot=pilot,
        scenario=scenario.name,
        outcome=outcome.name.lower(),
        first_valid_altitude=record["first_valid_altitude"] if seen else float("nan"),
        first_valid_descent_rate=record["first_valid_descent_rate"] if seen else float("nan"),
        touchdown_descent_rate=record["descent_rate"] if outcome.touched else float("nan"),
        touchdown_lateral_speed=record["lateral_speed"] if outcome.touched else float("nan"),
        limits=landing_box(scenario),
        deceleration=full_deceleration(scenario, columns["measured_altitude"], columns["propellant"]),
        **columns,
    )


def full_deceleration(scenario: Scenario, measured_altitude: np.ndarray, propellant: np.ndarray) -> float:
    """What full thrust of the nominal vehicle leaves over gravity [m/s²], at the first valid reading.

    Without one, at the end. Both arrays are (T,), one row per decision; a reading that is not valid is nan.
    """
    vehicle = Vehicle.of(scenario)
    heard = np.flatnonzero(np.isfinite(measured_altitude))
    aboard = propellant[heard[0] if heard.size else -1]
    return float(vehicle.maximum_thrust / (vehicle.dry_mass + aboard) - vehicle.gravity)
