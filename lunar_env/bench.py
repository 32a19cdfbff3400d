"""Speed beside other environments, in one run: ``python -m lunar_env.bench [--quick] [--device cuda] [--check]``.

All contestants take turns, round by round, so that whatever else the machine does hits them alike. What counts is the
median of the rounds, and the ratio of two medians. Actions are random and drawn beforehand, resets are included,
compilation and warm-up are not. Our batches begin with their landers spread along their flights, as they are after a
while, so that resets come at their lasting rate.
"""

import argparse
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import gymnasium as gym
import torch

from lunar_env.descent import Descent, checked_device
from lunar_env.missions import load_scenario
from lunar_env.scenario import Scenario
from lunar_env.vector_env import LanderVectorEnv

SCENARIO, PERIOD, CONTROLS = "resilience", 0.1, ("descent_rate", "body")
THREADS = 2
SIZES = {"cpu": (1, 256, 4096), "cuda": (1, 256, 4096, 65_536)}
LEARNERS, ROLLOUT, MINIBATCH, EPOCHS, HIDDEN = 1024, 32, 4096, 5, [64, 64]
SPREAD_ROWS, SPREAD_STEPS = 256, 2000  # landers in a sample of flights; decisions in about one random flight
PACKAGES = ("lunar-env", "warp-lang", "torch", "numpy", "gymnasium", "stable-baselines3", "envpool", "box2d")
PEERS, TRAINER = 'pip install "lunar-env[bench]"', 'pip install "lunar-env[train]"'
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
FIRST_STEP = """
import time
start = time.perf_counter()
import gymnasium, lunar_env
{first}
print(time.perf_counter() - start)
"""
FIRST = {
    "cpu": 'env = gymnasium.make("Lunar/Resilience-v0"); env.reset(seed=0); env.step(env.action_space.sample())',
    "cuda": 'batch = lunar_env.Descent(device="cuda"); batch.step(batch.actions).reward.cpu()',
}


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float  # [s] of each round of each contestant, or one call if that is longer
    rollouts: int  # of PPO in one call
    starts: int  # of a fresh process


FULL, QUICK = Effort(rounds=5, seconds=0.4, rollouts=3, starts=3), Effort(rounds=3, seconds=0.1, rollouts=1, starts=1)


@dataclass(frozen=True)
class Measurement:
    """What the rounds of one contestant gave, and under which conditions."""

    name: str
    rounds: list[float]
    conditions: dict[str, Any]
    unit: str = "steps/s"

    @property
    def median(self) -> float:
        """The figure to quote."""
        return median(self.rounds)

    @property
    def best(self) -> float:
        """The round that was disturbed least."""
        return min(self.rounds) if self.unit == "s" else max(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {**asdict(self), "median": self.median, "best": self.best}


@dataclass(frozen=True)
class Contestant:
    """Something that takes steps: ``steps`` of them in each ``call``."""

    name: str
    call: Callable[[], object]
    steps: int
    conditions: dict[str, Any]
    before: Callable[[], object] = dict  # runs before each round, not timed
    after: Callable[[], dict[str, Any]] = dict  # what to tell of all rounds together


@dataclass(frozen=True)
class Claim:
    """A median, or a ratio of two, with the floor that the project promises, if it does."""

    label: str
    over: str
    under: str = ""
    at_least: float = -math.inf
    at_most: float = math.inf
    install: str = field(default="")  # what brings the peer

    @property
    def is_floor(self) -> bool:
        """Whether something is promised."""
        return self.at_least > -math.inf or self.at_most < math.inf

    def value(self, medians: Mapping[str, float]) -> float | None:
        """The figure, or None if one of its measurements is missing."""
        if self.over not in medians or (self.under and self.under not in medians):
            return None
        return medians[self.over] / (medians[self.under] if self.under else 1.0)

    def as_json(self, medians: Mapping[str, float]) -> dict[str, Any]:
        """Label, value, promise and verdict."""
        value = self.value(medians)
        promise = f"at least {self.at_least:,g}" if self.at_least > -math.inf else f"at most {self.at_most:,g} s"
        verdict = "pass" if value is not None and self.at_least <= value <= self.at_most else "missed"
        if value is None:
            verdict = f"not measured: {self.install}" if self.install else "not measured"
        told = {"promise": promise, "verdict": verdict} if self.is_floor else {"promise": "", "verdict": ""}
        return {"label": self.label, "value": value, **told}


def core_name(control: str, landers: int, place: str, period: float = PERIOD) -> str:
    """The row of a core measurement."""
    return f"core, {control}, N={landers}, {place}" + ("" if period == PERIOD else f", {period:g} s decisions")


SINGLE, LUNAR_LANDER, ENVPOOL = "gym.make, one lander", "Gymnasium LunarLander, one lander", "EnvPool LunarLander"
FLYING, TRAINING = "SB3 LanderVecEnv, flying only", "SB3 PPO, training"
START, COMPILE = "import to first step, kernels cached", "import to first step, first ever"


def claims(device: str) -> list[Claim]:
    """The floors of the project, then ratios worth knowing."""
    place, large = place_of(device), SIZES[device][-1]
    floor_core = core_name(CONTROLS[0], 4096, place_of("cpu"))
    ours, body = core_name(CONTROLS[0], large, place), core_name(CONTROLS[1], large, place)
    return [
        Claim("core N=4096 / EnvPool, 2 threads each", floor_core, ENVPOOL, at_least=25.0, install=PEERS),
        Claim("gym.make / Gymnasium LunarLander", SINGLE, LUNAR_LANDER, at_least=3.0, install=PEERS),
        Claim("SB3 PPO training, steps/s", TRAINING, at_least=40_000.0, install=TRAINER),
        Claim("import to first step, cached", START, at_most=4.0),
        Claim("import to first step, first ever", COMPILE, at_most=30.0),
        Claim("core, body / EnvPool", core_name(CONTROLS[1], 4096, place_of("cpu")), ENVPOOL),
        Claim("core, 2 threads / 1 thread", floor_core, core_name(CONTROLS[0], 4096, "1 thread")),
        Claim("core, body / descent_rate", body, ours),
        Claim("Descent.step / core", f"Descent.step, N={large}, {place}", ours),
        Claim("LanderVectorEnv torch / core", f"LanderVectorEnv torch, N={large}, {place}", ours),
        Claim(
            "LanderVectorEnv numpy / torch",
            *(f"LanderVectorEnv {out}, N={large}, {place}" for out in ("numpy", "torch")),
        ),
        Claim("core / copy of its tables", ours, f"copy of the tables, N={large}, {place}"),
        Claim("SB3 PPO / flying only", TRAINING, FLYING),
    ]


def place_of(device: str, threads: int = THREADS) -> str:
    """Where the physics runs, for people."""
    return "cuda" if device == "cuda" else f"{threads} thread{'s' * (threads > 1)}"


# Measuring


def timed(call: Callable[[], object], count: int) -> float:
    """Seconds that so many calls take, the device's work included."""
    synchronise()
    start = time.perf_counter()
    for _ in range(count):
        call()
    synchronise()
    return time.perf_counter() - start


def synchronise() -> None:
    """Wait for the GPU, if one is in use."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def calls_for(call: Callable[[], object], seconds: float) -> int:
    """How many calls take about so long. Warms up on the way."""
    call()
    count, spent = 1, timed(call, 1)
    while spent < seconds / 4:
        count *= 2
        spent = timed(call, count)
    return max(1, round(count * seconds / spent))


def compete(contestants: Sequence[Contestant], rounds: int, seconds: float) -> list[Measurement]:
    """Let all take turns, round by round."""
    progress("warming up")
    counts = [calls_for(one.call, seconds) for one in contestants]
    rates: list[list[float]] = [[] for _ in contestants]
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for one, count, gained in zip(contestants, counts, rates, strict=True):
            one.before()
            gained.append(one.steps * count / timed(one.call, count))
    return [
        Measurement(one.name, gained, one.conditions | one.after())
        for one, gained in zip(contestants, rates, strict=True)
    ]


def first_step(name: str, device: str, starts: int, cached: bool = True) -> Measurement:
    """Seconds from ``import lunar_env`` to the end of the first step, in a fresh process."""
    inside, whole = [], []
    for number in range(starts):
        progress(f"{name} ({device}), {number + 1} of {starts}")
        with tempfile.TemporaryDirectory() as empty:
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", FIRST_STEP.format(first=FIRST[device])],
                cwd=Path(__file__).parent.parent,
                env={**os.environ, **({} if cached else {"WARP_CACHE_PATH": empty})},
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            whole.append(time.perf_counter() - start)
        inside.append(float(done.stdout.split()[-1]))
    return Measurement(name, inside, {"on": device, "whole process": f"{median(whole):.1f} s"}, unit="s")


def progress(text: str) -> None:
    """Say what happens now."""
    print(f"bench: {text} ...", file=sys.stderr, flush=True)


# Contestants: ours


def benchmark(control: str = CONTROLS[0], period: float = PERIOD) -> Scenario:
    """The scenario flown, with all its instruments and faults."""
    return load_scenario(SCENARIO, control=control, decision_period=period)


@cache
def flights(control: str) -> dict[str, torch.Tensor]:
    """A snapshot of landers spread evenly along their flights: they began at staggered times."""
    descent = Descent(benchmark(control), SPREAD_ROWS)
    block = SPREAD_STEPS // SPREAD_ROWS
    for row in torch.eye(SPREAD_ROWS, dtype=torch.bool):
        descent.reset(mask=row)
        descent.actions.uniform_(-1.0, 1.0)
        for _ in range(block):
            descent.advance()
    return descent.snapshot()


def spread(descent: Descent) -> None:
    """Put the batch in the midst of its flights."""
    rows = torch.arange(descent.num_envs) % SPREAD_ROWS
    descent.restore(
        {
            name: table[:, rows] if name == "delay_line" else table[rows]
            for name, table in flights(descent.scenario.control).items()
        }
    )
    numbers = torch.arange(descent.num_envs, dtype=torch.int32, device=descent.device)
    descent.state["episode.lander"].copy_(numbers)  # each draws episodes of its own from here on


def fly(name: str, descent: Descent, call: Callable[[], object], **more: Any) -> Contestant:
    """A contestant that flies this batch, which is spread along its flights first."""
    scenario, episode = descent.scenario, descent.state["episode.episode"]
    if descent.autoreset == "same_step":
        spread(descent)
    begun = int(episode.sum())
    conditions = {
        "control": scenario.control,
        "decisions": f"{1 / scenario.decision_period:g} Hz",
        "physics": f"{1 / scenario.tick:g} Hz x {scenario.substeps} substeps",
        "on": place_of(descent.device.type, len(descent._launches)),
    }
    more = {"after": lambda: {"episodes ended": int(episode.sum()) - begun}, "steps": descent.num_envs, **more}
    return Contestant(name, call, conditions=conditions, **more)


def core(control: str, landers: int, device: str, threads: int = THREADS, period: float = PERIOD) -> Contestant:
    """``Descent.advance`` on actions in place, which are drawn anew before each round."""
    descent = Descent(benchmark(control, period), landers, device, threads=threads)
    name = core_name(control, landers, place_of(device, threads), period)
    return fly(name, descent, descent.advance, before=lambda: descent.actions.uniform_(-1.0, 1.0))


def cores(device: str) -> Iterator[Contestant]:
    """The core in all sizes, control modes and numbers of threads, and at the scenario's own period."""
    places = [(device, landers, threads) for landers in SIZES[device] for threads in thread_counts(device, landers)]
    if device == "cuda":
        places.append(("cpu", 4096, THREADS))  # for the floor
    for control in CONTROLS:
        for where, landers, threads in places:
            yield core(control, landers, where, threads)
        for landers in SIZES[device][:: len(SIZES[device]) - 1]:
            threads = min(landers, THREADS)
            yield core(control, landers, device, threads, load_scenario(SCENARIO).decision_period)


def thread_counts(device: str, landers: int) -> tuple[int, ...]:
    """The numbers of threads worth measuring."""
    return (1, THREADS) if device == "cpu" and landers > 1 else (1,)


def shells(device: str) -> Iterator[Contestant]:
    """The batch in torch, as a vector environment in torch and numpy, and a copy of its tables as a yardstick."""
    landers, place = SIZES[device][-1], place_of(device)
    descent = Descent(benchmark(), landers, device, threads=THREADS)
    actions = torch.rand(8, landers, descent.action_size, device=descent.device) * 2.0 - 1.0
    ring = cycle(actions)
    yield fly(f"Descent.step, N={landers}, {place}", descent, lambda: descent.step(next(ring)))
    yield table_copy(descent, f"copy of the tables, N={landers}, {place}")
    for output, given in (("torch", cycle(actions)), ("numpy", cycle(actions.cpu().numpy()))):
        yield vector(landers, device, output, given)


def vector(landers: int, device: str, output: str, actions: Iterator[Any]) -> Contestant:
    """``LanderVectorEnv.step``."""
    env = LanderVectorEnv(landers, benchmark(), device, output=output)
    env.reset(seed=0)
    name = f"LanderVectorEnv {output}, N={landers}, {place_of(device)}"
    return fly(name, env.descent, lambda: env.step(next(actions)))


def table_copy(descent: Descent, name: str) -> Contestant:
    """Copying what one step reads and writes: no step can be faster than the memory."""
    source = list(descent.state.tables().values())
    target = [table.clone() for table in source]
    size = sum(table.nbytes for table in source)

    def copy() -> None:
        for to, table in zip(target, source, strict=True):
            to.copy_(table)

    return Contestant(name, copy, descent.num_envs, {"bytes a lander": size // descent.num_envs})


def single_envs() -> Iterator[Contestant]:
    """One lander as ``gym.make`` gives it, and Gymnasium's."""
    env = gym.make("Lunar/Resilience-v0", decision_period=PERIOD)
    unwrapped: Any = env.unwrapped
    yield fly(SINGLE, unwrapped.descent, stepping(env))
    if has("Box2D"):
        conditions = {"control": "4 engines", "decisions": "50 Hz", "physics": "50 Hz, 2-D Box2D", "on": "1 thread"}
        yield Contestant(LUNAR_LANDER, stepping(gym.make("LunarLander-v3")), 1, conditions)


def stepping(env: gym.Env) -> Callable[[], None]:
    """One step with a random action, and a reset if that ended the episode."""
    env.action_space.seed(0)
    env.reset(seed=0)
    actions = cycle([env.action_space.sample() for _ in range(1024)])

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()

    return step


# Contestants: others


def has(package: str) -> bool:
    """Whether a package is installed."""
    return importlib.util.find_spec(package) is not None


def envpool_lander() -> Iterator[Contestant]:
    """EnvPool's LunarLander: C++ and Box2D, a pool of threads."""
    if not has("envpool"):
        return
    import envpool

    task = next(task for task in ("LunarLander-v3", "LunarLander-v2") if task in envpool.list_all_envs())
    env = envpool.make(task, env_type="gymnasium", num_envs=256, num_threads=THREADS, seed=0)
    env.reset()
    actions = cycle(torch.randint(4, (64, 256), dtype=torch.int32).numpy())
    conditions = {
        "task": task,
        "control": "4 engines",
        "decisions": "50 Hz",
        "physics": "50 Hz, 2-D Box2D",
        "landers": 256,
        "on": place_of("cpu"),
    }
    yield Contestant(ENVPOOL, lambda: env.step(next(actions)), 256, conditions)


class Stopwatch:
    """Adds up the time that a function takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function, timed."""
        start = time.perf_counter()
        result = self.function(*args, **kwargs)
        self.seconds += time.perf_counter() - start
        return result


def stable_baselines(device: str, rollouts: int) -> Iterator[Contestant]:
    """Stable-Baselines3: its vector environment alone, and PPO from end to end."""
    if not has("stable_baselines3"):
        return
    from stable_baselines3 import PPO

    from lunar_env.sb3 import LanderVecEnv

    env = LanderVecEnv(benchmark(), LEARNERS, device=device)
    env.reset()
    actions = cycle((torch.rand(8, LEARNERS, env.descent.action_size) * 2.0 - 1.0).numpy())
    yield fly(FLYING, env.descent, lambda: env.step(next(actions)))

    env = LanderVecEnv(benchmark(), LEARNERS, device=device)
    warnings.filterwarnings("ignore", message="You are trying to run PPO on the GPU")
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=ROLLOUT,
        batch_size=MINIBATCH,
        n_epochs=EPOCHS,
        policy_kwargs={"net_arch": HIDDEN},
        device=device,
        seed=0,
    )
    steps = LEARNERS * ROLLOUT * rollouts
    model.learn(LEARNERS * ROLLOUT)  # its first call resets the batch, so it is spread afterwards
    flying = vars(env)["step"] = Stopwatch(env.step)
    learning = Stopwatch(lambda: model.learn(steps, reset_num_timesteps=False))
    share = lambda: {"env's share of the time": f"{flying.seconds / learning.seconds:.0%}"}  # noqa: E731
    yield fly(TRAINING, env.descent, learning, steps=steps, after=share)


# Telling


def measure(device: str, effort: Effort) -> dict[str, Any]:
    """Everything, as a report."""
    load = load_average()
    progress("building the contestants")
    singles = list(single_envs())
    contestants = [*cores(device), *shells(device), *singles, *envpool_lander()]
    contestants += stable_baselines(device, effort.rollouts)
    measurements = compete(contestants, effort.rounds, effort.seconds)
    measurements.append(first_step(START, "cpu", effort.starts))
    measurements.append(first_step(COMPILE, "cpu", 1, cached=False))
    if device == "cuda":
        measurements.append(first_step(f"{START}, cuda", "cuda", effort.starts))
        measurements.append(first_step(f"{COMPILE}, cuda", "cuda", 1, cached=False))
    conditions = {**conditions_of(device, effort), "load average": f"{load} before, {load_average()} after"}
    return report(measurements, conditions, claims(device))


def report(measurements: Sequence[Measurement], conditions: dict[str, Any], asked: Sequence[Claim]) -> dict[str, Any]:
    """Conditions, measurements and claims, as plain data."""
    medians = {one.name: one.median for one in measurements}
    told = [claim.as_json(medians) for claim in asked if claim.is_floor or claim.value(medians) is not None]
    return {
        "format": 1,
        "conditions": conditions,
        "measurements": [one.as_json() for one in measurements],
        "claims": told,
    }


def conditions_of(device: str, effort: Effort) -> dict[str, Any]:
    """What holds for all rows."""
    scenario = benchmark()
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else processor(),
        "processor": f"{processor()}, {os.cpu_count()} cores, {THREADS} threads used",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {number}" for name in PACKAGES if (number := version_of(name))),
        "benchmark setting": f"scenario {SCENARIO}, 6-DoF, all sensors and faults, float32, a decision every "
        f"{PERIOD:g} s, {round(PERIOD / scenario.tick)} tick of {scenario.substeps} Runge-Kutta substeps",
        "actions": "random, drawn beforehand: core one set for each round, the others a ring of sets",
        "included": "resets, with landers spread along their flights",
        "excluded": "compilation and warm-up",
        "PPO": f"N={LEARNERS}, {ROLLOUT} steps a rollout, batch {MINIBATCH}, {EPOCHS} epochs, MlpPolicy {HIDDEN}, "
        f"network on {device}",
        "rounds": f"{effort.rounds} of about {effort.seconds:g} s each, contestants taking turns",
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "not set"),
    }


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def version_of(package: str) -> str:
    """The installed version, or nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def load_average() -> str:
    """Processes that wanted a core in the last minute, on average."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def markdown(told: Mapping[str, Any]) -> str:
    """A report as Markdown, which is also what the screen shows."""
    rows = [
        (one["name"], figure(one["median"], one["unit"]), figure(one["best"], one["unit"]), text_of(one["conditions"]))
        for one in told["measurements"]
    ]
    floors = [
        (one["label"], "-" if one["value"] is None else f"{one['value']:,.4g}", one["promise"], one["verdict"])
        for one in told["claims"]
    ]
    parts = [
        "\n".join(f"- {name}: {value}" for name, value in told["conditions"].items()),
        table(("what", "median", "best", "conditions"), rows),
        table(("ratio of medians, or median", "value", "promise", "verdict"), floors),
    ]
    return "\n\n".join(parts) + "\n"


def figure(value: float, unit: str) -> str:
    """A number with its unit."""
    return f"{value:.1f} s" if unit == "s" else f"{value:,.0f} {unit}"


def text_of(conditions: Mapping[str, Any]) -> str:
    """Conditions of one row."""
    return "; ".join(f"{name} {value}" for name, value in conditions.items())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up; figures to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        f"| {row[0]:<{widths[0]}} | "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(row[1:-1], widths[1:-1], strict=True))
        + f" | {row[-1]} |"
        for row in (head, *rows)
    ]
    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:-1]), "---"]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def replaced(page: str, text: str) -> str:
    """The page with this text between its two markers."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page needs the lines {BEGIN} and {END}, once each and in this order")
    return f"{page.partition(BEGIN)[0]}{BEGIN}\n\n{text}\n{END}{page.partition(END)[2]}"


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser("python -m lunar_env.bench", description="Speed beside other environments.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a figure to quote")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the physics runs")
    parser.add_argument("--out", type=Path, default=Path("runs/bench.json"), help="where the figures go")
    parser.add_argument("--from", type=Path, dest="source", metavar="FILE", help="measure nothing, take these figures")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="put the tables into this page")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a floor is missed")
    chosen = parser.parse_args(argv)
    try:
        checked_device(chosen.device)
        if chosen.markdown:
            replaced(chosen.markdown.read_text(encoding="utf-8"), "")  # now, not after minutes of measuring
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(str(error))
    return chosen


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, show, write. 1 if a floor is missed and ``--check`` was given."""
    chosen = arguments(argv)
    torch.set_num_threads(THREADS)
    if chosen.source:
        told = json.loads(chosen.source.read_text(encoding="utf-8"))
    else:
        told = measure(chosen.device, QUICK if chosen.quick else FULL)
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(markdown(told))
    if chosen.markdown:
        page = chosen.markdown.read_text(encoding="utf-8")
        chosen.markdown.write_text(replaced(page, markdown(told)), encoding="utf-8")
    print(f"All figures, round by round: {chosen.source or chosen.out}")
    return int(chosen.check and any(claim["verdict"] == "missed" for claim in told["claims"]))


if __name__ == "__main__":
    if "OMP_WAIT_POLICY" not in os.environ:
        # Idle torch threads would spin and take the core from those that fly. Torch has read this by now: start again.
        os.environ["OMP_WAIT_POLICY"] = "passive"
        sys.exit(subprocess.call([sys.executable, "-m", "lunar_env.bench", *sys.argv[1:]]))
    sys.exit(main())
