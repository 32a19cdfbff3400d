"""Gradients of a flight, against closed forms, finite differences and the flight itself."""

import numpy as np
import pytest
import torch

from lunar_env import Descent, Range, Scenario, differentiable, load_scenario
from lunar_env.differentiable import Trajectory, rollout
from lunar_env.kernel.builds import PLAIN, WHOLE

LANDERS, STEPS = 5, 12
MASS = 400.0  # [kg] with propellant

# A field so flat and an engine so thrifty that the flight is linear in all but the mass.
SIMPLE = load_scenario(
    "vertical", **{"moon.radius": 1e12, "engine.specific_impulse": 1e9, "mass.dry": 340.0, "decision_period": 1.0}
)
# A moon so small and an engine so hungry that neither gravity nor mass is constant.
CURVED = load_scenario(
    "vertical", **{"moon.radius": 5e3, "engine.specific_impulse": 60.0, "mass.dry": 340.0, "decision_period": 1.0}
)


def start(seed: int = 0, **changes: torch.Tensor) -> list[torch.Tensor]:
    """Position, velocity, propellant and thrust, all asking for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    inputs = {
        "position": 300.0 * normal(LANDERS, 3) + torch.tensor([0.0, 0.0, 2000.0]),
        "velocity": 20.0 * normal(LANDERS, 3),
        "propellant": torch.full((LANDERS,), 60.0),
        "thrust": 400.0 * normal(STEPS, LANDERS, 3) + torch.tensor([0.0, 0.0, 600.0]),
    }
    return [tensor.clone().requires_grad_() for tensor in (inputs | changes).values()]


def gradients(
    scenario: Scenario, inputs: list[torch.Tensor], weights: Trajectory | None = None
) -> tuple[torch.Tensor, ...]:
    """Of a weighted sum of the whole trajectory, with respect to every input."""
    flight = rollout(scenario, *inputs)
    weights = weights or Trajectory(*(torch.ones_like(part) for part in flight))
    return torch.autograd.grad(sum(torch.sum(w * part) for w, part in zip(weights, flight, strict=True)), inputs)


def at_the_end(flight: Trajectory, part: str, axis: int) -> Trajectory:
    """Weights that pick one axis of one part at the last moment."""
    weights = Trajectory(*(torch.zeros_like(tensor) for tensor in flight))
    getattr(weights, part)[-1, :, axis] = 1.0
    return weights


# Closed forms -----------------------------------------------------------------------------------------------------


def test_gradients_of_a_linear_flight_are_the_textbooks() -> None:
    inputs = start()
    flight = rollout(SIMPLE, *inputs)
    thrust = inputs[3].detach().double()
    left = STEPS - torch.arange(STEPS) - 0.5  # [s] from the middle of each thrust to the end
    for axis in range(3):
        moved = gradients(SIMPLE, inputs, at_the_end(flight, "position", axis))
        sped = gradients(SIMPLE, inputs, at_the_end(flight, "velocity", axis))
        # x_T = x + v T + sum F_k (T - k - 1/2) / m, v_T = v + sum F_k / m. 480 substeps, each right to 1e-7, whose
        # roundings add up to 2e-5 where they all agree in sign.
        wanted = torch.zeros(STEPS, LANDERS, 3)
        wanted[..., axis] = (left / MASS)[:, None]
        assert (moved[3] - wanted).abs().max() < 3e-5 * STEPS / MASS
        wanted[..., axis] = 1.0 / MASS
        assert (sped[3] - wanted).abs().max() < 3e-5 / MASS
        one = torch.zeros(LANDERS, 3)
        one[:, axis] = 1.0
        assert (moved[0] - one).abs().max() < 3e-5
        assert (moved[1] - one * STEPS).abs().max() < 3e-5 * STEPS
        assert (sped[1] - one).abs().max() < 3e-5
        # Of the propellant: more of it is more mass.
        heavier = -torch.sum(thrust[..., axis] * left[:, None], dim=0) / MASS**2
        assert (moved[2] - heavier).abs().max() < 3e-5 * float(thrust.abs().sum(0).max()) * STEPS / MASS**2


def test_where_no_thrust_flows_its_gradient_is_there_all_the_same() -> None:
    inputs = start(thrust=torch.zeros(STEPS, LANDERS, 3))
    moved = gradients(SIMPLE, inputs, at_the_end(rollout(SIMPLE, *inputs), "position", 2))[3]
    wanted = (STEPS - torch.arange(STEPS) - 0.5) / MASS
    assert (moved[..., 2] - wanted[:, None]).abs().max() < 3e-5 * STEPS / MASS
    assert moved[..., :2].abs().max() < 1e-15  # gravity's own, at a radius of 1e12 m


def test_the_cost_of_thrust_is_its_length_over_the_exhaust_speed() -> None:
    inputs = start()
    weights = Trajectory(*(torch.zeros_like(part) for part in rollout(CURVED, *inputs)))
    weights.propellant[-1] = 1.0
    burnt = gradients(CURVED, inputs, weights)[3]
    thrust = inputs[3].detach()
    wanted = -thrust / thrust.norm(dim=2, keepdim=True) / (60.0 * 9.80665)
    assert (burnt - wanted).abs().max() < 1e-5 * float(wanted.abs().max())  # 40 substeps of 1e-7 each


# Finite differences -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["position", "velocity", "propellant", "thrust"])
def test_gradients_of_a_curved_flight_are_finite_differences(name: str) -> None:
    inputs = start()
    place = ("position", "velocity", "propellant", "thrust").index(name)
    generator = torch.Generator().manual_seed(1)
    shapes = rollout(CURVED, *inputs)
    weights = Trajectory(*(torch.randn(part.shape, generator=generator) for part in shapes))
    slope = gradients(CURVED, inputs, weights)[place].double()
    # A step of a hundredth of the input's own size. The next term of a central difference is then some 1e-4 of the
    # slope; rounding is 6e-5 m of positions that the step moves by metres, so 1e-4 as well.
    step = (20.0, 2.0, 1.0, 10.0)[place]
    for _ in range(5):
        way = torch.randn(inputs[place].shape, generator=generator)
        sums = []
        for sign in (1.0, -1.0):
            moved = [tensor.detach() for tensor in inputs]
            moved[place] = moved[place] + sign * step * way
            flight = rollout(CURVED, *moved)
            sums.append(sum(torch.sum(w.double() * p.double()) for w, p in zip(weights, flight, strict=True)))
        difference = float(sums[0] - sums[1]) / (2.0 * step)
        along = float(torch.sum(slope * way.double()))
        assert abs(along - difference) < 1e-3 * float(torch.linalg.norm(slope))


# The flight itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resilience", "small moon"])
def test_a_rollout_is_the_flight_of_the_same_thrust(name: str) -> None:
    fixed = {"engine.lag": 0.0, "engine.thrust_scale": 1.0, "engine.impulse_scale": 1.0, "engine.minimum_throttle": 0.0}
    changes = {**fixed, "control": "body", "decision_period": 1.0, "ceiling": 1e5, "extent": 1e6}
    scenario = load_scenario("resilience" if name == "resilience" else CURVED, **changes)
    descent = Descent(scenario, LANDERS)
    inputs = [descent.state["motion." + part].clone() for part in ("position", "velocity", "propellant")]
    generator = torch.Generator().manual_seed(2)
    strength = torch.rand(STEPS, LANDERS, generator=generator) * 1600.0
    axis = torch.nn.functional.normalize(
        torch.randn(STEPS, LANDERS, 3, generator=generator) + torch.tensor([0.0, 0.0, 2.0]), dim=2
    )
    flight = rollout(scenario, *inputs, strength[..., None] * axis)
    for step in range(STEPS):
        # Attitude by hand: the shortest turn from up to the thrust. Then throttle, and no torque.
        turn = torch.stack([-axis[step, :, 1], axis[step, :, 0], torch.zeros(LANDERS), 1.0 + axis[step, :, 2]], dim=1)
        descent.state["motion.attitude"] = torch.nn.functional.normalize(turn, dim=1)
        descent.state["rest.attitude"] = 0.0
        descent.state["motion.rates"] = 0.0
        descent.step(torch.cat([2.0 * strength[step, :, None] / 1600.0 - 1.0, torch.zeros(LANDERS, 3)], dim=1))
        assert not descent.state["episode.episode"].any()  # or else a next one began
        # The throttle and the axis are rounded once each, and 4 m/s^2 of thrust as wrong as 3e-7 for 12 s makes 1e-4 m;
        # a position of 15 km is stored to 1e-3 m, a speed of 300 m/s to 3e-5 m/s.
        assert (flight.position[step + 1] - descent.state["motion.position"]).abs().max() < 2e-3
        assert (flight.velocity[step + 1] - descent.state["motion.velocity"]).abs().max() < 1e-4
        assert (flight.propellant[step + 1] - descent.state["motion.propellant"]).abs().max() < 5e-5


def test_the_tanks_run_dry_and_what_is_left_of_a_thrust_costs_and_gains_nothing() -> None:
    propellant = torch.linspace(1.0, 25.0, LANDERS)
    inputs = start(propellant=propellant, thrust=torch.tensor([0.0, 0.0, 1500.0]).expand(STEPS, LANDERS, 3))
    scenario = load_scenario(CURVED, **{"moon.surface_gravity": 0.0})
    flight = rollout(scenario, *inputs)
    assert not flight.propellant[-1].any()
    delta_v = 60.0 * 9.80665 * np.log1p(propellant.numpy() / 340.0)
    gained = (flight.velocity[-1] - flight.velocity[0]).detach().numpy()[:, 2]
    assert np.abs(gained / delta_v - 1.0).max() < 1e-5  # speeds of 2 to 50 m/s beside others of 20 m/s
    pushed = gradients(scenario, inputs, at_the_end(flight, "velocity", 2))[3]
    assert torch.isfinite(pushed).all()
    # Dry after 25 kg at 2.5 kg/s at the latest: from then on a thrust is without effect.
    assert not pushed[-1].any()


# Torch's side -----------------------------------------------------------------------------------------------------


def test_going_back_twice_gives_the_same_and_leaves_the_flight_alone() -> None:
    inputs = start()
    flight = rollout(CURVED, *inputs)
    before = [part.detach().clone() for part in flight]
    loss = flight.position[-1].square().sum() + flight.propellant.sum()
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    second = torch.autograd.grad(loss, inputs)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(before, flight, strict=True))


def test_gradients_flow_through_torch_on_both_sides() -> None:
    # Newton's method through a rollout: a constant thrust that stops each lander, found in three steps.
    inputs = [tensor.detach() for tensor in start()]
    thrust = torch.zeros(LANDERS, 3, requires_grad=True)
    for _ in range(3):
        end = rollout(SIMPLE, *inputs[:3], (2.0 * thrust).expand(STEPS, LANDERS, 3)).velocity[-1]
        slope = torch.autograd.grad(end.sum(), thrust)[0]
        assert (slope - 2.0 * STEPS / MASS).abs().max() < 1e-4 * 2.0 * STEPS / MASS
        thrust = (thrust - end / slope).detach().requires_grad_()
    assert end.detach().abs().max() < 1e-4  # of 50 m/s in float32


def test_inputs_of_float64_get_their_gradients_in_float64() -> None:
    inputs = [tensor.detach().double().requires_grad_() for tensor in start()]
    assert all(gradient.dtype == torch.float64 for gradient in gradients(CURVED, inputs))


def test_the_forward_path_stays_without_adjoint_code() -> None:
    for build in (PLAIN, WHOLE):
        for kernel in (build.advance, build.advance_abreast, build.reset):
            assert kernel.module is not differentiable.fly.module
            assert not kernel.module.options["enable_backward"]
    assert differentiable.fly.module.options["enable_backward"]


# Refusing ---------------------------------------------------------------------------------------------------------


def test_a_range_cannot_be_rolled_out() -> None:
    inputs = start()
    with pytest.raises(ValueError, match=r"one value of mass.dry, got the range \[300.0, 400.0\]"):
        rollout(load_scenario(SIMPLE, **{"mass.dry": Range(300.0, 400.0)}), *inputs)


@pytest.mark.parametrize("place", range(4))
def test_a_wrong_shape_is_named(place: int) -> None:
    inputs = start()
    inputs[place] = inputs[place][..., None]
    with pytest.raises(ValueError, match="must be a float tensor of shape"):
        rollout(SIMPLE, *inputs)
