"""An error-state extended Kalman filter: what inertial navigation and the ground below are off by.

The vehicle propagates its inertial solution; the filter propagates the errors of it. State: error a [m] of the inertial
altitude, level g [m] of the ground below above the pad's, error v [m/s] of the inertial velocity in local axes, and the
scale factor error [-] of each range finder whose data sheet gives one. A height above the ground is the inertial
altitude less a and g: ranges see only their sum, but gravity feeds only a back, and only g changes at a crater's rim.

As published: Solà, Quaternion kinematics for the error-state Kalman filter (2017), here with perfect gyros, and the
update in Joseph's form, P = (1 - K H) P (1 - K H)' + K R K'. As programmed: scalar by scalar, so that no matrix is
inverted; a reading is compared with the inertial solution at the time of its stamp.
"""

from dataclasses import dataclass

import torch

from agents.navigation.health import VOTES, HealthMonitor, Look
from agents.navigation.history import Passage, Past, slant_range
from agents.navigation.tuning import FinderTuning, Tuning
from lunar_env.observation import ObservationTable, believed_lateral_speed

ALTITUDE, GROUND, EAST, NORTH, UP, SCALE = range(6)  # rows of the state; x and y of the local axes, the first scale
HEALTHY = 3.0  # [s] since an accepted reading was taken, for which a range finder counts as healthy [P]
DRIFT = 10.0  # [m/s] by which a failing inertial unit may mislead from one reading to the next [P]
LEAST_MOTION = 0.02  # [m] less than that is no motion that a range has to show
UPRIGHT = 20.0  # [m/s] over the ground, below which a trend of the ranges is not the ground's [P]
SWERVE = 1.0  # [m/s] the same for the velocity itself [P]

Jacobian = dict[int, torch.Tensor]  # what is not zero: row of the state, derivative (N,)


@dataclass(frozen=True)
class Estimate:
    """What the filter believes now. Local axes: x downrange, y, up."""

    height: torch.Tensor  # (N,) [m] of the footpads above the ground below
    height_deviation: torch.Tensor  # (N,) [m] standard deviation
    velocity: torch.Tensor  # (N, 3) [m/s]
    velocity_error: torch.Tensor  # (N, 3) [m/s] inertial less true: loops that fly on inertial velocity need it on top
    velocity_deviation: torch.Tensor  # (N, 3) [m/s]
    position: torch.Tensor  # (N, 2) [m] inertial, from the pad
    seen: torch.Tensor  # (N,) bool: a range was accepted in this descent
    trusted: torch.Tensor  # (N,) bool: a range of the last seconds was accepted


class ErrorStateFilter:
    """Height and velocity of a batch of landers from inertial navigation, range finders and Doppler beams."""

    def __init__(
        self,
        table: ObservationTable,
        num_landers: int,
        period: float,
        tuning: Tuning | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """``period`` [s] is the time between two calls of ``update``."""
        self.tuning = tuning or Tuning()
        self.beams = table.beams()
        self.finders = [FinderTuning.of(finder) for finder in table.finders for _ in range(finder.beams)]
        scaled = [n for n, finder in enumerate(table.finders) if FinderTuning.of(finder).scale_deviation > 0.0]
        owners = [n for n, finder in enumerate(table.finders) for _ in range(finder.beams)]
        self.scales = [SCALE + scaled.index(n) if n in scaled else None for n in owners]  # row of each beam's
        self.past = Past(self.beams, num_landers, period, self.tuning, device)
        self.monitor = HealthMonitor(2 * len(self.beams), num_landers, self.tuning.gate, device)

        tuning = self.tuning
        prior = [tuning.altitude, tuning.ground, *3 * [tuning.velocity]]
        prior += [FinderTuning.of(table.finders[n]).scale_deviation for n in scaled]
        self.prior = torch.diag(torch.tensor(prior, dtype=torch.float32, device=device) ** 2)[:, :, None]
        self.errors = torch.zeros(len(prior), num_landers, dtype=torch.float32, device=device)
        self.covariance = self.prior.repeat(1, 1, num_landers)
        # Of the newest readings: innovations over their deviations, nan for what was not accepted.
        self.normalised = torch.full((2 * len(self.beams), num_landers), torch.nan, dtype=torch.float32, device=device)
        self.stamps = torch.full(
            (len(self.beams), num_landers), -1.0, dtype=torch.float32, device=device
        )  # [s] of the last sample used
        self.accepted_at = torch.full(
            (num_landers,), -1.0, dtype=torch.float32, device=device
        )  # [s] stamp of the last accepted range
        self.time = torch.full((num_landers,), torch.nan, dtype=torch.float32, device=device)  # [s] of the last update

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,) bool: a new descent begins for them."""
        self.errors[:, mask] = 0.0
        self.covariance[:, :, mask] = self.prior
        self.normalised[:, mask] = torch.nan
        self.stamps[:, mask] = -1.0
        self.accepted_at[mask] = -1.0
        self.time[mask] = torch.nan
        self.monitor.reset(mask)

    def update(self, reading: dict[str, torch.Tensor]) -> Estimate:
        """Take in one decision's observation (named SI columns, each (N,), as ``ObservationTable.read`` gives them)."""
        self._propagate(reading)
        passage = self.past.recall(reading)
        for number in range(len(self.beams)):
            beam = self.beams[number]
            fresh = self._take_range(number, passage, reading[beam.range])
            if beam.speed:
                self._take_speed(number, passage, reading[beam.speed], fresh)
        return self._estimate(reading)

    def _propagate(self, reading: dict[str, torch.Tensor]) -> None:
        """Carry errors and covariance from the last update to now.

        As published (lunar_env/sensors/inertial.py): a' = v_up, v_up' = 2 g a / R + bias + noise; in local axes that
        turn with the vertical, v_up' = 2 (v_x dv_x + v_y dv_y) / R besides. As programmed: a product of shears, which
        keeps the covariance symmetric and positive. A constant bias b makes b^2 t^2 of variance, which grows by
        2 b^2 t: as noise of that strength it leaves the velocity's deviation right and the altitude's 18 % short.
        """
        tuning, covariance = self.tuning, self.covariance
        time = reading["time"]
        step = (time - self.time).nan_to_num(0.0).clamp(min=0.0)
        self.time = time
        across = believed_lateral_speed(reading)
        covariance[GROUND, GROUND] += tuning.unevenness**2 * across * step
        turning = 2.0 * step / tuning.radius
        self._shear(UP, ALTITUDE, turning * tuning.gravity)
        self._shear(UP, EAST, turning * reading["velocity_x"])
        self._shear(UP, NORTH, turning * reading["velocity_y"])
        for axis, bias in ((EAST, tuning.bias_lateral), (NORTH, tuning.bias_lateral), (UP, tuning.bias_up)):
            covariance[axis, axis] += (tuning.random_walk**2 + bias**2 * (2.0 * time - step)) * step
        self._shear(ALTITUDE, UP, step)

    def _shear(self, target: int, source: int, factor: torch.Tensor) -> None:
        """Add a multiple (N,) of one error to another."""
        self.errors[target] += factor * self.errors[source]
        self.covariance[target] += factor * self.covariance[source]
        self.covariance[:, target] += factor * self.covariance[:, source]

    def _take_range(self, number: int, passage: Passage, measured: torch.Tensor) -> torch.Tensor:
        """Take in a beam's range (N,) [m]. Returns which samples (N,) bool are fresh, be they believed or not."""
        tuning, finder, errors, row = self.tuning, self.finders[number], self.errors, self.scales[number]
        age, across, stamp = passage.age[number], passage.across[number], passage.stamp[number]
        new = passage.usable[number] & (stamp > self.stamps[number] + 0.5 * finder.period)
        self.stamps[number] = torch.where(new, stamp, self.stamps[number])

        error = errors[ALTITUDE] + errors[GROUND] - age * errors[UP]  # of the height, when the sample was taken
        height = passage.altitude[number] - error
        slant, steepness = slant_range(height, passage.cosine[number], tuning.radius)
        innovation = measured - finder.bias - slant * (finder.scale if row is None else finder.scale + errors[row])
        fresh = ~self.monitor.repeats(number, measured, slant, max(2.0 * finder.resolution, LEAST_MOTION)) & new
        fall = -steepness * finder.scale
        jacobian = {ALTITUDE: fall, GROUND: fall, UP: -fall * age}
        if row is not None:
            jacobian[row] = measured / finder.scale

        noise = finder.noise + finder.noise_growth * measured
        level, sheet = error - innovation / steepness, noise / steepness
        honest = torch.sqrt(2.0 * sheet**2 + tuning.unevenness**2 * across * max(finder.period, self.past.period))
        factor = self.monitor.noise_factor(number, fresh, level, honest)
        noise = factor * noise
        # A young estimate that turns out to rest on noise is no better than one of its readings.
        void = fresh & (factor > 1.0) & (self.monitor.believed[number] < VOTES)
        self.covariance[GROUND, GROUND] += torch.where(void, (noise / steepness) ** 2, 0.0)

        variance = noise**2 + (steepness * passage.roughness[number]) ** 2 + (measured * passage.leaning[number]) ** 2
        drift, dusty = tuning.steepest * across + DRIFT, height < tuning.dust_height
        crossed, predicted = self._spread(jacobian)
        spread = predicted + variance
        look = Look(fresh, innovation, spread, level, sheet, drift, measured, slant, dusty, stamp)
        verdict = self.monitor.judge(number, look)
        # Far off, but consistent: other ground than was thought or, in upright flight, an inertial unit that fails.
        jump = torch.where(verdict.readmitted, innovation / steepness, 0.0)
        self._inflate(GROUND, jump**2, jacobian, crossed)
        self._inflate(UP, torch.where(across < UPRIGHT, verdict.trend, 0.0) ** 2, jacobian, crossed)
        self._correct(number, jacobian, crossed, innovation, variance, verdict.accepted)
        self.accepted_at = torch.where(verdict.accepted, stamp, self.accepted_at)
        return fresh

    def _take_speed(self, number: int, passage: Passage, measured: torch.Tensor, fresh: torch.Tensor) -> None:
        """Take in the closing speed (N,) [m/s] of a beam: the velocity along it."""
        channel, direction = len(self.beams) + number, passage.direction[:, number]
        inertial = (direction * passage.velocity[:, number]).sum(dim=0)
        jacobian = dict(zip((EAST, NORTH, UP), -direction, strict=True))
        innovation = measured - inertial - sum(factor * self.errors[row] for row, factor in jacobian.items())
        deviation = torch.hypot(passage.swerve[number], torch.full_like(measured, self.finders[number].speed_noise))
        variance = deviation**2
        crossed, predicted = self._spread(jacobian)
        spread = predicted + variance
        drift, still = torch.full_like(measured, SWERVE), torch.zeros_like(measured)
        stamp = passage.stamp[number]
        look = Look(
            fresh, innovation, spread, measured - inertial, deviation, drift, still, still, still.bool(), stamp
        )  # fmt: skip
        verdict = self.monitor.judge(channel, look)
        jump = torch.where(verdict.readmitted, innovation, 0.0)
        for axis in jacobian:
            self._inflate(axis, jump**2, jacobian, crossed)
        self._correct(channel, jacobian, crossed, innovation, variance, verdict.accepted)

    def _spread(self, jacobian: Jacobian) -> tuple[torch.Tensor, torch.Tensor]:
        """Covariance (n, N) of the state with what a jacobian predicts, and the variance (N,) of that."""
        crossed = _times(self.covariance, jacobian)
        return crossed, _times(crossed[None], jacobian)[0]

    def _inflate(self, row: int, variance: torch.Tensor, jacobian: Jacobian, crossed: torch.Tensor) -> None:
        """Add a variance (N,) to one error, and what follows to ``crossed``, see ``_spread``."""
        self.covariance[row, row] += variance
        crossed[row] += variance * jacobian[row]

    def _correct(
        self,
        channel: int,
        jacobian: Jacobian,
        crossed: torch.Tensor,
        innovation: torch.Tensor,
        variance: torch.Tensor,
        accepted: torch.Tensor,
    ) -> None:
        """The update with one number, Joseph's form, for the landers that ``accepted`` it (N,)."""
        spread = _times(crossed[None], jacobian)[0] + variance
        gain = torch.where(accepted, crossed / spread, 0.0)
        # Not gain * innovation: zero times what is not a number is not zero.
        self.errors = self.errors + gain * torch.where(accepted, innovation, 0.0)
        half = self.covariance - gain[:, None] * crossed  # (1 - K H) P
        # (1 - K H) P (1 - K H)' + K R K'
        full = half + (variance * gain - _times(half, jacobian))[:, None] * gain
        self.covariance = 0.5 * (full + full.transpose(0, 1))
        self.normalised[channel] = torch.where(accepted, innovation / torch.sqrt(spread), torch.nan)

    def _estimate(self, reading: dict[str, torch.Tensor]) -> Estimate:
        """What the filter says of now."""
        variance = self.covariance.diagonal().T
        height = variance[ALTITUDE] + variance[GROUND] + 2.0 * self.covariance[ALTITUDE, GROUND]
        inertial = torch.stack([reading[f"velocity_{axis}"] for axis in ("x", "y", "up")], dim=1)
        error = self.errors[EAST : UP + 1].T
        return Estimate(
            height=reading["altitude"] - self.errors[ALTITUDE] - self.errors[GROUND],
            height_deviation=torch.sqrt(height.clamp(min=0.0)),
            velocity=inertial - error,
            velocity_error=error,
            velocity_deviation=torch.sqrt(variance[EAST : UP + 1].T),
            position=torch.stack([reading["position_x"], reading["position_y"]], dim=1),
            seen=self.accepted_at >= 0.0,
            trusted=(self.accepted_at >= 0.0) & (reading["time"] - self.accepted_at <= HEALTHY),
        )


def _times(rows: torch.Tensor, jacobian: Jacobian) -> torch.Tensor:
    """Product (m, N) of rows (m, n, N) with a jacobian, term by term, so that no sum's order depends on the batch."""
    return sum(
        (rows[:, row] * factor for row, factor in jacobian.items()), torch.zeros((), dtype=torch.float32, device="cpu")
    )
