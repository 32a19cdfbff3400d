"""SLIM, 19 January 2024: a pinpoint landing on one of two engines, on its nose.

At about 50 m one of the two main engines lost its nozzle; the other one landed the vehicle with 1.4 m/s of vertical
speed, inside its specification, with lateral speed and attitude outside [V2: JAXA-news].
"""

from dataclasses import replace

from lunar_env.changes import change
from lunar_env.faults.kinds import EngineLoss, Faults
from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import HIGHLAND, engine, start_from_orbit, whole_descent
from lunar_env.quantities import Range
from lunar_env.sensors.devices import NAVIGATION_DOPPLER_LIDAR, SLIM_PULSE_RADAR, STIM300
from lunar_env.task import Limits, Outcome
from lunar_env.terrain.contact import Gear
from lunar_env.vehicle.control import Guidance

MASS = cylinder(190.0, 1.2, 1.7)  # dry [V: NSSDC]; 2.4 x 1.7 x 2.7 m [R]

# The same radar's beams for velocity [R]; numbers [P].
VELOCITY_RADAR = replace(
    NAVIGATION_DOPPLER_LIDAR, name="velocity_radar", beams=4, maximum_range=3_500.0, speed_noise=0.1
)

PLANNED = whole_descent(
    name="slim_planned",
    summary="SLIM with both engines to the ground: from 15 km to a slope near Shioli",
    mass=MASS,
    engine=engine(1_000.0, 320.0, 0.1),  # 2 x 500 N [V: NSSDC]; [s], pulse-modulated, so that little is possible [R]
    attitude=reaction_control(MASS, bandwidth=0.5, rate_bandwidth=1.5),  # [P]
    gear=Gear(centre_height=0.9, foot_distance=0.8),  # [P]
    start=start_from_orbit(15_000.0, 1_700.0, 509_000.0, 188.0),  # [V2: ISKY]; propellant [C] from 1 900 m/s
    navigation=STIM300.navigation(0.3, altitude_error=Range(-300.0, 300.0)),  # [P]
    sensors=(SLIM_PULSE_RADAR, VELOCITY_RADAR),
    terrain=HIGHLAND,
    # Quick enough that half of the thrust still holds the rate: what it is off by grows with this time [P].
    guidance=Guidance(maximum_descent_rate=200.0, lateral_limit=5.0, vertical_time=0.7),
    limits=Limits(descent_rate=3.0, lateral_speed=1.0),  # [P] as Chandrayaan-3's
)
FLOWN = change(
    PLANNED,
    {
        "name": "slim",
        "summary": "SLIM as it flew: one of two engines lost at 50 m",
        # Half the thrust, pushing beside the centre of mass: its autopilot holds it, but leans and drifts [P].
        "faults": Faults(engine_loss=EngineLoss(probability=1.0, below=50.0, loss=0.5, offset=0.05)),
    },
)

SLIM = Mission(
    title="SLIM",
    date="2024-01-19",
    story="One of two engines lost its nozzle at 50 m; landed on the other, on its nose",
    flown=FLOWN,
    planned=PLANNED,
    plan=FlightPlan(
        heights=(0.0, 5.0, 50.0, 3_500.0),
        rates=(1.4, 1.4, 2.0, 70.0),
        trim=0.3,  # its computer noticed the loss and went on with one engine
        source="vertical phase from about 3.5 km [V2: JST], obstacle avoidance at 50 m [V2: LHN]; rates [P]",
    ),
    checks=(
        Check(
            "vertical speed at touchdown",
            "m/s",
            1.4,
            0.9,
            1.9,
            "[V2: JAXA-news]",
            measures.at_touchdown("descent_rate"),
        ),
        Check(
            "lateral speed at touchdown",
            "m/s",
            1.0,
            1.0,
            9.0,
            "above its specification [V2: JAXA-news]; the box of 1 m/s is [P], 9 m/s doubtful [V2: KB]",
            measures.at_touchdown("lateral_speed"),
        ),
        Check("tipped over", "share", 1.0, 0.8, 1.0, "[V2: JAXA-news]", measures.share(Outcome.TIPPED_OVER)),
    ),
)
