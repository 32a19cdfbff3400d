"""What a training run tells while it learns: the bar, TensorBoard, and the sums behind both, kept on the device."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from lunar_env import Descent, Outcome
from lunar_env.descent import Transition

TERMS = ("approach", "propellant_cost", "touchdown")
SPEEDS = ("descent_rate", "lateral_speed", "propellant_used", "duration")
OUTCOMES = [outcome for outcome in Outcome if outcome != Outcome.FLYING]
FORGETS = 0.98  # of the episodes counted, at each update: the landing rate that is shown looks some 50 updates back


class Tally:
    """Sums over the episodes that ended, without waiting for the device. ``close`` reads them once a rollout."""

    def __init__(self, descent: Descent) -> None:
        self.descent = descent
        self.counts = torch.zeros(len(OUTCOMES), device=descent.device)
        self.sums = torch.zeros(len(TERMS) + len(SPEEDS), device=descent.device)
        self.recent = torch.zeros(2)  # landed and ended, old ones fading

    def add(self, transition: Transition) -> None:
        """Count the episodes that ended in a step."""
        done = transition.done
        kinds = torch.tensor([int(outcome) for outcome in OUTCOMES], device=done.device)
        self.counts += (transition.outcome[:, None] == kinds).sum(dim=0)
        columns = torch.stack([transition.ended[name] for name in (*TERMS, *SPEEDS)])
        self.sums += torch.where(done, columns, 0.0).sum(dim=1)

    def close(self) -> dict[str, float]:
        """What the rollout was like, by the names of TensorBoard; the sums begin anew."""
        belief = self.descent.state["belief.position_error"].norm(dim=1).mean()
        counts, sums, error = self.counts.cpu(), self.sums.cpu(), float(belief)
        ended = float(counts.sum())
        self.counts.zero_()
        self.sums.zero_()
        landed = float(counts[OUTCOMES.index(Outcome.LANDED)])
        self.recent = FORGETS * self.recent + torch.tensor([landed, ended])
        told = {"flight/belief_error": error, "episodes": ended}
        if ended:
            shares, means = (counts / ended).tolist(), (sums / ended).tolist()
            told |= {f"outcome/{outcome.name.lower()}": share for outcome, share in zip(OUTCOMES, shares, strict=True)}
            told |= {f"reward/{name}": mean for name, mean in zip(TERMS, means, strict=False)}
            told |= {f"flight/{name}": mean for name, mean in zip(SPEEDS, means[len(TERMS) :], strict=True)}
        told["landed"] = self.landing_rate
        return told

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
    """The bar and TensorBoard's files."""

    def __init__(self, folder: Path, total: int, done: int, shown: bool = True) -> None:
        self.began = done
        self.bar = tqdm(total=total, initial=done, unit="step", unit_scale=True, disable=not shown)
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=done or None) if shown else None
        self.landing_rate = 0.0

    def __enter__(self) -> "Diary":
        """Ready to write."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the bar and the files."""
        self.bar.close()
        if self.writer is not None:
            self.writer.close()

    def write(self, steps: int, told: Mapping[str, Any]) -> None:
        """One update."""
        self.landing_rate = told["landed"]
        self.bar.update(steps - self.bar.n)
        self.bar.set_postfix(landed=f"{self.landing_rate:.3f}")
        if self.writer is not None:
            for name, value in told.items():
                self.writer.add_scalar(name, value, steps)
