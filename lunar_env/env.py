"""``LanderEnv``: one descent as a Gymnasium environment, numpy in and numpy out.

A thin shell around a batch of one: it checks the action, flies one decision and copies the results out.
"""

import operator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from lunar_env.descent import Descent
from lunar_env.missions import load_scenario
from lunar_env.scenario import Scenario
from lunar_env.task import TERMS, Outcome, record_fields

FLYING, LANDED, OUT_OF_TIME = int(Outcome.FLYING), int(Outcome.LANDED), int(Outcome.OUT_OF_TIME)

# The numbers of a record that an episode's last info has: not its return, which is for RecordEpisodeStatistics, nor
# what every info has.
RECORD = tuple(name for name in record_fields() if name not in ("height", "reward", "acting_faults"))

# (throttle, pitch rate) of each discrete action: engine off or full, times turning left, not at all, right.
DISCRETE_ACTIONS = np.array([(t, r) for t in (-1.0, 1.0) for r in (-1.0, 0.0, 1.0)], dtype=np.float32)

RENDER_FPS = 20  # decisions shown per second


def chosen_scenario(scenario: str | Scenario, control: str | None, changes: dict[str, Any]) -> Scenario:
    """The scenario that a shell's keywords ask for."""
    return load_scenario(scenario, **changes, **({} if control is None else {"control": control}))


def single_spaces(scenario: Scenario, discrete: bool) -> tuple[spaces.Box, spaces.Space]:
    """Observation space, and action space: a box of [-1, 1], or six numbers for the planar lander."""
    if discrete and scenario.control != "planar":
        raise ValueError(
            f'discrete actions exist for control="planar" only, got {scenario.control!r}; '
            'leave discrete out, or use scenario="planar"'
        )
    low, high = scenario.observation_table().bounds()
    action_size = len(scenario.action_names)
    action_space = spaces.Discrete(len(DISCRETE_ACTIONS)) if discrete else spaces.Box(-1.0, 1.0, (action_size,))
    return spaces.Box(low, high), action_space


class LanderEnv(gym.Env[np.ndarray, Any]):
    """Land on the Moon with what the flight computer knows.

    ## Description
    A lander descends on one throttled engine and attitude thrusters. Its altimeter is late, noisy and
    sometimes silent, and its inertial navigation begins with an error. The scenario says where the descent
    starts, how good the instruments are and which faults occur; a number that is a range there is drawn anew
    for every episode.

    ## Action Space
    ``Box(-1, 1)``; finite numbers outside are clipped, anything else is refused with a ``ValueError``. The
    control mode says what the numbers mean; each holds for one decision period of the scenario.

    | control | numbers |
    |---|---|
    | `throttle` | throttle, from off (-1) to full (1); the autopilot keeps the lander upright |
    | `planar` | throttle; pitch rate, positive leans the thrust downrange |
    | `descent_rate` | rate of descent, from 0 (-1) to the most (1); lateral speed along x, y; all quadratic |
    | `thrust_vector` | thrust along x, y and up, as a fraction of the most |
    | `body` | throttle; three torques about the body axes |

    With ``discrete=True`` (``planar`` only) the space is ``Discrete(6)``:

    | action | 0 | 1 | 2 | 3 | 4 | 5 |
    |---|---|---|---|---|---|---|
    | engine | off | off | off | full | full | full |
    | rotation | left | none | right | left | none | right |

    ## Observation Space
    A ``Box`` of float32 numbers, each divided by its scale and clipped to its bounds. This table holds for
    ``resilience``; ``env.unwrapped.observations`` is the one of an environment at hand. With ``history``
    above 1 the oldest reading comes first. ``observation="truth"`` gives the same numbers without error,
    noise or lag.

    {observation table}

    ## Rewards
    Each decision earns the sum of these terms, whose sums over the episode are in the last ``info``:

    {reward terms}

    All weights belong to the scenario (``reward.*``).

    ## Starting State
    Drawn from ``start.*`` of the scenario. ``reset(seed=s)`` begins episode 0 of lander 0 of that seed, the
    same as row 0 of every batch with that seed; ``reset()`` goes on to the next episode of the same stream.

    ## Episode End
    Terminated: touchdown (landed, crashed, tipped over, out of propellant), or lost out of the region
    covered. Truncated: the scenario's time limit. ``info["outcome"]`` is the number of a
    ``lunar_env.Outcome``, ``info["acting_faults"]`` has one bit for each fault that acts (in the order of
    ``lunar_env.faults.NAMES``); the ``info`` of ``reset`` adds ``fault_present``, ``fault_onset`` [s] and
    ``fault_magnitude`` of the faults that the scenario can have (``env.unwrapped.descent.possible_faults``).
    The last ``info`` of an episode adds ``is_success`` and the record (speeds in m/s, angles in rad and so on at
    touchdown, 0 where there was none; ``faults`` has one bit for each fault of the episode;
    ``first_valid_altitude`` is -1 if the altimeter never answered).

    ## Arguments
    ``scenario``: a name from ``lunar_env.scenarios()`` or a ``Scenario``. ``render_mode``: ``"human"`` or
    ``"rgb_array"``. ``control``: another control mode. ``discrete``: see above. Any other keyword changes the
    scenario: ``gym.make("Lunar/Descent-v0", decision_period=0.1, **{"altimeter.delay": 0.3})``.

    A copy (``copy.deepcopy``, ``pickle``) goes on from where the original stands, bit for bit; a window
    is not copied.

    ## Version History
    * v0: the first.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": RENDER_FPS}  # noqa: RUF012

    def __init__(
        self,
        scenario: str | Scenario = "resilience",
        render_mode: str | None = None,
        control: str | None = None,
        discrete: bool = False,
        **changes: Any,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f'render_mode must be None, "human" or "rgb_array", got {render_mode!r}')
        self.scenario = chosen_scenario(scenario, control, changes)
        self.observation_space, self.action_space = single_spaces(self.scenario, discrete)
        self.render_mode = render_mode
        self.discrete = discrete
        self._seeded = False
        self._over = True
        self._board()

    def _board(self) -> None:
        """Build the batch of one and numpy views of its tables, so that no step waits for torch."""
        self.descent = Descent(self.scenario, num_envs=1, autoreset="disabled")
        self.observations = self.descent.observations
        self._fly = self.descent.advance
        self._command = self.descent.actions.numpy()[0]
        self._observation = self.descent.state.observation.numpy()[0]
        self._reward = self.descent.rewards.numpy()
        self._outcome = self.descent.outcomes.numpy()
        self._acting = self.descent.state["episode.acting"].numpy()
        self._shape = self._command.shape
        self._window: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode: with a seed the first of its stream, without one the next. Takes no options."""
        super().reset(seed=seed)
        if options:
            raise ValueError(f"reset takes no options, got {sorted(options)}; the scenario says what a descent is like")
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**63))
        self.descent.reset(seed=seed)
        self._seeded, self._over = True, False
        if self.render_mode == "human":
            self.render()
        info: dict[str, Any] = {"outcome": FLYING, "acting_faults": self._acting.item()}
        if self.descent.possible_faults:
            label = self.descent.faults()
            info |= {f"fault_{name}": label[name][0].numpy() for name in ("present", "onset", "magnitude")}
        return self._observation.copy(), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Fly one decision period. Refuses an action that is not finite or has another shape."""
        if self._over:
            raise ResetNeeded("there is no episode under way: call reset() first, and again after each episode's end")
        if self.discrete:
            self._command[:] = self._discrete_command(action)
        else:
            self._command[:] = self._checked(action)
        self._fly()
        outcome = self._outcome.item()
        info: dict[str, Any] = {"outcome": outcome, "acting_faults": self._acting.item()}
        if outcome != FLYING:
            self._over = True
            record = self.descent.transition().ended
            info["is_success"] = outcome == LANDED
            info.update((name, record[name].item()) for name in RECORD)
        if self.render_mode == "human":
            self.render()
        truncated = outcome == OUT_OF_TIME
        terminated = outcome != FLYING and not truncated
        return self._observation.copy(), self._reward.item(), terminated, truncated, info

    def _checked(self, action: Any) -> np.ndarray:
        """The action as numbers in [-1, 1]."""
        if type(action) is not np.ndarray:
            try:
                action = np.asarray(action)
            except (TypeError, ValueError, RuntimeError):
                raise self._refusal(action) from None
        if action.shape != self._shape or action.dtype.kind not in "fiu":
            raise self._refusal(action)
        for value in action.tolist():
            if not -1.0 <= value <= 1.0:  # also true for nan
                if not np.isfinite(action).all():
                    raise self._refusal(action)
                return np.clip(action, -1.0, 1.0)
        return action

    def _discrete_command(self, action: Any) -> np.ndarray:
        try:
            index = operator.index(action)
        except TypeError:
            index = -1
        if not 0 <= index < len(DISCRETE_ACTIONS):
            raise ValueError(f"action must be a whole number from 0 to {len(DISCRETE_ACTIONS) - 1}, got {action!r}")
        return DISCRETE_ACTIONS[index]

    def _refusal(self, action: Any) -> ValueError:
        names = ", ".join(self.scenario.action_names)
        return ValueError(
            f"action must be an array of {self._shape[0]} finite numbers ({names}), got {action!r}; "
            "env.action_space.sample() gives one, and a policy that gives nan has usually diverged"
        )

    def render(self) -> np.ndarray | None:
        """The picture, uint8 (height, width, 3), in mode "rgb_array"; in mode "human" a window shows it."""
        if self.render_mode is None:
            gym.logger.warn('render() draws nothing without a mode; make the environment with render_mode="rgb_array"')
            return None
        from lunar_env.rendering.view import picture

        frame = picture(self.descent, 0)
        if self.render_mode == "rgb_array":
            return frame
        if self._window is None:
            from lunar_env.rendering.draw import Window

            self._window = Window(fps=RENDER_FPS)
        self._window.show(frame)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def __getstate__(self) -> dict[str, Any]:
        views = (
            "descent",
            "observations",
            "_fly",
            "_command",
            "_observation",
            "_reward",
            "_outcome",
            "_window",
        )
        kept = {name: value for name, value in self.__dict__.items() if name not in views}
        return {**kept, "snapshot": self.descent.snapshot()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        snapshot = state.pop("snapshot")
        self.__dict__.update(state)
        self._board()
        self.descent.restore(snapshot)


def documented(text: str) -> str:
    """A docstring with the observation of ``resilience`` and the reward's terms as they are."""
    table = load_scenario("resilience").observation_table().markdown()
    terms = "\n".join(f"- ``{name}``: {meaning}" for name, meaning in TERMS.items())
    for place, words in (("{observation table}", table), ("{reward terms}", terms)):
        text = text.replace(place, words.replace("\n", "\n    "))
    return text


LanderEnv.__doc__ = documented(LanderEnv.__doc__ or "")
