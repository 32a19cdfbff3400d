"""One launch tells a critic what the named quantities say, and the next episode is the one that reset begins."""

import pytest
import torch

from lunar_env import Descent


def flown(name, num_envs=40):
    descent = Descent(name, num_envs, seed=3, autoreset="disabled")
    for k in range(60):
        descent.step(torch.full((num_envs, descent.action_size), 0.02 * k - 0.6))
    return descent


@pytest.mark.parametrize("name", ["any_fault", "planar", "gaudet_beams"])
def test_the_true_numbers_are_those_that_have_names(name):
    descent = flown(name)
    state, label = descent.state, descent.faults()
    expected = [
        descent.truth()["height"][:, None],
        *(state[quantity] for quantity in ("motion.position", "motion.velocity")),
        *(state[quantity] for quantity in ("belief.position_error", "belief.velocity_error")),
        *(label[quantity].float() for quantity in ("acting", "onset", "magnitude")),
    ]
    assert torch.equal(descent.true_numbers(), torch.cat(expected, dim=1))
    if name == "any_fault":
        assert label["present"].any() and label["acting"].any()


def test_for_a_critic_the_numbers_are_about_one_large():
    descent = flown("any_fault")
    assert torch.equal(descent.privileged(), descent.true_numbers() / descent.true_scales)
    assert 0.1 < descent.privileged().abs().max() < 3.0


def test_the_next_episode_begun_in_place_is_the_one_that_reset_begins():
    mask = torch.arange(40) % 3 == 0
    one, other = flown("any_fault"), flown("any_fault")
    counted = one.state["episode.episode"]
    seen = one.reset(mask=mask)
    other.begin_next(mask)
    assert torch.equal(one.state["episode.episode"], counted + mask)
    assert torch.equal(other.state.observation, seen)
    for name, table in one.snapshot().items():
        assert table.numpy().tobytes() == other.snapshot()[name].numpy().tobytes(), name
