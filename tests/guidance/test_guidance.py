"""Guidance laws against closed forms, independent integrations in float64, and each other."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp
from textbook_guidance import (
    CONTACT_RATE,
    CUT_HEIGHT,
    FINAL_HEIGHT,
    apollo_quadratic,
    constant_thrust,
    e_guidance,
    energy_cost,
    parabola,
    segments,
    time_to_stop,
)

from agents.guidance.apollo import augmented_apollo, zem_zev
from agents.guidance.dr_dv import dr_dv
from agents.guidance.gravity_turn import gravity_turn, height_lost, thrust_acceleration
from agents.guidance.pid import INTEGRAL_LIMIT, PositionCascade
from agents.guidance.rate_of_descent import TILT_LIMIT, horizontal_nulling, landing, rate_of_descent
from agents.guidance.suicide_burn import burn_to_rest, suicide_burn, thrust_distance
from agents.guidance.thrust_limits import thrust_vector
from agents.guidance.time_to_go import apollo_time, energy_optimal_time

G = 1.62  # [m/s^2]
DOWN = np.array([0.0, 0.0, -G])
Law = Callable[[float, torch.Tensor, torch.Tensor], torch.Tensor]


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def draw(count: int, size: float, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return size * torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def flown(law: Law, position: list[float], velocity: list[float], until: float) -> tuple[np.ndarray, np.ndarray]:
    """Position and velocity (3,) of a point mass after a time [s] under a law of time, position and velocity."""

    def motion(time: float, y: np.ndarray) -> np.ndarray:
        thrust = law(time, torch.tensor(y[None, :3]), torch.tensor(y[None, 3:]))[0].numpy()
        return np.concatenate([y[3:], thrust + DOWN])

    end = solve_ivp(motion, (0.0, until), [*position, *velocity], method="DOP853", rtol=1e-10, atol=1e-10).y[:, -1]
    return end[:3], end[3:]


# Gravity turn -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [-90.0, -60.0, -30.0, -10.0, 0.0, 20.0])
def test_a_gravity_turn_of_constant_thrust_stops_at_the_wanted_height(degrees: float) -> None:
    height, speed, angle = 1500.0, 60.0, math.radians(degrees)
    velocity = torch.tensor([[speed * math.cos(angle), 0.0, speed * math.sin(angle)]], dtype=torch.float64)
    size = thrust_acceleration(double(height), velocity, G)
    assert height_lost(velocity, size, G).item() == pytest.approx(height, rel=1e-12)

    def motion(time: float, y: np.ndarray) -> np.ndarray:
        thrust = -size.item() * y[2:] / np.linalg.norm(y[2:])
        return np.array([y[2], y[3], thrust[0], thrust[1] - G])

    def slow(time: float, y: np.ndarray) -> float:
        return float(np.linalg.norm(y[2:]) - 1e-3)

    slow.terminal = True  # type: ignore[attr-defined]
    start = [0.0, height, velocity[0, 0].item(), velocity[0, 2].item()]
    flight = solve_ivp(motion, (0.0, 5_000.0), start, events=slow, method="DOP853", rtol=1e-10, atol=1e-10)
    assert flight.t_events[0].size == 1
    assert abs(flight.y[1, -1]) < 1e-3 * height
    assert flight.t[-1] == pytest.approx(time_to_stop(velocity, size, G).item(), rel=1e-3)


def test_a_gravity_turn_thrusts_against_the_velocity_and_up_at_rest() -> None:
    velocity = draw(50, 30.0, 1)
    velocity[0] = 0.0
    command = gravity_turn(torch.full((50,), 400.0, dtype=torch.float64), velocity, G)
    assert torch.allclose(command[0], double(0.0, 0.0, G))
    cosine = torch.cosine_similarity(command[1:], velocity[1:], dim=1)
    assert torch.allclose(cosine, torch.full_like(cosine, -1.0))
    assert (command.norm(dim=1)[1:] > G).all()


# Constant thrust --------------------------------------------------------------------------------------------------


def test_the_parabola_needs_constant_thrust() -> None:
    heights = torch.linspace(20.0, 3_000.0, 50, dtype=torch.float64)
    speed, slope = parabola(heights, 0.8)
    velocity = torch.stack([0.0 * speed, 0.0 * speed, -speed], dim=1)
    command = constant_thrust(heights, velocity, (speed, slope), G)
    assert torch.allclose(command[:, 2], torch.full_like(speed, G + 0.8))


@pytest.mark.parametrize("is_segmented", [False, True])
def test_surveyors_descent_holds_its_rate_and_falls_the_rest(is_segmented: bool) -> None:
    knots = torch.tensor([FINAL_HEIGHT, 60.0, 300.0, 1_000.0, 3_000.0], dtype=torch.float64)
    rates = parabola(knots, 0.8)[0]
    position, velocity, step = np.array([0.0, 0.0, 1_500.0]), np.array([2.0, 0.0, -60.0]), 0.005
    at_cut = 0.0
    while position[2] > 0.0:
        height = double(position[2])
        contour = segments(height, knots, rates) if is_segmented else parabola(height, 0.8)
        thrust = constant_thrust(height, torch.tensor(velocity[None]), contour, G)[0].numpy()
        if position[2] > CUT_HEIGHT:
            at_cut = float(np.linalg.norm(velocity))
        velocity = velocity + step * (thrust + DOWN)
        position = position + step * velocity
    assert at_cut == pytest.approx(CONTACT_RATE, rel=0.03)
    assert -velocity[2] == pytest.approx(math.sqrt(CONTACT_RATE**2 + 2.0 * G * CUT_HEIGHT), rel=0.02)
    assert abs(velocity[0]) < 0.05  # a turn against the velocity ends upright


def test_a_contour_of_segments_passes_its_knots_and_ends_level() -> None:
    knots, rates = double(10.0, 100.0, 400.0), double(2.0, 20.0, 50.0)
    speed, slope = segments(double(5.0, 10.0, 55.0, 100.0, 250.0, 400.0, 900.0), knots, rates)
    assert speed.tolist() == pytest.approx([2.0, 2.0, 11.0, 20.0, 35.0, 50.0, 50.0])
    assert slope.tolist() == pytest.approx([0.0, 0.2, 0.2, 0.2, 0.1, 0.1, 0.0])


# Suicide burn -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "mass", "exhaust_speed"), [(30.0, 900.0, 2_900.0), (400.0, 900.0, 2_900.0)])
@pytest.mark.parametrize("thrust", [1_600.0, 3_200.0, 12_000.0])
def test_a_suicide_burn_takes_the_height_that_an_integration_gives(
    speed: float, mass: float, exhaust_speed: float, thrust: float
) -> None:
    def motion(time: float, y: np.ndarray) -> list[float]:
        return [-y[1], G - thrust / y[2], -thrust / exhaust_speed]

    def stopped(time: float, y: np.ndarray) -> float:
        return float(y[1])

    stopped.terminal = True  # type: ignore[attr-defined]
    stopped.direction = -1.0  # type: ignore[attr-defined]
    span = (0.0, 0.999 * mass * exhaust_speed / thrust)
    flight = solve_ivp(motion, span, [0.0, speed, mass], events=stopped, method="DOP853", rtol=1e-11, atol=1e-11)
    for dtype, exact in ((torch.float64, 1e-8), (torch.float32, 1e-4)):
        burn = burn_to_rest(
            torch.tensor([speed], dtype=dtype), torch.tensor([mass], dtype=dtype), thrust, exhaust_speed, G
        )
        assert burn.height.item() == pytest.approx(-flight.y[0, -1], rel=exact)
        assert burn.time.item() == pytest.approx(flight.t[-1], rel=exact)
        assert burn.propellant.item() == pytest.approx(mass - flight.y[2, -1], rel=exact)


def test_without_loss_of_mass_it_is_the_published_height() -> None:
    speed, mass, thrust = double(10.0, 50.0, 200.0), double(500.0, 600.0, 700.0), 2_000.0
    height = burn_to_rest(speed, mass, thrust, 1e9, G).height
    assert torch.allclose(height, speed**2 / (2.0 * (thrust / mass - G)), rtol=1e-6)


def test_the_series_meets_the_logarithm() -> None:
    share = torch.linspace(0.05, 0.0999, 20, dtype=torch.float64)
    assert torch.allclose(thrust_distance(share), share + (1.0 - share) * torch.log1p(-share), rtol=1e-9)


def test_a_suicide_burn_waits_for_its_height() -> None:
    velocity = torch.tensor([[3.0, 0.0, -50.0]] * 2 + [[0.0, 0.0, 5.0]], dtype=torch.float64)
    mass = double(600.0, 600.0, 600.0)
    needed = burn_to_rest(double(50.0), double(600.0), 2_000.0, 2_900.0, G).height.item()
    height = double(needed + 0.1, needed - 0.1, 1.0)
    command = suicide_burn(height, velocity, mass, 2_000.0, 2_900.0, G)
    assert command.tolist() == [[0.0, 0.0, 0.0], [0.0, 0.0, pytest.approx(2_000.0 / 600.0)], [0.0, 0.0, 0.0]]


# The Apollo family ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_one_gain_holds_two_historic_laws(dtype: torch.dtype, tolerance: float) -> None:
    position, velocity, final = draw(200, 900.0, 1, dtype), draw(200, 40.0, 2, dtype), draw(200, 50.0, 3, dtype)
    final_velocity, final_thrust = draw(200, 2.0, 4, dtype), draw(200, 1.0, 5, dtype)
    time = 20.0 + 60.0 * torch.rand(200, generator=torch.Generator().manual_seed(6), dtype=dtype)
    state = (position, velocity, time, final, final_velocity)

    energy = e_guidance(*state, G)
    assert torch.allclose(augmented_apollo(*state, final_thrust, 6.0, G), energy, rtol=tolerance, atol=tolerance)
    assert torch.allclose(zem_zev(*state, G), energy, rtol=tolerance, atol=tolerance)

    total = final_thrust + torch.tensor(DOWN, dtype=dtype)
    klumpp = apollo_quadratic(position, velocity, -time, final, final_velocity, total, G)
    assert torch.allclose(augmented_apollo(*state, final_thrust, 12.0, G), klumpp, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("gain", [6.0, 9.0, 12.0])
def test_a_flown_law_reaches_its_final_state(gain: float) -> None:
    total, left = 60.0, 0.01
    target, rate, thrust = double(100.0, -50.0, 30.0), double(1.0, 0.0, -1.5), double(0.1, 0.0, 2.0)

    def law(time: float, position: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        return augmented_apollo(position, velocity, double(total - time), target, rate, thrust, gain, G)

    position, velocity = flown(law, [-1_500.0, 300.0, 1_200.0], [45.0, -5.0, -30.0], total - left)
    # What is left is coasted by the final velocity, to the order of the time left squared.
    assert np.abs(position + left * velocity - target.numpy()).max() < 1e-3
    assert np.abs(velocity - rate.numpy()).max() < (0.05 if gain > 6.0 else 0.1)
    if gain == 12.0:
        end = law(total - left, torch.tensor(position[None]), torch.tensor(velocity[None]))
        assert torch.allclose(end[0], thrust, atol=5e-3)


def effort(acceleration: Callable[[float], np.ndarray], total: float) -> float:
    return float(quad(lambda time: float(np.sum(acceleration(time) ** 2)), 0.0, total, epsabs=1e-10)[0])


def test_e_guidance_spends_less_energy_than_its_neighbours() -> None:
    """A neighbour with the same ends adds a bump whose integral and first moment vanish: the second Legendre one."""
    total, start, speed = 50.0, np.array([-800.0, 100.0, 900.0]), np.array([30.0, 2.0, -25.0])
    end = np.zeros(3)

    def command(position: np.ndarray, velocity: np.ndarray, time: float) -> np.ndarray:
        state = (torch.tensor(position[None]), torch.tensor(velocity[None]), double(total - time))
        return e_guidance(*state, torch.tensor(end), torch.tensor(end), G)[0].numpy()

    first = command(start, speed, 0.0)

    def law(time: float, position: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        return e_guidance(position, velocity, double(total - time), torch.tensor(end), torch.tensor(end), G)

    # The flown acceleration is linear in time: its second point is read half-way along the flight.
    middle = flown(law, list(start), list(speed), 25.0)
    slope = (command(*middle, 25.0) - first) / 25.0
    best = effort(lambda time: first + slope * time, total)
    for size in (0.02, -0.02, 0.5):
        for axis in np.eye(3):

            def bent(time: float, size: float = size, axis: np.ndarray = axis) -> np.ndarray:
                x = 2.0 * time / total - 1.0
                return first + slope * time + size * axis * (1.5 * x**2 - 0.5)

            assert effort(bent, total) == pytest.approx(best + size**2 * total / 5.0, rel=1e-9)


# Time to go -------------------------------------------------------------------------------------------------------


def test_klumpps_time_satisfies_his_cubic_and_his_jerk() -> None:
    truth = -torch.linspace(80.0, 300.0, 12, dtype=torch.float64)
    jerk, acceleration, rate, place, snap = 0.003, -0.9, 20.0, 150.0, 1e-5
    position = place + rate * truth + acceleration * truth**2 / 2 + jerk * truth**3 / 6 + snap * truth**4 / 24
    velocity = rate + acceleration * truth + jerk * truth**2 / 2 + snap * truth**3 / 6
    time, converged = apollo_time(position, velocity, place, rate, acceleration, jerk, 1.05 * truth)
    assert converged.all()
    assert torch.allclose(time, truth, rtol=1e-6)
    linear = 18.0 * rate + 6.0 * velocity
    terms = [jerk * time**3, 6.0 * acceleration * time**2, linear * time, 24.0 * (place - position)]
    assert (torch.stack(terms).sum(0).abs() < 1e-8 * torch.stack(terms).abs().amax(0)).all()


def test_a_time_that_eight_passes_do_not_find_is_marked() -> None:
    _, converged = apollo_time(double(0.0, 0.0), double(0.0, 0.0), 100.0, 0.0, 1.0, 0.0, double(-1e-9, -20.0))
    assert converged.tolist() == [False, False]  # T^2 = -400 has no root


def states(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    position = draw(count, 600.0, 7) + double(-1_000.0, 0.0, 1_500.0)
    velocity = draw(count, 30.0, 8) + double(60.0, 0.0, -40.0)
    velocity[::7] *= 6.0  # some rush at the target, where the quartic has three roots
    return position, velocity, draw(count, 20.0, 9), draw(count, 2.0, 10)


@pytest.mark.parametrize("weight", [0.0, 0.5, 20.0])
def test_the_energy_optimal_time_is_the_cheapest_of_a_scan(weight: float) -> None:
    position, velocity, target, rate = states(300)
    time = energy_optimal_time(position, velocity, target, rate, weight, G)
    least = energy_cost(time, position, velocity, target, rate, weight, G)
    for factor in torch.logspace(-2, 2, 400, dtype=torch.float64):
        cost = energy_cost(factor * time, position, velocity, target, rate, weight, G)
        assert (cost >= least * (1.0 - 1e-12) - 1e-9).all()


def test_the_energy_optimal_time_chooses_among_two_minima() -> None:
    """Straight at the target with speed v over a distance d, k t^2 = |v t - 3 d| where k^2 = (Gamma + g^2/2) / 2."""
    k, zero = math.sqrt(0.25 * G**2), torch.zeros(3, dtype=torch.float64)
    speed = double(40.0, 63.0, 100.0, 300.0)
    d = 1_000.0
    velocity = torch.stack([speed, 0.0 * speed, 0.0 * speed], dim=1)
    position = double(-d, 0.0, 0.0).expand(4, 3)
    early = (torch.sqrt(speed**2 + 12.0 * d * k) - speed) / (2.0 * k)
    late = (torch.sqrt((speed**2 - 12.0 * d * k).clamp(min=0.0)) + speed) / (2.0 * k)
    costs = torch.stack([energy_cost(t, position, velocity, zero, zero, 0.0, G) for t in (early, late)])
    best = torch.where(costs[0] < costs[1], early, late)
    assert (costs[0] < costs[1]).any()
    for dtype, exact in ((torch.float64, 1e-9), (torch.float32, 1e-3)):
        time = energy_optimal_time(position.to(dtype), velocity.to(dtype), zero.to(dtype), zero.to(dtype), 0.0, G)
        assert torch.allclose(time.double(), best, rtol=exact)


def test_the_time_at_rest_in_the_origin_solves_the_published_quartic() -> None:
    position, velocity, _, _ = states(300)
    zero = torch.zeros(3, dtype=torch.float64)
    time = energy_optimal_time(position, velocity, zero, zero, 0.3, G)
    assert (time > 0.0).all()
    squares = [(a * b).sum(1) for a, b in ((velocity, velocity), (velocity, position), (position, position))]
    terms = [(0.3 + G**2 / 2) * time**4, -2 * squares[0] * time**2, -12 * squares[1] * time, -18 * squares[2]]
    assert (torch.stack(terms).sum(0).abs() < 1e-9 * torch.stack(terms).abs().amax(0)).all()


def test_the_cost_is_the_integral_that_is_flown() -> None:
    position, velocity = double(-500.0, 40.0, 800.0)[None], double(25.0, -3.0, -30.0)[None]
    target, rate, total = double(0.0, 0.0, 10.0), double(0.0, 0.0, -1.0), 45.0
    first = e_guidance(position, velocity, double(total), target, rate, G)[0].numpy()
    miss = (target - position[0] - velocity[0] * total).numpy()
    slope = -6.0 * (rate - velocity[0]).numpy() / total**2 + 12.0 * miss / total**3
    # a = c_1 + c_2 (time to go): it starts at first and falls by c_2 each second.
    flown_cost = 0.2 * total + 0.5 * effort(lambda time: first - slope * time, total)
    assert energy_cost(double(total), position, velocity, target, rate, 0.2, G).item() == pytest.approx(
        flown_cost, 1e-9
    )


# DR/DV ------------------------------------------------------------------------------------------------------------


def test_dr_dv_is_the_published_law_and_e_guidance_at_its_time() -> None:
    position, velocity, target, rate = states(100)
    time = energy_optimal_time(position, velocity, target, rate, 0.0, G)
    assert torch.allclose(
        dr_dv(position, velocity, target, rate, G), e_guidance(position, velocity, time, target, rate, G)
    )
    zero = torch.zeros(3, dtype=torch.float64)
    time = energy_optimal_time(position, velocity, zero, zero, 0.0, G)[:, None]
    published = -6.0 * position / time**2 - 4.0 * velocity / time - torch.tensor(DOWN)
    assert torch.allclose(dr_dv(position, velocity, zero, zero, G), published)


@pytest.mark.parametrize("rate", [0.0, -2.0])
def test_dr_dv_lands_where_it_should(rate: float) -> None:
    target, final = double(0.0, 0.0, 0.0), double(0.0, 0.0, rate)
    start, speed = [-1_500.0, 400.0, 2_300.0], [50.0, -10.0, -80.0]
    total = energy_optimal_time(double(*start)[None], double(*speed)[None], target, final, 0.0, G).item()

    def law(time: float, position: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        return dr_dv(position, velocity, target, final, G, floor=0.05)

    position, velocity = flown(law, start, speed, total - 0.1)
    assert np.abs(position + 0.1 * velocity).max() < 0.05
    assert np.abs(velocity - final.numpy()).max() < 0.5


def test_near_its_end_dr_dv_stays_finite() -> None:
    zero = torch.zeros(2, 3, dtype=torch.float32)
    near = torch.tensor([[0.0, 0.0, 0.0], [1e-4, 0.0, 1e-4]])
    command = dr_dv(near, zero, torch.zeros(3), torch.zeros(3), G)
    assert torch.allclose(command[0], torch.tensor([0.0, 0.0, G]))
    assert command.isfinite().all()


# Rate of descent --------------------------------------------------------------------------------------------------


def test_p66_hovers_on_its_weight_and_leans_no_further_than_its_limit() -> None:
    one = double(1.0)
    assert rate_of_descent(0 * one, 0 * one, G * one, one, G).item() == pytest.approx(G)
    # A vehicle that has the thrust which carries its weight on a slope keeps it.
    assert rate_of_descent(0 * one, 0 * one, G * one / 0.9, 0.9 * one, G).item() == pytest.approx(G / 0.9)
    command = horizontal_nulling(
        torch.zeros(100, 2).double(), draw(100, 30.0, 3)[:, :2], torch.zeros(100, 2).double(), G
    )
    assert math.atan(command.abs().max().item() / G) <= TILT_LIMIT + 1e-12


def test_p66_reaches_the_wished_rate_and_nulls_the_rest() -> None:
    velocity, last, measured = double(6.0, -2.0, -8.0)[None], torch.zeros(1, 2).double(), double(G)
    thrust = torch.zeros(1, 3).double()
    for second in range(90):
        command = landing(double(1.5), torch.zeros(1, 2).double(), velocity, measured, last, G)
        if second % 2 == 0:
            last = G * command[:, :2] / command[:, 2:]
        # The engine and the attitude follow with a lag of 0.6 s, about what the law is tuned to.
        for _ in range(100):
            thrust = thrust + (command - thrust) * (0.01 / 0.6)
            velocity = velocity + 0.01 * (thrust + torch.tensor(DOWN))
        measured = thrust.norm(dim=1)
    assert velocity[0, 2].item() == pytest.approx(-1.5, abs=0.01)
    assert velocity[0, :2].abs().max().item() < 0.05


# Cascade ----------------------------------------------------------------------------------------------------------


def hold(cascade: PositionCascade, disturbance: torch.Tensor, seconds: float, distance: float) -> torch.Tensor:
    count, period = len(disturbance), 0.1
    position, velocity = torch.full((count, 3), distance).double(), torch.zeros(count, 3).double()
    for _ in range(int(seconds / period)):
        thrust = cascade.act(position, velocity, torch.zeros(3).double(), G, period)
        velocity = velocity + period * (thrust + torch.tensor(DOWN) + disturbance)
        position = position + period * velocity
    return torch.cat([position, velocity], dim=1)


def test_the_cascade_removes_a_constant_disturbance() -> None:
    disturbance = draw(20, 0.1, 5).clamp(-0.3, 0.3)
    cascade = PositionCascade(20, speed_limit=10.0, acceleration_limit=2.0, dtype=torch.float64)
    assert hold(cascade, disturbance, 200.0, 30.0).abs().max() < 1e-3
    assert torch.allclose(cascade.integral, -disturbance, atol=1e-3)


def test_the_integral_does_not_wind_up_and_reset_forgets_only_the_mask() -> None:
    cascade = PositionCascade(3, speed_limit=30.0, acceleration_limit=0.5, dtype=torch.float64)
    far = torch.full((3, 3), 5_000.0).double()
    for _ in range(1_000):
        cascade.act(far, torch.zeros(3, 3).double(), torch.zeros(3).double(), G, 0.1)
    assert cascade.integral.abs().max() == 0.0  # limited all the time
    cascade.acceleration_limit = 1e3
    for _ in range(1_000):
        cascade.act(far, torch.zeros(3, 3).double(), torch.zeros(3).double(), G, 0.1)
    assert torch.allclose(cascade.integral, torch.full((3, 3), -INTEGRAL_LIMIT).double())
    cascade.reset(torch.tensor([True, False, False]))
    assert cascade.integral.norm(dim=1).gt(0.0).tolist() == [False, True, True]


# Limits -----------------------------------------------------------------------------------------------------------

THRUST, MINIMUM, TILT = 1_600.0, 0.4, math.radians(45.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_action_is_within_the_engine_and_the_tilt(dtype: torch.dtype) -> None:
    wished = draw(2_000, 4.0, 11, dtype)
    mass = 400.0 + 400.0 * torch.rand(2_000, generator=torch.Generator().manual_seed(1), dtype=dtype)
    action = thrust_vector(wished, mass, THRUST, MINIMUM, TILT)
    rounding = 4.0 * torch.finfo(dtype).eps
    throttle = action.norm(dim=1)
    burns = throttle > 0.0
    assert action.dtype == dtype and burns.any() and (~burns).any()
    assert (throttle <= 1.0 + rounding).all()
    assert (throttle[burns] >= MINIMUM * (1.0 - rounding)).all()
    assert (action[:, 2] >= 0.0).all()
    lateral = action[:, :2].norm(dim=1)
    assert (lateral <= math.tan(TILT) * action[:, 2] * (1.0 + rounding) + rounding).all()


def test_the_weight_is_carried_before_lateral_error_is_chased() -> None:
    wished = double(30.0, 0.0, 1.9)[None]
    action = thrust_vector(wished, double(800.0), THRUST, MINIMUM, math.radians(80.0))
    assert action[0, 2].item() == pytest.approx(1.9 * 800.0 / THRUST)
    assert action.norm().item() == pytest.approx(1.0)
    more = thrust_vector(double(30.0, 0.0, 9.0)[None], double(800.0), THRUST, MINIMUM, TILT)
    assert more[0].tolist() == pytest.approx([0.0, 0.0, 1.0])


def test_what_the_vehicle_can_do_passes_unchanged() -> None:
    wished = double(0.5, -0.3, 1.7)[None]
    action = thrust_vector(wished, double(700.0), THRUST, MINIMUM, TILT)
    assert torch.allclose(action, wished * 700.0 / THRUST)


def test_a_weak_wish_turns_the_engine_off_or_to_its_minimum() -> None:
    mass = double(800.0, 800.0, 800.0, 800.0)  # a throttle of one is 2 m/s^2
    wished = torch.tensor([[0.0, 0.0, 0.39], [0.0, 0.0, 0.41], [0.1, 0.0, 0.5], [0.0, 0.0, -1.0]]).double()
    action = thrust_vector(wished, mass, THRUST, MINIMUM, TILT)
    assert action.norm(dim=1).tolist() == pytest.approx([0.0, 0.4, 0.4, 0.0])
    assert (action[2, 0] / action[2, 2]).item() == pytest.approx(0.2)


# All --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_lander_does_not_depend_on_its_batch(dtype: torch.dtype) -> None:
    position = draw(64, 300.0, 1, dtype).abs()
    velocity, zero = draw(64, 20.0, 2, dtype), torch.zeros(3, dtype=dtype)
    mass = torch.linspace(400.0, 900.0, 64, dtype=dtype)
    time = torch.linspace(5.0, 90.0, 64, dtype=dtype)
    rates = 0.1 * time

    def commands(some: slice) -> list[torch.Tensor]:
        r, v, m, t = position[some], velocity[some], mass[some], time[some]
        wished = dr_dv(r, v, zero, zero, G)
        return [
            gravity_turn(r[:, 2], v, G),
            constant_thrust(r[:, 2], v, parabola(r[:, 2], 0.8), G),
            suicide_burn(r[:, 2], v, m, THRUST, 2_900.0, G),
            augmented_apollo(r, v, t, zero, zero, zero, 9.0, G),
            wished,
            landing(rates[some], torch.zeros_like(v[:, :2]), v, rates[some], v[:, :2], G),
            PositionCascade(len(r), 10.0, 2.0, dtype=dtype).act(r, v, zero, G, 0.1),
            thrust_vector(wished, m, THRUST, MINIMUM),
        ]

    for whole, alone in zip(commands(slice(None)), commands(slice(17, 18)), strict=True):
        assert whole.dtype == dtype
        assert whole.isfinite().all()
        assert torch.allclose(whole[17:18], alone, rtol=1e-6, atol=1e-6)


def test_gravity_may_differ_from_lander_to_lander() -> None:
    position, velocity, target, rate = states(2)
    both = dr_dv(position, velocity, target, rate, double(1.62, 3.71))
    for row, gravity in enumerate((1.62, 3.71)):
        one = slice(row, row + 1)
        alone = dr_dv(position[one], velocity[one], target[one], rate[one], gravity)
        assert torch.allclose(both[one], alone)
    turns = gravity_turn(position[:, 2].abs(), velocity, double(1.62, 3.71))
    assert torch.allclose(turns[1:], gravity_turn(position[1:, 2].abs(), velocity[1:], 3.71))
