"""The test sets of a published learned guidance, rebuilt as far as they are published: Gaudet, Linares, Furfaro 2020.

"Adaptive guidance and integrated navigation with reinforcement meta-learning", 3-DoF [V: GNAV]: 2 000 kg, 2 to 15 kN,
specific impulse 210 s, downrange 0 to 2 000 m at -70 to -10 m/s, cross-range +-1 000 m at +-30 m/s, altitude 2 300 to
2 400 m at -90 to -70 m/s, a decision every 0.2 s, integration at 0.05 s, perfect state. Assumed of all sets [P]:

- nominal means nominal: no dispersion of gravity and mass, which the paper varies by 5 and 5 to 10 % elsewhere;
- a flat Mars with 3.7114 m/s^2, level ground, and tanks that outlast the descent;
- their point mass thrusts where it likes at once; here the vehicle turns there within a fifth of a second, and neither
  tilt nor rate counts at touchdown.

Of the sets that the paper makes harder, by the authors' code [V: GNAV]:

- ``gaudet_sensor_bias``: the pilot is shown x + b |x| for each axis of position and velocity, b within +-10 % and drawn
  once per descent. Here as there it has nothing else to go by: the altimeter sees nothing.
- ``gaudet_engine_failure``: the engine gives 4 to 24 kN, and half of the descents have a damaged one from the start.
  There the vertical thrust is divided by 1.5 and one lateral axis, x or y, by 2, or by 2.5 in a notebook whose figures
  are those of the paper; here all thrust is halved [P], which leaves less than theirs but on that one axis.
- ``gaudet_beams``: four beams on a cone of 22.5 degrees, ranges to 10 km in steps of 1 m and closing speeds. Nothing
  else is shown, not even the attitude, but for the command that is in force. There the head turns with the velocity,
  and measures at each decision; here it is fixed to the body, and its clock keeps no step with the decisions, so a
  reading is up to 0.15 s old [P]. Their elevation model of 10.5 by 8 km has 383 m of relief; here it is the procedural
  highland at a scale with as much [C], and the lander meets the ground that the beams saw, not a plane.
"""

from math import radians

from lunar_env.changes import change
from lunar_env.faults.kinds import with_fault
from lunar_env.missions.mission import FULL_TURN
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario, Start
from lunar_env.sensors.inertial import Navigation
from lunar_env.sensors.range_finder import RangeFinder
from lunar_env.task import Limits
from lunar_env.terrain.contact import Gear
from lunar_env.terrain.surface import Terrain
from lunar_env.vehicle.actuators import Attitude
from lunar_env.vehicle.dynamics import Engine, Mass, Moon

NOMINAL = Scenario(
    name="gaudet_nominal",
    summary="The nominal 3-DoF set of Gaudet's meta-learning paper: Mars, 2 t, perfect state, a pad to reach",
    moon=Moon(surface_gravity=3.7114, radius=1e12),
    mass=Mass(dry=1_500.0, inertia_transverse=1_000.0, inertia_axial=1_000.0),  # 2 000 kg with propellant [V: GNAV]
    engine=Engine(  # 2 to 15 kN, 210 s [V: GNAV]; at once [P]
        maximum_thrust=15_000.0, specific_impulse=210.0, minimum_throttle=2.0 / 15.0, shutdown=0.0, lag=0.0
    ),
    attitude=Attitude(maximum_torque=100_000.0, rate_limit=10.0, bandwidth=5.0, rate_bandwidth=15.0),
    start=Start(  # places and velocities [V: GNAV], propellant [P]
        altitude=Range(2_300.0, 2_400.0),
        distance=Range(0.0, 2_000.0),
        cross_distance=Range(-1_000.0, 1_000.0),
        speed=Range(10.0, 70.0),
        cross_speed=Range(-30.0, 30.0),
        descent_rate=Range(70.0, 90.0),
        propellant=500.0,
    ),
    limits=Limits(tilt=3.2, rate=100.0),  # a point mass has neither [P]
    control="thrust_vector",
    observation="truth",
    pad=True,
    tick=0.05,
    decision_period=0.2,
    time_limit=120.0,
    ceiling=4_000.0,
    extent=8_000.0,
    top_speed=150.0,
)

TENTH = Range(-0.1, 0.1)  # [V: GNAV]

SENSOR_BIAS = change(
    NOMINAL,
    {
        "name": "gaudet_sensor_bias",
        "summary": "Gaudet's set with sensor bias: what is shown of position and velocity is off by up to a tenth",
        "observation": "instruments",
        "navigation": Navigation(
            position_share_x=TENTH,
            position_share_y=TENTH,
            position_share_z=TENTH,
            velocity_share_x=TENTH,
            velocity_share_y=TENTH,
            velocity_share_z=TENTH,
        ),
        # There is none: its gate lets nothing pass [P].
        "sensors": (RangeFinder(minimum_range=1e6, maximum_range=1.0),),
    },
)

ENGINE_FAILURE = change(
    NOMINAL,
    {
        "name": "gaudet_engine_failure",
        "summary": "Gaudet's set with engine failure: in half of the descents half of the thrust is missing",
        # 4 to 24 kN, p = 0.5 [V: GNAV]; how much is lost [P]
        "engine.maximum_thrust": 24_000.0,
        "engine.minimum_throttle": 4.0 / 24.0,
        **with_fault("engine_loss", probability=0.5, loss=0.5),
    },
)

BEAMS = change(
    NOMINAL,
    {
        "name": "gaudet_beams",
        "summary": "Gaudet's altimeter-only set: four beams over rough ground, and nothing else to go by",
        "observation": "beams",
        "pad": False,  # nothing tells where it is
        "sensors": (  # four beams at 22.5 degrees, 10 km, 1 m, without noise [V: GNAV]; 5 Hz, at once [P]
            RangeFinder(
                beams=4,
                half_angle=radians(22.5),
                doppler=True,
                period=0.2,
                delay=0.0,
                maximum_range=10_000.0,
                detection_width=0.0,
                resolution=1.0,
            ),
        ),
        "terrain": Terrain(
            map="highland",
            roughness=0.34,  # [C] the median relief of 10.5 by 8 km of it is 1 136 m
            turn=FULL_TURN,
            shift_x=Range(-16_000.0, 16_000.0),
            shift_y=Range(-16_000.0, 16_000.0),
        ),
        "gear": Gear(centre_height=0.0),  # a point mass does not tip over
    },
)
