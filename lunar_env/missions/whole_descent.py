"""What whole powered descents share: dispersions of a start from orbit, the Moon's smooth and its rough ground."""

from typing import Any

from lunar_env.missions.mission import ROUNDED_TURN
from lunar_env.quantities import Range
from lunar_env.scenario import Scenario, Start
from lunar_env.terrain.surface import Terrain
from lunar_env.vehicle.control import Guidance
from lunar_env.vehicle.dynamics import Engine

MAP_TURN: dict[str, Any] = {"turn": ROUNDED_TURN, "shift_x": Range(0.0, 32_768.0), "shift_y": Range(0.0, 32_768.0)}
# Sites are chosen for being smoother than their surroundings: half of mare's heights, a quarter of highland's [P];
# slopes below 5 degrees were asked for at Blue Ghost's site [V2: JM]. Albedo of mare 0.07, of highland 0.16 [R].
MARE = Terrain(map="mare", roughness=0.5, albedo=Range(0.06, 0.09), **MAP_TURN)
HIGHLAND = Terrain(map="highland", roughness=0.25, albedo=Range(0.13, 0.19), **MAP_TURN)


def dispersed(value: float, spread: float) -> Range:
    """A range about a nominal value."""
    return Range(value - spread, value + spread)


def start_from_orbit(altitude: float, speed: float, distance: float, propellant: float, **others: Any) -> Start:
    """Ignition at the lowest point of an orbit, thrust against the motion. Dispersions [P].

    ``distance`` [m] is what full thrust needs to stop, so that braking ends near the pad [C, flown].
    """
    values: dict[str, Any] = {
        "altitude": dispersed(altitude, 0.01 * altitude),
        "distance": distance,
        "cross_distance": Range(-500.0, 500.0),
        "speed": dispersed(speed, 2.0),
        "descent_rate": Range(-2.0, 2.0),
        "tilt": 1.4,  # of the thrust axis; full thrust at first goes against the motion
        "propellant": dispersed(propellant, 0.01 * propellant),
    }
    return Start(**values | others)


def engine(thrust: float, specific_impulse: float, minimum_throttle: float, **others: Any) -> Engine:
    """A main propulsion with dispersions of half a per cent [P]."""
    values: dict[str, Any] = {"thrust_scale": Range(0.995, 1.005), "impulse_scale": Range(0.997, 1.003)}
    return Engine(
        maximum_thrust=thrust, specific_impulse=specific_impulse, minimum_throttle=minimum_throttle, **values | others
    )


def whole_descent(**parts: Any) -> Scenario:
    """A scenario that covers a descent from orbit; ``parts`` add to it and override."""
    values: dict[str, Any] = {
        "guidance": Guidance(maximum_descent_rate=200.0, lateral_limit=5.0),
        "terrain": MARE,
        "decision_period": 1.0,
        "time_limit": 1_500.0,
        "ceiling": 40_000.0,
        "extent": 1_000_000.0,
        "top_speed": 2_000.0,
    }
    return Scenario(**values | parts)
