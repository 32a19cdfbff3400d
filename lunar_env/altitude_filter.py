"""What a pilot believes about the altitude: inertial navigation, corrected by a late and noisy altimeter.

The inertial altitude drifts slowly but starts wrong by up to a kilometre or more; the altimeter is right but late and
rare. So the filter estimates one number, the *correction* to the inertial altitude, by a scalar Kalman filter. A
reading is brought forward to now with the inertial climb rate times its age: that is the delay compensation.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class FilterTuning:
    """Assumed standard deviations. The pilot's own numbers: it may not look at the scenario's truth."""

    prior: float = 1_000.0  # [m] of the correction before any reading
    noise: float = 1.0  # [m] of a reading at zero range
    noise_growth: float = 0.008  # [m/m] of a reading, per range: noise, scale error
    slope: float = 0.06  # [rad] of the ground: a tilted beam meets ground of another height
    drift: float = 0.5  # [m/s] of the correction, per second of flight
    drift_lateral: float = 0.05  # [m/m] of the correction, per metre flown sideways over uneven ground


class AltitudeFilter:
    """Estimates height above ground [m] and its standard deviation for a batch of landers."""

    def __init__(
        self, num_landers: int, period: float, tuning: FilterTuning | None = None, device: torch.device | str = "cpu"
    ):
        self.tuning = tuning or FilterTuning()
        self.period = period
        self.correction = torch.zeros(num_landers, device=device)  # [m] added to the inertial altitude
        self.variance = torch.full_like(self.correction, self.tuning.prior**2)  # [m^2]
        self.seen = torch.zeros(num_landers, dtype=torch.bool, device=device)  # had a valid reading in this descent

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.correction[mask] = 0.0
        self.variance[mask] = self.tuning.prior**2
        self.seen[mask] = False

    def update(self, reading: dict[str, torch.Tensor]) -> torch.Tensor:
        """Take in one decision's observation (named SI columns) and return the height above ground (N,) [m]."""
        tuning = self.tuning
        sideways = torch.hypot(reading["velocity_x"], reading["velocity_y"])
        self.variance += (tuning.drift * self.period) ** 2 + (tuning.drift_lateral * sideways * self.period) ** 2

        cosine = 1.0 - 2.0 * (reading["attitude_x"] ** 2 + reading["attitude_y"] ** 2)
        sine = torch.sqrt((1.0 - cosine**2).clamp(min=0.0))
        slant = reading["altimeter_range"]
        measured = slant * cosine + reading["velocity_up"] * reading["altimeter_age"]
        deviation = tuning.noise + slant * (tuning.noise_growth + tuning.slope * sine)
        usable = (reading["altimeter_valid"] > 0.5) & (cosine > 0.3)

        gain = torch.where(usable, self.variance / (self.variance + deviation**2), 0.0)
        innovation = measured - (reading["altitude"] + self.correction)
        self.correction = torch.where(usable, self.correction + gain * innovation, self.correction)
        self.variance = (1.0 - gain) * self.variance
        self.seen |= usable
        return reading["altitude"] + self.correction

    def deviation(self) -> torch.Tensor:
        """Standard deviation (N,) [m] of the height."""
        return torch.sqrt(self.variance)
