"""Flights decision by decision: truth, belief and reading side by side."""

from dataclasses import dataclass

import numpy as np
import torch

from lunar_env.descent import Descent
from lunar_env.observation import pointing_down


@dataclass(frozen=True, eq=False)
class Trace:
    """One flight; each column float64 of shape (T,), the first entry at the start, nan where unknown."""

    columns: dict[str, np.ndarray]


class Recorder:
    """Notes the first landers of a batch, until each has ended."""

    def __init__(self, descent: Descent, landers: int) -> None:
        self.descent, self.landers = descent, landers
        self.rows: list[dict[str, torch.Tensor]] = []
        self.lengths = torch.ones(landers, dtype=torch.int64, device="cpu")

    def note(self, flying: torch.Tensor | None = None) -> None:
        """The present moment, for those that flew until now: ``flying`` (landers,) bool; by default all."""
        if not self.landers:
            return
        self.rows.append({name: column[: self.landers].double().cpu() for name, column in moment(self.descent).items()})
        if flying is not None:
            self.lengths += flying[: self.landers].cpu()

    def traces(self) -> tuple[Trace, ...]:
        """A trace for each lander."""
        if not self.landers:
            return ()
        table = {name: torch.stack([row[name] for row in self.rows]).numpy() for name in self.rows[0]}
        return tuple(
            Trace({name: column[: int(length), i].copy() for name, column in table.items()})
            for i, length in enumerate(self.lengths)
        )


def moment(descent: Descent) -> dict[str, torch.Tensor]:
    """What is noted of every lander now, each (N,), in SI units."""
    truth, state = descent.truth(), descent.state
    seen = descent.observations.read(state.observation)
    beam = descent.observations.beams()[0]
    attitude = {f"attitude_{axis}": state["motion.attitude"][:, i] for i, axis in enumerate("xyzw")}
    # Who is shown beams only is drawn by the truth.
    cosine = pointing_down((attitude | seen).__getitem__, beam.direction)
    return {
        "time": truth["time"],
        "altitude": truth["height"],
        "believed_altitude": seen.get("altitude", torch.full_like(truth["height"], torch.nan)),
        "measured_altitude": torch.where(seen[beam.valid] > 0.5, seen[beam.range] * cosine, torch.nan),
        "descent_rate": truth["descent_rate"],
        "lateral_speed": truth["lateral_speed"],
        "throttle": state["motion.throttle"],
        "propellant": state["motion.propellant"],
    }
