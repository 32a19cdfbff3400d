"""PPO of Stable-Baselines3 on ``LanderVecEnv``: the familiar way to train."""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn
from tqdm import tqdm

from agents.config import Experiment, per_action
from agents.features import Features
from agents.policy import PolicyNetwork, save_policy
from agents.run_folder import RunFolderError, write_atomic
from lunar_env import Outcome, Scenario
from lunar_env.observation import ObservationTable
from lunar_env.sb3 import LanderVecEnv

CHECKPOINT = "checkpoint.pt"
WINDOW = 4_000  # episodes behind the landing rate that is shown
TERMS = ("approach", "propellant_cost", "touchdown")
SPEEDS = ("descent_rate", "lateral_speed", "propellant_used", "duration")


class FeaturesExtractor(BaseFeaturesExtractor):
    """``Features`` as SB3 wants them."""

    def __init__(self, observation_space: Any, table: ObservationTable) -> None:
        features = Features(table)
        super().__init__(observation_space, features.size)
        self.features = features

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """(N, size) to (N, features)."""
        return self.features(observation)


class Progress(BaseCallback):
    """The bar, the log and the checkpoints of a run."""

    def __init__(
        self, experiment: Experiment, scenario: Scenario, folder: Path, clock: "Stopwatch", seconds_before: float
    ) -> None:
        super().__init__()
        self.experiment, self.scenario, self.folder, self.clock = experiment, scenario, folder, clock
        self.seconds_before = seconds_before  # [s] of training before this run was resumed
        self.ended: deque[dict[str, Any]] = deque(maxlen=WINDOW)

    def _on_training_start(self) -> None:
        self.began = self.saved = time.perf_counter()
        self.first_step = self.num_timesteps
        self.bar = tqdm(total=self.experiment.total_steps, initial=self.num_timesteps, unit="step", unit_scale=True)

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        self.ended.extend(infos[row] for row in np.flatnonzero(self.locals["dones"]))
        return True

    def _on_rollout_end(self) -> None:
        self.bar.update(self.num_timesteps - self.bar.n)
        elapsed = time.perf_counter() - self.began
        self.logger.record("speed/steps_per_second", (self.num_timesteps - self.first_step) / elapsed)
        self.logger.record("speed/environment_share", self.clock.seconds / elapsed)
        if self.ended:
            outcomes = np.array([info["outcome"] for info in self.ended])
            landed = float(np.mean(outcomes == Outcome.LANDED))
            self.bar.set_postfix(landed=f"{landed:.3f}")
            for outcome in Outcome:
                if outcome != Outcome.FLYING:
                    self.logger.record(f"outcome/{outcome.name.lower()}", float(np.mean(outcomes == outcome)))
            for group, names in (("reward", TERMS), ("flight", SPEEDS)):
                for name in names:
                    self.logger.record(f"{group}/{name}", float(np.mean([info[name] for info in self.ended])))
        if time.perf_counter() - self.saved > self.experiment.checkpoint_every:
            self.save()

    def _on_training_end(self) -> None:
        self.bar.close()
        self.save()

    def save(self) -> None:
        """A checkpoint to go on from, and the policy as it is."""
        self.saved = time.perf_counter()
        seconds = self.seconds_before + self.saved - self.began
        save_checkpoint(self.folder, self.model, seconds)  # type: ignore[arg-type]
        told = {"trained_steps": self.num_timesteps, "seed": self.experiment.seed}
        save_policy(self.folder, extract_policy(self.model), self.scenario, told)  # type: ignore[arg-type]

    def landing_rate(self) -> float:
        """Of the newest episodes, exploration included."""
        return float(np.mean([info["outcome"] == Outcome.LANDED for info in self.ended])) if self.ended else 0.0


class Stopwatch:
    """Adds up the seconds spent inside a function."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """The function, with its time added up."""

        def wrapped() -> Any:
            began = time.perf_counter()
            result = function()
            self.seconds += time.perf_counter() - began
            return result

        return wrapped


def learn(experiment: Experiment, practice: Scenario, scenario: Scenario, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, and leave the policy in ``folder``. Returns what the run's summary says about training.

    Args:
        experiment: all numbers of the run.
        practice: the scenario trained on.
        scenario: the scenario the policy is for; it differs from ``practice`` in what is drawn only.
        folder: of the run.
        resume: go on from the checkpoint in ``folder``.
    """
    if experiment.threads:
        torch.set_num_threads(experiment.threads)
    saved = load_checkpoint(folder) if resume else None
    steps_before, seconds_before = (saved["steps"], saved.get("seconds", 0.0)) if saved else (0, 0.0)
    # A resumed run meets new descents: seeds beyond 2^32 belong to it alone.
    seed = experiment.seed + (steps_before << 32)
    environment = LanderVecEnv(practice, experiment.num_envs, seed=seed)
    clock = Stopwatch()
    environment.step_wait = clock.timed(environment.step_wait)  # type: ignore[method-assign]
    model = build(experiment, practice, environment)
    if saved:
        try:
            model.policy.load_state_dict(saved["policy"])
            model.policy.optimizer.load_state_dict(saved["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise RunFolderError(
                f"{folder / CHECKPOINT} does not fit the network in config.json ({error}); start the run anew"
            ) from None
        model.num_timesteps = steps_before
        environment.seed(seed)  # PPO has seeded it with the experiment's own
        torch.manual_seed(seed)
    model.set_logger(configure(str(folder / "tensorboard"), ["tensorboard"]))
    progress = Progress(experiment, scenario, folder, clock, seconds_before)
    began = time.perf_counter()
    model.learn(max(experiment.total_steps - steps_before, 0), callback=progress, reset_num_timesteps=not saved)
    seconds = time.perf_counter() - began
    return {
        "steps": model.num_timesteps,
        "seconds": seconds_before + seconds,
        "steps_per_second": (model.num_timesteps - steps_before) / seconds,
        "environment_share": clock.seconds / seconds,
        "landing_rate_while_exploring": progress.landing_rate(),
    }


def build(experiment: Experiment, practice: Scenario, environment: LanderVecEnv) -> PPO:
    """The learner, with the initial policy that the experiment describes."""
    ppo, network = experiment.ppo, experiment.network
    actions = len(practice.action_names)
    model = PPO(
        "MlpPolicy",
        environment,
        n_steps=ppo.steps,
        batch_size=ppo.batch_size,
        n_epochs=ppo.epochs,
        learning_rate=lambda left: ppo.learning_rate * max(left, 0.03),
        gamma=ppo.discount,
        gae_lambda=ppo.gae_lambda,
        clip_range=ppo.clip,
        ent_coef=ppo.entropy,
        seed=experiment.seed,
        device="cpu",
        policy_kwargs={
            "features_extractor_class": FeaturesExtractor,
            "features_extractor_kwargs": {"table": practice.observation_table()},
            "net_arch": list(network.hidden),
            "activation_fn": nn.Tanh,
        },
    )
    with torch.no_grad():
        policy: Any = model.policy
        policy.log_std.copy_(torch.log(per_action("network.deviation", network.deviation, actions)))
        policy.action_net.bias.copy_(per_action("network.bias", network.bias, actions))
    return model


def extract_policy(model: PPO) -> PolicyNetwork:
    """The network that flies: SB3's policy layers and its action layer, nothing else."""
    policy: Any = model.policy
    hidden = [layer for layer in policy.mlp_extractor.policy_net if isinstance(layer, nn.Linear)]
    layers: list[nn.Linear] = [*hidden, policy.action_net]
    sizes = tuple(layer.out_features for layer in hidden)
    network = PolicyNetwork(layers[0].in_features, sizes, layers[-1].out_features)
    targets = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    for target, source in zip(targets, layers, strict=True):
        target.load_state_dict(source.state_dict())
    return network


def save_checkpoint(folder: Path, model: PPO, seconds: float) -> None:
    """Weights, optimiser, step count and seconds of training so far, atomically."""
    state = {
        "policy": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "steps": model.num_timesteps,
        "seconds": seconds,
    }
    write_atomic(folder / CHECKPOINT, lambda temporary: torch.save(state, temporary))


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote. Reads tensors and numbers only, never code."""
    path = folder / CHECKPOINT
    try:
        saved = torch.load(path, weights_only=True)
    except FileNotFoundError:
        raise RunFolderError(f"{folder} has no {CHECKPOINT} to resume from; start the run anew") from None
    except Exception as error:
        raise RunFolderError(f"{path} cannot be read ({type(error).__name__}); start the run anew") from None
    if not isinstance(saved, dict) or not {"policy", "optimizer", "steps"} <= set(saved):
        raise RunFolderError(f"{path} is no checkpoint of this version; start the run anew")
    return saved
