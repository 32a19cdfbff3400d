"""First lessons: the same vehicle and ground, with less to think about. All numbers [P] unless the vehicle's own."""

from math import radians

from lunar_env.quantities import Range
from lunar_env.scenario import Scenario, Start
from lunar_env.sensors.range_finder import RangeFinder

VERTICAL = Scenario(
    name="vertical",
    summary="The last kilometre straight down with a throttle, a noisy altimeter and a fifth of a second of lag",
    control="throttle",
    start=Start(altitude=Range(800.0, 1_200.0), descent_rate=Range(30.0, 50.0), propellant=Range(40.0, 60.0)),
    sensors=(RangeFinder(delay=0.2, noise=0.5, noise_growth=0.005, maximum_range=3_000.0),),
    decision_period=0.5,
    time_limit=120.0,
    ceiling=1_500.0,
    extent=1_000.0,
    top_speed=100.0,
)

PLANAR = Scenario(
    name="planar",
    summary="The last kilometre in a plane, with a throttle and a pitch rate: Lunar Lander with units",
    control="planar",
    start=Start(
        altitude=Range(800.0, 1_200.0),
        distance=Range(100.0, 300.0),
        speed=Range(5.0, 15.0),
        descent_rate=Range(25.0, 35.0),
        tilt=Range(0.0, radians(15.0)),
        propellant=Range(50.0, 60.0),
    ),
    sensors=(RangeFinder(delay=0.2, noise=0.5, noise_growth=0.005, maximum_range=3_000.0),),
    decision_period=0.5,
    time_limit=150.0,
    ceiling=1_500.0,
    extent=2_000.0,
    top_speed=100.0,
)
