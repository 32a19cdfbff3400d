"""What the pilots of ``control="thrust_vector"`` share: actions that the mode knows, truth, braking, the pad."""

import pytest
import torch

from agents.pilots import CLASSICAL, as_shown_to, make_pilot
from agents.pilots.shared.thrust_vector import BRAKED
from agents.seeds import EVALUATION
from lunar_env import Descent, Outcome, load_scenario

SEED, LANDERS = EVALUATION[0], 16
PILOTS = [name for name, kind in CLASSICAL.items() if kind.control == "thrust_vector"]
EACH = pytest.mark.parametrize("name", PILOTS)
ROUNDING = 1e-6  # of a vector's length


def flight(name, scenario, seconds, landers=LANDERS):
    """Fly a pilot and give batch, pilot, observation and action at each decision; the last time after the end."""
    if name == "socp_mpc":
        pytest.importorskip("cvxpy")
        landers = min(landers, 2)  # each solves its own cone programs
    scenario = as_shown_to(name, scenario)
    descent = Descent(scenario, landers, seed=SEED, autoreset="disabled")
    pilot = make_pilot(name, scenario, landers)
    observation = descent.reset(seed=SEED)
    for _ in range(round(seconds / scenario.decision_period)):
        action = pilot.act(observation)
        yield descent, pilot, observation, action
        transition = descent.step(action)
        observation = transition.observation
        if bool(transition.done.all()):
            return


def test_the_laws_from_the_literature_fly_thrust_vectors():
    assert {"gravity_turn", "apollo", "zem_zev", "dr_dv", "pid", "robust", "socp_mpc"} == set(PILOTS)


# From the start, where all brake, and where the altimeter wakes up.
@EACH
@pytest.mark.parametrize(("progress", "seconds"), [(0.0, 10.0), (0.8, 20.0)])
def test_an_action_is_no_longer_than_full_thrust_and_never_points_down(name, progress, seconds):
    scenario = load_scenario("resilience", **{"start.progress": progress})
    thrusts = 0
    for _, _, _, action in flight(name, scenario, seconds, 8):
        assert torch.isfinite(action).all()
        assert action.norm(dim=1).max() <= 1.0 + ROUNDING
        assert action[:, 2].min() >= 0.0
        thrusts += int((action.norm(dim=1) > 0.1).sum())
    assert thrusts > 0 or (name == "socp_mpc" and progress == 0.0)  # whose first plans coast for long


@EACH
def test_shown_the_truth_the_estimate_is_the_truth(name):
    scenario = load_scenario("resilience", observation="truth", **{"start.progress": [0.3, 0.95]})
    for descent, pilot, observation, _ in flight(name, scenario, 4.0):
        now, truth = pilot.situation(pilot.table.read(observation)), descent.truth()
        # The observation is scaled to [-1, 1] in single precision: 1e-7 of the ceiling and of the top speed.
        for seen, is_so, scale in (
            (now.height, truth["height"], scenario.ceiling),
            (-now.velocity[:, 2], truth["descent_rate"], scenario.top_speed),
            (now.velocity[:, :2].norm(dim=1), truth["lateral_speed"], scenario.top_speed),
        ):
            torch.testing.assert_close(seen, is_so, rtol=0.0, atol=2e-7 * scale)
        assert (now.deviation == 0.0).all()
        assert now.seen.all()


@pytest.mark.parametrize("name", ["robust", "apollo", "zem_zev", "dr_dv"])
def test_braking_leaves_little_lateral_speed_unless_the_pad_can_be_reached_as_it_is(name):
    # So near that the pad is passed while braking: the law has to divert.
    scenario = load_scenario("resilience_as_planned", **{"start.progress": 0.3, "start.distance": 2_000.0})
    speed = torch.full((LANDERS,), torch.nan)  # [m/s] when the law begins
    to_pad = torch.zeros(LANDERS, dtype=torch.bool)
    for _, pilot, observation, _ in flight(name, scenario, 40.0):
        begins = pilot.braked & speed.isnan()
        reading = pilot.table.read(observation)
        speed = torch.where(begins, torch.hypot(reading["velocity_x"], reading["velocity_y"]), speed)
        if name != "robust":
            to_pad |= begins & (pilot.target == pilot.pad).all(dim=1)
        if bool(pilot.braked.all()):
            break
    assert pilot.braked.all()
    assert (~to_pad).any(), "none had to brake"
    assert speed[~to_pad].max() <= BRAKED + 0.5  # inertial velocity, which the filter corrects by decimetres a second
    assert speed[~to_pad].min() >= BRAKED - 5.0, "braked for longer than the law asks for"


# Apollo and the cascade end at 15 and 10 m and are let down from there; metres of the pad are left as they are.
@pytest.mark.parametrize(("name", "within"), [("dr_dv", 1.0), ("apollo", 5.0), ("pid", 5.0)])
def test_a_pilot_whose_target_is_the_pad_comes_down_on_it(name, within):
    *_, (descent, pilot, _, action) = flight(name, load_scenario("gaudet_nominal"), 120.0, 50)
    ended = descent.step(action)
    assert (pilot.target == pilot.pad).all()
    assert (ended.outcome == int(Outcome.LANDED)).all()
    assert ended.ended["distance"].max() <= within  # seen: 0.22, 4.4 and 4.3 m


@pytest.mark.slow
def test_zem_zev_comes_down_near_the_pad():
    *_, (descent, _, _, action) = flight("zem_zev", load_scenario("gaudet_nominal"), 120.0, 50)
    ended = descent.step(action)
    assert (ended.outcome == int(Outcome.LANDED)).all()
    # Seen: 17.5 m. It leaves its law 3 s before its arrival, with the lateral speed that the law has then.
    assert ended.ended["distance"].max() <= 25.0


@pytest.mark.parametrize("mission", ["chang_e_3", "apollo_11", "luna_25_planned", "chang_e_5"])
def test_a_gravity_turn_does_not_begin_at_orbital_speed(mission):
    """Where orbital speed carries the weight, the turn's equations for a flat Moon would stop from anywhere."""
    scenario = as_shown_to("gravity_turn", mission)
    descent = Descent(scenario, LANDERS, seed=SEED, autoreset="disabled")
    pilot = make_pilot("gravity_turn", scenario, LANDERS)
    pilot.act(descent.reset(seed=SEED))
    assert not pilot.braked.any()


def test_a_cascade_on_a_vehicle_too_heavy_for_its_engine_still_flies_to_its_target():
    scenario = as_shown_to("pid", "beresheet_planned")
    descent = Descent(scenario, LANDERS, seed=SEED, autoreset="disabled")
    pilot = make_pilot("pid", scenario, LANDERS)
    assert pilot.vehicle.maximum_thrust < pilot.vehicle.gravity * float(
        pilot.vehicle.dry_mass + descent.state["motion.propellant"].max()
    )
    assert torch.isfinite(pilot.act(descent.reset(seed=SEED))).all()
    assert (pilot.cascade.stoppable(torch.full((LANDERS, 3), 100.0)) > 0.0).all()


@EACH
def test_a_vehicle_upside_down_at_height_zero_leaves_the_navigator_finite(name):
    """Its beams miss the ground, so no range can be expected: what is not a number must not spread."""
    if name == "socp_mpc":
        pytest.importorskip("cvxpy")
    scenario = as_shown_to(name, load_scenario("resilience_as_planned", observation="instruments"))
    descent = Descent(scenario, 2, seed=SEED, autoreset="disabled")
    pilot = make_pilot(name, scenario, 2)
    pilot.reset(torch.ones(2, dtype=torch.bool))
    reading = {channel: column.clone() for channel, column in pilot.table.read(descent.reset(seed=SEED)).items()}
    lever = float(pilot.navigator.tuning.lever)
    turned = {"attitude_x": 1.0, "attitude_y": 0.0, "attitude_z": 0.0, "attitude_w": 0.0, "altitude": -2.0 * lever}
    beam = pilot.table.beams()[0]
    for channel, value in {**turned, beam.valid: 1.0, beam.age: 0.0, beam.range: 10.0}.items():
        reading[channel][0] = value
    estimate = pilot.navigator.update(reading)
    assert torch.isfinite(estimate.height).all() and torch.isfinite(estimate.velocity).all()
    assert torch.isfinite(pilot.navigator.errors).all() and torch.isfinite(pilot.navigator.covariance).all()
