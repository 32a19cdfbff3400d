"""One recorded descent, as the report draws and describes it."""

from dataclasses import dataclass

import numpy as np

SOFT_BOX = (3.0, 1.0)  # [m/s] vertical and lateral speed of a soft touchdown
STRICT_BOX = (2.0, 0.5)  # [m/s] the same for a strict one


@dataclass(frozen=True, eq=False)
class Flight:
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

    def __post_init__(self) -> None:
        rows = {name: value.size for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        if len(set(rows.values())) > 1:
            raise ValueError(f"the arrays of a Flight must have one length, got {rows}")

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
        return words + (f", {sideways:.1f} m/s sideways" if sideways > SOFT_BOX[1] else "")
