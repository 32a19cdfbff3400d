"""Claims about the measured speeds: the floors that the project promises, and ratios worth knowing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunar_env.bench.contestants import (
    CONTROLS,
    ENVPOOL,
    FLYING,
    FOUR_BEAMS,
    LUNAR_LANDER,
    ROUGH,
    SEEING,
    SINGLE,
    SIZES,
    TRAINING,
    row,
)
from lunar_env.extras import install

CACHED, COMPILED = "import to first step, cached", "import to first step, first ever"


@dataclass(frozen=True)
class Claim:
    """A median, or a ratio of two; a floor of the project if it has a bound."""

    label: str
    over: str
    under: str = ""
    low: float = 0.0
    high: float = math.inf
    extra: str = "bench"  # that installs the peer, if anything can
    unit: str = ""  # of the bound

    def row(self, medians: Mapping[str, float]) -> dict[str, Any]:
        """Value, bound and verdict: what was not measured did not pass."""
        known = all(name in medians for name in (self.over, self.under) if name)
        value = medians[self.over] / medians.get(self.under, 1.0) if known else None
        bound = f">= {self.low:,g}" if self.low else f"<= {self.high:g}{self.unit}" if self.high < math.inf else ""
        unknown = f"not measured: {install(self.extra)}" if self.extra else "not measured"
        verdict = unknown if bound else ""
        if bound and value is not None:
            verdict = "pass" if self.low <= value <= self.high else "missed"
        return {"label": self.label, "value": value, "bound": bound, "verdict": verdict}


def claims(device: str) -> list[Claim]:
    """The floors of the project, then ratios worth knowing."""
    own, body = (f"core, {control}" for control in CONTROLS)
    largest = SIZES[device][-1], device
    return [
        Claim("core N=4096 / EnvPool, 2 threads each", row(own, 4096), ENVPOOL, low=25.0),
        Claim("gym.make / Gymnasium LunarLander", SINGLE, LUNAR_LANDER, low=3.0),
        Claim("SB3 PPO training, steps/s", TRAINING, low=40_000.0, extra="train"),
        Claim(CACHED, CACHED, high=4.0, unit=" s"),
        Claim(COMPILED, COMPILED, high=10.0, unit=" s"),
        # Inverse speeds: the time that a step takes.
        Claim("step time, every fault on mare / core", row(own, 4096, device), row(ROUGH, 4096, device), high=2.0),
        Claim("step time, the same with a Doppler lidar", row(own, 4096, device), row(FOUR_BEAMS, 4096, device)),
        Claim("step time, altimeter sees / core", row(own, 4096, device), row(SEEING, 4096, device)),
        Claim("core N=4096, control body / EnvPool", row(body, 4096), ENVPOOL),
        Claim("core N=4096, 2 threads / 1 thread", row(own, 4096), row(own, 4096, threads=1)),
        Claim("Descent.step / core", row("Descent.step", *largest), row(own, *largest)),
        Claim("LanderVectorEnv torch / core", row("LanderVectorEnv torch", *largest), row(own, *largest)),
        Claim("LanderVectorEnv numpy / core", row("LanderVectorEnv numpy", *largest), row(own, *largest)),
        Claim("core / copy of its tables", row(own, *largest), row("copy of the tables", *largest)),
        Claim("SB3 PPO: the environment's share of the time", TRAINING, FLYING),
    ]
