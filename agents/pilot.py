"""What a pilot is: something that turns a batch of observations into a batch of actions.

A classical pilot and a trained network are the same thing to the evaluation. A pilot sees what the flight computer
knows, never the truth.
"""

from typing import Protocol

import torch

from lunar_env import Scenario


class Pilot(Protocol):
    """A batch of pilots, one per lander."""

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the past of the landers in ``mask`` (N,) bool: a new descent begins for them."""
        ...

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, action_size) in [-1, 1] for observations (N, size)."""
        ...


def require_control(name: str, scenario: Scenario, mode: str) -> None:
    """Refuse a scenario whose actions the pilot does not speak."""
    if scenario.control != mode:
        raise ValueError(
            f"pilot {name!r} flies control={mode!r}, scenario {scenario.name!r} has {scenario.control!r}; "
            f"load it with control={mode!r}"
        )
