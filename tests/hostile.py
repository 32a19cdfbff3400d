"""Wrong input and the one answer that each gets: the table of docs/hostile.md and of tests/test_hostile.py."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.error import ResetNeeded

import lunar_env
from lunar_env import Descent, Outcome, Range, load_scenario
from lunar_env.env import LanderEnv
from lunar_env.sb3 import LanderVecEnv
from lunar_env.vector_env import LanderVectorEnv

ROWS = 3


@dataclass(frozen=True)
class Case:
    """A wrong input and its answer."""

    area: str  # heading on the page
    given: str  # what is given, as one would write it
    do: Callable[[Path], object]  # gives it; gets a folder of its own
    answer: type[BaseException]  # the error
    words: str = ""  # that the error says


@dataclass(frozen=True)
class Shell:
    """One of the environments, asked in its own dialect."""

    name: str
    rows: int | None  # None: a single lander
    make: Callable[..., Any]

    def begin(self, env: Any, seed: Any = 0, **options: Any) -> None:
        """Reset, with a seed and options."""
        if isinstance(env, LanderVecEnv):
            env.seed(seed)
            env.set_options(options or None)
            env.reset()
        else:
            env.reset(seed=seed, options=options or None)

    def batch(self, one: Any) -> Any:
        """An action of one lander, for all."""
        return one if self.rows is None else np.stack([np.asarray(one)] * self.rows)

    def outcome(self, result: tuple) -> Outcome:
        """Of the first lander in this step."""
        info = result[-1]
        if isinstance(info, list):
            return Outcome(info[0].get("outcome", 0))
        return Outcome(int(info["outcome"] if self.rows is None else info["outcome"][0]))


SHELLS = (
    Shell("LanderEnv", None, lambda *given, **changes: LanderEnv(*given or ("planar",), **changes)),
    Shell("LanderVectorEnv", ROWS, lambda *given, **changes: LanderVectorEnv(ROWS, *given or ("planar",), **changes)),
    Shell(
        "LanderVectorEnv, torch, same step",
        ROWS,
        lambda *given, **changes: LanderVectorEnv(
            ROWS, *given or ("planar",), output="torch", autoreset_mode="same_step", **changes
        ),
    ),
    Shell("LanderVecEnv", ROWS, lambda *given, **changes: LanderVecEnv(*given or ("planar",), ROWS, **changes)),
)


@dataclass(frozen=True)
class ShellCase:
    """A wrong input that every shell answers alike."""

    area: str
    given: str
    do: Callable[[Shell], object]
    answer: type[BaseException] | Outcome
    words: str = ""


def stepping(action: Any, **changes: Any) -> Callable[[Shell], Any]:
    """A step with an action that each lander is given, or what makes one of a shell."""

    def do(shell: Shell) -> Any:
        env = shell.make(**changes)
        shell.begin(env)
        given = action(shell) if callable(action) else shell.batch(action)
        return shell.outcome(env.step(given))

    return do


def building(*given: Any, **changes: Any) -> Callable[[Shell], Any]:
    """An environment with keywords."""
    return lambda shell: shell.make(*given, **changes)


def resetting(seed: Any = 0, **options: Any) -> Callable[[Shell], Any]:
    """A reset with a seed and options."""
    return lambda shell: shell.begin(shell.make(), seed, **options)


def shape(shell: Shell, *more: int) -> tuple[int, ...]:
    """Rows of a shell, and more."""
    return more if shell.rows is None else (shell.rows, *more)


FORM, WHOLE = "action must be real numbers of shape", "action must be whole numbers from 0 to 5"
NAN, INF = float("nan"), float("inf")


def actions() -> list[ShellCase]:
    """Actions of the planar lander, two numbers, and its six discrete ones."""
    area = "Actions"
    ends = {
        "[nan, 0]": [NAN, 0.0],
        "[0, inf]": [0.0, INF],
        "[0, -inf]": [0.0, -INF],
        "float16 nan": np.array([NAN, 0.0], np.float16),
        "float64 inf": np.array([INF, 0.0], np.float64),
        "a torch tensor with nan": lambda shell: torch.full(shape(shell, 2), NAN),
    }
    clipped = {
        "[3, -7]": [3.0, -7.0],
        "float64 1e300, finite there and not in float32": np.array([1e300, -1e300]),
        "int64 [5, -5]": np.array([5, -5]),
        "uint8 [255, 0]": np.array([255, 0], np.uint8),
        "a big-endian array": np.array([0.5, 0.1], ">f4"),
        "a long double": np.array([0.5, 0.1], np.longdouble),
        "a read-only array": lambda shell: np.broadcast_to(np.float32(0.5), shape(shell, 2)),
        "an array seen backwards": lambda shell: np.zeros(shape(shell, 4), np.float32)[..., ::-2],
        "nested lists": lambda shell: np.zeros(shape(shell, 2)).tolist(),
        "a bfloat16 tensor": lambda shell: torch.zeros(shape(shell, 2), dtype=torch.bfloat16),
        "a tensor with gradients": lambda shell: torch.zeros(shape(shell, 2), requires_grad=True),
    }
    refused = {
        "three numbers instead of two": [0.0, 0.0, 0.0],
        "one axis too many": [[0.0, 0.0]],
        "a single number": lambda shell: np.float32(0.0),
        "True, False": [True, False],
        "complex numbers": np.zeros(2, complex),
        "words": ["full", "left"],
        "None": lambda shell: None,
        "a dict": lambda shell: {"throttle": 1.0},
        "ragged lists": lambda shell: [[0.0], [0.0, 1.0]],
        "objects": np.array([object(), object()]),
        "dates": np.array(["2026-01-01", "2026-01-02"], "datetime64[D]"),
        "a complex tensor": lambda shell: torch.zeros(shape(shell, 2), dtype=torch.complex64),
        "a tensor of bools": lambda shell: torch.zeros(shape(shell, 2), dtype=torch.bool),
        "a sparse tensor": lambda shell: torch.zeros(shape(shell, 2)).to_sparse(),
        "a meta tensor": lambda shell: torch.zeros(shape(shell, 2), device="meta"),
        "one lander too many": lambda shell: np.zeros((1 + (shell.rows or 1), 2), np.float32),
        "no lander": lambda shell: np.zeros((0, 2), np.float32),
    }
    return [
        *(ShellCase(area, words, stepping(action), Outcome.INVALID) for words, action in ends.items()),
        *(ShellCase(area, words, stepping(action), Outcome.FLYING) for words, action in clipped.items()),
        *(ShellCase(area, words, stepping(action), ValueError, FORM) for words, action in refused.items()),
        ShellCase(
            area,
            "a step before the first reset",
            lambda shell: shell.make().step(shell.batch([0.0, 0.0])),
            ResetNeeded,
            "call reset()",
        ),
    ]


def discrete_actions() -> list[ShellCase]:
    """Numbers of discrete actions."""
    area = "Discrete actions"
    ends = {
        "-1": -1,
        "6": 6,
        "2^40": 2**40,
        "int8 -128": np.int8(-128),
        "uint8 255": np.uint8(255),
        "a tensor of 6": lambda shell: torch.full(shape(shell), 6),
    }
    refused = {
        "1.0": 1.0,
        "nan": NAN,
        "True": True,
        "None": lambda shell: None,
        "'left'": "left",
        "two numbers": [1, 2],
        "a box's action": np.zeros(2, np.float32),
    }
    return [
        *(ShellCase(area, words, stepping(action, discrete=True), Outcome.INVALID) for words, action in ends.items()),
        ShellCase(area, "uint8 5", stepping(np.uint8(5), discrete=True), Outcome.FLYING),
        *(
            ShellCase(area, words, stepping(action, discrete=True), ValueError, WHOLE)
            for words, action in refused.items()
        ),
    ]


def resets() -> list[ShellCase]:
    """Seeds and options of a reset."""
    seeds = {
        "-1": -1,
        "1.5": 1.5,
        "True": True,
        "'7'": "7",
        "nan": NAN,
        "numpy -3": np.int64(-3),
        "[1.5]": [1.5] * ROWS,
    }
    return [
        *(
            ShellCase("Seeds", words, resetting(seed), ValueError, "seed must be")
            for words, seed in seeds.items()
            if words != "[1.5]"
        ),
        *(
            ShellCase("Seeds", words, lambda shell, seed=seed: resetting(seed)(shell) or Outcome.FLYING, Outcome.FLYING)
            for words, seed in {
                "2^64 and more, as NumPy draws them": 2**127 + 1,
                "numpy 3": np.int64(3),
                "2^64 - 1": 2**64 - 1,
            }.items()
        ),
        ShellCase("Options of a reset", "{'wind': 3}", resetting(wind=3), ValueError, "reset takes"),
        ShellCase("Options of a reset", "{'seed': 3}", resetting(**{"options": 3}), ValueError, "reset takes"),
    ]


def keywords() -> list[ShellCase]:
    """Keywords of the shells, and parts of a scenario."""
    unexpected = "got an unexpected keyword argument"
    unknown = {
        "frameskip=4": {"frameskip": 4},
        "max_steps=10": {"max_steps": 10},
        "`altimeter.lag=0.1`": {"altimeter.lag": 0.1},
        "`altimetre.delay=0.1`": {"altimetre.delay": 0.1},
        "Scenario=1": {"Scenario": 1},
    }
    wrong = {
        "render_mode='ascii'": ({"render_mode": "ascii"}, "render_mode must be"),
        "control='joystick'": ({"control": "joystick"}, "control must be one of"),
        "observation='all'": ({"observation": "all"}, "observation must be one of"),
        "discrete='yes'": ({"discrete": "yes"}, "discrete must be True or False"),
        "discrete=True with control='body'": (
            {"discrete": True, "control": "body"},
            'discrete actions exist for control="planar" only',
        ),
        "labels=1": ({"labels": 1}, "labels must be True or False"),
        "decision_period=0.15, no whole number of ticks": (
            {"decision_period": 0.15},
            "not a whole number of physics ticks",
        ),
        "decision_period=0": ({"decision_period": 0.0}, "decision_period must"),
        "time_limit=-1": ({"time_limit": -1.0}, "time_limit must"),
        "time_limit=inf": ({"time_limit": INF}, "time_limit must"),
        "time_limit=nan": ({"time_limit": NAN}, "time_limit must"),
        "history=0": ({"history": 0}, "history must"),
        "`start.altitude=nan`": ({"start.altitude": NAN}, "start.altitude must"),
        "`start.altitude=[2000, 1000]`": ({"start.altitude": [2000.0, 1000.0]}, "must run upwards"),
        "`start.altitude=[1000]`": ({"start.altitude": [1000.0]}, "two ends"),
        "`start.propellant=-1`": ({"start.propellant": -1.0}, "start.propellant must"),
        "`engine.thrust_scale={'low': 1}`": ({"engine.thrust_scale": {"low": 1}}, "a range is"),
        "`altimeter.delay=0.25`, no whole number of ticks": (
            {"altimeter.delay": 0.25},
            "not a whole number of physics ticks",
        ),
    }
    typed = {
        "history=2.5": ({"history": 2.5}, "history must be of type int"),
        "history=True": ({"history": True}, "history must be of type int"),
        "tick='0.1'": ({"tick": "0.1"}, "tick must be of type float"),
        "`start.altitude='high'`": ({"start.altitude": "high"}, "start.altitude must be a number"),
        "`start.altitude=True`": ({"start.altitude": True}, "start.altitude must be a number"),
        "sensors='laser'": ({"sensors": "laser"}, "sensors must be a list of devices"),
        "sensors=[]": ({"sensors": []}, "at least one"),
    }
    names = {
        "scenario='resiliense'": ("resiliense", KeyError, "perhaps you meant 'resilience'"),
        "scenario=7": (7, TypeError, "scenario must be a name or a Scenario"),
        "scenario=None": (None, TypeError, "scenario must be a name or a Scenario"),
        "scenario={'wind': 3}": ({"wind": 3}, KeyError, "unknown key 'wind'"),
    }
    return [
        *(
            ShellCase("Keywords", words, building(**changes), TypeError, unexpected)
            for words, changes in unknown.items()
        ),
        *(
            ShellCase("Keywords", words, building(**changes), ValueError, said)
            for words, (changes, said) in wrong.items()
        ),
        *(
            ShellCase("Keywords", words, building(**changes), TypeError, said)
            for words, (changes, said) in typed.items()
        ),
        *(ShellCase("Keywords", words, building(given), error, said) for words, (given, error, said) in names.items()),
        ShellCase("Keywords", "sensors=['lidar']", building(sensors=["lidar"]), KeyError, "lidar"),
    ]


def answer_in_words(case: Case | ShellCase) -> str:
    """The answer as the page prints it."""
    if isinstance(case.answer, Outcome):
        if case.answer == Outcome.FLYING:
            return "taken, and clipped to [-1, 1]" if case.area == "Actions" else "taken"
        return f"that lander ends as `{case.answer.name.lower()}`"
    said = f"{case.words} ..." if case.words else "it is named, with what is allowed"
    return f"`{case.answer.__name__}`: {said}"


SHELL_CASES = [*actions(), *discrete_actions(), *resets(), *keywords()]


def batches() -> list[Case]:
    """What only a batch is asked."""
    area = "Batches"
    descent = lambda: Descent("vertical", ROWS)  # noqa: E731
    vector = lambda **changes: LanderVectorEnv(ROWS, "vertical", **changes)  # noqa: E731

    def masked(mask: Any) -> Callable[[Path], object]:
        def do(_: Path) -> object:
            env = vector()
            env.reset(seed=0)
            return env.reset(options={"reset_mask": mask})

        return do

    mask = f"reset_mask must be bool of shape ({ROWS},) with at least one True"
    return [
        *(
            Case(
                area,
                f"num_envs={words}",
                lambda _, count=count: Descent("vertical", count),
                ValueError,
                "num_envs must be a whole number of at least 1",
            )
            for words, count in {"0": 0, "-1": -1, "2.5": 2.5, "True": True, "'many'": "many", "nan": NAN}.items()
        ),
        Case(area, "device='tpu'", lambda _: Descent("vertical", device="tpu"), ValueError, "device must be"),
        Case(area, "device='meta'", lambda _: Descent("vertical", device="meta"), ValueError, "device must be"),
        Case(area, "device='cuda:77'", lambda _: Descent("vertical", device="cuda:77"), RuntimeError, "was asked for"),
        Case(area, "device=3.5", lambda _: Descent("vertical", device=3.5), ValueError, "device must be"),
        Case(
            area,
            "autoreset='sometimes'",
            lambda _: Descent("vertical", autoreset="sometimes"),
            ValueError,
            "autoreset must be one of",
        ),
        Case(
            area,
            "autoreset_mode='sometimes'",
            lambda _: vector(autoreset_mode="sometimes"),
            ValueError,
            "autoreset_mode must be",
        ),
        Case(area, "output='jax'", lambda _: vector(output="jax"), ValueError, "output must be"),
        Case(
            area,
            "render_mode='human' of a batch",
            lambda _: vector(render_mode="human"),
            ValueError,
            "render_mode must be",
        ),
        Case(
            area, "max_episode_steps=0", lambda _: vector(max_episode_steps=0), ValueError, "max_episode_steps must be"
        ),
        Case(
            area,
            "max_episode_steps=2.5",
            lambda _: vector(max_episode_steps=2.5),
            ValueError,
            "max_episode_steps must be",
        ),
        Case(
            area,
            "max_decisions=-3",
            lambda _: Descent("vertical", max_decisions=-3),
            ValueError,
            "max_decisions must be",
        ),
        Case(
            area,
            "a list of two seeds for three rows",
            lambda _: vector().reset(seed=[1, 2]),
            ValueError,
            "one for each of 3 rows",
        ),
        Case(area, "a list with a seed of -1", lambda _: vector().reset(seed=[1, 2, -1]), ValueError, "seed must be"),
        Case(area, "reset_mask of numbers", masked(np.array([0, 1, 0])), ValueError, mask),
        Case(area, "reset_mask too short", masked([True]), ValueError, mask),
        Case(area, "reset_mask all False", masked([False] * ROWS), ValueError, mask),
        Case(
            area,
            "reset_mask before the first reset",
            lambda _: vector().reset(options={"reset_mask": np.ones(ROWS, bool)}),
            ResetNeeded,
            "without reset_mask first",
        ),
        Case(
            area,
            "Descent.reset(mask=[1, 0, 0])",
            lambda _: descent().reset(mask=[1, 0, 0]),
            ValueError,
            "mask must be bool",
        ),
        Case(area, "set_attr of one row", lambda _: vector().set_attr("note", [1, 2, 3]), ValueError, "landers share"),
        Case(area, "get_attr of nothing known", lambda _: vector().get_attr("wings"), AttributeError, "wings"),
        Case(
            area,
            "a snapshot of another batch",
            lambda _: descent().restore(Descent("vertical", 2).snapshot()),
            ValueError,
            "same scenario and size",
        ),
        Case(
            area, "a snapshot with a table less", lambda _: descent().restore({}), ValueError, "same scenario and size"
        ),
        Case(area, "state['motion.speed']", lambda _: descent().state["motion.speed"], KeyError, "unknown quantity"),
        Case(
            area,
            "draw_from another control mode",
            lambda _: descent().draw_from(load_scenario("vertical", control="body")),
            ValueError,
            "more than its numbers",
        ),
        Case(
            area,
            "draw_from a wider range",
            lambda _: descent().draw_from(load_scenario("vertical", **{"start.altitude": Range(1.0, 1e5)})),
            ValueError,
            "may be drawn from",
        ),
        Case(area, "Range(2, 1)", lambda _: Range(2.0, 1.0), ValueError, "must run upwards"),
        Case(area, "Range(nan, 1)", lambda _: Range(NAN, 1.0), ValueError, "must be finite"),
        Case(area, "Range(0, 1, log=True)", lambda _: Range(0.0, 1.0, log=True), ValueError, "above zero"),
        Case(
            area,
            "gym.make of an id without its version's case",
            lambda _: gym.make("Lunar/vertical-v0"),
            gym.error.NameNotFound,
            "vertical",
        ),
        Case(
            area,
            "load_scenario(frameskip=4)",
            lambda _: load_scenario("vertical", frameskip=4),
            KeyError,
            "unknown key 'frameskip'",
        ),
        Case(
            area,
            "fly('nobody')",
            lambda _: lunar_env.fly("nobody", "vertical", 1),
            ValueError,
            "no pilot is called 'nobody'",
        ),
        Case(
            area,
            "fly(episodes=0)",
            lambda _: lunar_env.fly(lambda seen: seen[:, :1], "vertical", 0),
            ValueError,
            "episodes must be",
        ),
        Case(
            area,
            "fly(traces=-1)",
            lambda _: lunar_env.fly(lambda seen: seen[:, :1], "vertical", 1, traces=-1),
            ValueError,
            "traces must be",
        ),
        Case(
            area,
            "fly(episodes=10^30)",
            lambda _: lunar_env.fly(lambda seen: seen[:, :1], "vertical", 10**30),
            ValueError,
            "episodes must be",
        ),
        Case(area, "fly(5)", lambda _: lunar_env.fly(5, "vertical", 1), TypeError, "a pilot is"),
    ]


def settings() -> list[Case]:
    """Sizes, periods and counts without measure."""
    area, huge = "Sizes without measure", 10**30
    batches = {
        "threads=100000": {"threads": 100_000},
        "threads=0": {"threads": 0},
        "threads=2.5": {"threads": 2.5},
        "num_envs=10^9": {"num_envs": 10**9},
        "num_envs=10^30": {"num_envs": huge},
        "max_decisions=10^30": {"max_decisions": huge},
    }
    numbers = {
        "history=10^6": {"history": 10**6},
        "substeps=10^9": {"substeps": 10**9},
        "tick=10^-4 with time_limit=10^9": {"tick": 1e-4, "time_limit": 1e9},
        "time_limit=10^300": {"time_limit": 1e300},
        "decision_period=10^9": {"decision_period": 1e9, "time_limit": 1e9},
        "`altimeter.delay=10^5`": {"altimeter.delay": 1e5},
        "`altimeter.beams=10^6`": {"altimeter.beams": 10**6},
        "`start.altitude=10^300`": {"start.altitude": 1e300},
        "`start.altitude=10^5000`": {"start.altitude": 10**5000},
        "ceiling=inf": {"ceiling": INF},
        "extent=nan": {"extent": NAN},
        "`terrain.map_spacing=-1`": {"terrain.map_spacing": -1.0},
        "`terrain.map='everest'`": {"terrain.map": "everest"},
    }
    return [
        *(
            Case(
                area, words, lambda _, more=more: Descent("vertical", **{"num_envs": 2, **more}), ValueError, "must be"
            )
            for words, more in batches.items()
        ),
        *(
            Case(area, words, lambda _, more=more: Descent(load_scenario("vertical", **more)), ValueError, "")
            for words, more in numbers.items()
        ),
    ]


def strangers() -> list[Case]:
    """Pilots of others, as ``lunar_env.fly`` takes them."""
    area = "Pilots of others"

    def wishing(**wishes: Any) -> Callable[[Path], object]:
        kind = type("Mine", (Still,), {"wishes": classmethod(lambda cls, scenario: wishes)})
        return lambda _: lunar_env.fly(kind, "vertical", 2)

    def answering(answer: Callable[[Any], Any]) -> Callable[[Path], object]:
        return lambda _: lunar_env.fly(answer, "vertical", 2)

    def file(text: str) -> Callable[[Path], object]:
        def do(folder: Path) -> object:
            (folder / "mine.py").write_text(text, encoding="utf-8")
            return lunar_env.fly(f"{folder / 'mine.py'}:Mine", "vertical", 2)

        return do

    def raising(error: BaseException) -> Callable[[Any], Any]:
        def answer(seen: Any) -> Any:
            raise error

        return answer

    failed = lunar_env.PilotError
    forbidden = "a pilot may not wish for"
    return [
        Case(area, "a wish for `limits.descent_rate`", wishing(**{"limits.descent_rate": 1e3}), KeyError, forbidden),
        Case(area, "a wish for `start`", wishing(start={"altitude": 1.0}), KeyError, forbidden),
        Case(area, "a wish for `tick`", wishing(tick=0.01), KeyError, forbidden),
        Case(area, "a wish for `sensors`", wishing(sensors=["series_1_laser"]), KeyError, forbidden),
        Case(area, "a wish for `guidance.nothing`", wishing(**{"guidance.nothing": 1.0}), KeyError, "unknown key"),
        Case(
            area,
            "wishes that are a list",
            lambda _: lunar_env.fly(type("Mine", (Still,), {"wishes": classmethod(lambda cls, s: [])}), "vertical", 2),
            TypeError,
            "wishes are a table",
        ),
        Case(area, "an action of nan", answering(lambda seen: seen[:, :1] * NAN), failed, "not finite"),
        Case(area, "an action of another shape", answering(lambda seen: seen[:, :3]), failed, "real numbers of shape"),
        Case(area, "an action in words", answering(lambda seen: "left"), failed, "an array of actions"),
        Case(area, "no action", answering(lambda seen: None), failed, "an array of actions"),
        Case(area, "an exception", answering(raising(ZeroDivisionError("no gain"))), failed, "no gain"),
        Case(area, "`sys.exit(0)` in an action", answering(raising(SystemExit(0))), failed, "SystemExit"),
        Case(area, "`sys.exit(0)` in a file", file("import sys; sys.exit(0)"), ValueError, "cannot be imported"),
        Case(area, "a file that is not Python", file("\x00\x01"), ValueError, "cannot be imported"),
        Case(area, "a file without the class", file("x = 1"), ValueError, "no class or function 'Mine'"),
        Case(area, "a class that is no pilot", file("class Mine: pass"), ValueError, "is no pilot"),
    ]


class Still(lunar_env.Pilot):
    """Lets go."""

    control = "throttle"

    def __init__(self, scenario: Any, num_landers: int, device: Any = "cpu") -> None:
        self.count = num_landers

    def reset(self, mask: torch.Tensor) -> None:
        """It remembers nothing."""

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The engine off."""
        return torch.full((self.count, 1), -1.0)


CASES = [*batches(), *settings(), *strangers()]
