"""A pilot that is shown beams only: what it sees, what they tell together, and who cannot fly on it."""

import pytest
import torch

from agents.pilots import CLASSICAL, as_shown_to, make_pilot
from agents.policy.beam_features import BeamGeometry, turned
from agents.policy.features import Features
from agents.policy.network import PolicyNetwork, save_policy
from agents.scoring.episodes import fly_traced
from lunar_env import Descent, load_scenario

LANDERS = 64


def after(descent, decisions, action):
    """The batch after some decisions with one action."""
    for _ in range(decisions):
        descent.step(torch.tensor(action).expand(descent.num_envs, len(action)))
    return descent


@pytest.mark.parametrize("history", [1, 3])
@pytest.mark.parametrize(("name", "action"), [("resilience", (0.2, 0.1, 0.0)), ("gaudet_beams", (0.1, 0.0, 0.5))])
def test_it_sees_the_beams_of_the_instruments_and_its_own_command_and_nothing_else(name, action, history):
    whole, beams = (load_scenario(name, observation=kind, history=history) for kind in ("instruments", "beams"))
    names = [channel.name for channel in beams.observation_table().channels]
    assert all(name.startswith(("altimeter_", "last_")) for name in names)
    kept = [channel.name in names for channel in whole.observation_table().channels]
    assert sum(kept) == len(names)
    one, other = (after(Descent(scenario, LANDERS, seed=3), 25, action) for scenario in (whole, beams))
    columns = torch.tensor(kept * history)
    assert torch.equal(one.state.observation[:, columns], other.state.observation)


def test_four_doppler_beams_tell_the_velocity_when_the_body_points_where_it_was_told():
    scenario = load_scenario("gaudet_beams", **{"terrain.roughness": 0.0})
    descent = after(Descent(scenario, LANDERS, seed=0), 20, (0.2, -0.1, 0.5))  # long enough to have turned there
    table = scenario.observation_table()
    si = (descent.state.observation * torch.tensor([channel.scale for channel in table.channels]))[:, None]
    geometry = BeamGeometry(table)
    axis = geometry.thrust_axis(si)
    velocity = turned(si[..., geometry.speeds] @ geometry.velocity_of, axis)[:, 0]
    # Yaw is not told: the body keeps that of the shortest way round, but for a little.
    assert float((velocity - descent.state["motion.velocity"]).abs().max()) < 0.5
    down = -turned(geometry.directions, axis[..., None, :])[..., 2]
    heights = (si[..., geometry.ranges] * down)[:, 0]
    assert float((heights - descent.state["motion.position"][:, 2:]).abs().max()) < 15.0  # of 1.5 km


def test_turning_by_the_shortest_way_takes_z_to_the_axis_and_keeps_lengths_and_angles():
    generator = torch.Generator().manual_seed(0)
    axis = torch.nn.functional.normalize(torch.rand(200, 3, generator=generator) - torch.tensor([0.5, 0.5, 0.0]), dim=1)
    one, other = torch.randn(2, 200, 3, generator=generator)
    z = torch.tensor([0.0, 0.0, 1.0]).expand(200, 3)
    torch.testing.assert_close(turned(z, axis), axis, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(
        (turned(one, axis) * turned(other, axis)).sum(1), (one * other).sum(1), atol=1e-5, rtol=1e-5
    )
    across = torch.linalg.cross(z, axis)  # the axis of the shortest way
    torch.testing.assert_close(turned(across, axis), across, atol=1e-6, rtol=0.0)


@pytest.mark.parametrize("name", sorted(CLASSICAL))
def test_a_classical_pilot_says_that_it_cannot_fly_on_beams(name):
    scenario = as_shown_to(name, load_scenario("resilience", observation="beams"))
    with pytest.raises(ValueError, match=f"pilot '{name}' flies on altitude and velocity.*observation='instruments'"):
        make_pilot(name, scenario, 1)


def test_a_learned_pilot_flies_on_beams_and_its_flight_can_be_drawn(tmp_path):
    scenario = load_scenario("gaudet_beams", history=2)
    torch.manual_seed(0)
    network = PolicyNetwork(Features(scenario).size, (8,), 3)
    save_policy(tmp_path, network, scenario, {})
    trace, flights = fly_traced(str(tmp_path), scenario, seed=0)
    assert len(trace.columns["altitude"]) > 10
    assert all(height != height for height in trace.columns["believed_altitude"])  # it believes in none
    both = zip(trace.columns["measured_altitude"], trace.columns["altitude"], strict=True)
    measured, altitude = next(pair for pair in both if pair[0] == pair[0])
    assert measured == pytest.approx(altitude, rel=0.4)
    assert flights.outcome[0] > 0


def test_only_where_the_descent_is_to_end_at_the_pad_a_network_is_shown_where_it_is():
    without, with_pad = (Features(load_scenario("gaudet_nominal", pad=pad)) for pad in (False, True))
    assert with_pad.size == without.size + 4
