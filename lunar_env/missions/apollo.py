"""Apollo 11, 12 and 15: the lunar module, from 50 000 ft.

15 103 kg at ignition, 8 248 kg of usable propellant, 1 698.3 m/s inertial, Isp 311 s [V2: FP2G]; high gate 7 000 ft,
low gate 500 ft, vertical from 150 ft at 3 ft/s [V2: NSF]. Gear: 10 ft/s down, 4 ft/s across [R, TN D-6850].
"""

from math import radians

from lunar_env.changes import change
from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import HIGHLAND, engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import APOLLO_LANDING_RADAR, LN_200S
from lunar_env.task import Limits, Outcome
from lunar_env.terrain.contact import Gear

FOOT = 0.3048  # [m]
MASS = cylinder(15_103.0 - 8_248.0, 2.1, 5.5)

APOLLO_11_DESCENT = whole_descent(
    name="apollo_11",
    summary="Apollo 11: from 50 000 ft to the Sea of Tranquility",
    mass=MASS,
    engine=engine(45_000.0, 311.0, 0.1),  # [V2: FP2G]; 10 to 94 % in flight [V: LUM], the gap above 60 % left out
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=3.5, foot_distance=3.3),  # [R]
    # The flight began 260 nmi (481 km) uprange [V2: NSF], for its approach flew slowly to be seen through a window.
    start=start_from_orbit(50_000 * FOOT, 1_698.3, 415_500.0, 8_248.0),
    navigation=LN_200S.navigation(0.2, altitude_error=Range(-1_000.0, 1_000.0)),  # [P]; PGNCS was some 3 000 ft off [R]
    sensors=(APOLLO_LANDING_RADAR,),
    limits=Limits(descent_rate=10 * FOOT, lateral_speed=4 * FOOT, tilt=radians(12.0)),  # [R]
)
PLAN = FlightPlan(
    heights=(0.0, 20.0, 150 * FOOT, 500 * FOOT, 1_500.0),
    rates=(0.6, 3 * FOOT, 1.5, 4.9, 30.0),
    source="low gate 500 ft, 3 ft/s in the end [V2: NSF]; 16 ft/s at low gate [R]; upright from 1.5 km [P]",
)
GEAR_CHECKS = (
    Check(
        "vertical speed at touchdown",
        "m/s",
        10 * FOOT,
        0.0,
        10 * FOOT,
        "at most, gear [R]",
        measures.at_touchdown("descent_rate"),
    ),
    Check(
        "lateral speed at touchdown",
        "m/s",
        4 * FOOT,
        0.0,
        4 * FOOT,
        "at most, gear [R]",
        measures.at_touchdown("lateral_speed"),
    ),
    Check("landed", "share", 1.0, 0.9, 1.0, "[V2: WIKI]", measures.share(Outcome.LANDED)),
)

APOLLO_11 = Mission(
    title="Apollo 11",
    date="1969-07-20",
    story="Program alarms, a long manual divert, 25 s of propellant left; 0.55 m/s down, 0.67 across [V2, weak: FFN]",
    flown=APOLLO_11_DESCENT,
    planned=None,
    plan=PLAN,
    checks=GEAR_CHECKS,
)
APOLLO_12 = Mission(
    title="Apollo 12",
    date="1969-11-19",
    story="Pinpoint; the dust hid the ground from 12 m [V2: ASTX]",
    flown=change(
        APOLLO_11_DESCENT,
        {
            "name": "apollo_12",
            "summary": "Apollo 12: the same with dust below 30 m",
            "faults.dust": {"probability": 1.0, "height": 30.0},
        },
    ),
    planned=None,
    plan=PLAN,
    checks=GEAR_CHECKS,
)
APOLLO_15 = Mission(
    title="Apollo 15",
    date="1971-07-30",
    story="Blind below 15-18 m [V2: WOTM], onto the rim of a small crater",
    flown=change(
        APOLLO_11_DESCENT,
        {
            "name": "apollo_15",
            "summary": "Apollo 15: to the highlands, with dust below 18 m",
            "terrain": HIGHLAND,
            "faults.dust": {"probability": 1.0, "height": 18.0},
        },
    ),
    planned=None,
    plan=PLAN,
    checks=GEAR_CHECKS,
)
