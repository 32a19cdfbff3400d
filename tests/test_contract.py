"""What holds for every scenario, control mode and shell. Each test's name is a promise."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import lunar_env
from lunar_env import Descent, Outcome, load_scenario
from lunar_env.kernel.launch import MANY
from lunar_env.vector_env import LanderVectorEnv
from lunar_env.vehicle.control import MODES

IDS = sorted(name for name in gym.registry if name.startswith("Lunar/"))
EACH_ID = pytest.mark.parametrize("name", IDS)


def bits(tensor):
    """The bytes of a tensor: equal means equal bit for bit, nan and -0 included."""
    return tensor.detach().cpu().contiguous().numpy().tobytes()


def transition_bits(transition, rows=slice(None)):
    """The bytes of all that a transition tells of some rows."""
    parts = [
        transition.observation,
        transition.reward,
        transition.terminated,
        transition.truncated,
        transition.final_observation,
        transition.outcome,
    ]
    return [bits(part[rows]) for part in (*parts, *transition.ended.values())]


def actions_of(landers, step, size):
    """Actions that depend on the lander's number and the step only, some of them extreme."""
    wave = np.sin(1.7 * np.asarray(landers)[:, None] + 0.9 * step + 2.1 * np.arange(size)[None])
    return torch.from_numpy((1.3 * wave).astype(np.float32))


def fly(descent, steps, alter=None):
    """Fly the standard actions; yields each transition."""
    for step in range(steps):
        action = actions_of(range(descent.num_envs), step, descent.action_size)
        if alter is not None:
            action = alter(step, action)
        yield descent.step(action)


# --- the checkers of others ------------------------------------------------------------------------


class Hurried:
    """A clock that makes no window wait until its next frame is due."""

    def tick(self, fps):
        return 0


@EACH_ID
def test_gymnasiums_checker_passes_without_a_warning(name, monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(pygame.time, "Clock", Hurried)
    check_env(gym.make(name).unwrapped)


@EACH_ID
def test_sb3s_checker_passes_without_a_warning(name, monkeypatch):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    checker.check_env(gym.make(name, render_mode="rgb_array").unwrapped)


# --- one descent, whoever looks --------------------------------------------------------------------


@pytest.mark.parametrize("name", IDS)
def test_env_equals_row_0_of_the_batch_exactly(name):
    changes = {"history": 2, "time_limit": 40.0}
    env = gym.make(name, **changes).unwrapped
    many = gym.make_vec(name, num_envs=3, autoreset_mode="same_step", **changes)
    many.action_space.seed(5)
    seen, episodes = env.reset(seed=11)[0], 0
    batch, _ = many.reset(seed=11)
    assert np.array_equal(seen, batch[0])
    while episodes < 3:
        actions = many.action_space.sample()
        seen, reward, terminated, truncated, info = env.step(actions[0])
        batch, rewards, terminations, truncations, infos = many.step(actions)
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        if terminated or truncated:
            assert np.array_equal(seen, infos["final_obs"][0])
            assert {key: infos["final_info"][key][0] for key in info} == info
            seen, episodes = env.reset()[0], episodes + 1
        assert np.array_equal(seen, batch[0])


@pytest.mark.parametrize("scenario", ["resilience", "planar"])
def test_a_lander_flies_the_same_whatever_the_batch_size(scenario):
    changed = load_scenario(scenario, decision_period=1.0, time_limit=60.0)
    widest = list(fly(Descent(changed, 4096, seed=3), 70))
    for count in (1, 7, 256):
        narrow = fly(Descent(changed, count, seed=3), 70)
        for transition, reference in zip(narrow, widest, strict=True):
            assert transition_bits(transition) == transition_bits(reference, slice(0, count))


def test_a_lander_flies_the_same_whatever_the_number_of_threads():
    runs = [list(fly(Descent("planar", 257, seed=4, threads=threads), 80)) for threads in (1, 2, 5)]
    for transitions in zip(*runs, strict=True):
        assert transition_bits(transitions[0]) == transition_bits(transitions[1]) == transition_bits(transitions[2])


def test_a_large_batch_is_shared_by_the_threads_that_torch_may_use_and_flies_the_same():
    torch.set_num_threads(2)
    shared = Descent("planar", 2 * MANY, seed=4)
    assert shared.threads == 2
    assert Descent("planar", 2 * MANY - 1, seed=4).threads == 1, "too few to be worth a second thread"
    alone = Descent("planar", 2 * MANY, seed=4, threads=1)
    for transitions in zip(fly(shared, 3), fly(alone, 3), strict=True):
        assert transition_bits(transitions[0]) == transition_bits(transitions[1])


def test_a_lander_flies_the_same_whatever_its_row():
    batch, part = Descent("planar", 8, seed=5), Descent("planar", 3, seed=5)
    part.reset(seed=5, first_lander=4)
    for step in range(60):
        action = actions_of(range(8), step, 2)
        assert transition_bits(batch.step(action), slice(4, 7)) == transition_bits(part.step(action[4:7]))


def test_the_same_seed_repeats_and_two_seeds_differ():
    first, again, other = (Descent("resilience", 16, seed=seed) for seed in (6, 6, 7))
    assert bits(first.snapshot()["drawn"]) == bits(again.snapshot()["drawn"])
    drawn = [row.numpy().tobytes() for descent in (first, other) for row in descent.snapshot()["drawn"]]
    assert len(set(drawn)) == 32, "two landers share a world"
    for transition, repeated in zip(fly(first, 30), fly(again, 30), strict=True):
        assert transition_bits(transition) == transition_bits(repeated)


def test_seeds_are_told_apart_in_all_64_bits():
    starts = {bits(Descent("vertical", seed=seed).reset(seed=seed)) for seed in (0, 1, 2**31, 2**32, 2**32 + 1, 2**63)}
    assert len(starts) == 6


# --- looking, lag, time ----------------------------------------------------------------------------

# An upright lander over flat ground, whose altimeter has no noise and never fails.
CLEAN = {
    "tick": 0.1,
    "decision_period": 0.1,
    "altimeter.noise": 0.0,
    "altimeter.noise_growth": 0.0,
    "altimeter.detection_width": 0.0,
}


def ranges(delay, seconds=8.0):
    """The altimeter's range after each tick, (ticks, landers), and the height it should show."""
    descent = Descent(load_scenario("vertical", **CLEAN, **{"altimeter.delay": delay}), 5, seed=8)
    shown, heights = [], []
    for _ in fly(descent, round(seconds / 0.1)):
        shown.append(descent.state["altimeter.range"].clone())
        heights.append(descent.state["motion.position"][:, 2] - descent.state["drawn.gear.centre_height"])
    return torch.stack(shown), torch.stack(heights)


@pytest.mark.parametrize("lag", [1, 2, 7])
def test_without_noise_a_reading_is_the_truth_of_exactly_one_lag_ago(lag):
    prompt, heights = ranges(0.0)
    assert torch.allclose(prompt, heights, atol=0.01), "without delay the range is the height"
    late, _ = ranges(0.1 * lag)
    assert torch.equal(late[lag:], prompt[:-lag])
    assert (late[: lag - 1] == 3_000.0).all(), "before the first reading the range is the gate's upper end"


def test_the_age_of_a_reading_is_the_lag():
    descent = Descent(load_scenario("vertical", **CLEAN, **{"altimeter.delay": 0.3}), 5, seed=8)
    ages = torch.stack(
        [descent.observations.read(transition.observation)["altimeter_age"] for transition in fly(descent, 20)]
    )
    assert torch.allclose(ages[4:], torch.tensor(0.3))


def test_looking_twice_shows_the_same_and_changes_nothing():
    watched, alone = (Descent("resilience", 4, seed=9, autoreset="disabled") for _ in range(2))
    for step in range(30):
        action = actions_of(range(4), step, 3)
        transition, unseen = watched.step(action), alone.step(action)
        for _ in range(2):
            watched.privileged()
            watched.snapshot()
            assert transition_bits(watched.transition()) == transition_bits(transition)
        assert transition_bits(transition) == transition_bits(unseen)


# --- beginning anew --------------------------------------------------------------------------------


@pytest.mark.parametrize("autoreset", ["next_step", "same_step", "disabled"])
def test_a_masked_reset_leaves_the_others_bitwise_alone(autoreset):
    descent, twin = (Descent("resilience", 6, seed=10, autoreset=autoreset) for _ in range(2))
    mask = torch.tensor([True, False, False, True, False, True])
    for step, (transition, reference) in enumerate(zip(fly(descent, 40), fly(twin, 40), strict=True)):
        assert transition_bits(transition, ~mask) == transition_bits(reference, ~mask)
        if step % 3 == 0:
            before = descent.snapshot()
            descent.reset(mask=mask)
            after = descent.snapshot()
            for name, table in before.items():
                rows = (slice(None), ~mask) if name == "delay_line" else ~mask
                assert bits(table[rows]) == bits(after[name][rows]), name
            assert (descent.state["episode.tick"][mask] == 0).all()


def test_the_final_observation_belongs_to_the_episode_that_ended():
    changed = load_scenario("planar", history=2, time_limit=20.0)
    many = {mode: Descent(changed, 32, seed=11, autoreset=mode) for mode in ("same_step", "next_step", "disabled")}
    over = torch.zeros(32, dtype=torch.bool)
    for transition, waiting, still in zip(*(fly(descent, 40) for descent in many.values()), strict=True):
        first = transition.done & ~over
        for other in (waiting, still):
            assert bits(transition.final_observation[first]) == bits(other.observation[first])
            assert bits(transition.final_observation[first]) == bits(other.final_observation[first])
        assert not torch.equal(transition.final_observation[first], transition.observation[first]) or not first.any()
        assert bits(transition.final_observation[~transition.done]) == bits(transition.observation[~transition.done])
        over |= transition.done
    assert over.all()


def test_the_three_autoreset_modes_fly_the_same_episodes():
    endings = {}
    for mode in ("same_step", "next_step", "disabled"):
        descent = Descent("vertical", 8, seed=12, autoreset=mode)
        found: list[list[float]] = [[] for _ in range(8)]
        for _ in range(300):
            # The action follows the state alone, so that a step which begins an episode does not shift it.
            transition = descent.step(torch.sin(descent.state["motion.position"][:, 2:3]))
            fresh = transition.done & (transition.reward != 0.0)  # a disabled lander repeats its flags, with no reward
            for row in torch.nonzero(fresh).flatten().tolist():
                found[row].append(transition.ended["duration"][row].item())
            if mode == "disabled" and transition.done.any():
                descent.reset(mask=transition.done)
        endings[mode] = [durations[:3] for durations in found]
    assert endings["same_step"] == endings["next_step"] == endings["disabled"]
    assert all(len(durations) == 3 for durations in endings["disabled"])


def test_an_episode_does_not_depend_on_how_the_one_before_was_flown():
    scenario = load_scenario("planar", history=3, time_limit=10.0, **{"altimeter.delay": 0.4})
    flown, fresh = (Descent(scenario, 16, seed=12, autoreset="disabled") for _ in range(2))
    list(fly(flown, 20))
    assert bits(flown.reset()) == bits(fresh.reset())
    for transition, expected in zip(fly(flown, 20), fly(fresh, 20), strict=True):
        assert bits(transition.observation) == bits(expected.observation)
        assert bits(transition.reward) == bits(expected.reward)
        assert torch.equal(transition.outcome, expected.outcome)


def test_the_history_of_a_new_episode_shows_its_first_reading_only():
    descent = Descent(load_scenario("planar", history=3, time_limit=10.0), 4, seed=12)
    width = descent.observations.size // 3
    for transition in fly(descent, 45):
        readings = transition.observation.reshape(4, 3, width)
        new = transition.done
        assert torch.equal(readings[new, 0], readings[new, 2]) and torch.equal(readings[new, 1], readings[new, 2])
        clocks = readings[..., 17]
        assert (clocks[~new].diff(dim=1) >= 0.0).all()


@pytest.mark.parametrize("autoreset", ["next_step", "same_step", "disabled"])
def test_snapshot_and_restore_continue_bit_for_bit(autoreset):
    # With a delay above the decision period, samples are under way when the snapshot is taken.
    scenario = load_scenario("planar", time_limit=15.0, **{"altimeter.delay": 1.2})
    descent = Descent(scenario, 8, seed=13, autoreset=autoreset)
    list(fly(descent, 20))
    snapshot = descent.snapshot()
    first = [transition_bits(transition) for transition in fly(descent, 35)]
    other = Descent(scenario, 8, seed=99, autoreset=autoreset)
    for continued in (descent, other):
        continued.restore(snapshot)
        assert [transition_bits(transition) for transition in fly(continued, 35)] == first


@pytest.mark.parametrize("deceleration", [0.0, 0.5, 1.0, 2.5])
def test_an_episode_that_begins_on_the_way_is_no_faster_than_a_deceleration_can_stop(deceleration):
    changes = {"start.progress": [0.1, 1.0], "start.deceleration": deceleration, "terrain.slope": 0.0}
    descent = Descent(load_scenario("resilience", **changes), 512, seed=3)
    truth = {name: column.numpy() for name, column in descent.truth().items()}
    # Above the pad's level, as the start counts altitude: the ground below rises and falls by up to 40 m.
    altitude = descent.state["motion.position"][:, 2].numpy() - descent.state["drawn.gear.centre_height"].numpy()
    altitude += descent.state["motion.position"][:, 0].numpy() ** 2 / (2.0 * 1_737_400.0)
    fastest = np.sqrt(2.0 * deceleration * altitude)
    started = descent.state["drawn.start.descent_rate"].numpy()
    np.testing.assert_allclose(truth["descent_rate"], np.minimum(started, fastest), rtol=1e-3, atol=1e-2)


def test_a_snapshot_of_another_batch_is_refused():
    snapshot = Descent("vertical", 3).snapshot()
    with pytest.raises(ValueError, match="same scenario and size"):
        Descent("vertical", 4).restore(snapshot)


# --- ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("control", MODES)
def test_a_broken_action_ends_that_lander_as_invalid_and_no_other(poison, control):
    scenario = load_scenario("resilience", control=control)
    healthy, broken = (Descent(scenario, 6, seed=14) for _ in range(2))

    def poisoned(step, action):
        if step == 5:
            action[2, -1] = poison
        return action

    others = torch.arange(6) != 2
    low, high = (torch.from_numpy(bound) for bound in broken.observations.bounds())
    for step, (transition, reference) in enumerate(zip(fly(broken, 20, poisoned), fly(healthy, 20), strict=True)):
        assert transition_bits(transition, others) == transition_bits(reference, others)
        assert (transition.outcome[2] == Outcome.INVALID) == (step == 5)
        assert transition.reward.isfinite().all()
        for seen in (transition.observation, transition.final_observation):
            assert ((seen >= low) & (seen <= high)).all()


def test_terminated_and_truncated_are_exclusive_and_follow_from_the_outcome():
    descent, outcomes = Descent(load_scenario("planar", time_limit=30.0), 64, seed=15), set()
    for transition in fly(descent, 200):
        assert not (transition.terminated & transition.truncated).any()
        assert torch.equal(transition.truncated, transition.outcome == Outcome.OUT_OF_TIME)
        assert torch.equal(transition.done, transition.outcome != Outcome.FLYING)
        outcomes |= set(transition.outcome.tolist())
    assert {Outcome.FLYING, Outcome.CRASHED, Outcome.OUT_OF_TIME} <= outcomes


@pytest.mark.parametrize("scenario", lunar_env.scenarios())
@pytest.mark.parametrize("control", MODES)
def test_every_preset_flies_in_every_control_mode_inside_its_space(scenario, control):
    own = load_scenario(scenario).control == control
    # Whole descents in the mode that is the preset's own; in the others, minutes from anywhere on the way.
    brief = {"time_limit": 120.0, "start.progress": [0.0, 1.0]}
    changes = {"control": control, **({} if own else brief)}
    many = LanderVectorEnv(12, scenario, output="torch", autoreset_mode="same_step", **changes)
    low, high = (torch.from_numpy(bound) for bound in many.descent.observations.bounds())
    generator = torch.Generator().manual_seed(16)
    observation, _ = many.reset(seed=16)
    ended = torch.zeros(12, dtype=torch.bool)
    for _ in range(many.scenario.steps):
        # A third of the numbers at each end of the box, the rest anywhere, some of it outside.
        action = (3.0 * torch.rand(12, many.descent.action_size, generator=generator) - 1.5).mul(2.0).clamp(-1.5, 1.5)
        observation, reward, terminated, truncated, info = many.step(action)
        assert ((observation >= low) & (observation <= high)).all()
        final = info.get("final_obs", observation)
        assert ((final >= low) & (final <= high)).all()
        assert reward.isfinite().all()
        ended |= terminated | truncated
        if ended.all():
            break
    assert ended.all(), "an episode outlives its time limit"
