"""What a pilot is: something that turns a batch of observations into a batch of actions.

A classical pilot and a trained network are the same thing to the evaluation. A pilot sees what the flight computer
knows, never the truth. The control mode is a choice of the pilot's: the vehicle and its descents stay the same.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar, Protocol, TypeVar

import torch

from lunar_env.scenario import Scenario

Returned = TypeVar("Returned")


class Flies(Protocol):
    """A pilot that was built for a batch of landers: the methods that an evaluation calls."""

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the past of the landers in ``mask`` (N,) bool: a new descent begins for them."""
        ...

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, action_size) in [-1, 1] for observations (N, size)."""
        ...


class PilotError(RuntimeError):
    """Raised when a pilot fails: its code raises something, or it returns what is no action. The message says what.

    Args:
        message: what it did.
        failures: every failure of it, see ``flying.failures.Failure``; empty if they are not known.
    """

    def __init__(self, message: str, failures: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.failures = failures


class CannotFlyError(ValueError):
    """Raised for a pilot that is asked to fly a scenario that is not for it; the message says what differs."""


class PilotMaker(ABC):
    """Makes pilots from a function, a file or a folder. A class of ``Pilot`` has the same interface."""

    @property
    def side_by_side(self) -> bool:
        """Whether its pilots may fly at once, each in a thread of its own, for they share nothing that they change."""
        return False

    @abstractmethod
    def wishes(self, scenario: Scenario) -> dict[str, Any]:
        """Changes to a scenario: how its pilots want to fly it. What may be wished for stands in wishes.py."""

    @abstractmethod
    def __call__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> Flies:
        """A pilot for a batch of landers in a scenario as ``wishes`` has it."""


# Parts of a scenario that are a flight computer's choice: the loop below its actions, and how often it decides.
PILOTS_OWN = ("guidance", "decision_period")


def outside_inference_mode(method: Callable[..., Returned]) -> Callable[..., Returned]:
    """A method whose tensors may be written in place later, also if it is called inside of ``inference_mode``."""

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Returned:
        if not torch.is_inference_mode_enabled():
            return method(*arguments, **named)
        with torch.inference_mode(False), torch.no_grad():
            return method(*arguments, **named)

    return call


class Pilot(ABC):
    """A batch of classical pilots, one per lander. What a class sets says how a scenario is to be shown to it.

    Its methods run outside of ``inference_mode``, whoever calls them: what a pilot remembers, it writes in place.
    """

    name: ClassVar[str]
    control: ClassVar[str] = "descent_rate"  # what its actions mean, see lunar_env/vehicle/control.py
    decision_period: ClassVar[float] = 0.0  # [s] between its decisions at most; 0: the scenario's own
    history: ClassVar[int] = 1  # readings in one observation

    def __init_subclass__(cls) -> None:
        for name in ("__init__", "reset", "act"):
            method = vars(cls).get(name)
            if isinstance(method, FunctionType):  # whatever else stands there is looked up as it is
                setattr(cls, name, outside_inference_mode(method))

    @abstractmethod
    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        """Get ready for a batch of landers in a scenario as ``wishes`` has it."""

    @abstractmethod
    def reset(self, mask: torch.Tensor) -> None:
        """Forget the past of the landers in ``mask`` (N,) bool: a new descent begins for them."""

    @abstractmethod
    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, action_size) in [-1, 1] for observations (N, size)."""

    @classmethod
    def wishes(cls, scenario: Scenario) -> dict[str, Any]:
        """Changes to a scenario: how this pilot wants to fly it. What may be wished for stands in wishes.py."""
        period = min(cls.decision_period or scenario.decision_period, scenario.decision_period)
        return {"control": cls.control, "history": cls.history, "decision_period": period}


def require_inertial_state(name: str, scenario: Scenario) -> None:
    """Refuse a scenario that shows beams only to a pilot that flies on the inertial state."""
    if scenario.observation == "beams":
        raise CannotFlyError(
            f"pilot {name!r} flies on altitude and velocity, scenario {scenario.name!r} shows its pilots beams only; "
            "load it with observation='instruments', or fly a policy that was trained on beams"
        )


def require_control(name: str, scenario: Scenario, mode: str) -> None:
    """Refuse a scenario whose actions the pilot does not speak."""
    if scenario.control != mode:
        raise CannotFlyError(
            f"pilot {name!r} flies control={mode!r}, scenario {scenario.name!r} has {scenario.control!r}; "
            f"load it with control={mode!r}"
        )
