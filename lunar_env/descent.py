"""``Descent``: the batch of landers, torch in and torch out. The heart that every shell wraps."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import warp as wp

from lunar_env.faults.kinds import NAMES, FaultsDrawn, magnitude_of
from lunar_env.kernel.builds import WHOLE, build_of
from lunar_env.kernel.launch import checked_device, load_kernels, split_seed
from lunar_env.kernel.memory import State, columns, structs, words
from lunar_env.kernel.tables import StartDrawn, WorldDrawn, packed, settings_of
from lunar_env.kernel.truth import Truth, tell
from lunar_env.missions import load_scenario
from lunar_env.quantities import leaves
from lunar_env.scenario import Scenario, possible_faults
from lunar_env.sensors.range_finder import Beam, RangeFinderDrawn
from lunar_env.state import Lander, Reading, Record, Sample, Surface
from lunar_env.task import Outcome
from lunar_env.terrain.maps import load_maps
from lunar_env.vehicle.lanes import WIDTH

AUTORESET = ("next_step", "same_step", "disabled")
MANY = 1024  # landers from which a CPU batch is worth a second thread


@dataclass(frozen=True)
class Transition:
    """All that one step tells. First axis: landers. Fresh tensors each step, on the batch's device."""

    observation: torch.Tensor  # (N, size) what the pilot sees next; of the new episode after a same-step reset
    reward: torch.Tensor  # (N,)
    terminated: torch.Tensor  # (N,) bool: the episode ended by its outcome
    truncated: torch.Tensor  # (N,) bool: the clock ran out
    final_observation: torch.Tensor  # (N, size) last reading of the episode that ended; else the observation
    outcome: torch.Tensor  # (N,) int32, see task.Outcome
    ended: dict[str, torch.Tensor]  # the record of each episode that ended in this step or before, by name, (N,)

    @property
    def done(self) -> torch.Tensor:
        """(N,) bool: terminated or truncated."""
        return self.terminated | self.truncated


class Descent:
    """A batch of landers that share a scenario.

    Args:
        scenario: a preset's name or a Scenario.
        num_envs: landers in the batch.
        device: "cpu", "cuda" or a torch device; all tensors live there.
        seed: of all randomness. Lander i of episode k meets the same descent whatever the batch.
        autoreset: "same_step" (a lander that is done begins anew at once), "next_step" or "disabled".
        threads: CPU threads; by default one per 1,024 landers up to torch's number of threads.
    """

    def __init__(
        self,
        scenario: str | Scenario = "resilience",
        num_envs: int = 1,
        device: str | torch.device = "cpu",
        seed: int = 0,
        autoreset: str = "same_step",
        threads: int | None = None,
    ) -> None:
        if autoreset not in AUTORESET:
            raise ValueError(f"autoreset must be one of {', '.join(AUTORESET)}, got {autoreset!r}")
        if isinstance(num_envs, bool) or not isinstance(num_envs, int | np.integer) or num_envs < 1:
            raise ValueError(f"num_envs must be a whole number of at least 1, got {num_envs!r}")
        self.scenario = load_scenario(scenario)
        self.num_envs = int(num_envs)
        self.device = checked_device(device)
        self.autoreset = autoreset
        self.observations = self.scenario.observation_table()
        self.action_size = len(self.scenario.action_names)

        slots, size = self.scenario.delay_slots, self.observations.size
        self.state = State(
            WorldDrawn,
            RangeFinderDrawn,
            FaultsDrawn,
            StartDrawn,
            self.scenario.beams(),
            self.num_envs,
            slots,
            size,
            len(NAMES),
            self.device,
        )
        self._settings = settings_of(self.scenario, AUTORESET.index(autoreset))
        self._build = build_of(self.scenario)
        self._allocate()
        self._launches = self._record(threads)
        self.reset(seed=seed)

    def _allocate(self) -> None:
        n, size = self.num_envs, self.observations.size

        def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.zeros(shape, dtype=dtype, device=self.device)

        # Live tables that ``advance`` reads and writes in place; ``step`` and ``transition`` give copies.
        self.actions = zeros(n, self.action_size)
        self._final = zeros(n, size)
        self.rewards = zeros(n)
        self.outcomes = zeros(n, dtype=torch.int32)
        self._ended = zeros(n, words(Record))
        self._mask = zeros(n, dtype=torch.uint8)
        self._drawing = {name: torch.from_numpy(array).to(self.device) for name, array in packed(self.scenario).items()}

        self._label_faults()

        tables = self._build.tables()
        terrain = self.scenario.terrain
        self._maps, self._heights = load_maps(terrain.map, terrain.map_seed, terrain.map_spacing, self.device)
        if self._build is WHOLE:
            tables.maps = self._maps
        tables.landers = structs(self.state.lander, Lander)
        tables.worlds = structs(self.state.drawn_once, WorldDrawn)
        tables.surfaces = structs(self.state.surface, Surface)
        tables.finders = structs(self.state.drawn_finders, RangeFinderDrawn)
        tables.faults = structs(self.state.drawn_faults, FaultsDrawn)
        tables.starts = structs(self.state.drawn_start, StartDrawn)
        tables.numbers = wp.from_torch(self.state.drawn)
        tables.readings = structs(self.state.reading, Reading)
        tables.delay_line = structs(self.state.delay_line, Sample)
        tables.begun = wp.from_torch(self.state.begun)
        for name in ("lows", "highs", "kinds", "names", "fault_columns"):
            setattr(tables, name, wp.from_torch(self._drawing[name]))
        tables.beams = structs(self._drawing["beams"], Beam)
        tables.actions = wp.from_torch(self.actions)
        tables.observation = wp.from_torch(self.state.observation)
        tables.final_observation = wp.from_torch(self._final)
        tables.reward = wp.from_torch(self.rewards)
        tables.outcome = wp.from_torch(self.outcomes)
        tables.ended = structs(self._ended, Record)
        self._tables = tables

    def _label_faults(self) -> None:
        """Where the labels of the possible faults stand in the state."""
        self.possible_faults = possible_faults(self.scenario)
        paths = [leaf.path for leaf in leaves(self.scenario)]
        onsets = [paths.index(f"faults.{name}.onset") for name in self.possible_faults]
        magnitudes = [paths.index(f"faults.{name}.{magnitude_of(name)}") for name in self.possible_faults]
        self._onsets, self._magnitudes = (torch.tensor(c, device=self.device).long() for c in (onsets, magnitudes))
        codes = [NAMES.index(name) for name in self.possible_faults]
        self._codes = torch.tensor(codes, dtype=torch.int32, device=self.device)
        ends = torch.stack([self._drawing["lows"], self._drawing["highs"]]).abs().amax(dim=0)
        self._fault_scales = ends[self._magnitudes].clamp(min=1e-6)

    def _record(self, threads: int | None) -> list[Any]:
        """Record the step's launches once: replaying one costs microseconds, a new one tens of them."""
        device = wp.device_from_torch(self.device)
        load_kernels(self._build, device)
        if threads is None:
            threads = min(torch.get_num_threads(), max(self.num_envs // MANY, 1))
        parts = 1 if device.is_cuda else max(min(threads, self.num_envs), 1)
        edges = [self.num_envs * part // parts for part in range(parts + 1)]
        self._pool = ThreadPoolExecutor(parts - 1) if parts > 1 else None
        if device.is_cuda:
            inputs = [self._tables, self._settings]
            return [wp.launch(self._build.advance, dim=self.num_envs, inputs=inputs, device=device, record_cmd=True)]
        return [
            wp.launch(
                self._build.advance_abreast,
                dim=-(-(end - first) // WIDTH),
                inputs=[self._tables, self._settings, first, end],
                device=device,
                record_cmd=True,
            )
            for first, end in pairwise(edges)
        ]

    def advance(self) -> None:
        """Fly one decision on ``self.actions``, in place and without a copy: for loops that count microseconds."""
        if self.device.type == "cuda":
            self._launches[0].launch(stream=self._stream())
            return
        others = [self._pool.submit(launch.launch) for launch in self._launches[1:]] if self._pool else []
        self._launches[0].launch()
        for other in others:
            other.result()

    def step(self, action: torch.Tensor) -> Transition:
        """Fly one decision period.

        Args:
            action: (N, action_size), clipped to [-1, 1]. A lander whose action is not finite ends as ``invalid``.
        """
        self.actions.copy_(self._checked(action))
        self.advance()
        return self.transition()

    def transition(self) -> Transition:
        """What the newest step told, as fresh tensors."""
        outcome = self.outcomes.clone()
        truncated = outcome == int(Outcome.OUT_OF_TIME)
        done = outcome != int(Outcome.FLYING)
        observation = self.state.observation.clone()
        return Transition(
            observation=observation,
            reward=self.rewards.clone(),
            terminated=done & ~truncated,
            truncated=truncated,
            final_observation=torch.where(done[:, None], self._final, observation),
            outcome=outcome,
            ended=columns(self._ended.clone(), Record),
        )

    def reset(
        self,
        seed: int | None = None,
        mask: torch.Tensor | np.ndarray | None = None,
        first_lander: int | None = None,
    ) -> torch.Tensor:
        """Begin new episodes and return the observation (N, size).

        Args:
            seed: start all counters afresh from this seed; without it each lander goes on to its next episode.
            mask: (N,) bool; only these landers are reset, the others stay as they are, bit for bit.
            first_lander: with ``seed``, the number of row 0's lander; row i flies the descents of lander first + i.
        """
        mask_tensor = self._checked_mask(mask)
        chosen = mask_tensor.bool()
        if seed is not None:
            low, high = split_seed(seed)
            numbers = torch.arange(self.num_envs, dtype=torch.int32, device=self.device) + (first_lander or 0)
            for name, value in (("seed_low", low), ("seed_high", high), ("lander", numbers), ("episode", 0)):
                column = self.state["episode." + name]
                column.copy_(torch.where(chosen, torch.as_tensor(value, dtype=torch.int32, device=self.device), column))
        else:
            self.state["episode.episode"].add_(mask_tensor.to(torch.int32))
        self._mask.copy_(mask_tensor)
        inputs = [self._tables, self._settings, wp.from_torch(self._mask)]
        device = wp.device_from_torch(self.device)
        wp.launch(self._build.reset, dim=self.num_envs, inputs=inputs, device=device, stream=self._stream())
        return self.state.observation.clone()

    def draw_from(self, scenario: Scenario) -> None:
        """From each lander's next episode on, draw the numbers of another scenario: for a curriculum.

        It may differ from the batch's own in numbers only, each within the ends that the batch's own has. Raises
        ValueError that names the first one that does not.
        """
        own = {leaf.path: leaf.value for leaf in leaves(self.scenario)}
        if load_scenario(scenario, **own) != load_scenario(self.scenario, **own):
            raise ValueError("the scenario differs in more than its numbers from that of the batch; make another batch")
        for widest, wanted in zip(leaves(self.scenario), leaves(scenario), strict=False):
            if not widest.low <= wanted.low <= wanted.high <= widest.high:
                raise ValueError(
                    f"{wanted.path} may be drawn from [{widest.low:g}, {widest.high:g}] in this batch, got "
                    f"[{wanted.low:g}, {wanted.high:g}]; make the batch with the widest scenario"
                )
        for name in ("lows", "highs", "kinds"):
            self._drawing[name].copy_(torch.from_numpy(packed(scenario)[name]))

    def snapshot(self) -> dict[str, torch.Tensor]:
        """A copy of everything that changes; ``restore`` continues from it bit for bit."""
        outputs = {"outcome": self.outcomes, "final": self._final, "ended": self._ended, "reward": self.rewards}
        return {**self.state.snapshot(), **{name: table.clone() for name, table in outputs.items()}}

    def restore(self, snapshot: dict[str, torch.Tensor]) -> None:
        """Put a snapshot of this scenario and batch size back."""
        self.state.restore(snapshot)
        outputs = {"outcome": self.outcomes, "final": self._final, "ended": self._ended, "reward": self.rewards}
        for name, table in outputs.items():
            table.copy_(snapshot[name])

    def truth(self) -> dict[str, torch.Tensor]:
        """What really is, by name, each (N,); see ``truth.Truth``. Never for a pilot."""
        table = torch.zeros(self.num_envs, words(Truth), device=self.device)
        inputs = [
            self._tables.landers,
            self._tables.worlds,
            self._tables.surfaces,
            self._maps,
            self._settings,
            structs(table, Truth),
        ]
        wp.launch(
            tell, dim=self.num_envs, inputs=inputs, device=wp.device_from_torch(self.device), stream=self._stream()
        )
        return columns(table, Truth)

    def faults(self) -> dict[str, torch.Tensor]:
        """The faults of each episode, for critics and labels, never for a pilot. Columns: ``possible_faults``.

        ``present`` and ``acting``, (N, F) bool; ``onset`` [s] and ``magnitude`` (N, F), each in its own unit, zero
        where the fault is not present.
        """
        present, acting = (
            self.state["episode." + name][:, None] >> self._codes & 1 == 1 for name in ("faults", "acting")
        )
        onset, magnitude = (self.state.drawn[:, columns] * present for columns in (self._onsets, self._magnitudes))
        return {"present": present, "acting": acting, "onset": onset, "magnitude": magnitude}

    def privileged(self) -> torch.Tensor:
        """(N, 13 + 3 F) the truth for a critic, never for a pilot, scaled to about [-1, 1].

        Height above ground, position (3), velocity (3), position error of the belief (3), velocity error (3); then,
        for each of the F ``possible_faults``, whether it acts, its onset and its magnitude.
        """
        scenario, state, faults = self.scenario, self.state, self.faults()
        parts = [
            self.truth()["height"][:, None] / scenario.ceiling,
            state["motion.position"] / scenario.ceiling,
            state["motion.velocity"] / scenario.top_speed,
            state["belief.position_error"] / 1_000.0,
            state["belief.velocity_error"],
            faults["acting"].float(),
            faults["onset"] / scenario.time_limit,
            faults["magnitude"] / self._fault_scales,
        ]
        return torch.cat(parts, dim=1)

    def _stream(self) -> Any:
        """Torch's current stream, so that physics and learning are in order without waiting for each other."""
        return wp.stream_from_torch(torch.cuda.current_stream(self.device)) if self.device.type == "cuda" else None

    def _checked(self, action: Any) -> torch.Tensor:
        action = torch.as_tensor(action)
        expected = (self.num_envs, self.action_size)
        if tuple(action.shape) != expected or not (action.is_floating_point() or action.dtype == torch.int64):
            names = ", ".join(self.scenario.action_names)
            raise ValueError(
                f"action must be a float tensor of shape {expected} ({names}), got {action.dtype} {tuple(action.shape)}"
            )
        return action

    def _checked_mask(self, mask: Any) -> torch.Tensor:
        if mask is None:
            return torch.ones(self.num_envs, dtype=torch.uint8, device=self.device)
        mask = torch.as_tensor(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != torch.bool:
            raise ValueError(f"mask must be bool of shape ({self.num_envs},), got {mask.dtype} {tuple(mask.shape)}")
        return mask.to(self.device, torch.uint8)
