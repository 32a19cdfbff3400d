"""Schiaparelli (2016) and Mars Polar Lander (1999): two failures of Mars whose lessons are the Moon's as well.

Gravity and radius are Mars's; there is no air here, so both are flown from where their engines take over.

Schiaparelli: a gyro at its limit for about a second put the believed attitude so far off that the computed altitude was
negative; parachute dropped, thrusters on for 3 s only, ground mode at 3.7 km; about 150 m/s at the ground [V2: SCH].
Mars Polar Lander: a touchdown flag latched when the legs opened was read from 40 m on and cut the engines; 22 m/s at
the ground [V2: MPL].
"""

from math import radians

from lunar_env.changes import change
from lunar_env.faults.kinds import Faults, GyroSaturation, SpuriousTouchdown
from lunar_env.missions import measures
from lunar_env.missions.mission import Check, Mission, cylinder, reaction_control
from lunar_env.missions.plan import FlightPlan
from lunar_env.missions.whole_descent import dispersed, engine, whole_descent
from lunar_env.quantities import Range
from lunar_env.scenario import Start
from lunar_env.sensors.devices import STIM300
from lunar_env.sensors.range_finder import RangeFinder
from lunar_env.task import Limits, Outcome
from lunar_env.terrain.contact import Gear
from lunar_env.terrain.surface import Terrain
from lunar_env.vehicle.control import Guidance
from lunar_env.vehicle.dynamics import Moon

MARS = Moon(surface_gravity=3.71, radius=3_389_500.0)  # [R]
RADAR = RangeFinder(delay=0.1, maximum_range=10_000.0, noise=0.5, noise_growth=0.005)  # Doppler radars; numbers [P]
REGION = {"time_limit": 300.0, "ceiling": 8_000.0, "extent": 20_000.0, "top_speed": 200.0, "decision_period": 0.5}
GROUND = Terrain(relief=Range(0.0, 20.0), phase_x=Range(0.0, 6.28), phase_y=Range(0.0, 6.28))

SCHIAPARELLI_MASS = cylinder(280.0, 1.2, 1.0)  # 280 kg at landing [R]
SCHIAPARELLI_PLANNED = whole_descent(
    name="schiaparelli_planned",
    summary="Schiaparelli's thrusters with a gyro that stays within its range",
    moon=MARS,
    mass=SCHIAPARELLI_MASS,
    engine=engine(3_600.0, 220.0, 0.05),  # nine thrusters of 400 N, pulsed [R]
    attitude=reaction_control(SCHIAPARELLI_MASS),
    gear=Gear(centre_height=0.7, foot_distance=1.0),  # [P]
    start=Start(
        altitude=dispersed(3_800.0, 50.0),  # where the parachute went, [V2: SCH] and a little
        descent_rate=dispersed(90.0, 5.0),  # on its parachute [P]
        propellant=dispersed(46.0, 2.0),  # [R]
    ),
    navigation=STIM300.navigation(altitude_error=Range(-100.0, 100.0)),  # [P]
    sensors=(RADAR,),
    terrain=GROUND,
    guidance=Guidance(maximum_descent_rate=200.0),
    limits=Limits(descent_rate=4.0),  # [P]: a crushable structure in place of legs [R]
    **REGION,
)
SCHIAPARELLI_FLOWN = change(
    SCHIAPARELLI_PLANNED,
    {
        "name": "schiaparelli",
        "summary": "Schiaparelli as it flew: a second of gyro saturation, altitude believed negative",
        "faults": Faults(gyro_saturation=GyroSaturation(probability=1.0, onset=2.0, duration=1.0, rate=radians(165.0))),
    },
)
SCHIAPARELLI = Mission(
    title="Schiaparelli",
    date="2016-10-19",
    story="A gyro at its limit for a second; altitude believed negative, so thrusters off at 3.7 km",
    flown=SCHIAPARELLI_FLOWN,
    planned=SCHIAPARELLI_PLANNED,
    plan=FlightPlan(
        heights=(0.0, 7.0, 1_200.0, 3_800.0),
        rates=(1.5, 1.5, 85.0, 115.0),
        lead=1.5,
        navigation="slant",
        cut=1.0,
        source="thrusters off near the ground [R]; rates [P]",
    ),
    checks=(
        Check(
            "lowest believed altitude",
            "m",
            0.0,
            -9_000.0,
            -10.0,
            "below that [V2: SCH]; how far is not published",
            measures.lowest_belief,
        ),
        Check(
            "speed at the ground",
            "m/s",
            150.0,
            127.0,
            200.0,
            "[V2: SCH]; without air faster, 166 from rest at 3.7 km [C]",
            measures.impact_speed,
        ),
    ),
)

POLAR_MASS = cylinder(290.0, 1.2, 1.1)  # 290 kg at landing [R]
POLAR_PLANNED = whole_descent(
    name="mars_polar_lander_planned",
    summary="Mars Polar Lander with a touchdown sensor that waits for the ground",
    moon=MARS,
    mass=POLAR_MASS,
    engine=engine(3_190.0, 225.0, 0.05),  # twelve engines of 266 N, pulsed [R]
    attitude=reaction_control(POLAR_MASS),
    gear=Gear(centre_height=0.7, foot_distance=1.1),  # [P]
    start=Start(
        altitude=dispersed(1_800.0, 50.0),  # engines on at 1.4 km [R], and a little
        descent_rate=dispersed(80.0, 4.0),  # [R]
        propellant=dispersed(50.0, 2.0),  # [P]
    ),
    navigation=STIM300.navigation(altitude_error=Range(-100.0, 100.0)),  # [P]
    sensors=(RADAR,),
    terrain=GROUND,
    **REGION,
)
POLAR_FLOWN = change(
    POLAR_PLANNED,
    {
        "name": "mars_polar_lander",
        "summary": "Mars Polar Lander as it probably flew: engines cut at 40 m",
        "faults": Faults(spurious_touchdown=SpuriousTouchdown(probability=1.0, below=40.0)),
    },
)
MARS_POLAR_LANDER = Mission(
    title="Mars Polar Lander",
    date="1999-12-03",
    story="A touchdown flag left over from the legs' opening cut the engines at 40 m",
    flown=POLAR_FLOWN,
    planned=POLAR_PLANNED,
    plan=FlightPlan(
        heights=(0.0, 12.0, 40.0, 1_400.0),
        rates=(2.4, 2.4, 13.0, 75.0),
        lead=1.0,
        source="2.4 m/s below 12 m, 13 m/s at 40 m [R], which 22 m/s at the ground asks for [C]",
    ),
    checks=(
        Check("speed at the ground", "m/s", 22.0, 20.0, 24.0, "[V2: MPL]", measures.impact_speed),
        Check("crashed", "share", 1.0, 1.0, 1.0, "[V2: MPL]", measures.share(Outcome.CRASHED)),
    ),
)
