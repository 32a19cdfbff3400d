"""Surveyor 1 to 7, 1966-68: straight down on three verniers after a solid retro.

After the retro about 110 m/s at 11 km; verniers cut at 3.4 m, about 3 m/s at the ground; 294-306 kg at landing
[V2: WIKI]; three verniers of 30 to 104 lbf [V2: HR]; 1.5 m/s below 13 m [R]. Surveyor 3's verniers were not cut and it
bounced twice [R].
"""

from lunar_env.changes import change
from lunar_env.faults.kinds import Faults, MissedTouchdown
from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import MARE, dispersed, engine, whole_descent
from lunar_env.quantities import Range
from lunar_env.scenario import Start
from lunar_env.sensors.devices import APOLLO_LANDING_RADAR, STIM300
from lunar_env.sensors.range_finder import RangeFinder
from lunar_env.task import Limits, Outcome
from lunar_env.terrain.contact import Gear
from lunar_env.vehicle.control import Guidance

POUND = 4.44822  # [N]
MASS = cylinder(290.0, 1.2, 1.5)  # below its landing mass [V2: WIKI]; size [R]
RADVS = RangeFinder(  # radar altimeter and Doppler velocity sensor of four beams [V2: WIKI]; numbers [P]
    name="landing_radar",
    beams=4,
    half_angle=APOLLO_LANDING_RADAR.half_angle,
    doppler=True,
    period=0.1,
    delay=0.1,
    maximum_range=15_000.0,
    noise=0.5,
    noise_growth=0.005,
    speed_noise=0.1,
)

PLANNED = whole_descent(
    name="surveyor",
    summary="Surveyor after its retro: 11 km straight down on three verniers",
    mass=MASS,
    engine=engine(3 * 104 * POUND, 290.0, round(30 / 104, 3)),  # [V2: HR]; [s] [P]
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=1.0, foot_distance=1.5),  # [P]; legs 4.3 m apart [R]
    start=Start(
        altitude=dispersed(11_000.0, 300.0),  # [V2: WIKI]
        descent_rate=dispersed(110.0, 5.0),  # [V2: WIKI]
        speed=Range(-5.0, 5.0),  # [P]
        cross_speed=Range(-5.0, 5.0),
        propellant=dispersed(45.0, 1.0),  # [P]
    ),
    navigation=STIM300.navigation(altitude_error=Range(-500.0, 500.0)),  # [P]: it had no better than radar
    sensors=(RADVS,),
    terrain=MARE,
    guidance=Guidance(maximum_descent_rate=150.0),
    limits=Limits(descent_rate=4.5, lateral_speed=2.0),  # [P]: legs for a fall of 3.4 m
    time_limit=600.0,
    ceiling=15_000.0,
    extent=10_000.0,
    top_speed=200.0,
)
THIRD = change(
    PLANNED,
    {
        "name": "surveyor_3",
        "summary": "Surveyor 3: touchdown unnoticed, two bounces",
        "faults": Faults(missed_touchdown=MissedTouchdown(probability=1.0, hold=3.0)),
    },
)

PLAN = FlightPlan(
    heights=(0.0, 13.0, 300.0, 5_000.0, 11_000.0),
    rates=(1.5, 1.5, 25.0, 108.0, 110.0),
    cut=3.4,
    source="110 m/s at 11 km, cut at 3.4 m [V2: WIKI]; 1.5 m/s below 13 m [R]",
)
SURVEYOR = Mission(
    title="Surveyor 1, 5, 6, 7",
    date="1966-06-02",
    story="Five of seven landed; verniers cut at 3.4 m",
    flown=PLANNED,
    planned=None,
    plan=PLAN,
    checks=(
        Check(
            "vertical speed at touchdown",
            "m/s",
            3.0,
            2.6,
            4.2,
            "[V2: WIKI]; 3.6 from 1.5 m/s and 3.4 m [C]",
            measures.at_touchdown("descent_rate"),
        ),
        Check("landed", "share", 1.0, 0.9, 1.0, "[V2: WIKI]", measures.share(Outcome.LANDED)),
    ),
)
SURVEYOR_3 = Mission(
    title="Surveyor 3",
    date="1967-04-20",
    story="Verniers were not cut at touchdown; bounced twice and stayed whole [R]",
    flown=THIRD,
    planned=PLANNED,
    plan=FlightPlan(PLAN.heights, PLAN.rates, source="the same without the cut, which its radar lost [R]"),
    checks=(Check("landed at last", "share", 1.0, 0.9, 1.0, "[R]", measures.share(Outcome.LANDED)),),
)
