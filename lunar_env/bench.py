"""Speed beside other environments, in one run: ``python -m lunar_env.bench [--quick] [--device cuda] [--check]``.

All contestants take turns, round by round, so that whatever else the machine does hits them alike. What counts is the
median of the rounds, and the ratio of two medians. Actions are random and drawn beforehand; resets are included;
compilation and warm-up are not. Our batches begin with their landers spread along their flights, so that resets come
at their lasting rate.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import gymnasium as gym
import torch

from lunar_env.descent import Descent, checked_device
from lunar_env.missions import load_scenario
from lunar_env.vector_env import LanderVectorEnv

SCENARIO, PERIOD, CONTROLS = "resilience", 0.1, ("descent_rate", "body")
THREADS = 2
SIZES = {"cpu": (1, 256, 4096), "cuda": (1, 256, 4096, 65_536)}
LEARNERS = 1024
PPO: dict[str, Any] = {"n_steps": 32, "batch_size": 4096, "n_epochs": 5, "policy_kwargs": {"net_arch": [64, 64]}}
ROWS, STAGGER = 256, 8  # landers of a sample of flights; decisions between their starts, so that they fill a flight
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
FIRST_STEP = """import time; start = time.perf_counter()
import gymnasium, lunar_env
{step}
print(time.perf_counter() - start)"""
STEP = {
    "cpu": 'env = gymnasium.make("Lunar/Resilience-v0"); env.reset(seed=0); env.step(env.action_space.sample())',
    "cuda": 'batch = lunar_env.Descent(device="cuda"); batch.step(batch.actions).reward.cpu()',
}


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


@dataclass(frozen=True)
class Contestant:
    """Something that takes steps: so many of them in each ``call``."""

    name: str
    call: Callable[[], object]
    steps: int
    conditions: dict[str, Any]
    before: Callable[[], object] = dict  # runs before each round, not timed
    after: Callable[[], dict[str, Any]] = dict  # what was seen in all rounds together


@dataclass(frozen=True)
class Claim:
    """A median, or a ratio of two; a floor of the project if it has a bound."""

    label: str
    over: str
    under: str = ""
    low: float = 0.0
    high: float = math.inf
    extra: str = "bench"  # that installs the peer

    def told(self, medians: Mapping[str, float]) -> dict[str, Any]:
        """Value, bound and verdict: what was not measured did not pass."""
        known = all(name in medians for name in (self.over, self.under) if name)
        value = medians[self.over] / medians.get(self.under, 1.0) if known else None
        bound = f">= {self.low:,g}" if self.low else f"<= {self.high:g} s" if self.high < math.inf else ""
        verdict = "" if not bound else f'not measured: pip install "lunar-env[{self.extra}]"'
        if bound and value is not None:
            verdict = "pass" if self.low <= value <= self.high else "missed"
        return {"label": self.label, "value": value, "bound": bound, "verdict": verdict}


def row(what: str, landers: int, device: str = "cpu", threads: int = THREADS) -> str:
    """The name of a measurement, which says how many landers fly where."""
    return f"{what}, N={landers}, {device if device == 'cuda' else threads_of(threads)}"


def threads_of(threads: int) -> str:
    """For people."""
    return "1 thread" if threads == 1 else f"{threads} threads"


SINGLE, LUNAR_LANDER = row("gym.make", 1, threads=1), row("Gymnasium LunarLander", 1, threads=1)
ENVPOOL = row("EnvPool LunarLander", 256)
FLYING, TRAINING = f"SB3 LanderVecEnv, N={LEARNERS}", f"SB3 PPO training, N={LEARNERS}"
CACHED, COMPILED = "import to first step, cached", "import to first step, first ever"


def claims(device: str) -> list[Claim]:
    """The floors of the project, then ratios worth knowing."""
    own, body = (f"core, {control}" for control in CONTROLS)
    largest = SIZES[device][-1], device
    return [
        Claim("core N=4096 / EnvPool, 2 threads each", row(own, 4096), ENVPOOL, low=25.0),
        Claim("gym.make / Gymnasium LunarLander", SINGLE, LUNAR_LANDER, low=3.0),
        Claim("SB3 PPO training, steps/s", TRAINING, low=40_000.0, extra="train"),
        Claim(CACHED, CACHED, high=4.0),
        Claim(COMPILED, COMPILED, high=30.0),
        Claim("core N=4096, control body / EnvPool", row(body, 4096), ENVPOOL),
        Claim("core N=4096, 2 threads / 1 thread", row(own, 4096), row(own, 4096, threads=1)),
        Claim("Descent.step / core", row("Descent.step", *largest), row(own, *largest)),
        Claim("LanderVectorEnv torch / core", row("LanderVectorEnv torch", *largest), row(own, *largest)),
        Claim("LanderVectorEnv numpy / core", row("LanderVectorEnv numpy", *largest), row(own, *largest)),
        Claim("core / copy of its tables", row(own, *largest), row("copy of the tables", *largest)),
        Claim("SB3 PPO: the environment's share of the time", TRAINING, FLYING),
    ]


def timed(call: Callable[[], object], count: int) -> float:
    """Seconds that so many calls take, with all that they left to the GPU."""
    wait = torch.cuda.synchronize if torch.cuda.is_initialized() else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(count):
        call()
    wait()
    return time.perf_counter() - start


def calls_for(call: Callable[[], object], seconds: float) -> int:
    """How many calls take about so long. Finding out warms up."""
    call()
    count, spent = 1, timed(call, 1)
    while spent < seconds / 4:
        count *= 2
        spent = timed(call, count)
    return max(1, round(count * seconds / spent))


def compete(contestants: Sequence[Contestant], rounds: int, seconds: float) -> list[Measurement]:
    """Let all take turns, round by round."""
    progress("warming up")
    turns = [(one, calls_for(one.call, seconds), list[float]()) for one in contestants]
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for one, count, rates in turns:
            one.before()
            rates.append(one.steps * count / timed(one.call, count))
    return [Measurement(one.name, rates, one.conditions | one.after()) for one, _, rates in turns]


def first_step(name: str, device: str, rounds: int, cached: bool) -> Measurement:
    """Seconds from ``import lunar_env`` to the end of the first step, in a fresh process."""
    seconds = []
    for number in range(rounds):
        progress(f"{name} on {device}, {number + 1} of {rounds}")
        with tempfile.TemporaryDirectory() as empty:
            command = [sys.executable, "-c", FIRST_STEP.format(step=STEP[device])]
            environment = {**os.environ, **({} if cached else {"WARP_CACHE_PATH": empty})}
            package = Path(__file__).parent.parent
            done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=True)
        seconds.append(float(done.stdout.split()[-1]))
    return Measurement(name if device == "cpu" else f"{name}, cuda", seconds, {"on": device}, unit="s")


def progress(text: str) -> None:
    """Say what happens now."""
    print(f"bench: {text} ...", file=sys.stderr, flush=True)


@cache
def flights(control: str) -> dict[str, torch.Tensor]:
    """A snapshot of landers spread evenly along their flights: they began one after the other."""
    descent = Descent(load_scenario(SCENARIO, control=control, decision_period=PERIOD), ROWS)
    for lander in torch.eye(ROWS, dtype=torch.bool):
        descent.reset(mask=lander)
        descent.actions.uniform_(-1.0, 1.0)
        timed(descent.advance, STAGGER)
    return descent.snapshot()


def fly(name: str, descent: Descent, call: Callable[[], object], **more: Any) -> Contestant:
    """A contestant that flies this batch, after spreading its landers along their flights."""
    scenario, episode = descent.scenario, descent.state["episode.episode"]
    rows = torch.arange(descent.num_envs)
    if descent.num_envs > 1:
        sample = flights(scenario.control).items()
        descent.restore({key: v[:, rows % ROWS] if key == "delay_line" else v[rows % ROWS] for key, v in sample})
        descent.state["episode.lander"].copy_(rows)  # so that each goes on to episodes of its own
    begun, threads = int(episode.sum()), len(descent._launches)
    setting = {
        "control": f"{scenario.control} at {1 / scenario.decision_period:g} Hz",
        "physics": f"{1 / scenario.tick:g} Hz x {scenario.substeps} substeps",
        "on": "cuda" if descent.device.type == "cuda" else threads_of(threads),
    }
    seen = {"after": lambda: {"episodes ended": int(episode.sum()) - begun}}
    return Contestant(name, call, conditions=setting, **{"steps": descent.num_envs, **seen, **more})


def core(control: str, landers: int, device: str, threads: int, period: float = PERIOD) -> Contestant:
    """``Descent.advance`` in place."""
    scenario = load_scenario(SCENARIO, control=control, decision_period=period)
    descent = Descent(scenario, landers, device, threads=threads)
    what = f"core, {control}" if period == PERIOD else f"core, {control}, decides every {period:g} s"
    name = row(what, landers, device, threads)
    return fly(name, descent, descent.advance, before=lambda: descent.actions.uniform_(-1.0, 1.0))


def cores(device: str) -> Iterator[Contestant]:
    """The core in all sizes and control modes, and at the scenario's own period."""
    for control in CONTROLS:
        for landers in SIZES[device]:
            yield core(control, landers, device, threads=1)
            if device == "cpu" and landers > 1:
                yield core(control, landers, device, THREADS)
        if device == "cuda":
            yield core(control, 4096, "cpu", THREADS)  # for the floor
        yield core(control, SIZES[device][-1], device, THREADS, load_scenario(SCENARIO).decision_period)


def shells(device: str) -> Iterator[Contestant]:
    """The batch with its results in torch and numpy, and as a yardstick a copy of its tables."""
    scenario, landers = load_scenario(SCENARIO, decision_period=PERIOD), SIZES[device][-1]
    descent = Descent(scenario, landers, device, threads=THREADS)
    actions = torch.rand(8, *descent.actions.shape, device=device) * 2.0 - 1.0
    yield fly(row("Descent.step", landers, device), descent, in_turn(descent.step, actions))
    for output, given in (("torch", actions), ("numpy", actions.cpu().numpy())):
        env = LanderVectorEnv(landers, scenario, device, output=output)
        env.reset(seed=0)
        name = row(f"LanderVectorEnv {output}", landers, device)
        yield fly(name, env.descent, in_turn(env.step, given))
    tables = torch.cat([table.flatten() for table in descent.state.tables().values()])
    copy, size = torch.empty_like(tables), f"{tables.nbytes:,} bytes"
    name = row("copy of the tables", landers, device)
    yield Contestant(name, lambda: copy.copy_(tables), landers, {"each call": size})


def in_turn(step: Callable[[Any], object], actions: Iterable[Any]) -> Callable[[], object]:
    """A step with the next of these actions, round and round."""
    ring = cycle(actions)
    return lambda: step(next(ring))


def singles() -> Iterator[Contestant]:
    """One lander as ``gym.make`` gives it, and Gymnasium's."""
    env = gym.make("Lunar/Resilience-v0", decision_period=PERIOD)
    unwrapped: Any = env.unwrapped
    yield fly(SINGLE, unwrapped.descent, stepping(env))
    if has("Box2D"):
        setting = {"control": "4 actions at 50 Hz", "physics": "2-D Box2D, 50 Hz"}
        yield Contestant(LUNAR_LANDER, stepping(gym.make("LunarLander-v3")), 1, setting)


def stepping(env: gym.Env) -> Callable[[], object]:
    """One step with a random action, and a reset if that ended the episode."""
    env.action_space.seed(0)
    env.reset(seed=0)
    actions = [env.action_space.sample() for _ in range(1024)]

    def step(action: Any) -> None:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()

    return in_turn(step, actions)


def envpool_lander() -> Iterator[Contestant]:
    """EnvPool's LunarLander: C++ and Box2D in a pool of threads."""
    if has("envpool"):
        import envpool

        task = next(task for task in ("LunarLander-v3", "LunarLander-v2") if task in envpool.list_all_envs())
        env = envpool.make(task, env_type="gymnasium", num_envs=256, num_threads=THREADS, seed=0)
        env.reset()
        actions = torch.randint(4, (64, 256), dtype=torch.int32).numpy()
        setting = {"task": task, "control": "4 actions at 50 Hz", "physics": "2-D Box2D, 50 Hz"}
        yield Contestant(ENVPOOL, in_turn(env.step, actions), 256, setting)


def stable_baselines(device: str, rollouts: int) -> Iterator[Contestant]:
    """Stable-Baselines3: its vector environment alone, and PPO from end to end."""
    if has("stable_baselines3"):
        import stable_baselines3

        from lunar_env.sb3 import LanderVecEnv

        scenario = load_scenario(SCENARIO, decision_period=PERIOD)
        env, practice = (LanderVecEnv(scenario, LEARNERS, device=device) for _ in range(2))
        actions = (torch.rand(8, *env.descent.actions.shape) * 2.0 - 1.0).numpy()
        yield fly(FLYING, env.descent, in_turn(env.step, actions))
        model = stable_baselines3.PPO(
            "MlpPolicy", practice, **PPO, device="cpu", seed=0
        )  # its advice for small networks
        rollout = LEARNERS * model.n_steps
        model.learn(rollout)  # the first call resets the batch, so it is spread afterwards
        learn = lambda: model.learn(rollout * rollouts, reset_num_timesteps=False)  # noqa: E731
        yield fly(TRAINING, practice.descent, learn, steps=rollout * rollouts)


def has(package: str) -> bool:
    """Whether a package is installed."""
    return importlib.util.find_spec(package) is not None


def measure(device: str, quick: bool) -> dict[str, Any]:
    """Everything, as a report."""
    load = load_average()
    rounds, seconds, rollouts, starts = (3, 0.1, 1, 1) if quick else (5, 0.4, 3, 3)
    progress("building the contestants")
    contestants = [*cores(device), *shells(device), *singles(), *envpool_lander(), *stable_baselines(device, rollouts)]
    measured = compete(contestants, rounds, seconds)
    for where in dict.fromkeys(("cpu", device)):
        measured += [first_step(CACHED, where, starts, cached=True), first_step(COMPILED, where, 1, cached=False)]
    setting = {
        "rounds": f"{rounds} of about {seconds:g} s, contestants taking turns",
        "load average": f"{load} before, {load_average()} after",
    }
    return report(measured, conditions(device) | setting, claims(device))


def report(measured: Sequence[Measurement], setting: dict[str, Any], asked: Sequence[Claim]) -> dict[str, Any]:
    """Conditions, measurements and claims, as plain data."""
    medians = {one.name: one.median for one in measured}
    rows = [{**asdict(one), "median": one.median, "best": one.best} for one in measured]
    return {"conditions": setting, "measurements": rows, "claims": [claim.told(medians) for claim in asked]}


def conditions(device: str) -> dict[str, Any]:
    """What holds for all rows."""
    scenario = load_scenario(SCENARIO)
    packages = ("lunar-env", "warp-lang", "torch", "numpy", "gymnasium", "stable-baselines3", "envpool", "box2d")
    found = {d.name.lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "processor": f"{processor()}, {os.cpu_count()} cores; the bench uses {THREADS} threads",
        "versions": f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {found[name]}" for name in packages if name in found),
        "benchmark setting": f"scenario {SCENARIO}, 6-DoF, all instruments and faults, float32, a decision every "
        f"{PERIOD:g} s, physics ticks of {scenario.tick:g} s with {scenario.substeps} Runge-Kutta substeps",
        "actions": "random, drawn beforehand; core: one set for each round; others: sets in turn",
        "included": "resets, and all copies that the interface makes",
        "excluded": "compilation and warm-up, but in the rows that say otherwise",
        "PPO": f"rollouts of {PPO['n_steps']} steps, batches of {PPO['batch_size']}, {PPO['n_epochs']} epochs, "
        f"MlpPolicy {PPO['policy_kwargs']['net_arch']} on the CPU, {threads_of(THREADS)}",
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "not set"),
    }


def processor() -> str:
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def load_average() -> str:
    """Processes that wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def markdown(told: Mapping[str, Any]) -> str:
    """A report for people: on the screen and in a page."""
    rows = [("what", "median", "best", "conditions")]
    for one in told["measurements"]:
        unit = " s" if one["unit"] == "s" else ""
        setting = "; ".join(f"{key} {value}" for key, value in one["conditions"].items())
        rows.append((one["name"], figure(one["median"]) + unit, figure(one["best"]) + unit, setting))
    floors = [("ratio of medians, or median", "value", "floor", "verdict")]
    floors += [(one["label"], figure(one["value"]), one["bound"], one["verdict"]) for one in told["claims"]]
    general = "\n".join(f"- {name}: {value}" for name, value in told["conditions"].items())
    return f"{general}\n\nSteps of one lander per second, or seconds:\n\n{table(rows)}\n\n{table(floors)}\n"


def figure(value: float | None) -> str:
    """Three digits, or all before the point."""
    return "-" if value is None else f"{value:,.0f}" if value >= 100.0 else f"{value:.3g}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns in line; the first row is its head."""
    width = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"| {a:<{width[0]}} | {b:>{width[1]}} | {c:>{width[2]}} | {d} |" for a, b, c, d in rows]
    return "\n".join([lines[0], "|---|---:|---:|---|", *lines[1:]])


def replaced(page: str, text: str) -> str:
    """The page with this text between its two markers."""
    before, found, rest = page.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found and found_end):
        raise ValueError(f"the page needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, show, write. 1 if a floor is missed and ``--check`` was given."""
    parser = argparse.ArgumentParser("python -m lunar_env.bench", description="Speed beside other environments.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a figure to quote")
    parser.add_argument("--device", choices=tuple(SIZES), default="cpu", help="where the physics runs")
    parser.add_argument("--out", type=Path, default=Path("runs/bench.json"), help="where the figures go")
    parser.add_argument("--from", type=Path, dest="source", metavar="FILE", help="measure nothing, show these figures")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="put the tables between this page's markers")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a floor is missed")
    chosen = parser.parse_args(argv)
    try:
        checked_device(chosen.device)
        page = chosen.markdown.read_text(encoding="utf-8") if chosen.markdown else f"{BEGIN}{END}"
        replaced(page, "")  # a page without markers is refused now, not after minutes
    except (OSError, RuntimeError, ValueError) as error:
        parser.error(str(error))
    torch.set_num_threads(THREADS)
    if chosen.source:
        told = json.loads(chosen.source.read_text(encoding="utf-8"))
    else:
        told = measure(chosen.device, chosen.quick)
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(markdown(told))
    if chosen.markdown:
        chosen.markdown.write_text(replaced(page, markdown(told)), encoding="utf-8")
    print(f"All figures, round by round: {chosen.source or chosen.out}")
    return int(chosen.check and any(claim["verdict"] == "missed" for claim in told["claims"]))


if __name__ == "__main__":
    if "OMP_WAIT_POLICY" not in os.environ:
        # Idle torch threads would spin and take the core from those that fly. Torch has read this by now: start again.
        os.environ["OMP_WAIT_POLICY"] = "passive"
        sys.exit(subprocess.call([sys.executable, "-m", "lunar_env.bench", *sys.argv[1:]]))
    sys.exit(main())
