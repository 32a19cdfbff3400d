"""``check_vector_env``: does a vector environment keep its promises? Gymnasium checks single ones only.

It works for any that is deterministic given its seed, in numpy or torch, in each autoreset mode::

    check_vector_env(lambda: gym.make_vec("Lunar/Vertical-v0", num_envs=8, time_limit=20.0))
"""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate


def check_vector_env(
    make: Callable[[], VectorEnv], steps: int = 200, without_autoreset: Callable[[], VectorEnv] | None = None
) -> None:
    """Raise an AssertionError that names the first promise broken.

    Args:
        make: builds the environment; called several times, and each must behave alike. Random actions have to
            end at least one episode within ``steps``, but not all of them in the same step.
        steps: how long to look.
        without_autoreset: builds the same environment with ``AutoresetMode.DISABLED``; with it, ``final_obs``
            is compared with what is seen there at the end of the same episode.
    """
    check_declarations(make())
    check_repeats(make, steps)
    check_keeps_what_it_returned(make, steps)
    check_autoreset(make, steps)
    mode = make().metadata["autoreset_mode"]
    if mode is AutoresetMode.DISABLED:
        check_partial_reset(make, steps)
    if mode is AutoresetMode.SAME_STEP and without_autoreset is not None:
        check_final_observation(make, without_autoreset, steps)


def check_declarations(env: VectorEnv) -> None:
    """Spaces, number of rows and autoreset mode fit together."""
    assert isinstance(env, VectorEnv), f"{type(env).__name__} is not a gymnasium.vector.VectorEnv"
    assert isinstance(env.num_envs, int) and env.num_envs >= 1, f"num_envs is {env.num_envs!r}, no whole number above 0"
    mode = env.metadata.get("autoreset_mode")
    assert isinstance(mode, AutoresetMode), f'metadata["autoreset_mode"] is {mode!r}, not an AutoresetMode'
    for name in ("observation_space", "action_space"):
        single, batched = getattr(env, f"single_{name}"), getattr(env, name)
        expected = batch_space(single, env.num_envs)
        assert batched == expected, f"{name} is {batched}, but {env.num_envs} of single_{name} make {expected}"


def check_repeats(make: Callable[[], VectorEnv], steps: int) -> None:
    """The same seed and actions tell the same, resets without a seed included; another seed tells another."""
    first, second, other = make(), make(), make()
    starts = [checked_reset(env, seed=seed) for env, seed in ((first, 3), (second, 3), (other, 4))]
    assert same(starts[0], starts[1]), "reset(seed=3) of two environments gives different observations or infos"
    assert not same(starts[0][0], starts[2][0]), "reset(seed=3) and reset(seed=4) give the same observations"
    for t, action in enumerate(actions_for(first, steps)):
        results = [checked_step(env, action) for env in (first, second)]
        assert same(*results), f"step {t} differs between two environments of the same seed and actions"
        reset_if_disabled(first, results[0])
        reset_if_disabled(second, results[1])
    assert same(checked_reset(first), checked_reset(second)), "reset() without a seed differs after the same history"
    assert same(checked_reset(first, seed=3), starts[0]), "reset(seed=3) depends on what was flown before"


def check_keeps_what_it_returned(make: Callable[[], VectorEnv], steps: int) -> None:
    """Nothing that was returned changes afterwards."""
    env = make()
    kept: list[Any] = [checked_reset(env, seed=5)]
    copies = [copy.deepcopy(kept[0])]
    for action in actions_for(env, min(steps, 20)):
        kept.append(checked_step(env, action))
        copies.append(copy.deepcopy(kept[-1]))
        reset_if_disabled(env, kept[-1])
    checked_reset(env)
    for t, (now, then) in enumerate(zip(kept, copies, strict=True)):
        assert same(now, then), f"what call {t} returned was changed by a later call; return copies"


def check_autoreset(make: Callable[[], VectorEnv], steps: int) -> None:
    """A row that is done does what the declared mode says; two twins tell whether its next action counts."""
    env, twin = make(), make()
    mode = env.metadata["autoreset_mode"]
    checked_reset(env, seed=6)
    checked_reset(twin, seed=6)
    done, ends = np.zeros(env.num_envs, bool), 0
    for t, action in enumerate(actions_for(env, steps)):
        other = per_row(env, done, env.action_space.sample(), action)
        results = checked_step(env, action)
        twin_results = checked_step(twin, other if mode is AutoresetMode.NEXT_STEP else action)
        if mode is AutoresetMode.NEXT_STEP:
            assert not plain(results[1])[done].any(), f"step {t}: the step that begins an episode earns a reward"
            assert not ended(results)[done].any(), f"step {t}: the step that begins an episode also ends one"
            assert same(results, twin_results), f"step {t}: the action counts in the step that begins an episode"
        done = ended(results)
        ends += int(done.sum())
        if mode is AutoresetMode.SAME_STEP and done.any():
            check_final(env, results[0], done, results[4], t)
        reset_if_disabled(env, results)
        reset_if_disabled(twin, results)
    assert ends, f"no episode ended in {steps} steps of random actions: look longer, or make episodes shorter"


def check_final(env: VectorEnv, observation: Any, done: np.ndarray, info: dict[str, Any], t: int) -> None:
    """Same-step reset: both episodes are reported, and kept apart."""
    for key in ("final_obs", "final_info"):
        assert key in info and f"_{key}" in info, f"step {t}: an episode ended, but info has no {key} with its mask"
        mask = plain(info[f"_{key}"])
        assert np.array_equal(mask, done), f"step {t}: the mask _{key} is {mask}, done is {done}"
    for row in np.flatnonzero(done):
        final = plain(info["final_obs"][row])
        assert final in env.single_observation_space, f"step {t}, row {row}: final_obs is not in the space"
        assert not same(final, plain(observation[row])), f"step {t}, row {row}: final_obs is of the new episode"


def check_partial_reset(make: Callable[[], VectorEnv], steps: int) -> None:
    """A masked reset leaves the other rows alone, then and later."""
    env, twin = make(), make()
    checked_reset(env, seed=7)
    checked_reset(twin, seed=7)
    untouched = np.arange(env.num_envs) % 2 == 1
    for t, action in enumerate(actions_for(env, min(steps, 30))):
        results, twin_results = checked_step(env, action), checked_step(twin, action)
        if ended(twin_results).any():
            return
        for name, ours, theirs in zip(("observation", "reward"), results, twin_results, strict=False):
            alone = same(rows(ours, untouched), rows(theirs, untouched))
            assert alone, f"step {t}: a masked reset of other rows changed the {name} of rows outside the mask"
        after, _ = checked_reset(env, options={"reset_mask": ~untouched})
        kept = same(rows(results[0], untouched), rows(after, untouched))
        assert kept, f"step {t}: reset_mask touched rows outside it"
        assert not same(rows(results[0], ~untouched), rows(after, ~untouched)), f"step {t}: reset_mask did nothing"


def check_final_observation(make: Callable[[], VectorEnv], without: Callable[[], VectorEnv], steps: int) -> None:
    """``final_obs`` is what is seen at the end where nothing resets by itself: each row's first episode."""
    env, twin = make(), without()
    assert twin.metadata["autoreset_mode"] is AutoresetMode.DISABLED, "without_autoreset must give DISABLED"
    checked_reset(env, seed=8)
    checked_reset(twin, seed=8)
    over = np.zeros(env.num_envs, bool)
    for t, action in enumerate(actions_for(env, steps)):
        results, twin_results = checked_step(env, action), checked_step(twin, action)
        ends = ended(results)
        for row in np.flatnonzero(ends & ~over):
            final, seen = plain(results[4]["final_obs"][row]), plain(twin_results[0][row])
            assert same(final, seen), f"step {t}, row {row}: final_obs is {final}, without autoreset it is {seen}"
        over |= ends
        reset_if_disabled(twin, twin_results)


def checked_reset(env: VectorEnv, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """Reset, and look at the form of what it returns."""
    observation, info = env.reset(**arguments)
    assert plain(observation) in env.observation_space, f"reset({arguments}) gives observations outside the space"
    check_masks(info, env.num_envs)
    return observation, info


def checked_step(env: VectorEnv, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
    """Step, and look at the form of what it returns."""
    observation, reward, terminated, truncated, info = env.step(action)
    assert plain(observation) in env.observation_space, "step gives observations outside the space"
    for name, value, kinds in (
        ("reward", reward, "fiu"),
        ("terminated", terminated, "b"),
        ("truncated", truncated, "b"),
    ):
        array = plain(value)
        fits = array.shape == (env.num_envs,) and array.dtype.kind in kinds
        assert fits, f"{name} is {array.dtype} of shape {array.shape}; it must be one number per row ({kinds})"
    assert np.isfinite(plain(reward)).all(), f"a reward is not finite: {plain(reward)}"
    check_masks(info, env.num_envs)
    return observation, reward, terminated, truncated, info


def check_masks(info: Any, num_envs: int, path: str = "info") -> None:
    """Infos are dicts of numbers per row, each with a bool mask."""
    assert isinstance(info, dict), f"{path} is a {type(info).__name__}, not a dict"
    for key, value in info.items():
        if key.startswith("_"):
            mask = plain(value)
            assert mask.dtype == bool and mask.shape == (num_envs,), (
                f"{path}[{key!r}] is no bool mask of {num_envs} rows"
            )
            continue
        assert f"_{key}" in info, f"{path}[{key!r}] has no mask _{key}"
        if isinstance(value, dict):
            check_masks(value, num_envs, f"{path}[{key!r}]")
        else:
            assert len(value) == num_envs, f"{path}[{key!r}] has {len(value)} rows, not {num_envs}"


def actions_for(env: VectorEnv, steps: int) -> itertools.islice:
    """The same random actions in every check."""
    env.action_space.seed(1)
    return itertools.islice((env.action_space.sample() for _ in itertools.count()), steps)


def per_row(env: VectorEnv, chosen: np.ndarray, new: Any, old: Any) -> Any:
    """A batch of actions: the new ones in the chosen rows, else the old ones."""
    pairs = zip(chosen, iterate(env.action_space, new), iterate(env.action_space, old), strict=True)
    mixed = [first if use else second for use, first, second in pairs]
    space = env.single_action_space
    empty: Any = create_empty_array(space, env.num_envs)
    return concatenate(space, mixed, empty)


def ended(results: tuple) -> np.ndarray:
    """(num_envs,) bool: the rows whose episode ended in a step."""
    return plain(results[2]) | plain(results[3])


def reset_if_disabled(env: VectorEnv, results: tuple) -> None:
    """Where nothing resets by itself, begin anew what is done."""
    if env.metadata["autoreset_mode"] is AutoresetMode.DISABLED and ended(results).any():
        checked_reset(env, options={"reset_mask": ended(results)})


def rows(value: Any, mask: np.ndarray) -> Any:
    """Some rows of a batch."""
    value = plain(value)
    if isinstance(value, dict):
        return {key: rows(item, mask) for key, item in value.items()}
    return tuple(rows(item, mask) for item in value) if isinstance(value, tuple) else value[mask]


def plain(value: Any) -> Any:
    """The same in numpy, whatever kind of array it is and whatever is nested."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(map(plain, value))
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def same(one: Any, two: Any) -> bool:
    """Equal bit for bit, whatever is nested."""
    one, two = plain(one), plain(two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, tuple) or (one.dtype == object and one.ndim):
        return len(one) == len(two) and all(map(same, one, two))
    return np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
