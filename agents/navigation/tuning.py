"""What the filter assumes: standard deviations that a designer reads from data sheets and specifications.

Nothing here knows what an episode drew. Marks as in lunar_env/sensors/devices.py; what carries no source is assumed.
"""

import math
from dataclasses import dataclass

from lunar_env import Scenario
from lunar_env.quantities import Number, Range, middle
from lunar_env.sensors.range_finder import RangeFinder

FLIGHT = 200.0  # [s] over which gyro errors are taken to have grown [P]
LEAST_VELOCITY = 0.02  # [m/s] no initial velocity is better known than that [P]
LEAST_RANGE = 0.05  # [m] no range is better than that: the vehicle's own geometry [P]
LEAST_SPEED = 0.01  # [m/s] nor a closing speed [P]
ROOT_12 = math.sqrt(12.0)  # a uniform number's interval over its standard deviation


@dataclass(frozen=True)
class FinderTuning:
    """One range finder as its data sheet describes it."""

    noise: float  # [m] at zero range, quantisation included
    noise_growth: float  # [m/m] per metre of range
    resolution: float  # [m]
    period: float  # [s]
    speed_noise: float  # [m/s]
    scale: float  # [-] nominal factor on every range
    scale_deviation: float  # [-] constant in a descent; 0 for none
    bias: float  # [m] nominal

    @classmethod
    def of(cls, finder: RangeFinder) -> "FinderTuning":
        """The numbers of a data sheet; ranges are taken at their middle, or as a uniform deviation about it."""
        resolution = middle(finder.resolution)
        parts = (middle(finder.noise), resolution / ROOT_12, spread(finder.bias), LEAST_RANGE)
        return cls(
            noise=math.hypot(*parts),
            noise_growth=middle(finder.noise_growth),
            resolution=resolution,
            period=finder.period,
            speed_noise=math.hypot(middle(finder.speed_noise), LEAST_SPEED),
            scale=middle(finder.scale),
            scale_deviation=spread(finder.scale),
            bias=middle(finder.bias),
        )


@dataclass(frozen=True)
class Tuning:
    """Assumed standard deviations of a vehicle and its site. The defaults are those of ``resilience``."""

    altitude: float = 764.0  # [m] of the inertial altitude at the start: root mean square of -500 m to 1 500 m [P]
    ground: float = 100.0  # [m] of the level of the ground below, before any reading [P]
    velocity: float = 0.087  # [m/s] of the inertial velocity at the start, each axis: 0.15 m/s at most [P]
    bias_lateral: float = 3.3e-4  # [m/s^2] of a constant acceleration error: 0.05 mg at most [V2: NAVT], gravity
    bias_up: float = 4.6e-4  # [m/s^2] the same, with what a position error does to the vertical
    random_walk: float = 1e-3  # [m/s/sqrt(s)] 0.06 m/s/sqrt(h) [V2: NAVT]
    attitude: float = 1e-3  # [rad] mounting of the instruments [V2: NAVT]
    unsteadiness: float = 0.3  # [m/s^2] of the acceleration within a decision, about its mean [P]
    unevenness: float = 0.5  # [m/sqrt(m)] of the ground's level, per root of the metres between two places [P]
    steepest: float = 0.7  # [-] slope of a crater's wall, 35 degrees [R]
    dust_height: float = 40.0  # [m] below it echoes that are too near are suspected of being dust; 0 for nowhere [P]
    gate: float = 5.0  # [-] deviations beyond which a reading is not believed [P]
    gravity: float = 1.6242  # [m/s^2]
    radius: float = 1_737_400.0  # [m]
    lever: float = 1.0  # [m] from the centre of mass down to the instruments

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"tuning.{name} must be finite and at least 0, got {value!r}; use 0 for none")

    @classmethod
    def from_scenario(cls, scenario: Scenario) -> "Tuning":
        """What the designer of a scenario's vehicle would assume: from its instruments' sheets and specified errors.

        A fixed error counts by its size, as if its sign were not known. A position error d turns the believed vertical
        by d/R: with a lateral acceleration f it makes a vertical one of f d/R, and gravity makes a lateral one of
        g d/R.
        """
        unit, moon = scenario.navigation, scenario.moon
        gravity, radius = middle(moon.surface_gravity), middle(moon.radius)
        place = math.hypot(size(unit.position_error_x), size(unit.position_error_y)) / math.sqrt(2.0)
        force = middle(scenario.engine.maximum_thrust) / (middle(scenario.mass.dry) + middle(scenario.start.propellant))
        gyros = math.hypot(*(size(bias) for bias in (unit.gyro_bias_x, unit.gyro_bias_y, unit.gyro_bias_z)))
        turned = math.hypot(gyros / math.sqrt(3.0) * FLIGHT, size(unit.angle_random_walk) * math.sqrt(FLIGHT))
        lateral = (size(unit.bias_x), size(unit.bias_y))
        fastest = (size(unit.velocity_error_x), size(unit.velocity_error_y), size(unit.velocity_error_z))
        return cls(
            altitude=size(unit.altitude_error),
            velocity=max(*fastest, LEAST_VELOCITY),
            bias_lateral=math.hypot(max(lateral), gravity * place / radius, force * turned),
            bias_up=math.hypot(size(unit.bias_z), force * place / radius, force * size(unit.scale_error)),
            random_walk=size(unit.random_walk),
            attitude=math.hypot(cls.attitude, turned),
            gravity=gravity,
            radius=radius,
            lever=middle(scenario.gear.centre_height),
        )


def spread(value: Number) -> float:
    """Standard deviation of a drawn number about its middle; 0 for a fixed one."""
    return (value.high - value.low) / ROOT_12 if isinstance(value, Range) else 0.0


def size(value: Number) -> float:
    """Root mean square of a drawn number, or the size of a fixed one."""
    return math.hypot(middle(value), spread(value))
