"""What a training run reports while it learns: the bar, TensorBoard, and the sums behind both, kept on the device."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from agents.training.ends import Ends, Step
from lunar_env import Descent, Outcome
from lunar_env.task import TERMS, TOUCHED

TOTALS = ("propellant_used", "duration")
SPEEDS = ("descent_rate", "lateral_speed")  # at touchdown: of those that met the ground
OUTCOMES = [int(outcome) for outcome in Outcome if outcome != Outcome.FLYING]
SUMMED = (*TERMS, *TOTALS, *SPEEDS)
Listener = Callable[[int, Mapping[str, Any]], None]  # called with the decisions so far and the metrics of a rollout
FORGETS = 0.98  # of the episodes counted, at each update: the landing rate that is shown looks some 50 updates back


class Tally:
    """Sums over the episodes that ended, without waiting for the device. ``close`` reads them once a rollout."""

    def __init__(self, descent: Descent) -> None:
        self.descent = descent
        whole, codes = len(TERMS) + len(TOTALS), tuple(map(int, TOUCHED))
        self.ends = Ends(OUTCOMES, codes, whole, len(SPEEDS), descent.num_envs, descent.device)
        self.recent = torch.zeros(2, dtype=torch.float32, device="cpu")  # landed and ended, old ones fading

    def add(self, step: Step) -> None:
        """Count the episodes that ended in a step."""
        self.ends.add(step.outcome, torch.stack([step.ended[name] for name in SUMMED]))

    def close(self) -> dict[str, float]:
        """The metrics of the rollout by their TensorBoard names; the sums begin anew."""
        error = self.descent.state["belief.position_error"].norm(dim=1).mean()
        sums = self.ends.sums.sum(dim=0, dtype=torch.float64)
        *counted, error_now = torch.cat([sums, error[None].double()]).tolist()
        self.ends.sums.zero_()
        count_of = dict(zip(OUTCOMES, counted, strict=False))
        sum_of = dict(zip(SUMMED, counted[len(OUTCOMES) :], strict=True))
        ended = sum(count_of.values())
        self.recent = FORGETS * self.recent + torch.tensor(
            [count_of[int(Outcome.LANDED)], ended], dtype=torch.float32, device="cpu"
        )
        metrics = {"landed": self.landing_rate, "flight/belief_error": error_now, "episodes": ended}
        if ended:
            metrics |= {f"outcome/{Outcome(code).name.lower()}": count / ended for code, count in count_of.items()}
            metrics |= {f"reward/{name}": sum_of[name] / ended for name in TERMS}
            metrics |= {f"flight/{name}": sum_of[name] / ended for name in TOTALS}
        touched = sum(count_of[code] for code in TOUCHED)
        if touched:
            metrics |= {f"flight/{name}": sum_of[name] / touched for name in SPEEDS}
        return metrics

    @property
    def landing_rate(self) -> float:
        """Of the newest episodes, exploration included."""
        return float(self.recent[0] / self.recent[1].clamp(min=1.0))

    def snapshot(self) -> dict[str, torch.Tensor]:
        """What ``restore`` needs at the end of a rollout."""
        return {"recent": self.recent}

    def restore(self, saved: Mapping[str, torch.Tensor]) -> None:
        """Go on counting."""
        self.recent = saved["recent"]


class Diary:
    """Where metrics go: the progress bar, TensorBoard's files and a listener."""

    def __init__(
        self, folder: Path, total: int, done: int, shown: bool = True, listener: Listener | None = None
    ) -> None:
        self.listener = listener
        self.bar = tqdm(total=total, initial=done, unit="step", unit_scale=True, disable=not shown)
        # Updates after the checkpoint are done and written again: TensorBoard hides the first ones.
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1) if shown else None

    def __enter__(self) -> "Diary":
        """Ready to write."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the bar and the files."""
        self.bar.close()
        if self.writer is not None:
            self.writer.close()

    def write(self, steps: int, metrics: Mapping[str, Any]) -> None:
        """Show and write the metrics of one rollout and update; ``steps`` are the decisions of all landers so far."""
        self.bar.update(steps - self.bar.n)
        self.bar.set_postfix(landed=f"{metrics['landed']:.3f}")
        if self.writer is not None:
            for name, value in metrics.items():
                self.writer.add_scalar(name, value, steps)
            self.writer.flush()  # a checkpoint may follow, then a kill: what came before it is never written again
        if self.listener is not None:
            self.listener(steps, metrics)
