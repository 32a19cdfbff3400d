"""Chandrayaan-2's Vikram, 6 September 2019: more thrust than expected, and an attitude that turned too slowly.

The velocity fell by more than designed in the second phase [V2: LS]; thrust higher than expected, a guidance not made
for large dispersions, an attitude-rate limit too low, a small target area [V2: SOM]. About 50 m/s at 2.1 km
[V2: HINDU]; a hard landing within 500 m of the site [V2: LS].
"""

from lunar_env.changes import change
from lunar_env.faults.kinds import Faults, ThrustDeviation
from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import HIGHLAND, engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import NAVIGATION_DOPPLER_LIDAR, STIM300, TEAMINDUS_LONG_RANGE_LASER
from lunar_env.task import Outcome
from lunar_env.terrain.contact import Gear

MASS = cylinder(626.0, 1.2, 1.2)  # dry [R]; size [R]

PLANNED = whole_descent(
    name="chandrayaan_2_planned",
    summary="Chandrayaan-2 with the thrust and the turning that were expected: from 30 km",
    mass=MASS,
    engine=engine(4_000.0, 315.0, 0.08),  # 5 x 800 N [R]; [s] [P]; engines can be switched
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=1.0, foot_distance=1.2),  # [P]
    start=start_from_orbit(30_000.0, 1_683.0, 438_000.0, 830.0),  # [V2: LS]; 1 471 kg at launch [V2: WIKI] less some
    navigation=STIM300.navigation(0.3, altitude_error=Range(-200.0, 200.0)),  # [P]
    sensors=(TEAMINDUS_LONG_RANGE_LASER, NAVIGATION_DOPPLER_LIDAR),  # for its laser and Ka-band altimeters [P]
    terrain=HIGHLAND,
)
FLOWN = change(
    PLANNED,
    {
        "name": "chandrayaan_2",
        "summary": "Chandrayaan-2 as it flew: a tenth more thrust, a tenth of the turning rate",
        "faults": Faults(thrust_deviation=ThrustDeviation(probability=1.0, excess=0.1, sluggish=0.9)),
    },
)

CHANDRAYAAN_2 = Mission(
    title="Chandrayaan-2",
    date="2019-09-06",
    story="More thrust than expected and too slow a turn: still fast at 2 km, a hard landing 500 m from the site",
    flown=FLOWN,
    planned=PLANNED,
    plan=FlightPlan(
        heights=(0.0, 10.0, 150.0, 2_000.0),
        rates=(1.3, 1.3, 5.0, 50.0),
        source="[P], of Chandrayaan-3's kind",
    ),
    checks=(
        Check(
            "rate of descent at 2.1 km",
            "m/s",
            50.0,
            40.0,
            60.0,
            "[V2: HINDU]",
            measures.passing(2_100.0, "descent_rate"),
        ),
        Check("landed", "share", 0.0, 0.0, 0.0, "[V2: LS]", measures.share(Outcome.LANDED)),
    ),
)
