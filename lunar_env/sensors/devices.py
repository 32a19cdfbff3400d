"""Real instruments by name: range finders and inertial units, with their data sheets' numbers and where they stand.

A scenario lists its range finders, ``sensors=(SERIES_1_LASER, NAVIGATION_DOPPLER_LIDAR)``, or names them in a file,
``sensors = ["series_1_laser"]``; a changed one is ``replace(SERIES_1_LASER, period=0.5)``. An inertial unit gives a
scenario's ``navigation``. Marks: [V] primary source, [V2] secondary, [R] recalled, [C] computed, [P] proposed by this
project; what carries no source is assumed, as most latencies and detection edges are.
"""

import difflib
from dataclasses import dataclass, field
from math import radians

from lunar_env.quantities import Number, Range
from lunar_env.sensors.inertial import Navigation
from lunar_env.sensors.range_finder import RangeFinder
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY

PER_HOUR = radians(1.0) / 3600.0  # [rad/s] in a degree per hour
PER_ROOT_HOUR = 1.0 / 60.0  # [1/sqrt(s)] in one per square root of an hour

SERIES_1_LASER = RangeFinder(
    # Laser range finder of the HAKUTO-R Series 1 class. Maker, rate, latency and noise are unpublished: all [P].
    period=0.1,
    delay=Range(0.1, 0.3),
    jitter=0.1,
    maximum_range=10_000.0,  # [V2: INNO] "between 10 and 3 km"
    closing_speed=300.0,
    noise=0.5,
    noise_growth=0.005,  # Apollo-like: 1.5 % + 1.52 m at 3 sigma [V: ELI]
    scale=Range(0.995, 1.005),
    resolution=0.1,
)

APOLLO_LANDING_RADAR = RangeFinder(
    # FM-CW radar of the lunar module: four beams, range at 10.51 GHz and Doppler at 9.58 GHz [V2: MD].
    name="landing_radar",
    beams=4,
    half_angle=radians(20.0),  # [P] a regular cone in place of the real, skew one
    azimuth=radians(45.0),
    doppler=True,
    period=1.0,  # [P]; read once in a guidance cycle of 2 s [V2: KLU]
    delay=0.1,
    maximum_range=13_716.0,  # usable from 45 000 ft as planned [V2: NSF]
    closing_speed=1e9,
    cant=radians(-24.0),  # antenna position 1, for the braking attitude; position 2 is 0 [V2: MD]
    noise=0.51,  # 3 sigma = 1.5 % + 1.52 m [V: ELI]
    noise_growth=0.005,
    resolution=0.33,  # 1.079 ft per bit on the low scale [R]
    speed_noise=0.5,  # [P]
)

NAVIGATION_DOPPLER_LIDAR = RangeFinder(
    # NASA's FM-CW lidar, as it flew on IM-1 [V: NDL-IM1].
    name="doppler_lidar",
    beams=3,
    half_angle=radians(22.5),  # [R]
    doppler=True,
    period=0.1,  # 20 Hz [R]; every tick of 0.1 s
    delay=0.1,
    maximum_range=4_000.0,  # more than 4 km [V2: NDL]
    noise=2.0,  # [V2: NDL]
    speed_noise=0.02,  # 2 cm/s [V2: NDL]
)

SLIM_PULSE_RADAR = RangeFinder(
    # C-band pulse radar at 4.3 GHz, to 3.5 km on the breadboard of 2005 [V2: JAXA-R].
    name="altimeter",
    period=0.1,
    delay=0.2,
    maximum_range=3_500.0,
    minimum_range=5.0,
    noise=1.0,
    noise_growth=0.005,
)

TEAMINDUS_LONG_RANGE_LASER = RangeFinder(
    # One of a pair, 16 km and +-1 m [V2: TI]; taken as 3 sigma.
    name="altimeter",
    period=0.1,
    delay=0.1,
    maximum_range=16_000.0,
    noise=0.33,
)

TEAMINDUS_SHORT_RANGE_LASER = RangeFinder(
    # One of a cluster, +-0.2 m [V2: TI]; taken as 3 sigma. Its range is [P].
    name="short_range_laser",
    period=0.1,
    delay=0.1,
    maximum_range=200.0,
    noise=0.07,
)

RANGE_FINDERS: dict[str, RangeFinder] = {
    "series_1_laser": SERIES_1_LASER,
    "apollo_landing_radar": APOLLO_LANDING_RADAR,
    "navigation_doppler_lidar": NAVIGATION_DOPPLER_LIDAR,
    "slim_pulse_radar": SLIM_PULSE_RADAR,
    "teamindus_long_range_laser": TEAMINDUS_LONG_RANGE_LASER,
    "teamindus_short_range_laser": TEAMINDUS_SHORT_RANGE_LASER,
}


def find_device(name: str) -> RangeFinder:
    """A range finder by name. Raises KeyError for one that is not known."""
    if name not in RANGE_FINDERS:
        close = difflib.get_close_matches(name, RANGE_FINDERS, n=1)
        hint = f"; perhaps you meant {close[0]!r}" if close else ""
        raise KeyError(f"unknown range finder {name!r}{hint}; known: {', '.join(RANGE_FINDERS)}")
    return RANGE_FINDERS[name]


def datum(unit: str, meaning: str) -> float:
    """A field of a data sheet, with its unit and its meaning."""
    return field(metadata={"unit": unit, "meaning": meaning})


@dataclass(frozen=True)
class InertialUnit:
    """Accelerometers and gyros as a data sheet describes them."""

    summary: str
    accelerometer_bias: float = datum("m/s^2", "largest, each axis, after calibration in free fall")
    velocity_random_walk: float = datum("m/s/sqrt(s)", "of integrated acceleration")
    scale_error: float = datum("-", "largest, of the accelerometers' scale factor")
    gyro_bias: float = datum("rad/s", "largest, each axis")
    angle_random_walk: float = datum("rad/sqrt(s)", "of integrated rate")

    def navigation(self, calibrated: float = 1.0, **initial: Number) -> Navigation:
        """The navigation of a vehicle that flies this unit, with its ``initial`` errors; see ``Navigation``.

        ``calibrated`` is the share of the biases, above 0, that calibration leaves before the descent: in free fall for
        the accelerometers, against the stars for the gyros.
        """
        bias, gyro = symmetric(self.accelerometer_bias * calibrated), symmetric(self.gyro_bias * calibrated)
        return Navigation(
            bias_x=bias,
            bias_y=bias,
            bias_z=bias,
            random_walk=self.velocity_random_walk,
            scale_error=symmetric(self.scale_error),
            gyro_bias_x=gyro,
            gyro_bias_y=gyro,
            gyro_bias_z=gyro,
            angle_random_walk=self.angle_random_walk,
            **initial,
        )


def symmetric(largest: float) -> Number:
    """What a data sheet means by a largest value: drawn between its negative and itself."""
    return Range(-largest, largest) if largest > 0.0 else 0.0


STIM300 = InertialUnit(
    "tactical, of small landers: 0.05 mg, 0.06 m/s/sqrt(h), 300-500 ppm, 0.5 deg/h, 0.15 deg/sqrt(h) [V2: NAVT]",
    accelerometer_bias=0.05e-3 * STANDARD_GRAVITY,
    velocity_random_walk=0.06 * PER_ROOT_HOUR,
    scale_error=400e-6,
    gyro_bias=0.5 * PER_HOUR,
    angle_random_walk=radians(0.15) * PER_ROOT_HOUR,
)

LN_200S = InertialUnit(
    "fibre-optic, of the Lunar Pallet Lander's plan: 300 ug, 1 deg/h, 0.07 deg/sqrt(h) [R]; random walk, scale [P]",
    accelerometer_bias=300e-6 * STANDARD_GRAVITY,
    velocity_random_walk=0.03 * PER_ROOT_HOUR,
    scale_error=300e-6,
    gyro_bias=1.0 * PER_HOUR,
    angle_random_walk=radians(0.07) * PER_ROOT_HOUR,
)

CONSUMER_IMU = InertialUnit(
    "MEMS of the Xsens MTI-1 class: 0.03 mg, 120 ug/sqrt(Hz), 10 deg/h, 0.007 deg/s/sqrt(Hz) [V2: MTI]; scale [P]",
    accelerometer_bias=0.03e-3 * STANDARD_GRAVITY,
    velocity_random_walk=120e-6 * STANDARD_GRAVITY,
    scale_error=2e-3,
    gyro_bias=10.0 * PER_HOUR,
    angle_random_walk=radians(0.007),
)

INERTIAL_UNITS: dict[str, InertialUnit] = {"stim300": STIM300, "ln_200s": LN_200S, "consumer_imu": CONSUMER_IMU}
