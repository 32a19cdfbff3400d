"""A Moon that turns, against closed forms and a flight among the stars in float64."""

import numpy as np
import pytest
import torch
from reference import Command, altitude, fly, from_centre, motion_of, world_of
from vehicle.test_dynamics import COAST, DESCENT, DISPERSED, altitudes_of_a_descent, exact, flight, hold

from lunar_env import Descent, load_scenario
from lunar_env.kernel.builds import FULL, PLAIN, build_of

MOON = 2.6617e-6  # [rad/s] 27.32 days
FAST = 2e-4
EAST, NORTH = np.pi / 2, 0.0


@pytest.mark.parametrize("heading", [EAST, NORTH, 2.5])
def test_a_fall_drifts_to_the_east_by_a_third_of_w_g_t_cubed(heading):
    latitude, seconds, start = 0.4, 60.0, 4_000.0
    turning = dict(rotation__rate=FAST, rotation__latitude=latitude, rotation__heading=heading)
    flat = dict(moon__radius=1e9, start__altitude=start, decision_period=1.0)  # gravity the same all the way
    still = Descent(flight(**flat), 1)
    descent = Descent(flight(**turning, **flat, navigation__altitude_error=0.0), 1)
    hold(still, COAST, steps=int(seconds))
    hold(descent, COAST, steps=int(seconds))
    time, gravity = 600 * float(np.float32(0.1)), float(descent.state["drawn.moon.surface_gravity"][0])
    apart = exact(descent, "position")[0] - exact(still, "position")[0]
    spin, centre = np.array(world_of(descent.state).spin), np.array([0.0, 0.0, 1e9])
    centrifugal = -np.cross(spin, np.cross(spin, centre)) * time**2 / 2
    east = np.array([np.sin(heading), -np.cos(heading), 0.0])
    drift = FAST * gravity * time**3 * np.cos(latitude) / 3.0
    # To first order in W t = 0.012; the centrifugal part is Coriolis's cause as well.
    assert apart - centrifugal == pytest.approx(drift * east, abs=0.02 * np.linalg.norm(centrifugal) + 0.02 * drift)
    assert drift > 5.0


def test_a_vehicle_that_is_held_at_rest_stays_at_rest_for_600_s():
    rest = dict(rotation__rate=MOON, rotation__latitude=0.7, rotation__heading=1.1, engine__specific_impulse=1e9)
    descent = Descent(flight(**rest, start__altitude=1_000.0, decision_period=1.0, attitude__maximum_torque=60.0), 1)
    state = descent.state
    world, start = world_of(state), motion_of(state)
    centre = from_centre(start.position, world.radius)
    gravity = world.surface_gravity * (world.radius / np.linalg.norm(centre)) ** 2 * centre / np.linalg.norm(centre)
    needed = gravity + np.cross(world.spin, np.cross(world.spin, centre))
    # Along the thrust: what the ground would give. Across it the ground's friction, here put away with the slope.
    up = needed / np.linalg.norm(needed)
    half = np.array([-up[1], up[0], 0.0]) / 2.0
    state["motion.attitude"] = torch.tensor([[*half, 1.0]], dtype=torch.float32)
    state["motion.rates"] = torch.tensor([world.spin], dtype=torch.float32)
    throttle = np.linalg.norm(needed) * (world.dry_mass + start.propellant) / world.thrust
    hold(descent, (2.0 * throttle - 1.0, 0.0, 0.0, 0.0), steps=600)
    moved = exact(descent, "position")[0] - start.position
    # Throttle and attitude are float32's: a part of 10^7 of gravity for ten minutes is 3 cm; centrifugal alone is 2 m.
    assert np.abs(moved).max() < 0.1


@pytest.mark.parametrize("heading", [EAST, 0.3])
def test_a_whole_descent_over_a_turning_moon_keeps_its_altitude_to_a_centimetre(heading):
    turning = dict(rotation__rate=MOON, rotation__latitude=-0.9, rotation__heading=heading)
    flown, _, wanted = altitudes_of_a_descent(Descent(flight(**DESCENT | turning | {"start__altitude": 24_000.0}), 1))
    still = altitudes_of_a_descent(Descent(flight(**DESCENT | {"start__altitude": 24_000.0}), 1))[2]
    assert wanted.min() > 0.0
    assert np.abs(wanted - still).max() > 100.0  # it matters
    assert np.abs(flown - wanted).max() < 0.01


@pytest.mark.slow
def test_so_do_dispersed_descents_to_15_mm():
    turning = dict(rotation__rate=MOON, rotation__latitude=-0.9, rotation__heading=0.3, start__altitude=26_000.0)
    flown, _, wanted = altitudes_of_a_descent(Descent(flight(**DESCENT | DISPERSED | turning), 64))
    assert wanted.min() > 0.0
    assert np.abs(flown - wanted).max() < 0.015


def test_a_navigation_that_does_not_know_it_believes_in_what_it_does_not_feel():
    turning = dict(rotation__rate=MOON, rotation__latitude=0.3, rotation__heading=EAST, rotation__unknown=1.0)
    descent = Descent(flight(**turning, start__altitude=50_000.0, start__speed=1_600.0, decision_period=1.0), 1)
    state = descent.state
    start, spin = motion_of(state), np.array(world_of(state).spin)
    hold(descent, COAST, steps=20)
    seconds = 200 * float(np.float32(0.1))
    centre = from_centre(start.position, world_of(state).radius)
    felt = -2.0 * np.cross(spin, start.velocity) - np.cross(spin, np.cross(spin, centre))
    # The velocity turns by a fiftieth meanwhile.
    error = state["belief.velocity_error"][0].numpy()
    assert error == pytest.approx(-felt * seconds, abs=0.03 * np.linalg.norm(felt) * seconds)
    turned = 2.0 * state["belief.attitude_error"][0, :3].numpy()
    assert turned == pytest.approx(spin * seconds, abs=1e-7 * 200)
    known = Descent(flight(**turning | {"rotation__unknown": 0.0}, start__altitude=50_000.0, start__speed=1_600.0), 1)
    hold(known, COAST, steps=20)
    assert not known.state["belief.velocity_error"].any()
    assert known.state["belief.misled"][0] == 0


def test_only_a_moon_that_turns_needs_the_full_build():
    assert build_of(load_scenario("resilience", **{"rotation.latitude": 0.5})) is PLAIN
    assert build_of(load_scenario("resilience", **{"rotation.rate": MOON})) is FULL


def test_the_reference_turns_a_body_at_rest_with_the_ground():
    descent = Descent(flight(rotation__rate=FAST, rotation__latitude=0.5, moon__surface_gravity=0.0), 1)
    world, start = world_of(descent.state), motion_of(descent.state)
    (_, end), _ = fly(world, start, [Command(100.0)])
    # Without gravity it flies straight among the stars: from the site it rises by r (sqrt(1 + (w t)^2) - 1).
    centre = from_centre(start.position, world.radius)
    across, distance = np.linalg.norm(np.cross(world.spin, centre)) * 100.0, np.linalg.norm(centre)
    risen = altitude(end.position, world.radius) - altitude(start.position, world.radius)
    assert risen == pytest.approx(np.hypot(distance, across) - distance, rel=1e-6)
