"""Where a scenario's numbers stand in an observation, for the kernel of the features."""

from typing import Any

import warp as wp

from agents.policy.features import Features

wp.set_module_options({"enable_backward": False})


@wp.struct
class BeamPlan:
    """One beam: its channels, -1 for one that there is not, and its direction in body axes."""

    range: int
    valid: int
    age: int
    speed: int
    direction: wp.vec3
    velocity_of: wp.vec3  # of its closing speed, by the pseudo-inverse; zero without Doppler


@wp.struct
class FeaturePlan:
    """Where a scenario's channels stand in a reading, -1 for one that there is not, and how features follow."""

    channels: int
    history: int
    beams: int
    doppler: int  # how many of the beams
    inertial: int  # 1 with an inertial unit, 0 if beams are all there is
    pad: int
    size: int  # features of one reading
    differences: int  # 1 if the newest reading is shown, and what changed
    change_size: int  # features of two readings, one after the other
    altitude: int
    position: int  # the first of two
    velocity: int  # of three
    attitude: int  # of four
    rate: int  # of three
    propellant: int
    action: int  # the first of the last command
    actions: int
    thrust: int  # of the three of a commanded thrust vector
    wish: int  # the rate of descent that the last command asks for
    period: float  # [s] between decisions
    time: float  # [s] of the loop below a wished rate
    fastest: float  # [m/s] that can be wished
    dry_mass: float  # [kg]
    thrust_maximum: float  # [N]
    gravity: float  # [m/s^2]
    radius: float  # [m]


def plan_of(features: Features) -> Any:
    """Where everything stands, by the names of the channels."""
    column, table, changes = features.column, features.table, features.changes

    plan = FeaturePlan()
    plan.channels, plan.history = len(table.channels), table.history
    plan.beams, plan.doppler = len(features.beams), sum(bool(beam.speed) for beam in features.beams)
    plan.inertial, plan.pad = int(features.geometry is None), int(table.pad)
    firsts = {"position": "position_x", "velocity": "velocity_x", "attitude": "attitude_x", "rate": "rate_x"}
    for name, channel in {**firsts, "altitude": "altitude", "propellant": "propellant"}.items():
        setattr(plan, name, column.get(channel, -1))
    plan.action, plan.actions = min(features.actions, default=0), len(features.actions)
    plan.thrust = column.get("last_thrust_x", -1)
    plan.differences, plan.wish = int(changes is not None), -1
    plan.size = features.size // table.history
    if changes is not None:
        with_wish = changes.wish is not None
        plan.change_size = 2 * plan.beams + 6 + 3 + (3 if with_wish else 0)
        plan.size = features.size - (table.history - 1) * plan.change_size
        plan.wish = changes.wish if with_wish else -1
        loop = changes.loop
        plan.period, plan.time, plan.fastest = loop.period, loop.time, loop.fastest
        plan.dry_mass, plan.thrust_maximum = loop.vehicle.dry_mass, loop.vehicle.maximum_thrust
        plan.gravity, plan.radius = loop.vehicle.gravity, loop.vehicle.radius
    return plan


def beams_of(features: Features) -> list[Any]:
    """Every beam, in the order of the channels."""
    column, geometry = features.column, features.geometry
    made: list[Any] = []
    rows = iter([] if geometry is None else geometry.velocity_of.tolist())
    for beam in features.beams:
        one = BeamPlan()
        one.range, one.valid, one.age = column[beam.range], column[beam.valid], column[beam.age]
        one.speed = column[beam.speed] if beam.speed else -1
        one.direction = wp.vec3(*beam.direction)
        one.velocity_of = wp.vec3(*next(rows, (0.0, 0.0, 0.0))) if beam.speed else wp.vec3()
        made.append(one)
    return made
