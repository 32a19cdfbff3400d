"""The missions' flight computer: its plan, its memory, its way down from an orbit, and what it believes of its height.

Readings are made by hand: named columns in SI units, as ``ObservationTable.read`` gives them, all 0 but for what a test
says. Geometry is that of scipy's rotations, and not of the package.
"""

import copy
import itertools
import math
from dataclasses import replace
from math import radians

import numpy as np
import pytest
import torch

from agents.pilots.as_flown import AsFlown
from lunar_env import Descent, Outcome, load_scenario
from lunar_env.flight_computer.autopilot import FILTERS, Autopilot
from lunar_env.flight_computer.filters import (
    AltitudeFilter,
    FilterTuning,
    GatedFilter,
    SlantOnly,
    VelocityFilter,
    soundings,
)
from lunar_env.flight_computer.orbit import OrbitAutopilot, flight_computer
from lunar_env.missions import MISSIONS, hakuto_r, luna_25, plan_of, resilience
from lunar_env.missions.plan import FlightPlan
from lunar_env.quantities import middle
from lunar_env.sensors.devices import APOLLO_LANDING_RADAR, NAVIGATION_DOPPLER_LIDAR
from lunar_env.sensors.range_finder import RangeFinder

scipy_spatial = pytest.importorskip("scipy.spatial")
Rotation = scipy_spatial.transform.Rotation

BY_NAME = {mission.name: mission for mission in MISSIONS}
EACH_MISSION = pytest.mark.parametrize("name", BY_NAME)
ONE_BEAM = RangeFinder()  # straight down
STANDARD_GRAVITY = 9.80665  # [m/s^2]


def table_of(*finders):
    """The observation of a vehicle with these range finders."""
    return load_scenario("resilience", sensors=finders).observation_table()


def reading(table, landers=1, attitude=None, **columns):
    """A reading of upright landers, or of an attitude: all 0 but for these columns, numbers or one for each lander."""
    named = {channel.name: torch.zeros(landers) for channel in table.channels}
    quaternion = Rotation.identity().as_quat() if attitude is None else attitude.as_quat(canonical=True)
    for axis, value in zip("xyzw", quaternion, strict=True):
        columns.setdefault(f"attitude_{axis}", float(value))
    for name, value in columns.items():
        assert name in named, name
        named[name] = torch.as_tensor(value, dtype=torch.float32) + torch.zeros(landers)
    return named


def observation(table, landers=1, **columns):
    """The same as the row of scaled numbers that a pilot sees."""
    named = reading(table, landers, **columns)
    return torch.stack([named[channel.name] / channel.scale for channel in table.channels], dim=1)


def beam_directions(finder):
    """(beams, 3) unit vectors in body axes, from the words of ``RangeFinder``."""
    cant = Rotation.from_rotvec([0.0, -middle(finder.cant), 0.0])  # takes -z towards +x
    found = []
    for beam in range(finder.beams):
        azimuth = finder.azimuth + 2.0 * math.pi * beam / finder.beams
        aside = finder.half_angle * np.array([math.sin(azimuth), -math.cos(azimuth), 0.0])  # takes -z to the azimuth
        found.append(cant.apply(Rotation.from_rotvec(aside).apply([0.0, 0.0, -1.0])))
    return np.array(found)


def ranges_over_flat_ground(finder, attitude, height):
    """What each beam measures [m] from a height [m]."""
    return height / -attitude.apply(beam_directions(finder))[:, 2]


def leaning(tilt, towards=0.0, roll=0.0):
    """An attitude whose thrust axis leans by a tilt from the vertical, after a roll about it."""
    lean = Rotation.from_rotvec(tilt * np.array([-math.sin(towards), math.cos(towards), 0.0]))
    return lean * Rotation.from_rotvec([0.0, 0.0, roll])


# --- the plan --------------------------------------------------------------------------------------


@EACH_MISSION
def test_a_plan_is_met_exactly_at_its_points_and_held_beyond_them(name):
    plan = BY_NAME[name].plan
    assert plan.rate(torch.tensor(plan.heights)).tolist() == pytest.approx(plan.rates, rel=1e-6)
    beyond = plan.rate(torch.tensor([-1e4, -1.0, plan.heights[-1] + 1.0, 1e6]))
    assert beyond.tolist() == pytest.approx([plan.rates[0]] * 2 + [plan.rates[-1]] * 2, rel=1e-6)


@EACH_MISSION
def test_between_two_points_of_a_plan_the_deceleration_is_constant(name):
    plan = BY_NAME[name].plan
    points = list(zip(plan.heights, plan.rates, strict=True))
    for (below, slow), (above, fast) in itertools.pairwise(points):
        duration = (above - below) / (0.5 * (slow + fast))
        deceleration = (fast - slow) / duration
        time = torch.linspace(0.0, duration, 50, dtype=torch.float64)
        height = above - fast * time + 0.5 * deceleration * time**2
        # Heights in float32 are right to 1e-7 of 11 km, a millimetre; the rate changes by at most 1 1/s there.
        torch.testing.assert_close(plan.rate(height).double(), fast - deceleration * time, rtol=1e-5, atol=2e-3)


def test_a_plan_reads_a_batch_as_it_reads_each_height_alone():
    plan = BY_NAME["chang_e_3"].plan
    heights = torch.linspace(-10.0, 3_000.0, 60)
    alone = torch.stack([plan.rate(height) for height in heights])
    assert torch.equal(plan.rate(heights), alone)
    assert torch.equal(plan.rate(heights.reshape(3, 4, 5)), alone.reshape(3, 4, 5))
    assert (alone.diff() >= 0.0).all() and alone[0] < alone[-1]


@EACH_MISSION
def test_a_missions_plan_rises_from_the_ground(name):
    plan = BY_NAME[name].plan
    assert plan.heights[0] == 0.0, "below its lowest point a plan would go on falling towards 0 m"
    assert len(plan.heights) == len(plan.rates)
    assert (np.diff(plan.heights) > 0.0).all() and min(plan.rates) > 0.0
    assert plan.navigation in FILTERS


# --- the flight computer ---------------------------------------------------------------------------


@pytest.mark.parametrize("control", ["throttle", "body"])
def test_a_plan_is_flown_in_its_own_control_mode_only(control):
    scenario = load_scenario("slim", control=control)
    with pytest.raises(ValueError, match=rf"'slim' has '{control}'; load it with control=\"descent_rate\""):
        flight_computer(plan_of(scenario), scenario, 2)


def test_an_orbit_plan_is_flown_by_the_orbit_autopilot_and_others_are_not():
    for mission in MISSIONS:
        autopilot = flight_computer(mission.plan, mission.flown, 1)
        assert (type(autopilot) is OrbitAutopilot) == (mission is luna_25.LUNA_25)
        assert isinstance(autopilot, Autopilot)


def watch(mission, scenario, landers, decisions):
    """The flight computer of a mission, and what its landers see, decision by decision, until all are down."""
    pilot = flight_computer(mission.plan, scenario, landers)
    descent = Descent(scenario, landers, seed=3, autoreset="disabled")
    seen = [descent.reset(seed=3)]
    for _ in range(min(decisions, scenario.steps)):
        transition = descent.step(pilot.act(seen[-1]))
        seen.append(transition.observation)
        if (transition.outcome != Outcome.FLYING).all():
            break
    return pilot, seen


# What each remembers: a cut engine, a trim, a rejected sensor, a cut engine and a sighting, and that its burn is over,
# before the timer would tell.
@pytest.mark.parametrize("name", ["chang_e_3", "slim", "hakuto_r_m1", "schiaparelli", "luna_25_planned"])
def test_reset_forgets_the_masked_landers_and_no_others(name):
    mission = next(mission for mission in MISSIONS if name in (one.name for one in mission.scenarios))
    scenario, landers = load_scenario(name), 9
    kept, seen = watch(mission, scenario, landers, 125 if name == "luna_25_planned" else scenario.steps)
    reset, newborn = copy.deepcopy(kept), flight_computer(mission.plan, scenario, landers)
    mask = torch.arange(landers) % 3 == 0
    reset.reset(torch.zeros(landers, dtype=torch.bool))
    reset.reset(mask)
    # Once more what they saw shortly before the end.
    most = torch.zeros(landers)
    for one in seen[-20:-3]:
        remembering, forgetful, fresh = kept.act(one), reset.act(one), newborn.act(one)
        assert torch.equal(forgetful[~mask], remembering[~mask])
        assert torch.equal(forgetful[mask], fresh[mask])
        assert torch.equal(reset.height[mask], newborn.height[mask])
        most = torch.maximum(most, (fresh - remembering).abs().amax(dim=1))
    # The loop's scale is quadratic: Luna-25's burn, 0.7 m/s less of 1,600, is an action that differs by 2e-4.
    # Some are down already, and on the ground there is little to remember.
    assert (most[mask] > 1e-4).any(), "there was nothing to forget"


def test_reset_undoes_the_cut_and_the_trim_and_what_the_filters_learnt():
    scenario = load_scenario("slim")
    plan = replace(BY_NAME["slim"].plan, cut=4.0)
    autopilot = Autopilot(plan, scenario, 3)
    low = observation(
        autopilot.table, 3, altitude=3.0, velocity_up=-5.0, velocity_x=1.0, altimeter_range=3.0, altimeter_valid=1.0,
        **{f"velocity_radar_valid_{beam}": 1.0 for beam in (1, 2, 3, 4)},
    )  # fmt: skip
    autopilot.act(low)
    autopilot.reset(torch.tensor([True, False, True]))
    assert autopilot.is_cut.tolist() == [False, True, False]
    tuning = FilterTuning(unevenness=plan.unevenness)
    for memory, fresh in (
        (autopilot.trimmed, 0.0),
        (autopilot.filter.correction, 0.0),
        (autopilot.filter.variance, tuning.prior**2),
        (autopilot.filter.seen, False),
        (autopilot.velocity.correction.abs().sum(dim=1), 0.0),
    ):
        assert memory[0] == memory[2] == fresh
        assert memory[1] != fresh, "there was nothing to forget"


def test_an_engine_once_cut_stays_off_for_good():
    scenario = load_scenario("chang_e_3")
    autopilot = Autopilot(BY_NAME["chang_e_3"].plan, scenario, 2)
    commands = []
    for heights in ((50.0, 50.0), (3.9, 4.5), (50.0, 50.0), (500.0, 500.0)):
        # Not a gust of the filter's: one range straight down, now, as believed.
        one = observation(
            autopilot.table, 2, altitude=torch.tensor(heights), altimeter_range=torch.tensor(heights),
            altimeter_valid=1.0, velocity_up=-0.5,
        )  # fmt: skip
        commands.append(autopilot.act(one)[:, 0])
        assert autopilot.height.tolist() == pytest.approx(heights, rel=1e-3)
    first, second = torch.stack(commands).T
    assert first[0] < 1.0 and (first[1:] == 1.0).all(), "1 asks to fall faster than it does, so the engine is off"
    assert (second < 1.0).all(), "it never was as low as 4 m"


def braked_time(mission, speed, propellant):
    """Seconds [s] of full thrust from a lateral speed [m/s] to the plan's, integrated with mass and weight."""
    thrust, dry = middle(mission.flown.engine.maximum_thrust), middle(mission.flown.mass.dry)
    exhaust = middle(mission.flown.engine.specific_impulse) * STANDARD_GRAVITY
    gravity, radius = middle(mission.flown.moon.surface_gravity), middle(mission.flown.moon.radius)
    mass, time, step = dry + propellant, 0.0, 0.1
    while speed > mission.plan.braked:
        weight = gravity - speed**2 / radius
        speed -= step * math.sqrt((thrust / mass) ** 2 - weight**2)
        mass -= step * thrust / exhaust
        time += step
    return time


@pytest.mark.parametrize("name", ["blue_ghost_m1", "chang_e_5", "series2_apex", "slim"])
@pytest.mark.parametrize("left", [1.0, 0.6, 0.2])
def test_the_rate_to_the_gate_covers_the_height_above_it_in_the_time_that_braking_takes(name, left):
    mission = BY_NAME[name]
    plan = replace(mission.plan, fastest_braking=1e9)
    autopilot = Autopilot(plan, mission.flown, 1)
    speed, used = left * middle(mission.flown.start.speed), 1.0 - left
    propellant = middle(mission.flown.start.propellant) * (1.0 - 0.9 * used)
    now = reading(autopilot.table, velocity_x=speed, propellant=propellant)
    gate, rate = plan.heights[-1], plan.rates[-1]

    def wished(height):
        return float(autopilot.rate_to_gate(now, torch.tensor([height]), torch.tensor([speed])))

    # (r + r_gate) t / 2 = h - h_gate, so two heights tell the time.
    high, higher = gate + 100_000.0, gate + 200_000.0
    time = 2.0 * (higher - high) / (wished(higher) - wished(high))
    assert wished(high) == pytest.approx(2.0 * (high - gate) / time - rate, rel=1e-4)
    # The formula is a closed one, for the mass and the weight half way; it allows a second for the engine's lag.
    assert time - 1.0 == pytest.approx(braked_time(mission, speed, propellant), rel=0.08)


def test_the_rate_to_the_gate_is_2_h_over_t_less_the_rate_there():
    mission = BY_NAME["blue_ghost_m1"]
    autopilot = Autopilot(mission.plan, mission.flown, 3)
    speeds = np.array([1_600.0, 800.0, 200.0])
    heights = np.array([16_000.0, 9_000.0, 1_600.0])
    now = reading(autopilot.table, 3, velocity_x=0.8 * speeds, velocity_y=-0.6 * speeds, propellant=300.0)
    strongest = 2_700.0 / (469.0 + 300.0)
    weight = 1.6242 - 0.5 * speeds**2 / 1_737_400.0
    time = (speeds - 60.0) / np.sqrt(strongest**2 - weight**2)
    time = time * (1.0 - 0.5 * speeds / (310.0 * STANDARD_GRAVITY)) + 1.0
    expected = 2.0 * (heights - 1_500.0) / time - 40.0
    assert expected[2] < 0.0 < expected[0]
    seen = autopilot.rate_to_gate(now, torch.tensor(heights).float(), torch.tensor(speeds).float())
    assert seen.tolist() == pytest.approx(expected.clip(0.0, mission.plan.fastest_braking), rel=1e-4)
    # What the flight computer wishes for is this, as long as there is lateral speed to lose.
    assert torch.equal(autopilot.wished_rate(now, torch.tensor(heights).float()), seen)


def test_a_slow_lander_follows_the_plan_where_it_will_be_when_the_command_acts():
    mission = BY_NAME["blue_ghost_m1"]
    autopilot = Autopilot(mission.plan, mission.flown, 2)
    now = reading(autopilot.table, 2, velocity_x=torch.tensor([59.0, 0.0]), velocity_up=-20.0)
    wished = autopilot.wished_rate(now, torch.full((2,), 700.0))
    assert torch.equal(wished, mission.plan.rate(torch.full((2,), 700.0 - 20.0 * mission.plan.lead)))


def test_braking_blind_holds_a_rate_until_the_first_range():
    autopilot = Autopilot(resilience.PLAN, load_scenario("resilience"), 3)
    now = reading(autopilot.table, 3, velocity_x=torch.tensor([300.0, 300.0, 10.0]))
    autopilot.filter.seen[:] = torch.tensor([False, True, False])
    height = torch.full((3,), 8_000.0)
    assert autopilot.wished_rate(now, height).tolist() == pytest.approx([50.0, 300.0 / 3.6, 300.0 / 3.6])


def test_beresheet_dives_down_to_13_5_km_and_then_follows_its_plan():
    mission = BY_NAME["beresheet"]
    autopilot = Autopilot(mission.plan, mission.flown, 2)
    now = reading(autopilot.table, 2, velocity_x=1_200.0, propellant=150.0)
    dives, follows = autopilot.wished_rate(now, torch.tensor([13_501.0, 13_499.0])).tolist()
    assert dives == 40.0
    assert follows != 40.0


def test_a_trim_takes_out_a_lasting_error_of_the_rate():
    autopilot = Autopilot(BY_NAME["slim"].plan, load_scenario("slim"), 1)
    commanded = []
    for _ in range(8):
        one = observation(autopilot.table, altitude=30.0, velocity_up=-4.0)
        fall = 0.5 * (autopilot.act(one)[0, 0].item() + 1.0)
        commanded.append(autopilot.fastest * fall**2)
    assert commanded[0] < 4.0, "it falls faster than it should"
    assert all(later < before for before, later in itertools.pairwise(commanded) if before > 0.0)
    assert commanded[-1] == 0.0


def test_as_flown_is_the_autopilot_with_resiliences_plan_action_for_action():
    scenario = load_scenario("resilience")
    pilot, autopilot = AsFlown(scenario, 16), Autopilot(resilience.PLAN, scenario, 16)
    descent = Descent(scenario, 16, seed=5, autoreset="disabled")
    seen, decisions = descent.reset(seed=5), 0
    while (descent.state["episode.outcome"] == 0).any():
        action = pilot.act(seen)
        assert torch.equal(action, autopilot.act(seen))
        seen, decisions = descent.step(action).observation, decisions + 1
    assert decisions > 60


# --- from an orbit ---------------------------------------------------------------------------------

ORBIT = luna_25.LUNA_25.plan


def orbiting(table, landers, **columns):
    """What Luna-25 sees on the far side, before its burn."""
    before = {"altitude": 100_000.0, "velocity_x": 1_633.5, "position_x": -1e6, "propellant": 940.0}
    return observation(table, landers, **before | columns)


def wished_speed(autopilot, action):
    """The lateral speed [m/s] that an action asks for; the actions' scale is quadratic."""
    return (autopilot.sideways * action[:, 1] ** 2).tolist()


def orbit_autopilot(landers):
    return OrbitAutopilot(ORBIT, luna_25.LUNA_25.flown, landers)


def test_the_burn_asks_for_the_deceleration_that_the_plan_has_time_for():
    autopilot = orbit_autopilot(2)
    for time in (0.0, 50.0):
        action = autopilot.act(orbiting(autopilot.table, 2, time=time))
        assert (action[:, 0] == 1.0).all() and (action[:, 2] == 0.0).all()  # falls freely, no thrust aside
        # For a decision the loop follows this wish, the slower the nearer it comes; in steps of a millisecond.
        wish, speed = wished_speed(autopilot, action)[0], 1_633.5
        for _ in range(round(luna_25.FLOWN.decision_period / 1e-3)):
            speed += 1e-3 * (wish - speed) / middle(luna_25.FLOWN.guidance.lateral_time)
        # A wish of 1,633 m/s, rebuilt from the square of a float32, is right to 2e-4 m/s.
        assert 1_633.5 - speed == pytest.approx(ORBIT.burn_speed / ORBIT.burn_time, abs=1e-3)


def test_the_burn_ends_when_its_speed_is_counted_or_when_the_timer_says_so_and_then_nothing_burns():
    autopilot = orbit_autopilot(3)
    count = ORBIT.burn_speed
    # The first counts it all, the second a little less, the third nothing. Speeds in float32 are right to 1e-4 m/s.
    lost = torch.tensor([count + 0.01, count - 0.01, 0.0])
    history = []
    for time, share in ((0.0, 0.0), (83.0, 1.0), (126.0, 0.0), (127.0, 1.0), (300.0, 0.0)):
        speeds = 1_633.5 - share * lost
        action = autopilot.act(orbiting(autopilot.table, 3, time=time, velocity_x=speeds))
        slower = speeds - torch.tensor(wished_speed(autopilot, action))
        assert (action[:, 0] == 1.0).all() and (action[:, 2] == 0.0).all()
        history.append((slower > 0.1).tolist())
        assert (slower[slower <= 0.1].abs() < 1e-2).all(), "a coast asks for the speed that it has"
    assert history[0] == [True, True, True]
    assert history[1] == [False, True, True]
    assert history[2] == [False, True, True], "what is over stays over"
    assert history[3] == [False, False, False], "the timer"
    assert history[4] == [False, False, False]


def test_the_descent_begins_at_the_ignition_distance_and_is_that_of_any_autopilot():
    autopilot, plain = orbit_autopilot(4), Autopilot(ORBIT, luna_25.LUNA_25.flown, 4)
    near, far = -ORBIT.ignition + 10.0, -ORBIT.ignition - 200.0
    # Each in turn: far away, near, near but as high as before the burn, near before the burn has ended.
    where = torch.tensor([far, near, near, near])
    height = torch.tensor([18_000.0, 18_000.0, 100_000.0, 18_000.0])
    speed = torch.tensor([1_690.0, 1_690.0, 1_690.0, 1_633.5])
    for time, position, altitude, velocity in (
        (0.0, -1e6, 100_000.0, torch.full((4,), 1_710.0)),
        (100.0, where, height, speed + torch.tensor([0.0, 0.0, 0.0, 70.0])),
    ):
        one = orbiting(autopilot.table, 4, time=time, position_x=position, altitude=altitude, velocity_x=velocity)
        action, descent = autopilot.act(one), plain.act(one)
    assert autopilot.is_over.tolist() == [True, True, True, False]
    assert autopilot.descends.tolist() == [False, True, False, False]
    assert torch.equal(action[1], descent[1])
    assert (action[[0, 2, 3]] != descent[[0, 2, 3]]).any(dim=1).all()
    # Once it descends it goes on, wherever it is.
    one = orbiting(autopilot.table, 4, time=101.0, position_x=1e5, altitude=30_000.0)
    assert torch.equal(autopilot.act(one)[1], plain.act(one)[1])


# --- what beams say --------------------------------------------------------------------------------

TWO_BEAMS = hakuto_r.M1_RADAR
HEADS = {
    "two beams": TWO_BEAMS,
    "three beams": replace(NAVIGATION_DOPPLER_LIDAR, name="altimeter"),
    "four canted beams": replace(APOLLO_LANDING_RADAR, name="altimeter"),
    "one beam aside": RangeFinder(half_angle=0.3, azimuth=2.0),
}
ATTITUDES = [leaning(0.0), leaning(0.2, 0.5), leaning(0.6, -2.0, 1.3), leaning(1.0, 0.1, -2.5)]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("attitude", ATTITUDES, ids=["upright", "leaning", "rolled", "braking"])
def test_over_flat_ground_every_beam_that_meets_it_gives_the_height(head, attitude):
    finder, height = HEADS[head], 2_345.0
    table = table_of(finder)
    ranges = ranges_over_flat_ground(finder, attitude, height)
    down = -attitude.apply(beam_directions(finder))[:, 2]
    columns = dict(zip(finder.labels("range"), np.abs(ranges), strict=True))
    flags = dict.fromkeys(finder.labels("valid"), 1.0)
    found = soundings(table.beams(), reading(table, attitude=attitude, **columns, **flags), FilterTuning())
    assert len(found) == finder.beams
    for sounding, cosine in zip(found, down, strict=True):
        assert bool(sounding.usable) == (cosine > 0.3)
        if cosine > 0.3:  # some roundings of float32, which the long way of a level beam stretches
            assert float(sounding.height) == pytest.approx(height, rel=2e-6)
    assert down.max() > 0.3


def test_a_sounding_is_brought_forward_to_now_and_needs_its_flag():
    table = table_of(ONE_BEAM)
    now = reading(table, 2, altimeter_range=1_000.0, altimeter_age=0.5, velocity_up=-60.0,
                  altimeter_valid=torch.tensor([1.0, 0.0]))  # fmt: skip
    (sounding,) = soundings(table.beams(), now, FilterTuning())
    assert sounding.height.tolist() == [970.0, 970.0]
    assert sounding.usable.tolist() == [True, False]


def test_a_tilted_beam_is_trusted_less_for_it_meets_ground_farther_away():
    table, tuning = table_of(ONE_BEAM), FilterTuning(unevenness=20.0)
    deviations = []
    for tilt in (0.0, 0.3, 0.9):
        slant = 1_000.0 / math.cos(tilt)
        now = reading(table, attitude=leaning(tilt), altimeter_range=slant, altimeter_valid=1.0)
        (sounding,) = soundings(table.beams(), now, tuning)
        sine = math.sin(tilt)
        expected = tuning.noise + slant * tuning.noise_growth + slant * sine * tuning.slope + sine * tuning.unevenness
        assert float(sounding.deviation) == pytest.approx(expected, rel=1e-3)
        deviations.append(float(sounding.deviation))
    assert deviations == sorted(deviations) and deviations[0] == pytest.approx(9.0)


# --- filters of the altitude -----------------------------------------------------------------------


def all_beams(finder, heights, attitude=None):
    """Columns of a head whose every beam has a return: as from each lander's height (N,) or each beam's (N, beams)."""
    attitude = Rotation.identity() if attitude is None else attitude
    heights = np.asarray(heights, dtype=float)
    slants = ranges_over_flat_ground(finder, attitude, 1.0) * (heights if heights.ndim == 2 else heights[:, None])
    found = {name: torch.as_tensor(slants[:, beam]) for beam, name in enumerate(finder.labels("range"))}
    return found | dict.fromkeys(finder.labels("valid"), 1.0)


@pytest.mark.parametrize("head", ["one beam", "four canted beams"])
def test_the_filters_deviation_is_what_it_is_off_by(head):
    # Prior, drift and noise are drawn as the filter assumes them, so its deviation has to be honest.
    finder = ONE_BEAM if head == "one beam" else HEADS[head]
    generator, landers, period = np.random.default_rng(0), 4_000, 1.0
    tuning, table = FilterTuning(slope=0.0), table_of(finder)  # the ground is flat
    altitude_filter = AltitudeFilter(table, landers, period, tuning)
    height, error = 3_000.0, tuning.prior * generator.standard_normal(landers)
    for step in range(25):
        error = error + tuning.drift * period * generator.standard_normal(landers)
        spread = tuning.noise + tuning.noise_growth * ranges_over_flat_ground(finder, Rotation.identity(), height)
        heights = height + spread * generator.standard_normal((landers, finder.beams))
        now = reading(table, landers, altitude=torch.as_tensor(height + error), velocity_up=-40.0,
                      **all_beams(finder, heights))  # fmt: skip
        off = altitude_filter.update(now).double().numpy() - height
        if step in (0, 4, 24):
            # The sampling error of a standard deviation is 1 / sqrt(2 * 4,000) = 1.1 %.
            assert off.std() == pytest.approx(float(altitude_filter.deviation().mean()), rel=0.05)
            # A range that came out short is taken for a sharper one: 2 * 0.008^2 * 3,000 m pull the mean down.
            assert abs(off.mean()) < 5.0 * off.std() / math.sqrt(landers) + 0.4
        height -= 40.0 * period
    assert altitude_filter.seen.all()


def test_four_beams_tell_more_than_one():
    deviations = []
    for finder in (ONE_BEAM, RangeFinder(beams=4)):  # all straight down
        table = table_of(finder)
        altitude_filter = AltitudeFilter(table, 1, 1.0)
        altitude_filter.update(reading(table, altitude=1_500.0, **all_beams(finder, [1_000.0])))
        deviations.append(float(altitude_filter.deviation()))
    # 9 m against a prior of a kilometre: the mean of four readings is off by half as much.
    assert deviations[1] == pytest.approx(0.5 * deviations[0], rel=1e-3)


def test_an_altitude_filter_without_readings_believes_what_is_inertial_ever_less():
    table = table_of(ONE_BEAM)
    altitude_filter, deviations = AltitudeFilter(table, 1, 2.0), []
    for altitude in (5_000.0, 4_000.0):
        assert altitude_filter.update(reading(table, altitude=altitude, altimeter_range=10.0)) == altitude
        deviations.append(float(altitude_filter.deviation()))
    tuning = FilterTuning()
    expected = [math.hypot(tuning.prior, 2.0 * tuning.drift * math.sqrt(n)) for n in (1, 2)]
    assert deviations == pytest.approx(expected, rel=1e-6)
    assert not altitude_filter.seen.any()


# --- the gated filter ------------------------------------------------------------------------------


def fly_gated(gated, table, heights, inertial, valid=1.0, velocity_x=0.0):
    """Feed readings straight down, (decisions, landers) each; returns what the filter says of each."""
    landers, said = len(gated.correction), []
    for height, altitude in zip(heights, inertial, strict=True):
        now = reading(table, landers, altimeter_range=torch.as_tensor(height), altimeter_valid=valid,
                      altitude=torch.as_tensor(altitude), velocity_x=velocity_x)  # fmt: skip
        said.append(gated.update(now).double().numpy())
    return np.array(said)


def constant(value, decisions, landers=1):
    return np.full((decisions, landers), float(value))


def test_a_gated_filter_finds_the_height_and_the_rate_of_an_error_that_grows():
    table = table_of(ONE_BEAM)
    gated = GatedFilter(table, 2, 1.0)
    time = np.arange(120.0)[:, None]
    drift = np.array([[1.5, -0.8]])  # [m/s] of the inertial altitude
    truth = 4_000.0 - 20.0 * time + np.zeros((1, 2))
    said = fly_gated(gated, table, truth, truth + 400.0 + drift * time)
    # It is meant to follow a rate that wanders by 0.3 m/s in a second, so it forgets its prior of 0 within some twenty
    # seconds; what is left after ninety is a hundredth.
    assert gated.rate.tolist() == pytest.approx((-drift[0]).tolist(), abs=0.01)
    assert np.abs(said[90:] - truth[90:]).max() < 0.1
    assert not gated.rejections.any()


def test_a_gated_filter_takes_a_jump_of_3_km_for_a_broken_sensor_and_never_looks_again():
    table = table_of(ONE_BEAM)
    # The first three see the jump: for three decisions, for three and then nothing at all, for two. The last one none.
    gated = GatedFilter(table, 4, 1.0)
    fly_gated(gated, table, constant(2_000.0, 60, 4), constant(2_100.0, 60, 4))
    jump = constant(2_000.0, 3, 4)
    jump[:, :2] += 3_000.0
    jump[:2, 2] += 3_000.0
    said = fly_gated(gated, table, jump, constant(2_100.0, 3, 4))
    assert np.abs(said - 2_000.0).max() < 1.0, "it follows the jump"
    # From here on the inertial altitude drifts by 2 m/s, which only a range could tell. The ranges are right again.
    drift = 2_100.0 + 2.0 * np.arange(1.0, 81.0)[:, None] + np.zeros((1, 4))
    said = fly_gated(gated, table, constant(2_000.0, 80, 4), drift, valid=torch.tensor([1.0, 0.0, 1.0, 1.0]))
    assert np.array_equal(said[:, 0], said[:, 1]), "it uses a sensor that it rejected"
    assert said[-1, 0] == pytest.approx(2_000.0 + 2.0 * 80, abs=2.0)
    assert np.abs(said[-1, 2:] - 2_000.0).max() < 1.0, "two rejections are none"
    gated.reset(torch.tensor([True, False, False, False]))
    said = fly_gated(gated, table, constant(2_000.0, 1, 4), constant(2_260.0, 1, 4))
    assert said[0, 0] == pytest.approx(2_000.0, abs=1.0), "a reset lander trusts again"


def test_noise_as_assumed_is_hardly_ever_rejected():
    # 5 standard deviations: one in two million. 1 % would be 2.6 of them.
    table, generator = table_of(ONE_BEAM), np.random.default_rng(1)
    landers, tuning = 100, FilterTuning()
    gated = GatedFilter(table, landers, 1.0, tuning)
    error = tuning.prior * generator.standard_normal(landers)
    rejected, height, off = 0, 6_000.0, []
    for _ in range(100):
        noise = (tuning.noise + tuning.noise_growth * height) * generator.standard_normal((1, landers))
        said = fly_gated(gated, table, height + noise, height + error[None])
        rejected += int((gated.rejections > 0).sum())
        off.append(said[0] - height)
        height -= 40.0
    assert rejected < 0.01 * 100 * landers
    assert np.std(off[-20:]) < tuning.noise + tuning.noise_growth * 3_000.0, "worse than its sensor"


def test_rising_ground_teaches_a_gated_filter_a_rate():
    # 300 m/s towards a site over ground that rises by a degree: 5.2 m/s, and half a minute suffices.
    table = table_of(ONE_BEAM)
    gated = GatedFilter(table, 1, 1.0)
    altitude = 9_000.0 - 30.0 * np.arange(60.0)[:, None]  # above the pad
    rising = 300.0 * math.tan(radians(1.0))
    below = 10_000.0 * math.tan(radians(1.0)) - rising * np.arange(60.0)[:, None]  # how far the ground lies below it
    fly_gated(gated, table, altitude + below, altitude, velocity_x=300.0)
    assert float(gated.rate) == pytest.approx(-rising, rel=0.05)
    # Without ranges it goes on believing so: a minute later it is 300 m lower than it is.
    said = fly_gated(gated, table, constant(0.0, 60), constant(5_000.0, 60), valid=0.0)
    assert said[0, 0] - said[-1, 0] == pytest.approx(59.0 * rising, rel=0.05)


# --- the filter of the velocity --------------------------------------------------------------------

DOPPLER_HEADS = {"lidar": NAVIGATION_DOPPLER_LIDAR, "canted radar": APOLLO_LANDING_RADAR}
EACH_DOPPLER = pytest.mark.parametrize("head", DOPPLER_HEADS)


def doppler(finder, attitude, velocity, landers, noise=0.0, generator=None):
    """Columns of a head whose every beam shows its closing speed at a true velocity (3,)."""
    closing = attitude.apply(beam_directions(finder)) @ np.asarray(velocity)
    speeds = closing + np.zeros((landers, finder.beams))
    if noise:
        speeds = speeds + noise * generator.standard_normal(speeds.shape)
    found = {name: torch.as_tensor(speeds[:, beam]) for beam, name in enumerate(finder.labels("speed"))}
    return found | dict.fromkeys(finder.labels("valid"), 1.0)


def believed(velocity):
    return dict(zip(("velocity_x", "velocity_y", "velocity_up"), velocity, strict=True))


@EACH_DOPPLER
def test_doppler_beams_find_the_velocity_within_the_noise_that_a_share_of_it_leaves(head):
    finder, attitude = DOPPLER_HEADS[head], leaning(0.4, 0.7, 2.0)
    table, generator, landers, sigma = table_of(finder), np.random.default_rng(2), 4_000, 0.5
    error, truth = np.array([1.5, -0.7, 0.4]), np.array([30.0, -4.0, -12.0])
    velocity_filter = VelocityFilter(table, landers)
    for _ in range(120):  # 0.9^120 of the first error is 5e-6 m/s
        columns = doppler(finder, attitude, truth, landers, sigma, generator)
        found = velocity_filter.update(reading(table, landers, attitude, **believed(truth - error), **columns))
    found = found.double().numpy()
    # Least squares turn the noise of the beams into sigma^2 P P', and a share s of each reading keeps s / (2 - s).
    inverse = attitude.as_matrix() @ np.linalg.pinv(beam_directions(finder))
    share = VelocityFilter.SHARE
    assert share == 0.1
    covariance = sigma**2 * share / (2.0 - share) * inverse @ inverse.T
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(found.mean(axis=0) - error) < 4.5 * spread / math.sqrt(landers) + 1e-4).all()
    # A sample's covariance is off by some sqrt(2 / 4,000) = 2.2 %, in units of the two spreads; 5 times that.
    assert np.abs(np.cov(found.T) - covariance).max() < 0.11 * spread.max() ** 2
    assert np.diag(np.cov(found.T)) == pytest.approx(np.diag(covariance), rel=0.11)


@EACH_DOPPLER
def test_one_clean_reading_moves_the_velocity_by_a_tenth_of_what_it_is_off(head):
    finder, attitude = DOPPLER_HEADS[head], leaning(1.1, -1.0, 0.5)
    table = table_of(finder)
    velocity_filter = VelocityFilter(table, 2)
    truth, error = np.array([200.0, 10.0, -40.0]), np.array([3.0, -2.0, 1.0])
    for step in (1, 2):
        now = reading(table, 2, attitude, **believed(truth - error), **doppler(finder, attitude, truth, 2))
        expected = error * (1.0 - 0.9**step)
        # Speeds of 200 m/s in float32, and the sums of a few of them.
        assert velocity_filter.update(now).numpy() == pytest.approx(np.tile(expected, (2, 1)), abs=1e-4)
    velocity_filter.reset(torch.tensor([False, True]))
    assert velocity_filter.correction[0].abs().min() > 0.1 and not velocity_filter.correction[1].any()


@EACH_DOPPLER
def test_a_head_with_one_invalid_beam_tells_nothing_of_the_velocity(head):
    finder, attitude = DOPPLER_HEADS[head], leaning(0.1)
    table, truth = table_of(finder), np.array([5.0, 1.0, -10.0])
    velocity_filter = VelocityFilter(table, finder.beams + 1)
    columns = doppler(finder, attitude, truth, finder.beams + 1)
    before = velocity_filter.update(reading(table, finder.beams + 1, attitude, **columns)).clone()
    # Lander i has lost beam i, the last lander none.
    for beam, name in enumerate(finder.labels("valid")):
        columns[name] = (torch.arange(finder.beams + 1) != beam).float()
    after = velocity_filter.update(reading(table, finder.beams + 1, attitude, **columns))
    assert torch.equal(after[:-1], before[:-1]) and before.any()
    assert (after[-1] - before[-1]).abs().max() > 0.1


@pytest.mark.parametrize(
    "finder",
    [ONE_BEAM, replace(APOLLO_LANDING_RADAR, doppler=False), replace(NAVIGATION_DOPPLER_LIDAR, beams=2)],
    ids=["one beam", "no Doppler", "two beams"],
)
def test_without_three_doppler_beams_the_velocity_stays_as_it_is_believed(finder):
    table = table_of(finder)
    flags = dict.fromkeys(finder.labels("valid"), 1.0)
    if finder.doppler:
        flags |= dict.fromkeys(finder.labels("speed"), 9.0)
    velocity_filter = VelocityFilter(table, 2)
    for _ in range(3):
        assert not velocity_filter.update(reading(table, 2, velocity_x=100.0, velocity_up=-30.0, **flags)).any()


def test_a_velocity_that_doppler_corrects_is_flown_by_and_integrated_into_the_height():
    scenario = load_scenario("blue_ghost_m1")
    plan = FlightPlan(heights=(0.0, 1_000.0), rates=(10.0, 10.0))
    finder = NAVIGATION_DOPPLER_LIDAR
    autopilot = Autopilot(plan, scenario, 1)
    columns = doppler(finder, Rotation.identity(), [2.0, 0.0, -13.0], 1)
    one = observation(autopilot.table, altitude=500.0, velocity_up=-10.0, **columns)
    # A tenth of 2 m/s aside and of 3 m/s down is seen. The loop flies on inertial velocity, so that the commands ask
    # for what it is off by: 0.2 m/s back, and 10 - 0.3 m/s down.
    action = autopilot.act(one)[0]
    assert -autopilot.sideways * float(action[1]) ** 2 == pytest.approx(-0.2, rel=1e-3) and action[1] < 0.0
    assert action[2].abs() < 1e-2
    assert autopilot.fastest * (0.5 * (float(action[0]) + 1.0)) ** 2 == pytest.approx(9.7, rel=1e-3)
    # While the instruments are silent, the height goes on falling by what is remembered of them.
    autopilot.act(observation(autopilot.table, altitude=500.0, velocity_up=-10.0))
    before = float(autopilot.height)
    autopilot.act(observation(autopilot.table, altitude=490.0, velocity_up=-10.0))
    assert float(autopilot.height) - before == pytest.approx(-10.0 - 0.3 * scenario.decision_period, abs=0.01)


# --- flight computers that do not filter -----------------------------------------------------------


@pytest.mark.parametrize("degrees", [0.0, 30.0, 60.0, 89.0, 91.0, 120.0, 165.0, 180.0])
def test_slant_only_says_the_range_times_the_cosine_of_the_believed_tilt_even_below_zero(degrees):
    table = table_of(ONE_BEAM)
    slant = SlantOnly(table, 1, 1.0)
    for towards in (0.0, 1.0, -2.5):
        attitude = leaning(radians(degrees), towards)
        now = reading(table, attitude=attitude, altitude=5_000.0, altimeter_range=3_000.0, altimeter_valid=1.0)
        height = float(slant.update(now))
        assert height == pytest.approx(3_000.0 * math.cos(radians(degrees)), abs=0.01)
        assert (height < 0.0) == (degrees > 90.0)


def test_slant_only_says_the_inertial_altitude_before_the_first_range_and_holds_the_last_one():
    table = table_of(TWO_BEAMS)
    slant = SlantOnly(table, 2, 1.0)
    first = {"altitude": 4_000.0, "altimeter_range_1": 3_000.0, "altimeter_range_2": 1.0, "altimeter_valid_2": 1.0}
    assert slant.update(reading(table, 2, **first)).tolist() == [4_000.0, 4_000.0], "only the first beam counts"
    now = first | {"altimeter_valid_1": torch.tensor([1.0, 0.0])}
    level = 3_000.0 * -beam_directions(TWO_BEAMS)[0, 2]
    assert slant.update(reading(table, 2, **now)).tolist() == pytest.approx([level, 4_000.0])
    later = first | {"altimeter_age_1": 2.0, "velocity_up": -100.0}
    assert slant.update(reading(table, 2, **later)).tolist() == pytest.approx([level - 200.0, 4_000.0])
    slant.reset(torch.tensor([True, False]))
    assert slant.update(reading(table, 2, **first)).tolist() == [4_000.0, 4_000.0]
