"""Chang'e 3, 4 and 5: three landings from 15 km with one throttled engine of 7.5 kN.

Continuously throttled from 1.5 to 7.5 kN [V2: XIN]; hover at 100 m, engine off at 4 m on Chang'e 3 [V: NSSDC];
Chang'e 5 met the ground with 1.99 m/s down, 0.0085 m/s across, 0.2 degrees from vertical [V: ZHANG21].
"""

from math import radians

from lunar_env.changes import change
from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import HIGHLAND, engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import LN_200S, NAVIGATION_DOPPLER_LIDAR, TEAMINDUS_LONG_RANGE_LASER
from lunar_env.task import Limits, Outcome
from lunar_env.terrain.contact import Gear

MASS = cylinder(1_200.0, 1.8, 2.5)  # landed [V2: XIN]; size [R]
CE_5_MASS = cylinder(1_850.0, 1.8, 3.0)  # 3 800 kg [R] less what was burnt, less a reserve

CE_3 = whole_descent(
    name="chang_e_3",
    summary="Chang'e 3: from 15 km to Mare Imbrium",
    mass=MASS,
    engine=engine(7_500.0, 308.0, 0.2),  # 1.5 to 7.5 kN [V2: XIN], [s] [R]
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=1.6, foot_distance=2.0),  # [P]
    start=start_from_orbit(15_000.0, 1_692.0, 437_000.0, 1_500.0),  # 1 301 kg are the least [C]
    navigation=LN_200S.navigation(0.2, altitude_error=Range(-200.0, 200.0)),  # [P]
    sensors=(TEAMINDUS_LONG_RANGE_LASER, NAVIGATION_DOPPLER_LIDAR),  # for laser altimeter and microwave velocity [P]
    limits=Limits(descent_rate=5.0),  # [P]: the fall from 4 m alone is 3.6 m/s [C]
)
CE_4 = change(
    CE_3,
    {
        "name": "chang_e_4",
        "summary": "Chang'e 4: to the rough far side",
        "terrain": HIGHLAND,
    },
)
CE_5 = change(
    CE_3,
    {
        "name": "chang_e_5",
        "summary": "Chang'e 5: to Oceanus Procellarum with a vehicle to bring rock back",
        "mass": CE_5_MASS,
        "attitude": reaction_control(CE_5_MASS),
        # 1 898 kg used in the descent [V: ZHANG21], and 52 kg left [P].
        "start": start_from_orbit(15_000.0, 1_692.0, 637_500.0, 1_990.0),
        "limits": Limits(),
    },
)

CUT_PLAN = FlightPlan(
    heights=(0.0, 10.0, 30.0, 100.0, 2_400.0),
    rates=(1.0, 1.0, 2.0, 8.0, 60.0),
    cut=4.0,
    source="hover at 100 m, engine off at 4 m [V: NSSDC]; 2.4 km [R]; rates [P]",
)
CHANG_E_3 = Mission(
    title="Chang'e 3",
    date="2013-12-14",
    story="Hovered at 100 m, engine off at 4 m, landed",
    flown=CE_3,
    planned=None,
    plan=CUT_PLAN,
    checks=(
        Check(
            "vertical speed at touchdown",
            "m/s",
            3.6,
            3.4,
            4.4,
            "fall from 4 m [C]",
            measures.at_touchdown("descent_rate"),
        ),
        Check("landed", "share", 1.0, 0.9, 1.0, "[V: NSSDC]", measures.share(Outcome.LANDED)),
    ),
)
CHANG_E_4 = Mission(
    title="Chang'e 4",
    date="2019-01-03",
    story="Landed on the far side, on a slope of about 4 degrees",
    flown=CE_4,
    planned=None,
    plan=CUT_PLAN,
    checks=(Check("landed", "share", 1.0, 0.9, 1.0, "[V2: WU21]", measures.share(Outcome.LANDED)),),
)
CHANG_E_5 = Mission(
    title="Chang'e 5",
    date="2020-12-01",
    story="Landed softly and straight",
    flown=CE_5,
    planned=None,
    plan=FlightPlan(
        heights=(0.0, 30.0, 100.0, 2_500.0),
        rates=(2.0, 2.0, 6.0, 60.0),
        source="2.5 km and 100 m [V2: CD]; 2 m/s at the ground [V: ZHANG21]",
    ),
    checks=(
        Check(
            "vertical speed at touchdown", "m/s", 1.99, 1.7, 2.3, "[V: ZHANG21]", measures.at_touchdown("descent_rate")
        ),
        Check(
            "lateral speed at touchdown",
            "m/s",
            0.0085,
            0.0,
            0.1,
            "[V: ZHANG21]",
            measures.at_touchdown("lateral_speed"),
        ),
        Check(
            "tilt at touchdown", "rad", radians(0.2), 0.0, radians(1.0), "[V: ZHANG21]", measures.at_touchdown("tilt")
        ),
        Check(
            "propellant used", "kg", 1_898.0, 1_708.0, 2_088.0, "[V: ZHANG21]", measures.at_touchdown("propellant_used")
        ),
        Check("landed", "share", 1.0, 0.9, 1.0, "[V: ZHANG21]", measures.share(Outcome.LANDED)),
    ),
)
