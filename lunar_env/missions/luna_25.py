"""Luna-25, 19 August 2023: a burn of 127 s instead of 84 s, and an orbit that met the ground.

The pre-landing burn was to end at a speed that the accelerometers count; their unit was not switched on, so the timer
ended it [V2: SNL]. The burn was to lower an orbit of 100 km to one of 18 km on its far side [R]: 18.6 m/s [C]; half as
much again, 28 m/s, puts the lowest point 21 km below the ground [C].
"""

from lunar_env.changes import change
from lunar_env.faults.kinds import DeadAccelerometer, Faults
from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import OrbitPlan
from lunar_env.missions.whole_descent import HIGHLAND, engine, whole_descent
from lunar_env.quantities import Range
from lunar_env.scenario import Start
from lunar_env.sensors.devices import TEAMINDUS_LONG_RANGE_LASER
from lunar_env.sensors.inertial import Navigation
from lunar_env.task import Outcome
from lunar_env.terrain.contact import Gear
from lunar_env.vehicle.control import Guidance

MASS = cylinder(605.0, 1.2, 2.0)  # [R]
BURN = 18.6  # [m/s] [C]

PLANNED = whole_descent(
    name="luna_25_planned",
    summary="Luna-25 with its accelerometers on: from a circular orbit at 100 km, by way of 18 km, to the ground",
    mass=MASS,
    engine=engine(4_500.0, 315.0, 0.02, thrust_scale=1.0),  # [R]; small enough for the burn of a fifth of a m/s^2
    attitude=reaction_control(MASS),
    gear=Gear(centre_height=1.2, foot_distance=1.3),  # [P]
    start=Start(
        altitude=100_000.0,
        distance=Range(5_000_000.0, 5_010_000.0),  # 165 degrees before the site [P]
        speed=1_633.5,  # circular [C]
        descent_rate=0.0,
        tilt=1.57,
        propellant=Range(930.0, 950.0),  # [R] 1 750 kg at launch, less the way to the Moon
    ),
    navigation=Navigation(),  # tracked from the ground; an altitude error would grow a hundredfold in an hour
    sensors=(TEAMINDUS_LONG_RANGE_LASER,),  # stands in for its Doppler radar [P]
    terrain=HIGHLAND,
    # A slow lateral loop, so that the burn is as strong for accelerometers that count nothing as for those that do.
    guidance=Guidance(maximum_descent_rate=200.0, maximum_lateral_speed=2_500.0, lateral_limit=5.0, lateral_time=20.0),
    time_limit=5_000.0,
    ceiling=130_000.0,
    extent=2_500_000.0,
)
FLOWN = change(
    PLANNED,
    {
        "name": "luna_25",
        "summary": "Luna-25 as it flew: accelerometers off",
        "faults": Faults(dead_accelerometer=DeadAccelerometer(probability=1.0, loss=1.0)),
    },
)

LUNA_25 = Mission(
    title="Luna-25",
    date="2023-08-19",
    story="Accelerometers not switched on: the pre-landing burn ran 127 s instead of 84 s, into the ground",
    flown=FLOWN,
    planned=PLANNED,
    plan=OrbitPlan(
        heights=(0.0, 10.0, 30.0, 2_000.0),
        rates=(1.5, 1.5, 3.0, 50.0),
        source="burn of 84 s, timer of 127 s [V2: SNL]; the rest [P]",
        braked=15.0,  # what the slow lateral loop leaves time for
        burn_speed=BURN,
        burn_time=84.0,
        burn_limit=127.0,
        ignition=416_000.0,
    ),
    checks=(
        Check("length of the burn", "s", 127.0, 126.0, 129.0, "[V2: SNL]", measures.burn),
        Check("from ignition to the ground", "min", 47.0, 38.0, 52.0, "14:10 to 14:57 [R]", measures.minutes),
        Check("crashed", "share", 1.0, 1.0, 1.0, "[V2: SNL]", measures.share(Outcome.CRASHED)),
    ),
)
