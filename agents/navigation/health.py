"""Whether a reading is believed: an innovation gate that readings it discards can outvote.

As published, the gate: discard what is more than so many deviations from what is predicted. HAKUTO-R M1 stopped there,
and a crater's rim was its end [V2: ISP1]. As programmed: readings that are discarded in a row and agree with each
other outvote the estimate. What repeats itself while the vehicle moves has no vote, nor does what follows the vehicle
instead of the ground: a frozen register, a lock on the vehicle's own legs.

A channel is one quantity of one beam; all tensors are (N,) or (channels, N).
"""

import math
from dataclasses import dataclass

import torch

VOTES = 4  # readings that outvote an estimate of any age [P]
AGREEMENT = 3.0 * math.sqrt(2.0)  # [-] deviations of one reading, by which two may differ [P]
WINDOW = 5  # differences of successive readings that tell the noise
NOISY = 3.0  # [-] times the noise of the data sheet, from which on the readings' own scatter is assumed [P]
MAD = 1.4826  # [-] standard deviation over the median absolute deviation, of normal numbers
FOLLOWING = 0.5  # [-] share of the predicted motion that a range has to show [P]
SUSPICION = 2.0  # [-] deviations by which an echo may be too near where there may be dust [P]


@dataclass(frozen=True)
class Look:
    """One channel's newest reading beside what the filter expects of it; all (N,)."""

    fresh: torch.Tensor  # bool: there is a reading that was not used before
    innovation: torch.Tensor  # [m] or [m/s] measured less predicted
    variance: torch.Tensor  # of the innovation
    level: torch.Tensor  # [m] or [m/s] what the reading says of the inertial solution's error
    deviation: torch.Tensor  # of the level, by the instrument's data sheet alone
    drift: torch.Tensor  # [1/s] by which the level may honestly change
    measured: torch.Tensor  # [m] range
    predicted: torch.Tensor  # [m] range
    dusty: torch.Tensor  # bool: an echo that is too near may be dust
    stamp: torch.Tensor  # [s] when it was taken


@dataclass(frozen=True)
class Verdict:
    """What is to be done with a reading; all (N,)."""

    accepted: torch.Tensor  # bool
    readmitted: torch.Tensor  # bool: accepted although far off; what was believed before is void
    trend: torch.Tensor  # [1/s] change of the level in the readings that outvoted the estimate


class HealthMonitor:
    """Judges the readings of a number of channels for a batch of landers."""

    def __init__(self, channels: int, num_landers: int, gate: float, device: torch.device | str = "cpu") -> None:
        def empty(*shape: int) -> torch.Tensor:
            return torch.zeros(*shape, channels, num_landers, dtype=torch.float32, device=device)

        self.gate = gate
        self.run = empty()  # readings discarded in a row that agree
        self.believed = empty()  # readings that the estimate rests on, as far as they count
        self.discarded = empty(2)  # level and stamp of the last one discarded
        self.first = empty(4)  # level, measured, predicted, stamp of the run's first one
        self.shown = empty(2)  # range that is shown, and what was expected when it first was; nan before
        self.previous = empty()  # level of the last reading; nan before
        self.differences = empty(WINDOW)  # of successive levels, over what the data sheet makes of them
        self.reset(torch.ones(num_landers, dtype=torch.bool, device=device))

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        for memory in (self.run, self.believed, self.discarded, self.first, self.differences):
            memory[..., mask] = 0.0
        self.shown[..., mask] = torch.nan
        self.previous[:, mask] = torch.nan

    def repeats(self, channel: int, measured: torch.Tensor, predicted: torch.Tensor, least: float) -> torch.Tensor:
        """Whether a range (N,) still is, to the bit, what was shown when more than ``least`` [m] less was expected.

        Or more. Nothing but noise of less than a bit makes an honest instrument do that with a fresh stamp. What was
        shown without a valid flag counts as shown.
        """
        shown, expected = self.shown[:, channel]
        same = measured == shown
        self.shown[1, channel] = torch.where(same, expected, predicted)
        self.shown[0, channel] = measured
        return same & ((predicted - expected).abs() > least)

    def noise_factor(
        self, channel: int, fresh: torch.Tensor, level: torch.Tensor, expected: torch.Tensor
    ) -> torch.Tensor:
        """Noise of the readings over that of the data sheet (N,): 1 unless their scatter says that it is ``NOISY``.

        ``expected`` is the deviation of the difference of two readings. The scatter is the median of the deviations
        of five differences from their median: neither a single outlier nor a step or a slope of the ground moves it.
        """
        window = self.differences[:, channel]
        change = (level - self.previous[channel]) / expected
        self.previous[channel] = torch.where(fresh, level, self.previous[channel])
        shifted = torch.cat([window[1:], change[None]])
        window = torch.where(fresh & change.isfinite(), shifted, window)
        self.differences[:, channel] = window
        scatter = MAD * median_of_five((window - median_of_five(window)).abs())
        return torch.where(scatter > NOISY, scatter, 1.0)

    def judge(self, channel: int, look: Look) -> Verdict:
        """Accept, discard or readmit a reading, and remember it."""
        off = look.innovation / torch.sqrt(look.variance)
        inside = look.fresh & (off.abs() <= self.gate)
        outside = look.fresh & ~inside
        inside &= ~(look.dusty & (off < -SUSPICION))

        level, stamp = self.discarded[:, channel]
        allowed = AGREEMENT * look.deviation + look.drift * (look.stamp - stamp)
        agrees = (look.level - level).abs() <= allowed
        run, believed = self.run[channel], self.believed[channel]
        run = torch.where(outside, torch.where(agrees & (run > 0.0), run + 1.0, 1.0), run)
        here = torch.stack([look.level, look.measured, look.predicted, look.stamp])
        first = torch.where(outside & (run == 1.0), here, self.first[:, channel])
        moved, should = (here - first)[1].abs(), (here - first)[2].abs()

        # The estimate has a vote for each reading that it rests on, so that a first one that was wrong soon falls.
        needed = (believed + 1.0).clamp(2.0, float(VOTES))
        readmitted = outside & (run >= needed) & (moved >= FOLLOWING * should)
        accepted = inside | readmitted
        elapsed = (look.stamp - first[3]).clamp(min=1e-3)
        trend = torch.where(readmitted, (look.level - first[0]) / elapsed, 0.0)

        newest = torch.stack([look.level, look.stamp])
        self.discarded[:, channel] = torch.where(outside, newest, self.discarded[:, channel])
        self.first[:, channel] = first
        self.believed[channel] = torch.where(readmitted, needed, believed + inside.float()).clamp(max=float(VOTES))
        self.run[channel] = torch.where(accepted, 0.0, run)
        return Verdict(accepted, readmitted, trend)


def median_of_five(window: torch.Tensor) -> torch.Tensor:
    """The median along the first axis, of size 5: the third but for what two pairs show to be larger or smaller."""
    a, b, c, d, e = window
    low = torch.maximum(torch.minimum(a, b), torch.minimum(c, d))
    high = torch.minimum(torch.maximum(a, b), torch.maximum(c, d))
    return torch.maximum(torch.minimum(low, high), torch.minimum(torch.maximum(low, high), e))
