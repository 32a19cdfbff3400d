"""The test set of a published learned guidance, rebuilt as far as it is published: Gaudet, Linares, Furfaro 2020.

"Adaptive guidance and integrated navigation with reinforcement meta-learning", 3-DoF [V: GNAV]: 2 000 kg, 2 to 15 kN,
specific impulse 210 s, downrange 0 to 2 000 m, cross-range +-1 000 m, altitude 2 300 to 2 400 m, a decision every
0.2 s, integration at 0.05 s, perfect state. Assumed [P]:

- velocities as in the same authors' 6-DoF set [V: G20]: downrange -70 to -10 m/s, cross-range +-30, vertical -90 to
  -70;
- nominal means nominal: no dispersion of gravity and mass, which the paper varies by 5 and 5 to 10 % elsewhere;
- a flat Mars with 3.7114 m/s^2, level ground, and tanks that outlast the descent;
- their point mass thrusts where it likes at once; here the vehicle turns there within a fifth of a second, and neither
  tilt nor rate counts at touchdown.
"""

from lunar_env.actuators import Attitude
from lunar_env.dynamics import Engine, Mass, Moon
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario
from lunar_env.task import Limits
from lunar_env.world import Start

NOMINAL = Scenario(
    name="gaudet_nominal",
    summary="The nominal 3-DoF set of Gaudet's meta-learning paper: Mars, 2 t, perfect state, a pad to reach",
    moon=Moon(surface_gravity=3.7114, radius=1e12),
    mass=Mass(dry=1_500.0, inertia_transverse=1_000.0, inertia_axial=1_000.0),  # 2 000 kg with propellant [V: GNAV]
    engine=Engine(  # 2 to 15 kN, 210 s [V: GNAV]; at once [P]
        maximum_thrust=15_000.0, specific_impulse=210.0, minimum_throttle=2.0 / 15.0, lag=0.0
    ),
    attitude=Attitude(maximum_torque=100_000.0, rate_limit=10.0, bandwidth=5.0, rate_bandwidth=15.0),
    start=Start(  # places [V: GNAV], velocities [V: G20], propellant [P]
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
    tick=0.05,
    decision_period=0.2,
    time_limit=120.0,
    ceiling=4_000.0,
    extent=8_000.0,
    top_speed=150.0,
)
