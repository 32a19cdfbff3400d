"""Everything that one picture shows, as numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scene:
    """Everything one picture shows, in SI units; unknown numbers may be nan."""

    time: float  # [s] since the start of the episode
    altitude: float  # [m] true height of the footpads above the ground below
    downrange: float  # [m] position relative to the pad, which is at 0
    ground: Callable[[np.ndarray], np.ndarray]  # downrange [m] -> height relative to the pad [m]
    ground_clearance: float  # [m] centre of mass above the footpads
    velocity: tuple[float, float]  # [m/s] downrange, up
    lateral_speed: float  # [m/s]
    tilt: float  # [rad] in the drawing plane, positive when the thrust axis leans towards +downrange
    throttle: float  # 0..1
    propellant_fraction: float  # 0..1 of the initial load
    beam: bool  # the altimeter's newest sample is valid
    measured_altitude: float  # [m] newest valid reading, nan before the first
    reading_age: float  # [s] since that reading
    believed_altitude: float  # [m] what the pilot acts on
    outcome: str  # "flying", "landed", "crashed", ...
    scenario: str  # its name
    foot_span: float = 0.92  # [m] half the distance between opposite footpads
    body_height: float = 2.3  # [m] footpads to top
