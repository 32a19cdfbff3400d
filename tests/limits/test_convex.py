"""The fuel-optimal landing against published optima, its own equations, our core, and the pilots that it bounds."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

pytest.importorskip("cvxpy")

from agents.guidance.convex import ConeVehicle, Problem, Solution, program, solve
from agents.limits.bound import bound, bound_of
from agents.limits.optimum import fastest_survivable, least_propellant, survivable
from agents.scoring.episodes import fly_episodes
from lunar_env import Descent, Outcome, load_scenario

# The vehicle of Acikmese & Ploen 2007 and Blackmore et al. 2010; the cant of 27 degrees is in the flow as well.
FLOW = 5.086e-4  # [s/m] alpha
MARS = ConeVehicle(
    mass=1905.0, dry_mass=1505.0, minimum_thrust=4971.8, maximum_thrust=13_258.0, exhaust_speed=1.0 / FLOW
)
A = Problem(MARS, (2000.0, 0.0, 1500.0), (100.0, 0.0, -75.0), (0.0, 0.0, -3.7114), glide_slope=None)
A_GROUND = replace(A, glide_slope=0.0)
A_SLOPE = replace(A, glide_slope=math.radians(4.0))
B = replace(A_SLOPE, position=(2000.0, 500.0, 1500.0))
C = replace(B, velocity=(100.0, 40.0, -75.0))

SERIES_1 = ConeVehicle(mass=440.0, dry_mass=340.0, maximum_thrust=1600.0, exhaust_speed=290.0 * 9.80665)
GRAVITY = 1.6242  # [m/s^2]


def between_nodes(solution: Solution, points: int = 20) -> np.ndarray:
    """Positions (points, intervals, 3) on the way: cubic, for the acceleration is linear."""
    t = np.linspace(0.0, solution.times[1], points)[:, None, None]
    u, slope = solution.accelerations[:-1], np.diff(solution.accelerations, axis=0) / solution.times[1]
    total = u + np.array(A.gravity)
    return solution.positions[:-1] + solution.velocities[:-1] * t + total * t**2 / 2 + slope * t**3 / 6


# Published optima -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "time", "propellant"),
    [
        (A, 72.0, 387.93),  # 387.9 kg published, and 227 m below ground on the way
        (A_GROUND, 72.0, 391.45),
        (A_SLOPE, 81.0, 399.39),  # 399.5 kg published
        (B, 77.8, 398.82),
        (B, 78.4, 398.86),  # 399.4 kg published
    ],
)
def test_a_published_landing_on_mars_takes_its_propellant(problem: Problem, time: float, propellant: float) -> None:
    assert solve(problem, time).propellant == pytest.approx(propellant, rel=1e-3)


def test_the_published_optimum_without_ground_dives_227_m_below_it() -> None:
    assert between_nodes(solve(A, 72.0, nodes=121))[..., 2].min() == pytest.approx(-227.0, abs=3.0)


@pytest.mark.parametrize(("problem", "propellant", "time"), [(A_GROUND, 390.42, 74.4), (B, 398.82, 77.8)])
def test_the_best_flight_time_is_found(problem: Problem, propellant: float, time: float) -> None:
    best = least_propellant(problem)
    assert best.propellant == pytest.approx(propellant, rel=1e-3)
    assert best.flight_time == pytest.approx(time, abs=1.0)  # 1 s off costs less than 0.1 kg


def test_blackmores_second_case_lacks_propellant() -> None:
    found = least_propellant(C)
    assert not found.feasible
    assert found.propellant == math.inf
    needed = float(found.reason.split()[1])
    assert 410.0 < needed < 416.0, found.reason  # "pinpoint needs at least 410 kg"
    enough = replace(C, vehicle=replace(MARS, dry_mass=MARS.mass - needed - 0.5))
    assert least_propellant(enough).feasible


def test_meditchs_lander_coasts_and_then_burns() -> None:
    # h'' = u - 1.5, 0 <= u <= 3: an exhaust so fast that the mass stays the same. J is the integral of u.
    exhaust = 1e5
    fall = Problem(ConeVehicle(1.0, 0.5, 3.0, exhaust), (0.0, 0.0, 10.0), (0.0, 0.0, -2.0), (0.0, 0.0, -1.5))
    best = least_propellant(fall, nodes=201)
    # Between two nodes thrust can only ramp, over 0.02 s here, which costs of the second order of that.
    assert best.flight_time == pytest.approx(4.1641408, rel=2e-4)
    assert np.trapezoid(best.accelerations[:, 2], best.times) == pytest.approx(8.2462113, rel=2e-4)
    switch = np.interp(1.5, best.accelerations[:, 2], best.times)
    assert switch == pytest.approx(1.4154038, abs=0.05)


# The program's own equations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("problem", "time"), [(A, 72.0), (A_GROUND, 74.4), (B, 77.8)])
def test_nothing_is_lost_by_the_convexification(problem: Problem, time: float) -> None:
    found = solve(problem, time)
    length = np.linalg.norm(found.accelerations, axis=1)
    assert np.abs(length / found.limits - 1.0).max() < 1e-6
    thrust = length * found.masses
    assert thrust.max() <= MARS.maximum_thrust * (1.0 + 1e-6)
    assert thrust.min() >= MARS.minimum_thrust * (1.0 - 1e-6)
    # Bang-bang, as Pontryagin has it: all but the nodes beside the two switches are at an end of the throttle. The
    # expansions about the lightest mass lose up to 0.5 % of the thrust.
    inside = (thrust > 1.01 * MARS.minimum_thrust) & (thrust < 0.99 * MARS.maximum_thrust)
    assert inside.mean() < 0.05


@pytest.mark.parametrize(("problem", "time"), [(A, 72.0), (B, 77.8)])
def test_an_independent_integration_ends_where_the_program_does(problem: Problem, time: float) -> None:
    found = solve(problem, time)

    def rate(t: float, y: np.ndarray) -> np.ndarray:
        u = np.array([np.interp(t, found.times, found.accelerations[:, axis]) for axis in range(3)])
        return np.concatenate([y[3:6], u + np.array(problem.gravity), [-FLOW * y[6] * np.linalg.norm(u)]])

    start = np.array([*problem.position, *problem.velocity, MARS.mass])
    end = solve_ivp(rate, (0.0, time), start, "DOP853", max_step=found.times[1], rtol=1e-9, atol=1e-9).y[:, -1]
    assert np.linalg.norm(end[:3] - found.positions[-1]) < 0.01
    assert np.linalg.norm(end[3:6] - found.velocities[-1]) < 0.001
    assert np.abs(found.positions[-1]).max() < 0.001
    # Between nodes |u| is below sigma where the direction turns, so that a little less is burnt than planned.
    assert 0.0 <= end[6] - found.masses[-1] < 0.003 * found.propellant


def test_the_flight_stays_above_the_ground_between_nodes_too() -> None:
    for nodes in (16, 61):
        assert between_nodes(solve(A_GROUND, 72.0, nodes=nodes))[..., 2].min() > -1e-4
    place = between_nodes(solve(A_SLOPE, 81.0))
    cone = np.linalg.norm(place[..., :2], axis=-1) * math.tan(math.radians(4.0))
    assert (place[..., 2] - cone).min() > -1e-4


def test_a_program_is_compiled_once_for_a_number_of_nodes() -> None:
    solve(A, 72.0, nodes=25)
    compiled = program.cache_info().currsize
    other = replace(A, position=(1000.0, 200.0, 2500.0), vehicle=replace(MARS, mass=1900.0))
    assert solve(other, 80.0, nodes=25).propellant != solve(A, 72.0, nodes=25).propellant
    assert program.cache_info().currsize == compiled


# Through the core -------------------------------------------------------------------------------------------------

RAISED = 1000.0  # [m] the target is this high, for one of the flights dives below its target


def mars_flight(problem: Problem) -> Descent:
    """One lander at a problem's start, raised, with its engine, over flat ground."""
    x, y, z = problem.position
    forward, sideways, climb = problem.velocity
    vehicle = problem.vehicle
    changes: dict[str, Any] = {
        "control": "body",
        "decision_period": 0.1,
        "gear.centre_height": 0.0,
        "moon.radius": 1e12,  # gravity is the same everywhere
        "moon.surface_gravity": -problem.gravity[2],
        "mass.dry": vehicle.dry_mass,
        "engine.maximum_thrust": vehicle.maximum_thrust,
        "engine.minimum_throttle": vehicle.minimum_thrust / vehicle.maximum_thrust,
        "engine.specific_impulse": vehicle.exhaust_speed / 9.80665,
        "engine.lag": 0.0,
        "ceiling": 1e6,
        "extent": 1e6,
        "start.altitude": z + RAISED,
        "start.distance": -x,
        "start.cross_distance": y,
        "start.speed": forward,
        "start.cross_speed": sideways,
        "start.descent_rate": -climb,
        "start.propellant": vehicle.propellant,
    }
    return Descent(load_scenario("vertical", **changes), 1, autoreset="disabled")


@pytest.mark.parametrize(("problem", "time"), [(A, 72.0), (A_GROUND, 74.4), (B, 77.8)])
def test_the_core_flies_the_optimal_thrust_open_loop_to_the_target(problem: Problem, time: float) -> None:
    plan, descent = solve(problem, time), mars_flight(problem)
    start = descent.state["motion.position"][0].tolist()
    assert start == pytest.approx([problem.position[0], problem.position[1], problem.position[2] + RAISED], abs=1e-3)
    # Planned thrust at the middle of each tick. The attitude is put in place, for the plan knows no rotation.
    for tick in range(round(time / 0.1)):
        middle = 0.1 * (tick + 0.5)
        u = np.array([np.interp(middle, plan.times, plan.accelerations[:, axis]) for axis in range(3)])
        size = float(np.linalg.norm(u))
        turn = np.array([-u[1], u[0], 0.0, size + u[2]])
        descent.state["motion.attitude"] = torch.tensor(turn / np.linalg.norm(turn), dtype=torch.float32)
        throttle = size * np.interp(middle, plan.times, plan.masses) / MARS.maximum_thrust
        descent.actions[0] = torch.tensor([2.0 * throttle - 1.0, 0.0, 0.0, 0.0])
        descent.advance()
    assert int(descent.outcomes[0]) == int(Outcome.FLYING)
    missed = descent.state["motion.position"][0].numpy() - np.array([0.0, 0.0, RAISED])
    assert np.linalg.norm(missed) < 1.0
    assert np.linalg.norm(descent.state["motion.velocity"][0].numpy()) < 0.1
    used = MARS.propellant - float(descent.state["motion.propellant"][0])
    assert used == pytest.approx(plan.propellant, rel=3e-3)


# The bound --------------------------------------------------------------------------------------------------------


def stopping(duration: float, vehicle: ConeVehicle, gravity: float, end: float = 3.0) -> tuple[float, float]:
    """Rate of descent [m/s] and height [m] from which a vertical burn of full thrust [s] ends at a rate on the ground.

    v(t) = v_0 + g t + c ln(1 - t/T), T = m c/F, and its integral.
    """
    burnout, c = vehicle.mass * vehicle.exhaust_speed / vehicle.maximum_thrust, vehicle.exhaust_speed
    logarithm = math.log(1.0 - duration / burnout)
    rate = end - gravity * duration - c * logarithm
    height = rate * duration + 0.5 * gravity * duration**2 - c * (duration + (burnout - duration) * logarithm)
    return rate, height


@pytest.mark.parametrize(("height", "descent_rate"), [(100.0, 0.0), (1000.0, 30.0), (9000.0, 50.0)])
def test_a_vertical_bound_is_the_closed_form_of_coast_and_burn(height: float, descent_rate: float) -> None:
    energy = GRAVITY * height + 0.5 * descent_rate**2

    def left(duration: float) -> float:  # the coast keeps the energy
        rate, ignition = stopping(duration, SERIES_1, GRAVITY)
        return GRAVITY * ignition + 0.5 * rate**2 - energy

    burn = brentq(left, 1e-3, 170.0, xtol=1e-12)
    wanted = burn * SERIES_1.maximum_thrust / SERIES_1.exhaust_speed
    found = bound(height, descent_rate, 0.0, 440.0, 1600.0, SERIES_1.exhaust_speed, GRAVITY)
    assert found[0] == pytest.approx(wanted, rel=1e-9)


def landing(height: float, descent_rate: float, lateral_speed: float, **changes: Any) -> Problem:
    """A landing anywhere, within the limits of a touchdown."""
    start = dict(position=(0.0, 0.0, height), velocity=(lateral_speed, 0.0, -descent_rate), free_place=True)
    ends = dict(descent_rate_margin=3.0, lateral_speed_margin=1.0, gravity=(0.0, 0.0, -GRAVITY))
    return Problem(**{"vehicle": SERIES_1, **start, **ends, **changes})


@pytest.mark.parametrize(
    "state",
    [(9000.0, 50.0, 300.0), (3000.0, 66.0, 40.0), (1000.0, 20.0, 270.0), (500.0, 5.0, 3.0), (12_000.0, 0.0, 2.0)],
)
def test_the_bound_is_the_limit_of_the_cone_programs(state: tuple[float, float, float]) -> None:
    lowest = bound(*state, SERIES_1.mass, SERIES_1.maximum_thrust, SERIES_1.exhaust_speed, GRAVITY)[0]
    # Nodes and expansions leave the program inside what the engine can do, so it approaches from above.
    coarse, fine = (least_propellant(landing(*state), nodes=nodes).propellant for nodes in (31, 121))
    assert lowest <= fine <= coarse * (1.0 + 1e-6)
    assert fine < 1.005 * lowest


def test_more_gravity_and_more_speed_never_cost_less() -> None:
    generator = np.random.default_rng(3)
    height, rate = 10.0 ** generator.uniform(1.0, 4.2, 300), generator.uniform(0.0, 120.0, 300)
    lateral, gravity = 10.0 ** generator.uniform(-0.5, 2.6, 300), generator.uniform(1.4, 1.7, 300)
    given = (440.0, 1600.0, SERIES_1.exhaust_speed)
    least = bound(height, rate, lateral, *given, gravity)
    assert np.isfinite(least).all()
    for harder in (
        bound(height, rate, lateral, *given, gravity + 0.02),
        bound(height, rate + 1.0, lateral, *given, gravity),
        bound(height, rate, lateral + 1.0, *given, gravity),
    ):
        assert (harder >= least * (1.0 - 1e-9)).all()


def test_no_flight_of_the_cautious_pilot_beats_the_bound() -> None:
    scenario = load_scenario("resilience")
    flights = fly_episodes("cautious", scenario, episodes=40, seed=5)
    least = bound_of(Descent(scenario, num_envs=40, seed=5, autoreset="disabled"))
    landed = flights.outcome == int(Outcome.LANDED)
    assert landed.sum() >= 35
    share = (least / flights.record["propellant_used"])[landed]
    assert share.max() < 1.0
    assert share.mean() > 0.7  # seen: 0.78; a bound of nothing would hold as well


def test_the_bound_does_not_depend_on_the_batch() -> None:
    scenario = load_scenario("resilience")
    many, one = (bound_of(Descent(scenario, num_envs=count, seed=2)) for count in (20, 1))
    assert one[0] == pytest.approx(many[0], rel=1e-9)


@pytest.mark.slow
def test_the_bound_never_exceeds_a_landing_of_the_cone_program() -> None:
    generator = np.random.default_rng(11)
    ratios = []
    for _ in range(150):
        height, rate = 10.0 ** generator.uniform(1.0, 4.3), generator.uniform(0.0, 120.0)
        lateral, mass = 10.0 ** generator.uniform(-0.5, 2.8), generator.uniform(350.0, 450.0)
        vehicle = replace(SERIES_1, mass=mass, dry_mass=0.2 * mass)
        found = least_propellant(landing(height, rate, lateral, vehicle=vehicle))
        least = bound(height, rate, lateral, mass, vehicle.maximum_thrust, vehicle.exhaust_speed, GRAVITY)[0]
        assert least <= found.propellant, (height, rate, lateral, mass)
        if found.feasible:
            ratios.append(found.propellant / least)
    assert len(ratios) > 50
    assert np.quantile(ratios, 0.8) < 1.01  # the rest are close to where no landing is possible


# What can be survived -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [10.0, 1000.0, 9000.0])
def test_the_fastest_survivable_fall_is_the_closed_form_of_a_burn_from_now_on(height: float) -> None:
    duration = brentq(lambda seconds: stopping(seconds, SERIES_1, GRAVITY)[1] - height, 1e-6, 170.0)
    wanted = stopping(duration, SERIES_1, GRAVITY)[0]
    found = fastest_survivable(height, 0.0, SERIES_1, GRAVITY)
    assert found <= wanted * (1.0 + 1e-6)
    assert found > 0.997 * wanted


def test_the_fastest_survivable_fall_is_where_landings_end() -> None:
    fastest = fastest_survivable(800.0, 60.0, SERIES_1, GRAVITY)
    assert least_propellant(landing(800.0, 0.99 * fastest, 60.0)).feasible
    assert not least_propellant(landing(800.0, 1.02 * fastest, 60.0)).feasible


def test_less_propellant_thrust_or_tilt_can_survive_less() -> None:
    place = (4000.0, 100.0)
    full = fastest_survivable(*place, SERIES_1, GRAVITY)
    assert fastest_survivable(*place, replace(SERIES_1, maximum_thrust=1400.0), GRAVITY) < full - 1.0
    assert fastest_survivable(*place, replace(SERIES_1, dry_mass=405.0), GRAVITY) < full - 1.0
    assert fastest_survivable(*place, SERIES_1, GRAVITY, maximum_tilt=math.radians(10.0)) < full - 1.0
    assert fastest_survivable(*place, replace(SERIES_1, dry_mass=439.0), GRAVITY) == -math.inf


def test_survivable_states_lie_below_the_fastest_fall() -> None:
    height, lateral = np.array([100.0, 100.0, 1000.0, 1000.0]), np.array([5.0, 5.0, 5.0, 5.0])
    limits = [fastest_survivable(place, 5.0, SERIES_1, GRAVITY) for place in (100.0, 1000.0)]
    rates = np.array([limits[0] - 0.1, limits[0] + 0.1, limits[1] - 0.1, limits[1] + 0.1])
    assert survivable(height, rates, lateral, SERIES_1, GRAVITY).tolist() == [True, False, True, False]


# Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(MARS, dry_mass=2000.0), "dry_mass = 2000 kg"),
        (lambda: replace(MARS, minimum_thrust=20_000.0), "minimum_thrust = 20000 N"),
        (lambda: replace(MARS, exhaust_speed=0.0), "exhaust_speed must be above 0"),
        (lambda: replace(A, position=(0.0, 1.0)), "position must be three finite numbers"),
        (lambda: replace(A, glide_slope=2.0), "glide_slope = 2 rad"),
        (lambda: replace(A_SLOPE, free_place=True), "needs a place"),
        (lambda: replace(A, maximum_tilt=0.0), "maximum_tilt"),
        (lambda: replace(A, descent_rate_margin=-1.0), "margins"),
        (lambda: solve(A, 0.0), "flight_time must be above 0"),
        (lambda: solve(A, 72.0, nodes=2), "nodes must be at least 3"),
        (lambda: least_propellant(A, shortest=90.0, longest=80.0), "0 < shortest < longest"),
        (lambda: bound(100.0, -1.0, 0.0, 440.0, 1600.0, 2800.0, 1.62), "descent_rate must be at least 0"),
    ],
)
def test_bad_input_is_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_flight_that_minimum_thrust_outlasts_says_so() -> None:
    found = solve(A, 200.0)
    assert not found.feasible
    assert "end before 200 s at minimum thrust" in found.reason
