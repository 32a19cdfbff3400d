"""What is measured: the core and its shells in all sizes, and the peers that are installed."""

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import cycle
from typing import Any

import gymnasium as gym
import torch

from lunar_env.bench.measure import Contestant, timed
from lunar_env.descent import Descent
from lunar_env.faults.kinds import KINDS, NAMES
from lunar_env.missions import load_scenario
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario
from lunar_env.vector_env import LanderVectorEnv

SCENARIO, PERIOD, CONTROLS = "resilience", 0.1, ("descent_rate", "body")
THREADS = 2
SIZES = {"cpu": (1, 256, 4096), "cuda": (1, 256, 4096, 65_536)}
LEARNERS = 1024
PPO: dict[str, Any] = {"n_steps": 32, "batch_size": 4096, "n_epochs": 5, "policy_kwargs": {"net_arch": [64, 64]}}
SEEING, ROUGH = "core, altimeter sees from the start", "core, every fault, on mare"
FOUR_BEAMS = "core, every fault, on mare, altimeter and Doppler lidar"
SIGHTED = {"faults.late_acquisition.probability": 0.0}
MARE = {
    "terrain.relief": 0.0,
    "terrain.map": "mare",
    "terrain.turn": Range(0.0, 6.28),
    "terrain.shift_x": Range(0.0, 32_768.0),
    "terrain.shift_y": Range(0.0, 32_768.0),
}
LIDAR = {"sensors": ["series_1_laser", "navigation_doppler_lidar"]}
ROWS, STAGGER = 256, 8  # landers of a sample of flights; decisions between their starts, so that they fill a flight


def row(what: str, landers: int, device: str = "cpu", threads: int = THREADS) -> str:
    """The name of a measurement, which says how many landers fly where."""
    return f"{what}, N={landers}, {device if device == 'cuda' else threads_of(threads)}"


def threads_of(threads: int) -> str:
    """A number of threads in words, for a row's name."""
    return "1 thread" if threads == 1 else f"{threads} threads"


SINGLE, LUNAR_LANDER = row("gym.make", 1, threads=1), row("Gymnasium LunarLander", 1, threads=1)
ENVPOOL = row("EnvPool LunarLander", 256)
FLYING, TRAINING = f"SB3 LanderVecEnv, N={LEARNERS}", f"SB3 PPO training, N={LEARNERS}"


def contestants(device: str, rollouts: int) -> list[Contestant]:
    """All contestants for a device; a training of Stable-Baselines3 takes so many ``rollouts``."""
    return [*cores(device), *shells(device), *singles(), *envpool_lander(), *stable_baselines(device, rollouts)]


def cores(device: str) -> Iterator[Contestant]:
    """The core in all sizes and control modes, and at the scenario's own period."""
    for control in CONTROLS:
        for landers in SIZES[device]:
            yield core(control, landers, device, threads=1)
            if device == "cpu" and landers > 1:
                yield core(control, landers, device, THREADS)
        if device == "cuda":
            yield core(control, 4096, "cpu", THREADS)  # for the floor
        period = load_scenario(SCENARIO).decision_period
        what = f"core, {control}, decides every {period:g} s"
        yield core(control, SIZES[device][-1], device, THREADS, what, {"decision_period": period})
    everything = {**every_fault(), **MARE}
    for what, changes in ((SEEING, SIGHTED), (ROUGH, everything), (FOUR_BEAMS, {**everything, **LIDAR})):
        yield core(CONTROLS[0], 4096, device, THREADS, what, changes)


def every_fault() -> dict[str, Any]:
    """Changes that let each fault occur in a fifth of the episodes, with its training ranges."""
    return {
        f"faults.{name}.{number}": value
        for name in NAMES
        for number, value in {**KINDS[name].training, "probability": 0.2}.items()
    }


def core(
    control: str, landers: int, device: str, threads: int, what: str = "", changes: dict[str, Any] | None = None
) -> Contestant:
    """``Descent.advance`` in place."""
    scenario = load_scenario(SCENARIO, **{"control": control, "decision_period": PERIOD} | (changes or {}))
    descent = Descent(scenario, landers, device, threads=threads)
    name = row(what or f"core, {control}", landers, device, threads)
    return fly(name, descent, descent.advance, before=lambda: descent.actions.uniform_(-1.0, 1.0))


def shells(device: str) -> Iterator[Contestant]:
    """The batch with its results in torch and numpy, and as a yardstick a copy of its tables."""
    scenario, landers = load_scenario(SCENARIO, decision_period=PERIOD), SIZES[device][-1]
    descent = Descent(scenario, landers, device, threads=THREADS)
    actions = torch.rand(8, *descent.actions.shape, dtype=torch.float32, device=device) * 2.0 - 1.0
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
        actions = torch.randint(4, (64, 256), dtype=torch.int32, device="cpu").numpy()
        setting = {"task": task, "control": "4 actions at 50 Hz", "physics": "2-D Box2D, 50 Hz"}
        yield Contestant(ENVPOOL, in_turn(env.step, actions), 256, setting)


def stable_baselines(device: str, rollouts: int) -> Iterator[Contestant]:
    """Stable-Baselines3: its vector environment alone, and PPO from end to end."""
    if has("stable_baselines3"):
        import stable_baselines3

        from lunar_env.sb3 import LanderVecEnv

        scenario = load_scenario(SCENARIO, decision_period=PERIOD)
        env, practice = (LanderVecEnv(scenario, LEARNERS, device=device) for _ in range(2))
        env.reset()
        actions = (torch.rand(8, *env.descent.actions.shape, dtype=torch.float32, device="cpu") * 2.0 - 1.0).numpy()
        yield fly(FLYING, env.descent, in_turn(env.step, actions))
        # On the CPU, as it advises for small networks.
        model = stable_baselines3.PPO("MlpPolicy", practice, **PPO, device="cpu", seed=0)
        rollout = LEARNERS * model.n_steps
        model.learn(rollout)  # the first call resets the batch, so it is spread afterwards
        learn = partial(model.learn, rollout * rollouts, reset_num_timesteps=False)
        yield fly(TRAINING, practice.descent, learn, steps=rollout * rollouts)


def in_turn(step: Callable[[Any], object], actions: Iterable[Any]) -> Callable[[], object]:
    """A call that steps with the next of these actions each time; after the last the first comes again."""
    ring = cycle(actions)
    return lambda: step(next(ring))


def has(package: str) -> bool:
    """Whether a package is installed."""
    return importlib.util.find_spec(package) is not None


def fly(
    name: str,
    descent: Descent,
    call: Callable[[], object],
    *,
    steps: int | None = None,
    before: Callable[[], object] = dict,
) -> Contestant:
    """A contestant that flies this batch, after spreading its landers along their flights."""
    spread(descent)
    scenario, begun = descent.scenario, int(descent.state["episode.episode"].sum())
    setting = {
        "control": f"{scenario.control} at {1 / scenario.decision_period:g} Hz",
        "physics": f"{1 / scenario.tick:g} Hz x {scenario.substeps} substeps",
        "on": "cuda" if descent.device.type == "cuda" else threads_of(descent.threads),
    }

    def seen() -> dict[str, Any]:
        return {"episodes ended": int(descent.state["episode.episode"].sum()) - begun}

    return Contestant(name, call, steps or descent.num_envs, setting, before, seen)


def spread(descent: Descent) -> None:
    """Put each lander of a batch somewhere along a flight."""
    if descent.num_envs > 1:
        rows = torch.arange(descent.num_envs, dtype=torch.int64, device="cpu")
        sample = flights(descent.scenario, descent.device.type)
        descent.restore({name: table[rows.to(table.device) % ROWS] for name, table in sample.items()})
        descent.state["episode.lander"] = rows.to(descent.device)  # so that each goes on to episodes of its own


@cache
def flights(scenario: Scenario, device: str) -> dict[str, torch.Tensor]:
    """A snapshot of landers spread evenly along their flights: they began one after the other. Always the same."""
    random = torch.Generator(device="cpu").manual_seed(0)
    descent = Descent(load_scenario(scenario, decision_period=PERIOD), ROWS, device)
    actions = torch.empty(descent.actions.shape, dtype=torch.float32, device="cpu")
    for lander in torch.eye(ROWS, dtype=torch.bool, device=device):
        descent.reset(mask=lander)
        descent.actions.copy_(actions.uniform_(-1.0, 1.0, generator=random))
        timed(descent.advance, STAGGER)
    return descent.snapshot()
