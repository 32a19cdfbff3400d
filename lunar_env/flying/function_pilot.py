"""A pilot that is a plain function: observations in, actions out, and nothing remembered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lunar_env.flying.failures import words_of
from lunar_env.flying.pilot import PilotError, PilotMaker
from lunar_env.scenario import Scenario


@dataclass(frozen=True)
class FunctionPilot(PilotMaker):
    """A function from observations (N, size) to actions (N, k), as a pilot of every scenario.

    It is shown a NumPy array; if it cannot take that, a torch tensor on the batch's device. It may return either.
    """

    function: Callable[[Any], Any]

    def wishes(self, scenario: Scenario) -> dict[str, Any]:
        """None: it flies the scenario as it is."""
        return {}

    def __call__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> "Answering":
        """Ready for a batch of landers."""
        return Answering(self.function, torch.device(device))


class Answering:
    """A function as the pilot of a batch of landers: what a ``FunctionPilot`` makes."""

    def __init__(self, function: Callable[[Any], Any], device: torch.device) -> None:
        self.function, self.device = function, device
        self.shown: Callable[[torch.Tensor], Any] | None = None  # how it wants to see observations, once that is known

    def reset(self, mask: torch.Tensor) -> None:
        """It remembers nothing."""

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, k) for observations (N, size)."""
        with torch.no_grad():
            answer = self.function(self.shown(observation)) if self.shown else self._first(observation)
        try:
            tensor = answer if isinstance(answer, torch.Tensor) else torch.from_numpy(np.array(answer))
            return tensor.to(self.device)
        except (TypeError, ValueError, RuntimeError):
            raise PilotError(f"returned {type(answer).__name__} where an array of actions is needed") from None

    def _first(self, observation: torch.Tensor) -> Any:
        """The first answer, which shows what the function takes."""
        refusals = []
        for shown in (_as_array, _as_tensor):
            try:
                answer = self.function(shown(observation))
            except Exception as error:  # a stranger's code may raise anything
                refusals.append(f"{type(error).__name__}: {words_of(error)}")
                continue
            self.shown = shown
            return answer
        raise PilotError(f"took neither a NumPy array ({refusals[0]}) nor a torch tensor ({refusals[1]})")


def _as_array(observation: torch.Tensor) -> np.ndarray:
    return observation.cpu().numpy().copy()


def _as_tensor(observation: torch.Tensor) -> torch.Tensor:
    return observation
