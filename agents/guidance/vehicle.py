"""What the designer of a pilot knows of vehicle and Moon: the nominal numbers of a scenario, never the drawn ones."""

from dataclasses import dataclass

from lunar_env import Scenario
from lunar_env.quantities import middle
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY


@dataclass(frozen=True)
class Vehicle:
    """Nominal numbers; of a range its middle."""

    maximum_thrust: float  # [N]
    minimum_throttle: float  # [-] lowest stable one; below half of it pilots take the engine for off
    lag: float  # [s] of the throttle
    exhaust_speed: float  # [m/s]
    dry_mass: float  # [kg]
    gravity: float  # [m/s^2] at the surface
    radius: float  # [m] of the Moon

    @classmethod
    def of(cls, scenario: Scenario) -> "Vehicle":
        """The vehicle of a scenario, as its designer knows it."""
        return cls(
            maximum_thrust=middle(scenario.engine.maximum_thrust),
            minimum_throttle=middle(scenario.engine.minimum_throttle),
            lag=middle(scenario.engine.lag),
            exhaust_speed=middle(scenario.engine.specific_impulse) * STANDARD_GRAVITY,
            dry_mass=middle(scenario.mass.dry),
            gravity=middle(scenario.moon.surface_gravity),
            radius=middle(scenario.moon.radius),
        )
