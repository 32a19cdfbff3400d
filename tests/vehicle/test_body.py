"""Mass and thrust beside their nominal places, against closed forms and the independent flight in float64."""

import numpy as np
import pytest
import torch
from reference import Command, Motion, World, altitude, fly, motion_of, world_of
from vehicle.test_dynamics import (
    COAST,
    DESCENT,
    DISPERSED,
    EPSILON,
    THRUST,
    TORQUE,
    commands_of,
    exact,
    flight,
    hold,
    throttle_of,
    tumbling,
)

from lunar_env import Descent, Range, load_scenario
from lunar_env.kernel import launch
from lunar_env.kernel.builds import FULL, PLAIN, WHOLE, build_of

FULL_THRUST = (1.0, 0.0, 0.0, 0.0)
PITCH_RATE = DESCENT["start__pitch_rate"]
STEADY = dict(engine__specific_impulse=1e9, attitude__maximum_torque=0.0, start__altitude=5_000.0, time_limit=1e3)
INSTANT = dict(tick=1e-3, decision_period=1e-3, altimeter__period=1e-3, altimeter__delay=0.0)
EVERYTHING = {
    "body.offset_x": 0.02,
    "body.offset_y": -0.01,
    "body.shift_x": 0.03,
    "body.shift_y": 0.02,
    "body.lean_x": 0.004,
    "body.lean_y": -0.006,
    "body.arm": 0.8,
    "body.inertia_excess": 0.15,
    "body.inertia_loss": 0.4,
}


def dotted(changes):
    return {name.replace(".", "__"): value for name, value in changes.items()}


# Closed forms -------------------------------------------------------------------------------------------------------


def test_an_offset_pitches_the_vehicle_over_at_the_closed_rate():
    offset = [0.03, -0.02]
    beside = dict(body__offset_x=offset[0], body__offset_y=offset[1], decision_period=1.0)
    descent = Descent(flight(**STEADY, **beside), 1)
    hold(descent, FULL_THRUST, steps=1)
    state = descent.state
    seconds = 10 * float(np.float32(0.1))
    thrust, across = (float(state["drawn." + name][0]) for name in ("engine.maximum_thrust", "mass.inertia_transverse"))
    # The thrust T along z acts at (-c_x, -c_y): it turns with (-c_y T, c_x T, 0). As c_x is no greater than that, the
    # axis of the turn stays, and the body, symmetric about z, turns about it alone: w = T c t / J.
    rates = thrust * seconds / across * np.array([-offset[1], offset[0], 0.0])
    assert np.abs(exact(descent, "rates")[0] - rates).max() < 4 * EPSILON * np.abs(rates).max()
    angle = 0.5 * np.linalg.norm(rates) * seconds
    leaning = motion_of(state).attitude[2, 2]
    assert abs(np.arccos(leaning) - angle) < 1e-6


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_leaning_thrust_pushes_sideways_and_turns_by_its_arm(axis):
    lean, arm = 0.01, 0.9
    descent = Descent(flight(**STEADY, **INSTANT, **{f"body__lean_{axis}": lean, "body__arm": arm}), 1)
    hold(descent, FULL_THRUST)
    state, seconds = descent.state, float(np.float32(1e-3))
    thrust, across = (float(state["drawn." + name][0]) for name in ("engine.maximum_thrust", "mass.inertia_transverse"))
    mass = float(state["drawn.mass.dry"][0] + state["motion.propellant"][0])
    # Turned about x, z goes towards -y; about y towards x. The force at (0, 0, -l) turns with (l F_y, -l F_x, 0).
    sideways = thrust * np.sin(lean) * np.array([0.0, -1.0, 0.0] if axis == "x" else [1.0, 0.0, 0.0])
    assert exact(descent, "velocity")[0, :2] == pytest.approx(sideways[:2] / mass * seconds, rel=1e-5, abs=1e-9)
    turning = arm / across * seconds * np.array([sideways[1], -sideways[0], 0.0])
    assert exact(descent, "rates")[0] == pytest.approx(turning, rel=1e-5, abs=1e-9)


def test_the_centre_of_mass_moves_and_the_inertia_falls_in_proportion_to_what_is_burnt():
    shift, loss, burnt = 0.04, 0.5, 0.6
    descent = Descent(flight(**STEADY, **INSTANT, body__shift_x=shift, body__inertia_loss=loss), 1)
    state, seconds = descent.state, float(np.float32(1e-3))
    state["motion.propellant"] = state["motion.propellant"] * (1.0 - burnt)
    hold(descent, FULL_THRUST)
    thrust, across = (float(state["drawn." + name][0]) for name in ("engine.maximum_thrust", "mass.inertia_transverse"))
    wanted = thrust * shift * burnt / (across * (1.0 - loss * burnt)) * seconds
    assert exact(descent, "rates")[0, 1] == pytest.approx(wanted, rel=1e-5)


def test_three_different_moments_keep_the_angular_momentum_and_the_energy_for_600_s():
    free = dict(start__altitude=1e6, body__inertia_excess=0.4, body__inertia_loss=0.3, attitude__maximum_torque=0.0)
    descent = Descent(flight(**free, substeps=10, decision_period=10.0, moon__surface_gravity=0.0), 3)
    descent.state["motion.rates"] = torch.tensor([[0.3, 0.02, 0.1], [0.02, 0.3, 0.02], [0.1, 0.1, -0.3]])
    inertia = np.array(world_of(descent.state).inertia)
    assert len(set(inertia)) == 3

    def kept() -> np.ndarray:
        motions = [motion_of(descent.state, row) for row in range(3)]
        momentum = np.stack([motion.attitude @ (inertia * motion.rates) for motion in motions])
        energy = np.array([[motion.rates @ (inertia * motion.rates)] for motion in motions])
        return np.concatenate([momentum, energy], axis=1)

    before = kept()
    size = np.linalg.norm(before[:, :3], axis=1)
    hold(descent, COAST, steps=60)
    change = kept() - before
    assert (np.linalg.norm(change[:, :3], axis=1) / size).max() < 1e-5
    assert np.abs(change[:, 3] / before[:, 3]).max() < 1e-5


# The independent flight ---------------------------------------------------------------------------------------------


def test_six_degrees_of_freedom_of_such_a_body_follow_the_reference():
    # As in test_dynamics.py: 30 s of a tumble, in substeps of 10 ms.
    landers = 4
    small = {name: value * (1.0 if "inertia" in name else 0.1) for name, value in EVERYTHING.items()}
    descent, actions = tumbling(50, 60, 0.5, landers, engine__lag=0.1, **dotted(small))
    assert descent._launch.build is FULL
    starts = [motion_of(descent.state, row) for row in range(landers)]
    world = world_of(descent.state)
    for action in actions:
        hold(descent, action)
    for row in range(landers):
        end, now = fly(world, starts[row], commands_of(actions[:, row], 0.5))[0][-1], motion_of(descent.state, row)
        turned = 3 * EPSILON * 100.0  # of up to 100 rad
        assert np.abs(now.attitude - end.attitude).max() < turned
        assert np.abs(now.rates - end.rates).max() < 2e-6
        assert np.abs(exact(descent, "velocity")[row] - end.velocity).max() < turned * 320.0
        assert np.abs(exact(descent, "position")[row] - end.position).max() < turned * 320.0 * 15.0


def held(world: World, motion: Motion, pitch: float) -> np.ndarray:
    """The torque (3,) [N m] with which a pilot of this test holds the thrust at an angle [rad] in the plane of x and z.

    What the thrust does beside the centre of mass, and a spring and a damper for what is left.
    """
    wished = pitch - world.lean[1]
    aim = motion.attitude.T @ np.array([np.sin(wished), 0.0, np.cos(wished)])
    rates = motion.rates - motion.attitude.T @ np.array([0.0, PITCH_RATE, 0.0])
    beside = np.array(world.centre) + (1.0 - motion.propellant / world.load) * np.array(world.further)
    turn = np.cross([*-beside, -world.arm], [world.lean[1], 0.0, 1.0]) * world.thrust * motion.throttle
    return 60.0 * np.array([-aim[1], aim[0], 0.0]) - 100.0 * rates - turn


def held_descents(landers: int, **changes: object) -> tuple[np.ndarray, np.ndarray]:
    """Altitudes (600, N) each second of descents whose attitude is held, by the core and by the reference.

    Each pilot looks at its own truth: nothing else keeps the directions of two such flights together, for a torque that
    float32 rounds by a part of 10^7 for ten minutes turns a free body by a milliradian.
    """
    body = {"body.offset_x": 0.015, "body.offset_y": -0.01, "body.shift_x": 0.01, "body.lean_y": 0.004}
    body |= {"body.arm": 0.8, "body.inertia_excess": 0.1, "body.inertia_loss": 0.3}
    descent = Descent(flight(**DESCENT | dotted(body) | changes, attitude__maximum_torque=TORQUE), landers)
    worlds = [world_of(descent.state, row) for row in range(landers)]
    twins = [motion_of(descent.state, row) for row in range(landers)]
    radius, second = worlds[0].radius, 10 * float(np.float32(0.1))
    starts = [np.arctan2(one.attitude[0, 2], one.attitude[2, 2]) for one in twins]
    flown, wanted = [], []
    for number in range(600):
        actions = torch.zeros(landers, 4)
        actions[:, 0] = THRUST[0]
        for row, world in enumerate(worlds):
            pitch = starts[row] + PITCH_RATE * (number + 1)
            torque = held(world, motion_of(descent.state, row), pitch) / TORQUE
            actions[row, 1:] = torch.as_tensor(torque).clamp(-1.0, 1.0)
            valves = np.clip(held(world, twins[row], pitch) / TORQUE, -1.0, 1.0) * TORQUE
            twins[row] = fly(world, twins[row], [Command(second, throttle_of(THRUST[0]), tuple(valves))])[0][-1]
        hold(descent, actions)
        flown.append(altitude(exact(descent, "position"), radius))
        wanted.append([altitude(twin.position, radius) for twin in twins])
    return np.array(flown), np.array(wanted)


def test_a_whole_descent_of_such_a_body_keeps_its_altitude_to_a_centimetre():
    flown, wanted = held_descents(1, start__altitude=20_500.0)  # room for what the pilot is late
    print(flown[-1], np.abs(flown - wanted).max())
    assert wanted.min() > 0.0
    assert np.abs(flown - wanted).max() < 0.01


@pytest.mark.slow
def test_so_do_dispersed_descents_to_15_mm():
    spread = DISPERSED | {"body__offset_x": Range(-0.02, 0.02), "body__lean_y": Range(-0.004, 0.004)}
    flown, wanted = held_descents(64, **spread)
    print(np.abs(flown - wanted).max())
    assert wanted.min() > 0.0
    assert np.abs(flown - wanted).max() < 0.015


# The builds ---------------------------------------------------------------------------------------------------------


def test_only_a_body_that_is_not_as_drawn_needs_the_build_with_all_parts():
    assert build_of(load_scenario("resilience", **{"body.arm": 0.5})) is PLAIN
    assert build_of(load_scenario("any_fault")) is WHOLE
    for name, value in EVERYTHING.items():
        if name != "body.arm":
            assert build_of(load_scenario("resilience", **{name: value})) is FULL
            assert build_of(load_scenario("resilience", **{name: Range(0.0, abs(value))})) is FULL


def test_a_body_as_drawn_flies_the_same_in_the_build_with_all_parts(monkeypatch):
    plain = Descent("resilience", 16, seed=4)
    monkeypatch.setattr(launch, "build_of", lambda _: FULL)
    full = Descent("resilience", 16, seed=4)
    action = torch.full((16, 3), -0.2)
    for _ in range(30):
        expected, flown = plain.step(action), full.step(action)
        assert torch.equal(expected.outcome, flown.outcome)
    assert (plain.truth()["height"] - full.truth()["height"]).abs().max() < 0.01
    assert (plain.truth()["descent_rate"] - full.truth()["descent_rate"]).abs().max() < 1e-3
