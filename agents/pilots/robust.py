"""``robust``: the best classical pilot here for an altimeter that may be late, wrong or silent.

Navigation: the error-state filter, which compensates the age of a reading and re-admits a sensor that it doubted.
Guidance: a rate of descent and no lateral speed, in thrust; what the rate is depends on what is known.

- While lateral speed is being lost, it is the rate that ends the braking at a gate.
- While the range finder is silent, the ground may be as near as the navigation's specification allows. The pilot holds
  the energy from which it could still stop if the first range came ``LATEST_LOCK`` above that ground, and no less:
  hovering burns the propellant that the landing needs.
- With a range it is the stopping curve, with a margin for the height's own deviation.
- In the last metres it is what half of the thrust could still stop: an engine may fail.

The engine is watched: what the accelerometers felt of a decision's thrust. A weak engine is asked for more, and
braking is planned with what is left of it.
"""

from math import radians

import torch

from agents.guidance.braking import braking, settling
from agents.guidance.stopping import blind_rate, guarded_rate
from agents.navigation.engine_watch import EngineWatch
from agents.pilots.shared.thrust_vector import GATE_HEIGHT, Situation, ThrustVectorPilot
from lunar_env import Scenario
from lunar_env.quantities import Range

LATEST_LOCK = 200.0  # [m] lowest first range that the pilot plans for
BRAKING_SHARE = 0.8  # of the deceleration that the thrust gives
REACTION = 2.2  # [s] decision period, delay of a reading, throttle and attitude
CONTACT_RATE = 1.2  # [m/s]
FINAL_HEIGHT = 8.0  # [m] flown at the contact rate
GUARDED = 60.0  # [m] below which the loss of an engine is planned for
THRUST_LEFT = 0.5  # of the thrust after that: one of two nozzles, as SLIM [V2: JAXA-news]
VERTICAL_TIME = 1.5  # [s] of the rate of descent
LATERAL_TIME = 2.5  # [s] of the lateral speed


class Robust(ThrustVectorPilot):
    """Descends slowly until a range is accepted, then on the stopping curve, at last on that of half the thrust."""

    name = "robust"
    decision_period = 0.5
    tilt_limit = radians(65.0)

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        super().__init__(scenario, num_landers, device)
        error = scenario.navigation.altitude_error
        self.worst_error = max(error.high if isinstance(error, Range) else error, 0.0)  # [m] belief above truth
        self.watch = EngineWatch(self.vehicle, self.period, num_landers, device)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        super().reset(mask)
        self.watch.reset(mask)

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3): thrust over the maximum, downrange, cross-range and up."""
        self.watch.look(self.table.read(observation))
        wanted = super().act(observation)
        throttle = wanted.norm(dim=1)
        # More than all, or less than the least that burns, is not to be had; what is off stays off.
        asked = (throttle / self.watch.effect).clamp(min=self.vehicle.minimum_throttle, max=1.0)
        action = wanted * (asked / throttle.clamp(min=1e-6))[:, None]
        self.watch.note(action)
        return action

    def brake(self, now: Situation) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2] while there is lateral speed to lose."""
        unsure = (~now.seen).float() * self.worst_error  # [m] by which the ground may be nearer
        # A weak engine brakes for longer than planned, and so comes lower than the gate; the safe rate holds then.
        rate = torch.minimum(self.rate_to(now, GATE_HEIGHT + unsure), self.safe_rate(now))
        return braking(now.height - unsure, now.velocity, rate, self.vehicle.gravity, self.vehicle.radius)

    def law(self, now: Situation, begins: torch.Tensor) -> torch.Tensor:
        """The thrust acceleration (N, 3) [m/s^2]."""
        return settling(now.velocity, self.safe_rate(now), now.gravity, VERTICAL_TIME, LATERAL_TIME)

    def safe_rate(self, now: Situation) -> torch.Tensor:
        """The rate of descent (N,) [m/s] from which what is known allows to stop."""
        strongest = self.watch.effect * self.vehicle.maximum_thrust / now.mass
        braking = BRAKING_SHARE * (strongest - self.vehicle.gravity).clamp(min=0.05)
        guarded = BRAKING_SHARE * (THRUST_LEFT * strongest - self.vehicle.gravity).clamp(min=0.05)

        height = now.height - 2.0 * now.deviation - FINAL_HEIGHT
        sighted = guarded_rate(height, braking, GUARDED, guarded, REACTION, CONTACT_RATE)

        spare = now.height - self.worst_error - LATEST_LOCK
        blind = blind_rate(spare, braking, LATEST_LOCK - FINAL_HEIGHT, REACTION, CONTACT_RATE, BRAKING_SHARE)
        return torch.where(now.seen, sighted, blind)
