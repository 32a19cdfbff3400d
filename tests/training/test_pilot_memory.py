"""What a pilot remembers, put into another one of its kind: it flies on as if nothing had happened."""

import pytest
import torch

pytest.importorskip("safetensors")

from agents.pilots import CLASSICAL, as_shown_to, make_pilot
from agents.training.pilot_memory import memory_of, remember
from lunar_env import Descent, load_scenario

LANDERS = 32
PLANS = {"socp_mpc"}  # kept in lists
SCENARIO = load_scenario("resilience", **{"start.progress": (0.0, 1.0)})


def flown(pilot, descent, observation, decisions):
    """The actions (decisions, N, size) of a pilot, and the last observation; who is down begins anew."""
    actions = []
    for _ in range(decisions):
        actions.append(pilot.act(observation).clone())
        transition = descent.step(actions[-1])
        observation = transition.observation
        pilot.reset(transition.done)
    return torch.stack(actions), observation.clone()  # the next decision overwrites it


@pytest.mark.parametrize("name", sorted({*CLASSICAL, "reference"} - PLANS))
def test_a_pilot_with_the_memory_of_another_flies_on_as_that_one(name):
    scenario = as_shown_to(name, SCENARIO)
    descent = Descent(scenario, LANDERS, seed=3)
    one, other = (make_pilot(name, scenario, LANDERS) for _ in range(2))
    everybody = torch.ones(LANDERS, dtype=torch.bool)
    one.reset(everybody)
    other.reset(everybody)
    _, observation = flown(one, descent, descent.reset(seed=3), 60)
    memory, moment = memory_of(one), descent.snapshot()
    wanted, _ = flown(one, descent, observation, 40)
    remember(other, memory, torch.device("cpu"))
    descent.restore(moment)
    found, _ = flown(other, descent, observation, 40)
    assert torch.equal(found, wanted)


def test_a_memory_is_a_copy():
    scenario = as_shown_to("wary", SCENARIO)
    pilot = make_pilot("wary", scenario, LANDERS)
    memory = memory_of(pilot)
    pilot.loop.effect.fill_(0.5)
    assert torch.equal(memory["loop"]["effect"], torch.ones(LANDERS))


def test_the_memory_of_another_pilot_is_refused():
    pilots = [make_pilot(name, as_shown_to(name, SCENARIO), LANDERS) for name in ("cautious", "wary")]
    with pytest.raises(KeyError):
        remember(pilots[1], memory_of(pilots[0]), torch.device("cpu"))
