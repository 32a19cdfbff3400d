"""Beresheet, 11 April 2019: a computer restart at 14 km that put the engine out.

An inertial unit failed at 14 km, the reset led to a restart of the computer and the main engine went off; five or six
attempts to restart it [V2: BER]. Telemetry ends at about 150 m and 500 km/h [V2: BER], of vertical speed.
"""

from lunar_env.changes import change
from lunar_env.faults.kinds import EngineCut, Faults
from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import NAVIGATION_DOPPLER_LIDAR, STIM300, TEAMINDUS_LONG_RANGE_LASER
from lunar_env.task import Limits
from lunar_env.terrain.contact import Gear

MASS = cylinder(150.0, 1.0, 1.5)  # dry [V2: WIKI]; about 2 m wide, 1.5 m tall [R]

PLANNED = whole_descent(
    name="beresheet_planned",
    summary="Beresheet with an engine that stays on: from 25 km to Mare Serenitatis",
    mass=MASS,
    engine=engine(440.0, 318.0, 0.3),  # LEROS of the 400 N class [R]; on or off in flight, throttled here [P]
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=0.8, foot_distance=0.9),  # [P]
    start=start_from_orbit(
        25_000.0, 1_670.0, 1_000_000.0, 190.0, descent_rate=Range(20.0, 24.0)
    ),  # [V2: TOI]; propellant [C] from 2 450 m/s
    navigation=STIM300.navigation(0.3, altitude_error=Range(-200.0, 200.0)),  # [P]
    sensors=(TEAMINDUS_LONG_RANGE_LASER, NAVIGATION_DOPPLER_LIDAR),  # for its lasers [P]
    time_limit=1_800.0,
    extent=1_500_000.0,
    limits=Limits(descent_rate=5.0),  # [P]: the engine is cut at 5 m [V2: TOI], a fall of 4 m/s
)
FLOWN = change(
    PLANNED,
    {
        "name": "beresheet",
        "summary": "Beresheet as it flew: engine out at 14 km",
        "faults": Faults(engine_cut=EngineCut(probability=1.0, below=14_000.0, loss=1.0)),
    },
)

BERESHEET = Mission(
    title="Beresheet",
    date="2019-04-11",
    story="Inertial unit failed at 14 km; the reset restarted the computer, and the engine was out",
    flown=FLOWN,
    planned=PLANNED,
    plan=FlightPlan(
        heights=(0.0, 10.0, 30.0, 1_500.0),
        rates=(1.0, 1.0, 2.0, 35.0),
        cut=5.0,
        diving_rate=40.0,  # which 139 m/s at 150 m asks for, with the engine out at 14 km [C]
        diving_until=13_500.0,
        source="engine cut at 5 m [V2: TOI]; the rest [P]",
    ),
    checks=(
        Check(
            "vertical speed at 150 m", "m/s", 139.0, 125.0, 153.0, "[V2: BER]", measures.passing(150.0, "descent_rate")
        ),
    ),
)
