"""What a flight computer believes about the altitude: inertial navigation, corrected by late and noisy range finders.

The inertial altitude drifts slowly but starts wrong by up to a kilometre or more; a range finder is right but late and
rare. So the filters here estimate the *correction* to the inertial altitude. A reading is brought forward to now with
the inertial climb rate times its age: that is the delay compensation.
"""

from dataclasses import dataclass

import numpy as np
import torch

from lunar_env.observation import (
    BeamChannels,
    ObservationTable,
    believed_lateral_speed,
    believed_velocity,
    cosine_to_down,
    up_in_body,
)
from lunar_env.quantities import middle
from lunar_env.sensors.range_finder import turned_by


@dataclass(frozen=True)
class FilterTuning:
    """Assumed standard deviations. The pilot's own numbers: it may not look at the scenario's truth."""

    prior: float = 1_000.0  # [m] of the correction before any reading
    noise: float = 1.0  # [m] of a reading at zero range
    noise_growth: float = 0.008  # [m/m] of a reading, per range: noise, scale error
    slope: float = 0.06  # [rad] of the ground: a tilted beam meets ground of another height
    unevenness: float = 0.0  # [m] of ground that a level beam would meet: it is not the ground below
    drift: float = 0.5  # [m/s] of the correction, per second of flight
    drift_lateral: float = 0.05  # [m/m] of the correction, per metre flown sideways over uneven ground


def local_axes(reading: dict[str, torch.Tensor], body: torch.Tensor) -> torch.Tensor:
    """(N, 3) vectors of the body in the site's axes, by the believed attitude; near the pad they are the local ones."""
    q = torch.stack([reading[f"attitude_{axis}"] for axis in "xyz"], dim=1)
    w = reading["attitude_w"][:, None]
    twice = 2.0 * torch.linalg.cross(q, body)
    return body + w * twice + torch.linalg.cross(q, twice)


class VelocityFilter:
    """Estimates the correction (N, 3) [m/s] to the inertial velocity from instruments with three Doppler beams or more.

    Closing speeds are the velocity along each beam, so their least squares are the velocity in body axes. Each decision
    with all beams valid moves the correction by a share of what is seen.
    """

    SHARE = 0.1  # [-] of the difference [P]

    def __init__(self, table: ObservationTable, num_landers: int, device: torch.device | str = "cpu") -> None:
        self.finders = []
        for finder in table.finders:
            if finder.doppler and finder.beams >= 3:
                inverse = np.linalg.pinv(turned_by(finder.directions(), middle(finder.cant)))  # (3, beams)
                names = (finder.labels("speed"), finder.labels("valid"))
                self.finders.append((*names, torch.tensor(inverse, dtype=torch.float32, device=device)))
        self.correction = torch.zeros(num_landers, 3, dtype=torch.float32, device=device)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.correction[mask] = 0.0

    def update(self, reading: dict[str, torch.Tensor]) -> torch.Tensor:
        """Take in one decision's observation (named SI columns) and return the correction."""
        believed = believed_velocity(reading)
        for speeds, valid, inverse in self.finders:
            with torch.autocast(inverse.device.type, enabled=False):  # a caller's would round to three digits
                body = torch.stack([reading[name] for name in speeds], dim=1) @ inverse.T
            usable = torch.stack([reading[name] > 0.5 for name in valid], dim=1).all(dim=1, keepdim=True)
            seen = local_axes(reading, body) - believed
            self.correction = torch.where(usable, torch.lerp(self.correction, seen, self.SHARE), self.correction)
        return self.correction


@dataclass(frozen=True)
class Sounding:
    """What one beam says about the height: all (N,)."""

    height: torch.Tensor  # [m] above the ground, now
    deviation: torch.Tensor  # [m] assumed
    usable: torch.Tensor  # bool


def soundings(beams: list[BeamChannels], reading: dict[str, torch.Tensor], tuning: FilterTuning) -> list[Sounding]:
    """What each beam says, from one decision's observation (named SI columns)."""
    found, up = [], up_in_body(reading.__getitem__)
    for beam in beams:
        cosine = cosine_to_down(up, beam.direction)
        sine = torch.sqrt((1.0 - cosine**2).clamp(min=0.0))
        slant = reading[beam.range]
        height = slant * cosine + reading["velocity_up"] * reading[beam.age]
        deviation = tuning.noise + tuning.unevenness * sine + slant * (tuning.noise_growth + tuning.slope * sine)
        found.append(Sounding(height, deviation, (reading[beam.valid] > 0.5) & (cosine > 0.3)))
    return found


class AltitudeFilter:
    """Estimates height above ground [m] and its standard deviation for a batch of landers."""

    def __init__(
        self,
        table: ObservationTable,
        num_landers: int,
        period: float,
        tuning: FilterTuning | None = None,
        device: torch.device | str = "cpu",
    ):
        self.tuning = tuning or FilterTuning()
        self.beams = table.beams()
        self.period = period
        self.correction = torch.zeros(
            num_landers, dtype=torch.float32, device=device
        )  # [m] added to the inertial altitude
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
        sideways = believed_lateral_speed(reading)
        self.variance += (tuning.drift * self.period) ** 2 + (tuning.drift_lateral * sideways * self.period) ** 2

        for sounding in soundings(self.beams, reading, self.tuning):
            gain = torch.where(sounding.usable, self.variance / (self.variance + sounding.deviation**2), 0.0)
            innovation = sounding.height - (reading["altitude"] + self.correction)
            self.correction = torch.where(sounding.usable, self.correction + gain * innovation, self.correction)
            self.variance = (1.0 - gain) * self.variance
            self.seen |= sounding.usable
        return reading["altitude"] + self.correction

    def deviation(self) -> torch.Tensor:
        """Standard deviation (N,) [m] of the height."""
        return torch.sqrt(self.variance)


class GatedFilter(AltitudeFilter):
    """A filter that takes the range finder for broken when it jumps: what HAKUTO-R M1 flew, flaw included [V2: ISP1].

    A Kalman filter of the correction and of its rate. A reading more than ``GATE`` deviations away is rejected; after
    ``PATIENCE`` rejections in a row every later one is, for good. The rate is what rising ground teaches it wrongly.
    """

    GATE = 5.0  # [-] deviations [P]
    PATIENCE = 3  # [-] decisions with a rejected reading [P]
    RATE_PRIOR = 1.0  # [m/s] standard deviation of the rate before any reading [P]
    RATE_DRIFT = 0.3  # [m/s] of the rate, per root second of flight [P]

    def __init__(
        self,
        table: ObservationTable,
        num_landers: int,
        period: float,
        tuning: FilterTuning | None = None,
        device: torch.device | str = "cpu",
    ):
        super().__init__(table, num_landers, period, tuning, device)
        self.rate = torch.zeros_like(self.correction)  # [m/s] of the correction
        self.rate_variance = torch.full_like(self.correction, self.RATE_PRIOR**2)
        self.covariance = torch.zeros_like(self.correction)  # [m^2/s]
        self.rejections = torch.zeros_like(self.correction)  # in a row

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.rate[mask] = 0.0
        self.rate_variance[mask] = self.RATE_PRIOR**2
        self.covariance[mask] = 0.0
        self.rejections[mask] = 0.0

    def update(self, reading: dict[str, torch.Tensor]) -> torch.Tensor:
        """Take in one decision's observation (named SI columns) and return the height above ground (N,) [m]."""
        period = self.period
        self.correction = self.correction + self.rate * period
        self.variance = self.variance + 2.0 * period * self.covariance + period**2 * self.rate_variance
        self.covariance = self.covariance + period * self.rate_variance
        self.rate_variance = self.rate_variance + self.RATE_DRIFT**2 * period

        trusted = self.rejections < self.PATIENCE
        accepted, rejected = torch.zeros_like(self.seen), torch.zeros_like(self.seen)
        for sounding in soundings(self.beams, reading, self.tuning):
            innovation = sounding.height - (reading["altitude"] + self.correction)
            spread = self.variance + sounding.deviation**2
            inside = innovation**2 <= self.GATE**2 * spread
            use = sounding.usable & trusted & inside
            gain, rate_gain = (torch.where(use, part / spread, 0.0) for part in (self.variance, self.covariance))
            self.correction = self.correction + gain * torch.where(use, innovation, 0.0)
            self.rate = self.rate + rate_gain * torch.where(use, innovation, 0.0)
            self.rate_variance = self.rate_variance - rate_gain * self.covariance
            self.covariance = (1.0 - gain) * self.covariance
            self.variance = (1.0 - gain) * self.variance
            accepted |= use
            rejected |= sounding.usable & ~inside
        self.seen |= accepted
        counted = torch.where(accepted, 0.0, self.rejections + rejected.float())
        self.rejections = torch.where(trusted, counted, self.rejections)
        return reading["altitude"] + self.correction


class SlantOnly(AltitudeFilter):
    """The first beam's slant range times the cosine of the believed tilt, unchecked, as Schiaparelli computed it.

    An attitude that is off by more than a right angle makes the height negative [V2: SCH].
    """

    def update(self, reading: dict[str, torch.Tensor]) -> torch.Tensor:
        """Height (N,) [m]; the inertial altitude before the first range."""
        sounding = soundings(self.beams, reading, self.tuning)[0]
        valid = reading[self.beams[0].valid] > 0.5
        self.seen |= valid
        return torch.where(self.seen, sounding.height, reading["altitude"])
