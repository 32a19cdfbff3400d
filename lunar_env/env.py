"""``LanderEnv``: one descent as a Gymnasium environment, numpy in and numpy out.

A thin shell around a batch of one: it checks the action, flies one decision and copies the results out.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded

from lunar_env.descent import Descent
from lunar_env.inputs.actions import CHOICES, DISCRETE_ACTIONS, as_array, discrete_number
from lunar_env.inputs.keywords import checked_options, checked_render_mode, checked_switches, chosen_scenario, readable
from lunar_env.inputs.seeds import checked_seed
from lunar_env.missions import load_scenario
from lunar_env.scenario import Scenario
from lunar_env.task import TERMS, Outcome, record_fields

FLYING, LANDED, OUT_OF_TIME = int(Outcome.FLYING), int(Outcome.LANDED), int(Outcome.OUT_OF_TIME)

# The numbers of a record that every info has: not its return, which is for RecordEpisodeStatistics, and not what says
# which faults there were, which is for ``labels=True``.
LABELS = ("faults", "acting_faults")
RECORD = tuple(name for name in record_fields() if name not in ("height", "reward", *LABELS))

UNDER_WAY = {"outcome": FLYING, "is_success": False, **dict.fromkeys(RECORD, 0.0)}  # the info of a lander that flies

RENDER_FPS = 20  # decisions shown per second


def single_spaces(scenario: Scenario, discrete: bool) -> tuple[spaces.Box, spaces.Space]:
    """Observation space, and action space: a box of [-1, 1], or six numbers for the planar lander."""
    if discrete and scenario.control != "planar":
        raise ValueError(
            f'discrete actions exist for control="planar" only, got {scenario.control!r}; '
            'leave discrete out, or use scenario="planar"'
        )
    low, high = scenario.observation_table().bounds()
    action_size = len(scenario.action_names)
    action_space = spaces.Discrete(CHOICES) if discrete else spaces.Box(-1.0, 1.0, (action_size,))
    return spaces.Box(low, high), action_space


def drawn_seed(env: Any) -> int:
    """A seed where none was given: Gymnasium's, so that ``reset(seed=env.np_random_seed)`` begins the same again."""
    seed = env.np_random_seed
    return seed if seed >= 0 else int(env.np_random.integers(2**63))  # -1: a generator of the user's own


class LanderEnv(gym.Env[np.ndarray, Any]):
    """Land on the Moon with what the flight computer knows.

    ## Description
    A lander descends on one throttled engine and attitude thrusters. Its altimeter is late, noisy and
    sometimes silent, and its inertial navigation begins with an error. The scenario says where the descent
    starts, how good the instruments are and which faults occur; a number that is a range there is drawn anew
    for every episode.

    ## Action Space
    ``Box(-1, 1)``; finite numbers outside are clipped. A number that is not finite ends the descent as ``invalid``;
    another shape, or what are no real numbers, is refused with a ``ValueError``. So it is in every shell. The
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
    ``resilience``; ``env.get_wrapper_attr("observations")`` is the one of an environment at hand. With ``history``
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
    Terminated: touchdown (landed, crashed, tipped over, out of propellant), lost out of the region covered, or an
    invalid action. Truncated: the scenario's time limit.

    ``info`` has the same keys from ``reset`` to the last step: ``outcome``, the number of a ``lunar_env.Outcome``,
    ``is_success``, and the record of the episode (speeds in m/s, angles in rad and so on at touchdown, 0 where
    there was none; ``first_valid_altitude`` is -1 if the altimeter never answered), which is 0 until its end.
    With ``labels=True`` it also says which faults there are, which no pilot knows: ``acting_faults`` has one bit
    for each fault that acts, in the order of ``lunar_env.faults.NAMES``; ``faults``, at the end, one for each of
    the episode; ``fault_present``, ``fault_onset`` [s] and ``fault_magnitude`` have an entry for each fault that
    the scenario can have (``env.unwrapped.descent.possible_faults``).

    ``max_episode_steps`` of ``gym.make`` is a limit from outside, by Gymnasium's own wrapper: such an episode is
    truncated while its outcome is ``FLYING``, and has no record. ``time_limit=`` is one that the scenario knows;
    the last number of the observation counts towards it.

    ## Arguments
    ``scenario``: a name from ``lunar_env.scenarios()`` or a ``Scenario``. ``render_mode``: ``"human"`` or
    ``"rgb_array"``. ``control``: another control mode. ``discrete``: see above. ``labels``: see above. Any other
    keyword changes the scenario: ``gym.make("Lunar/Descent-v0", decision_period=0.1, **{"altimeter.delay": 0.3})``.

    A copy (``copy.deepcopy``, ``pickle``) goes on from where the original stands, bit for bit; a window
    is not copied.

    ## Version History
    * v0: the first.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": RENDER_FPS}  # noqa: RUF012

    _spec: EnvSpec | None = None

    def __init__(
        self,
        scenario: str | Scenario | Mapping[str, Any] = "resilience",
        render_mode: str | None = None,
        control: str | None = None,
        discrete: bool = False,
        labels: bool = False,
        **changes: Any,
    ) -> None:
        checked_render_mode(render_mode, ("human", "rgb_array"))
        checked_switches(discrete=discrete, labels=labels)
        own = ("scenario", "render_mode", "control", "discrete", "labels")
        if control is not None:
            changes["control"] = control
        self.scenario = chosen_scenario("LanderEnv", own, scenario, changes)
        self.observation_space, self.action_space = single_spaces(self.scenario, discrete)
        self.render_mode = render_mode
        self.discrete = discrete
        self.labels = labels
        self._seeded = False
        self._over = True
        self._board(Descent(self.scenario, num_envs=1, autoreset="disabled"))

    def _board(self, descent: Descent) -> None:
        """Take a batch of one, and numpy views of its tables, so that no step waits for torch."""
        self.descent = descent
        self.observations = descent.observations
        self._fly = descent._launch.advance  # numpy writes the action, so there is no graph to drop
        self._command = descent.actions.numpy()[0]
        self._observation = descent.state.observation.numpy()[0]
        self._reward = descent.rewards.numpy()
        self._outcome = descent.outcomes.numpy()
        self._shape = self._command.shape
        self._window: Any = None

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium made this from; its ``to_json`` can write every keyword."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        self._spec = readable(spec)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode: with a seed the first of its stream, without one the next. Takes no options."""
        checked_options(options)
        seed = None if seed is None else checked_seed(seed)
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = drawn_seed(self)
        self.descent.reset(seed=seed)
        self._seeded, self._over = True, False
        if self.render_mode == "human":
            self.render()
        return self._observation.copy(), self._labelled() if self.labels else UNDER_WAY.copy()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Fly one decision period. Refuses an action of another shape; one that is not finite ends the descent."""
        if self._over:
            raise ResetNeeded("there is no episode under way: call reset() first, and again after each episode's end")
        self._command[:] = DISCRETE_ACTIONS[discrete_number(action)] if self.discrete else self._clipped(action)
        self._fly()
        outcome = self._outcome.item()
        info: dict[str, Any] = self._labelled() if self.labels else UNDER_WAY.copy()
        if self.render_mode == "human":
            self.render()
        if outcome == FLYING:
            return self._observation.copy(), self._reward.item(), False, False, info
        self._over = True
        self._report(outcome, info)
        truncated = outcome == OUT_OF_TIME
        return self._observation.copy(), self._reward.item(), not truncated, truncated, info

    def _clipped(self, action: Any) -> np.ndarray:
        """The action as numbers in [-1, 1], or not finite."""
        if type(action) is not np.ndarray or action.shape != self._shape or action.dtype.kind not in "fiu":
            action = as_array(action, self._shape, self.scenario.action_names)
        for value in action.tolist():
            if not -1.0 <= value <= 1.0:  # also true for nan
                return np.where(np.isfinite(action), np.clip(action, -1.0, 1.0), np.nan)
        return action

    def _labelled(self) -> dict[str, Any]:
        """The info of an episode under way, with its faults."""
        info: dict[str, Any] = {**UNDER_WAY, "acting_faults": self.descent.state["episode.acting"].item(), "faults": 0}
        if self.descent.possible_faults:
            label = self.descent.faults()
            info |= {f"fault_{name}": label[name][0].numpy() for name in ("present", "onset", "magnitude")}
        return info

    def _report(self, outcome: int, info: dict[str, Any]) -> None:
        """Put how the episode ended into an info."""
        record = self.descent.transition().ended
        info["outcome"], info["is_success"] = outcome, outcome == LANDED
        info.update((name, record[name].item()) for name in (*RECORD, *(LABELS if self.labels else ())))

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
        views = ("observations", "_fly", "_command", "_observation", "_reward", "_outcome", "_window")
        return {name: value for name, value in self.__dict__.items() if name not in views}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._board(state["descent"])


def documented(text: str) -> str:
    """A docstring with the observation of ``resilience`` and the reward's terms as they are."""
    table = load_scenario("resilience").observation_table().markdown()
    terms = "\n".join(f"- ``{name}``: {meaning}" for name, meaning in TERMS.items())
    for place, words in (("{observation table}", table), ("{reward terms}", terms)):
        text = text.replace(place, words.replace("\n", "\n    "))
    return text


LanderEnv.__doc__ = documented(LanderEnv.__doc__ or "")
