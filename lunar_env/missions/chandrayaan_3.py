"""Chandrayaan-3's Vikram, 23 August 2023: landed, built to land although things fail.

From 30 km and 1.68 km/s; 690 s later 7.4 km, 358 m/s along, 61 m/s down; fine braking to 800-1300 m, hover at 150 m for
some 30 s [V2: BHU]. Specified 2 m/s down and 0.5 m/s across [V2: ISROT], tested to 3.0 and 1.0 m/s [V2: HT].
"""

from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import HIGHLAND, engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import NAVIGATION_DOPPLER_LIDAR, STIM300, TEAMINDUS_LONG_RANGE_LASER
from lunar_env.task import Limits, Outcome
from lunar_env.terrain.contact import Gear

MASS = cylinder(700.0, 1.0, 1.2)  # [P]; at most 800 kg at landing [V2: HT]; 2 x 2 x 1.2 m [R]

FLOWN = whole_descent(
    name="chandrayaan_3",
    summary="Chandrayaan-3: from 30 km to the south polar highlands",
    mass=MASS,
    engine=engine(3_200.0, 300.0, 0.1),  # 4 x 800 N, MMH/MON-3 [V2: ISROT]; [s] [P]; engines can be switched
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=1.1, foot_distance=1.3),  # [P]
    start=start_from_orbit(30_000.0, 1_680.0, 657_500.0, 1_000.0),  # [V2: BHU]; propellant: 1 750 kg less dry, about
    navigation=STIM300.navigation(0.3, altitude_error=Range(-200.0, 200.0)),  # [P]
    sensors=(TEAMINDUS_LONG_RANGE_LASER, NAVIGATION_DOPPLER_LIDAR),  # for its laser and Ka altimeters, its velocimeter
    terrain=HIGHLAND,
    limits=Limits(descent_rate=3.0, lateral_speed=1.0),  # tested [V2: HT]
)

CHANDRAYAAN_3 = Mission(
    title="Chandrayaan-3",
    date="2023-08-23",
    story="Landed inside its specification",
    flown=FLOWN,
    planned=None,
    plan=FlightPlan(
        heights=(0.0, 10.0, 150.0, 1_300.0),
        rates=(1.3, 1.3, 5.0, 40.0),
        source="fine braking to 800-1300 m, 150 m [V2: BHU]; rates [P]",
    ),
    checks=(
        Check(
            "vertical speed at touchdown",
            "m/s",
            2.0,
            0.0,
            2.0,
            "at most, specification [V2: ISROT]",
            measures.at_touchdown("descent_rate"),
        ),
        Check(
            "lateral speed at touchdown",
            "m/s",
            0.5,
            0.0,
            0.5,
            "at most, specification [V2: ISROT]",
            measures.at_touchdown("lateral_speed"),
        ),
        Check("landed", "share", 1.0, 0.9, 1.0, "[V2: HT]", measures.share(Outcome.LANDED)),
    ),
)
