"""Flight against closed forms and against an independent flight in float64 (reference.py)."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import FLAT
from reference import STANDARD_GRAVITY, Command, altitude, fly, from_centre, motion_of, world_of

from lunar_env import Descent, Range, Scenario, load_scenario

COAST = (-1.0, 0.0, 0.0, 0.0)  # action of mode "body": engine off, no torque
EPSILON = 2.0**-24  # relative rounding of float32


def flight(**changes: Any) -> Scenario:
    """A vehicle under direct control that nothing ends but the ground. Two underscores stand for a dot."""
    free = {"control": "body", "engine.minimum_throttle": 0.0, "engine.lag": 0.0, "gear.centre_height": 0.0}
    free |= {"ceiling": 1e7, "extent": 1e7, "time_limit": 1e5, "start.descent_rate": 0.0}
    return load_scenario("vertical", **free | {name.replace("__", "."): value for name, value in changes.items()})


def hold(descent: Descent, action: tuple[float, ...] | torch.Tensor, steps: int = 1) -> None:
    """Fly decisions on one action; nobody may come to an end, after which a next episode would begin."""
    descent.actions.copy_(torch.as_tensor(action).expand_as(descent.actions))
    for _ in range(steps):
        descent.advance()
    assert not descent.state["episode.episode"].any()


def exact(descent: Descent, name: str) -> np.ndarray:
    """A quantity of the motion with what its float32 has dropped, (N, ...)."""
    return sum(descent.state[part + name].double().numpy() for part in ("motion.", "rest."))


def throttle_of(action: float) -> float:
    """The throttle that an action in [-1, 1] asks for, as float32 has it."""
    return float(np.float32(0.5) * (np.float32(action) + np.float32(1.0)))


# Start ------------------------------------------------------------------------------------------------------------


def test_a_descent_starts_where_the_scenario_says() -> None:
    spread = dict(start__altitude=Range(50.0, 50_000.0), start__distance=Range(-6e5, 6e5), start__tilt=Range(-1.5, 1.5))
    speeds = dict(start__speed=Range(0.0, 1700.0), start__descent_rate=Range(-100.0, 100.0))
    descent = Descent(flight(gear__centre_height=1.5, **spread, **speeds), 200)
    drawn = {name: descent.state["drawn.start." + name].double().numpy() for name in ("altitude", "distance", "tilt")}
    radius = float(descent.state["drawn.moon.radius"][0])
    position, velocity = (descent.state["motion." + name].double().numpy() for name in ("position", "velocity"))
    up = from_centre(position, radius)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    forward = np.stack([up[:, 2], np.zeros(200), -up[:, 0]], axis=1)
    # A coordinate of up to 6e5 m is stored to 0.03 m, z of up to 1e5 m to 0.004 m; the arc leans by at most 0.35.
    height = altitude(position, radius) - 1.5
    assert np.abs(height - drawn["altitude"]).max() < 0.03 * 0.35 + 0.01
    assert np.abs(-np.arctan2(up[:, 0], up[:, 2]) * radius - drawn["distance"]).max() < 0.1
    # Speeds of up to 1700 m/s are stored to 1.2e-4 m/s, and turned by an arc rounded to 3e-8 rad.
    for axis, name, sign in ((forward, "speed", 1.0), (up, "descent_rate", -1.0)):
        wanted = sign * descent.state["drawn.start." + name].double().numpy()
        assert np.abs(np.sum(velocity * axis, axis=1) - wanted).max() < 5e-4
    # The thrust axis leans backwards by the tilt: measured to a few units in the last place.
    axis = np.stack([motion_of(descent.state, row).attitude[:, 2] for row in range(200)])
    lean = -np.arctan2(np.sum(axis * forward, axis=1), np.sum(axis * up, axis=1))
    assert np.abs(lean - drawn["tilt"]).max() < 1e-6


def test_a_start_height_is_kept_to_the_millimetre() -> None:
    descent = Descent(flight(start__altitude=Range(1.0, 2000.0), gear__centre_height=1.0), 500)
    height = descent.state["motion.position"][:, 2].double() - 1.0
    # z of at most 2001 m is stored to 0.06 mm.
    assert (height - descent.state["drawn.start.altitude"].double()).abs().max() < 1e-3


# Closed forms -----------------------------------------------------------------------------------------------------


def test_free_fall_in_a_uniform_field_is_a_parabola() -> None:
    start = dict(start__altitude=20_000.0, start__descent_rate=Range(-30.0, 30.0), start__speed=Range(0.0, 100.0))
    descent = Descent(flight(moon__radius=FLAT, decision_period=10.0, **start), 64)
    before, speed = exact(descent, "position"), exact(descent, "velocity")
    gravity = float(descent.state["drawn.moon.surface_gravity"][0])
    hold(descent, COAST, steps=10)
    time = 100 * float(np.float32(0.1)) * 10
    parabola = before + speed * time - np.array([0.0, 0.0, 0.5 * gravity * time**2])
    # Runge-Kutta is exact for a parabola. g, the tick and h/6 are each rounded once: 3 roundings of 11 km of path.
    assert np.abs(exact(descent, "position") - parabola).max() < 3 * EPSILON * 11_000.0
    fallen = speed[:, 2] - gravity * time
    assert np.abs(exact(descent, "velocity")[:, 2] - fallen).max() < 3 * EPSILON * 200.0


def test_free_fall_to_a_sphere_keeps_energy_and_time() -> None:
    descent = Descent(flight(start__altitude=Range(2e5, 9e5), decision_period=10.0), 32)
    world = world_of(descent.state)
    mu = world.surface_gravity * world.radius**2
    top = exact(descent, "position")[:, 2] + world.radius
    hold(descent, COAST, steps=40)
    place, speed = exact(descent, "position")[:, 2] + world.radius, exact(descent, "velocity")[:, 2]
    # The fall is smooth, so that only rounding is left: those of mu and R hold throughout, those of each substep
    # differ in sign. Time carries the rounding of h/6 as well.
    gained = 0.5 * speed**2
    assert np.abs(gained / (mu / place - mu / top) - 1.0).max() < 2 * EPSILON
    # Kepler's equation of the straight fall from rest.
    share = place / top
    time = np.sqrt(top**3 / (2.0 * mu)) * (np.arccos(np.sqrt(share)) + np.sqrt(share * (1.0 - share)))
    assert np.abs(time / (400 * float(np.float32(0.1)) * 10) - 1.0).max() < 3 * EPSILON


def test_an_orbit_of_100_by_15_km_keeps_its_energy_for_600_s() -> None:
    radius, lowest, highest = 1_737_400.0, 1_752_400.0, 1_837_400.0
    speed = float(np.sqrt(2.0 * 1.6242 * radius**2 * (1.0 / lowest - 1.0 / (lowest + highest))))  # 1692 m/s
    start = dict(start__altitude=lowest - radius, start__speed=speed, start__distance=5e5)
    descent = Descent(flight(decision_period=1.0, **start), 1)
    mu = float(descent.state["drawn.moon.surface_gravity"][0]) * radius**2

    def energy_and_momentum() -> tuple[float, np.ndarray]:
        centre, velocity = from_centre(exact(descent, "position")[0], radius), exact(descent, "velocity")[0]
        return float(0.5 * velocity @ velocity - mu / np.linalg.norm(centre)), np.cross(centre, velocity)

    energy, momentum = energy_and_momentum()
    for _ in range(600):
        hold(descent, COAST)
        now, turned = energy_and_momentum()
        # The claim. Truncation is 1e-13 here; rounding leaves less than 1e-8.
        assert abs(now / energy - 1.0) < 1e-6
        assert np.linalg.norm(turned - momentum) < 1e-6 * np.linalg.norm(momentum)


def test_the_rocket_equation_gives_the_speed() -> None:
    vehicle = dict(mass__dry=Range(200.0, 500.0), engine__specific_impulse=Range(200.0, 450.0), start__propellant=400.0)
    place = dict(moon__surface_gravity=0.0, start__altitude=1000.0, decision_period=1.0)
    descent = Descent(flight(**vehicle, **place), 64)
    dry = descent.state["drawn.mass.dry"].double().numpy()
    exhaust = descent.state["drawn.engine.specific_impulse"].double().numpy() * STANDARD_GRAVITY
    for _ in range(5):
        hold(descent, (1.0, 0.0, 0.0, 0.0), steps=60)
        delta_v = exhaust * np.log((dry + 400.0) / (dry + exact(descent, "propellant")))
        # Thrust, flow and their quotient each carry a rounding; the logarithm of the mass ratio magnifies none.
        assert np.abs(exact(descent, "velocity")[:, 2] / delta_v - 1.0).max() < 4 * EPSILON
    assert delta_v.min() > 500.0


@pytest.mark.parametrize("lag", [0.0, 0.05, 0.5])
def test_the_tanks_run_dry_with_exactly_the_impulse_of_their_propellant(lag: float) -> None:
    place = dict(moon__surface_gravity=0.0, start__altitude=1000.0, decision_period=1.0)
    descent = Descent(flight(start__propellant=Range(0.5, 5.0), engine__lag=lag, **place), 200)
    dry = float(descent.state["drawn.mass.dry"][0])
    mass = dry + descent.state["motion.propellant"].double().numpy()
    exhaust = float(descent.state["drawn.engine.specific_impulse"][0]) * STANDARD_GRAVITY
    throttle = torch.linspace(-0.4, 1.0, 200)[:, None]
    hold(descent, torch.cat([throttle, torch.zeros(200, 3)], dim=1), steps=60)
    assert not descent.state["motion.propellant"].any()
    assert not descent.state["motion.throttle"].any()
    # As for the rocket equation, and one rounding more of the share that the last substep burns.
    speed = exact(descent, "velocity")[:, 2]
    assert np.abs(speed / (exhaust * np.log(mass / dry)) - 1.0).max() < 5 * EPSILON
    hold(descent, (1.0, 0.0, 0.0, 0.0), steps=3)
    assert np.array_equal(exact(descent, "velocity")[:, 2], speed)


@pytest.mark.parametrize(("lag", "tolerance"), [(1.0, 1e-6), (0.2, 2e-6), (0.05, 3e-4)])
def test_the_throttle_follows_its_command_exponentially(lag: float, tolerance: float) -> None:
    # Over a substep h Runge-Kutta replaces exp(-x), x = h/lag, by its series to x^4: wrong by x^5/120 per substep,
    # 2.4e-4 of the step for the default of x = 1/2, and below the rounding of float32 for x of 1/8 and less.
    descent = Descent(flight(start__altitude=1000.0, start__throttle=0.2, engine__lag=lag, decision_period=0.1), 1)
    descent.actions.copy_(torch.tensor([[0.8, 0.0, 0.0, 0.0]]))
    for tick in range(1, 40):
        descent.advance()
        wanted = 0.9 + (0.2 - 0.9) * np.exp(-0.1 * tick / lag)
        assert abs(float(descent.state["motion.throttle"][0]) - wanted) < tolerance


# Rotation ---------------------------------------------------------------------------------------------------------


def spun(rates: torch.Tensor, **changes: Any) -> Descent:
    """Free bodies that spin, (N, 3) rad/s, with nothing else going on."""
    place = dict(moon__surface_gravity=0.0, start__altitude=1000.0, decision_period=10.0)
    descent = Descent(flight(**place, **changes), len(rates))
    descent.state["motion.rates"] = rates
    return descent


RATES = torch.tensor([[0.05, 0.0, 0.1], [0.1, -0.2, 0.3], [-0.3, 0.1, -0.2], [0.02, 0.03, 0.5]])


def test_a_free_body_keeps_its_angular_momentum_for_600_s() -> None:
    descent = spun(RATES)
    inertia = np.array(world_of(descent.state).inertia)

    def momentum() -> np.ndarray:
        motions = [motion_of(descent.state, row) for row in range(len(RATES))]
        return np.stack([motion.attitude @ (inertia * motion.rates) for motion in motions])

    before = momentum()
    for _ in range(60):
        hold(descent, COAST)
        change = np.linalg.norm(momentum() - before, axis=1) / np.linalg.norm(before, axis=1)
        assert change.max() < 1e-6


def test_a_free_body_precesses_at_the_closed_rate() -> None:
    descent = spun(RATES)
    across, _, along = world_of(descent.state).inertia
    hold(descent, COAST, steps=60)
    time = 600 * float(np.float32(0.1)) * 10
    rates, before = descent.state["motion.rates"].double().numpy(), RATES.double().numpy()
    # Euler: in the body the rate across the axis of symmetry turns at (J_z - J_x)/J_x w_z, up to 47 rad here.
    # The core takes J_z w - J_x w, a difference of 30 between two numbers of 190 and 160, each rounded.
    turned = (rates[:, 0] + 1j * rates[:, 1]) / (before[:, 0] + 1j * before[:, 1])
    wanted = np.exp(1j * (along - across) / across * before[:, 2] * time)
    assert np.abs(turned - wanted).max() < 2 * EPSILON * 190.0 / 30.0 * 47.0
    # Poinsot: in the site frame the axis of symmetry circles the angular momentum L at |L|/J_x, up to 313 rad here.
    for row in range(len(RATES)):
        momentum = np.array([across, across, along]) * before[row]
        spin = np.linalg.norm(momentum)
        pole = momentum / spin
        axis = np.array([0.0, 0.0, 1.0])  # at the start the body's axes are the site's
        angle = spin / across * time
        circled = axis * np.cos(angle) + np.cross(pole, axis) * np.sin(angle) + pole * pole[2] * (1 - np.cos(angle))
        assert np.linalg.norm(motion_of(descent.state, row).attitude[:, 2] - circled) < 3 * EPSILON * 313.0


# The independent flight -------------------------------------------------------------------------------------------

TORQUE = 60.0  # [N m] per axis


def tumbling(substeps: int, decisions: int, tick: float, landers: int, **changes: Any) -> tuple[Descent, torch.Tensor]:
    """Landers that spin and burn near a tiny moon, with actions (decisions, landers, 4) at random."""
    generator = torch.Generator().manual_seed(1)
    timing = dict(tick=tick, substeps=substeps, decision_period=tick, altimeter__period=tick, altimeter__delay=0.0)
    vehicle = dict(engine__lag=4.0, engine__maximum_thrust=6000.0, mass__dry=100.0, start__propellant=400.0)
    vehicle |= dict(attitude__maximum_torque=TORQUE, time_limit=600.0)
    place = dict(moon__radius=20_000.0, start__altitude=5000.0, start__descent_rate=-50.0)
    descent = Descent(flight(**{**timing, **vehicle, **place, **changes}), landers)
    descent.state["motion.rates"] = torch.rand(landers, 3, generator=generator) * 2.0 - 1.0
    actions = torch.rand(decisions, landers, 4, generator=generator) * 2.0 - 1.0
    actions[..., 0] = 0.6
    return descent, actions


def commands_of(actions: torch.Tensor, tick: float) -> list[Command]:
    """What the reference is told for one lander's actions (decisions, 4)."""
    seconds = float(np.float32(tick))
    return [Command(seconds, throttle_of(float(a[0])), tuple((a[1:].double() * TORQUE).tolist())) for a in actions]


def test_runge_kutta_has_order_four() -> None:
    # One tick of 6 s, in substeps whose length float32 holds exactly. There truncation moves a coordinate by 0.8 mm to
    # 15 µm, a direction by 7e-5 to 1.5e-6: several times what rounding does, and so little that the next order does not
    # tell. The mean over 12 landers keeps accidental zeros out of the fit. Seen: 4.04, 3.97 and 3.98.
    substeps, landers = [24, 32, 48, 64], 12
    errors = []
    for count in substeps:
        descent, actions = tumbling(count, 1, 6.0, landers)
        starts = [motion_of(descent.state, row) for row in range(landers)]
        world = world_of(descent.state)
        hold(descent, actions[0])
        if not errors:
            ends = [fly(world, starts[row], commands_of(actions[:, row], 6.0))[0][-1] for row in range(landers)]
        position = exact(descent, "position") - np.stack([end.position for end in ends])
        velocity = exact(descent, "velocity") - np.stack([end.velocity for end in ends])
        axes = np.stack([motion_of(descent.state, row).attitude - ends[row].attitude for row in range(landers)])
        errors.append([np.sqrt(np.mean(error**2)) for error in (position, velocity, axes)])
    slopes = -np.polyfit(np.log(substeps), np.log(errors), 1)[0]
    assert np.all(np.abs(slopes - 4.0) < 0.3), slopes


def test_six_degrees_of_freedom_follow_the_reference() -> None:
    # 30 s of a tumble at up to 2 rad/s in substeps of 10 ms, where truncation is below rounding.
    landers = 6
    descent, actions = tumbling(50, 60, 0.5, landers, engine__lag=0.1)
    starts, world = [motion_of(descent.state, row) for row in range(landers)], world_of(descent.state)
    for action in actions:
        hold(descent, action)
    for row in range(landers):
        end, now = fly(world, starts[row], commands_of(actions[:, row], 0.5))[0][-1], motion_of(descent.state, row)
        # 60 rad of turning at 3 EPSILON each; 320 m/s of thrust in directions as wrong as that; 30 s of that speed.
        turned = 3 * EPSILON * 60.0
        assert np.abs(now.attitude - end.attitude).max() < turned
        assert np.abs(now.rates - end.rates).max() < 5e-7  # a few units in the last place of 2 rad/s
        assert np.abs(exact(descent, "velocity")[row] - end.velocity).max() < turned * 320.0
        assert np.abs(exact(descent, "position")[row] - end.position).max() < turned * 320.0 * 15.0
        # The throttle stops half a unit in the last place times lag/h = 10 short of its command; so does the flow.
        assert abs(now.throttle - end.throttle) < 10 * EPSILON
        assert abs(exact(descent, "propellant")[row] - end.propellant) < 10 * EPSILON * 65.0


# Rounding ---------------------------------------------------------------------------------------------------------

DESCENT = dict(  # 600 s from 20 km at 1.69 km/s to 200 m at 5 m/s, at constant thrust and pitch rate
    start__altitude=20_000.0,
    start__distance=540_000.0,
    start__speed=1690.0,
    start__tilt=1.517385,
    start__pitch_rate=0.00151223883,
    start__propellant=360.0,
    start__throttle=0.98202575,
    engine__lag=0.05,
    decision_period=1.0,
)
DISPERSED = dict(
    start__altitude=Range(20_500.0, 22_500.0),  # so that no dispersion reaches the ground
    start__tilt=Range(1.515, 1.519),
    start__cross_distance=Range(-10_000.0, 10_000.0),
    start__cross_speed=Range(-30.0, 30.0),
    mass__dry=Range(340.0, 343.0),
    engine__specific_impulse=Range(289.0, 291.0),
)
THRUST = (2 * 0.98202575 - 1.0, 0.0, 0.0, 0.0)  # as an action


def altitudes_of_a_descent(descent: Descent) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Altitudes (600, N) after each second: as flown, as the float32 position reads, and of the reference."""
    radius = float(descent.state["drawn.moon.radius"][0])
    second = Command(10 * float(np.float32(0.1)), throttle_of(THRUST[0]))
    flown, shown, wanted = [], [], []
    for row in range(descent.num_envs):
        motions, _ = fly(world_of(descent.state, row), motion_of(descent.state, row), [second] * 600)
        wanted.append([altitude(motion.position, radius) for motion in motions[1:]])
    for _ in range(600):
        hold(descent, THRUST)
        flown.append(altitude(exact(descent, "position"), radius))
        shown.append(altitude(descent.state["motion.position"].double().numpy(), radius))
    return np.array(flown), np.array(shown), np.array(wanted).T


def test_rounding_moves_the_altitude_of_a_whole_descent_by_less_than_a_centimetre() -> None:
    flown, shown, wanted = altitudes_of_a_descent(Descent(flight(**DESCENT), 1))
    assert 199.0 < wanted[-1, 0] < 201.0
    # Seen: 3.9 mm.
    assert np.abs(flown - wanted).max() < 0.01
    # Whoever reads the float32 position alone, sees an x of 540 km to half of 6 cm, of which the arc makes up to
    # 31 % altitude. Seen: 7.9 mm in all.
    assert np.abs(shown - wanted).max() < 0.01 + 0.03125 * 0.31


@pytest.mark.slow
def test_so_it_does_in_dispersed_descents() -> None:
    flown, _, wanted = altitudes_of_a_descent(Descent(flight(**DESCENT | DISPERSED), 32))
    assert wanted.min() > 0.0
    # Seen: 5 mm in the middle, 8.6 mm at worst; of twice as many flights two reach 10.6 mm. What is left is rounded
    # alike in every substep, as the flow at a constant throttle.
    assert np.abs(flown - wanted).max() < 0.01


def test_plain_float32_would_lose_metres() -> None:
    # The same descent with what rounding dropped thrown away after each substep: seen 13.6 m.
    substep = float(np.float32(0.1)) / 4
    descent = Descent(flight(**DESCENT | dict(decision_period=substep, tick=substep, substeps=1)), 1)
    rests = [name for name in descent.state.names() if name.startswith("rest.")]
    radius = float(descent.state["drawn.moon.radius"][0])
    second = Command(40 * substep, throttle_of(THRUST[0]))
    motions, _ = fly(world_of(descent.state), motion_of(descent.state), [second] * 600)
    worst = 0.0
    for motion in motions[1:]:
        for _ in range(40):
            hold(descent, THRUST)
            for rest in rests:
                descent.state[rest] = 0.0
        now = altitude(descent.state["motion.position"][0].double().numpy(), radius)
        worst = max(worst, abs(now - altitude(motion.position, radius)))
    assert worst > 1.0
