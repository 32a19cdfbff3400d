"""A flight that can be differentiated: from thrusts to the trajectory, and from a loss back to the thrusts.

A point mass under the same gravity, thrust and fuel flow as the vehicle's, with the attitude taken as ideal: the thrust
is a vector in the site frame. Left out: ground, sensors, throttle limits and lag.

The forward path pays nothing for this: Warp compiles a function anew for each module that calls it, so the adjoint
code is this module's alone, and the kernels of ``step`` stay without. Gravity is ``dynamics.derivative``; the stages of
Runge-Kutta are written out again, because ``dynamics.plus`` overwrites its parts, and Warp's adjoints forbid that.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import warp as wp

from lunar_env.kernel.cache import start_warp
from lunar_env.kernel.room import require_memory
from lunar_env.kernel.streams import current_stream, launch
from lunar_env.missions import load_scenario
from lunar_env.quantities import Range, whole_ticks
from lunar_env.scenario import Scenario
from lunar_env.state import Motion
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY, Forcing, derivative

wp.set_module_options({"enable_backward": True})


class Trajectory(NamedTuple):
    """What a batch flew: first axis time, from the start to the end of the last thrust; second axis landers."""

    position: torch.Tensor  # (T + 1, N, 3) [m] site frame
    velocity: torch.Tensor  # (T + 1, N, 3) [m/s]
    propellant: torch.Tensor  # (T + 1, N) [kg]


def rollout(
    scenario: str | Scenario,
    position: torch.Tensor,
    velocity: torch.Tensor,
    propellant: torch.Tensor,
    thrust: torch.Tensor,
) -> Trajectory:
    """Fly thrusts, each held for one decision period, and keep what backpropagation needs.

    When the tanks run dry within a substep, the thrust is scaled so that exactly the rest is burnt, as in flight.

    Args:
        scenario: a preset's name or a Scenario: its Moon, dry mass, specific impulse and times. They must be fixed.
        position: (N, 3) [m] at the start, in the site frame.
        velocity: (N, 3) [m/s] at the start.
        propellant: (N,) [kg] at the start.
        thrust: (T, N, 3) [N] in the site frame.
    """
    scenario = load_scenario(scenario)
    number = thrust.shape[1] if thrust.ndim == 3 else 0
    wanted = {
        "position": (number, 3),
        "velocity": (number, 3),
        "propellant": (number,),
        "thrust": (len(thrust), number, 3),
    }
    for (name, shape), tensor in zip(wanted.items(), (position, velocity, propellant, thrust), strict=True):
        if tensor.shape != shape or not tensor.is_floating_point():
            raise ValueError(
                f"{name} must be a float tensor of shape {shape}, with thrust of shape (T, N, 3); "
                f"got {tensor.dtype} {tuple(tensor.shape)}"
            )
    substeps = len(thrust) * _substeps_of_a_thrust(scenario) + 1
    # Seven numbers of each lander after each substep, and their gradients.
    require_memory(
        f"{substeps:,} substeps of {number:,} landers",
        substeps * number * 7 * 4 * 2,
        thrust.device,
        "use fewer landers, a shorter flight or fewer substeps",
    )
    return Trajectory(*_Rollout.apply(scenario, position, velocity, propellant, thrust))


@wp.func
def acceleration(position: wp.vec3, mass: float, thrust: wp.vec3, forcing: Forcing) -> wp.vec3:
    """Gravity, as everywhere else, and thrust over mass."""
    coasting = Motion()
    coasting.position = position
    return derivative(coasting, forcing).velocity + thrust / mass


@wp.kernel
def fly(
    substep: int,
    thrust_row: int,
    duration: float,  # [s]
    exhaust_speed: float,  # [m/s]
    forcing: Forcing,
    thrusts: wp.array2d(dtype=wp.vec3),  # (T, landers)
    positions: wp.array2d(dtype=wp.vec3),  # (substeps + 1, landers), as the two below
    velocities: wp.array2d(dtype=wp.vec3),
    propellants: wp.array2d(dtype=float),
    rest: wp.array2d(dtype=float),  # (landers, 7) what float32 dropped from the three
):
    """One substep of classical fourth-order Runge-Kutta. No name is given a second value, so Warp can go back."""
    row = wp.tid()
    position = positions[substep, row]
    velocity = velocities[substep, row]
    propellant = propellants[substep, row]
    wished = thrusts[thrust_row, row]

    share = float(1.0)
    wished_burn = wp.length(wished) * duration / exhaust_speed
    if wished_burn > propellant:
        share = propellant / wished_burn
    thrust = wished * share
    burn = wished_burn * share

    half = 0.5 * duration
    mass1 = forcing.dry_mass + propellant
    mass2 = mass1 - 0.5 * burn
    a1 = acceleration(position, mass1, thrust, forcing)
    v2 = velocity + a1 * half
    a2 = acceleration(position + velocity * half, mass2, thrust, forcing)
    v3 = velocity + a2 * half
    a3 = acceleration(position + v2 * half, mass2, thrust, forcing)
    v4 = velocity + a3 * duration
    a4 = acceleration(position + v3 * duration, mass1 - burn, thrust, forcing)

    sixth = duration / 6.0
    step = (velocity + (v2 + v3) * 2.0 + v4) * sixth + wp.vec3(rest[row, 0], rest[row, 1], rest[row, 2])
    kick = (a1 + (a2 + a3) * 2.0 + a4) * sixth + wp.vec3(rest[row, 3], rest[row, 4], rest[row, 5])
    use = rest[row, 6] - burn
    positions[substep + 1, row] = position + step
    velocities[substep + 1, row] = velocity + kick
    propellants[substep + 1, row] = wp.max(propellant + use, 0.0)

    # Compensated sums; the rest is a constant to the gradient, as the sum with and without it is the same number.
    step_rest = step - ((position + step) - position)
    kick_rest = kick - ((velocity + kick) - velocity)
    for axis in range(3):
        rest[row, axis] = step_rest[axis]
        rest[row, 3 + axis] = kick_rest[axis]
    rest[row, 6] = use - ((propellant + use) - propellant)


class _Rollout(torch.autograd.Function):
    """The bridge to torch: records the launches on a tape, and plays it backwards when torch asks."""

    @staticmethod
    def forward(context: Any, scenario: Scenario, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        position, velocity, propellant, thrust = (tensor.detach().float().contiguous() for tensor in inputs)
        per_thrust = _substeps_of_a_thrust(scenario)
        steps, landers = len(thrust) * per_thrust, thrust.shape[1]
        duration = scenario.tick / scenario.substeps
        exhaust = _fixed(scenario, "engine.specific_impulse") * _fixed(scenario, "engine.impulse_scale")
        forcing = Forcing()
        forcing.gravity = _fixed(scenario, "moon.surface_gravity")
        forcing.radius = _fixed(scenario, "moon.radius")
        forcing.dry_mass = _fixed(scenario, "mass.dry")

        start_warp()
        device = wp.device_from_torch(thrust.device)
        with _beside(thrust), wp.Tape() as tape:
            kinds = {"device": device, "requires_grad": True}
            path = [wp.zeros((steps + 1, landers), dtype=kind, **kinds) for kind in (wp.vec3, wp.vec3, float)]
            for array, start in zip(path, (position, velocity, propellant), strict=True):
                wp.to_torch(array)[0] = start
            thrusts = wp.from_torch(thrust, dtype=wp.vec3, grad=torch.zeros_like(thrust))
            rest = wp.zeros((landers, 7), dtype=float, device=device)
            for step in range(steps):
                numbers = [step, step // per_thrust, duration, exhaust * STANDARD_GRAVITY, forcing]
                launch(fly, landers, [*numbers, thrusts, *path, rest], thrust.device)
            context.flight = (tape, path, thrusts, per_thrust, [tensor.dtype for tensor in inputs])
            return tuple(wp.to_torch(array)[::per_thrust].detach().clone() for array in path)

    @staticmethod
    def backward(context: Any, *wanted: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        tape, path, thrusts, per_thrust, kinds = context.flight
        with _beside(wanted[0]):
            tape.zero()
            for array, gradient in zip(path, wanted, strict=True):
                wp.to_torch(array.grad)[::per_thrust] = gradient
            tape.backward()
            found = [*(wp.to_torch(array.grad)[0].clone() for array in path), wp.to_torch(thrusts.grad).clone()]
        return None, *(gradient.to(kind) for gradient, kind in zip(found, kinds, strict=True))


def _substeps_of_a_thrust(scenario: Scenario) -> int:
    return whole_ticks("decision_period", scenario.decision_period, scenario.tick) * scenario.substeps


@contextlib.contextmanager
def _beside(tensor: torch.Tensor) -> Iterator[None]:
    """On the tensor's device, whatever torch's default is, and on torch's current stream."""
    with torch.device(tensor.device), wp.ScopedStream(current_stream(tensor.device)):
        yield


def _fixed(scenario: Scenario, path: str) -> float:
    part, name = path.split(".")
    value = getattr(getattr(scenario, part), name)
    if isinstance(value, Range):
        raise ValueError(f"a rollout needs one value of {path}, got the range [{value.low}, {value.high}]")
    return value
