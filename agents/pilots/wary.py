"""``wary``: the pilot for when anything may fail. What propellant it can spare it spends on a slow end.

Navigation: the error-state filter, on an altitude that does not jump. Guidance: a rate of descent, as ``cautious``;
what differs was found by asking why descents of ``any_fault`` were lost, on seeds below those of any table [P]:

- An altimeter may be off by a hundred metres. So the contact rate begins as high above the ground as the propellant
  allows: hovering takes a lander of this size a fifth of a kilogram a second.
- The engine may be cut off during the braking. So the rate is held low until most of the lateral speed is gone.
- An engine may fail. So its effect is watched, a weak one is asked for more, and above the slow end the rate is what
  a part of the thrust could still stop.
- An inertial velocity drifts by half a metre per second when the altitude behind its gravity is wrong. So the filter's
  word on the velocity is passed on to the loop, which follows the inertial one.
"""

import torch

from agents.guidance.stopping import blind_rate, guarded_rate
from agents.guidance.vehicle import Vehicle
from agents.navigation.error_state import ErrorStateFilter
from agents.navigation.jumps import SteadyAltitude
from agents.navigation.rate_loop import RateLoop
from agents.navigation.tuning import Tuning
from agents.pilots.shared.thrust_vector import exact
from lunar_env import Scenario
from lunar_env.flying.pilot import Pilot, require_control
from lunar_env.quantities import Range

LATEST_LOCK = 200.0  # [m] lowest first range that the pilot plans for
STOPPED = 70.0  # [m] where it has stopped then
BRAKING_SHARE = 0.8  # of the deceleration that the thrust gives
REACTION = 2.2  # [s] decision period, delay of a reading, throttle and attitude
CONTACT_RATE = 2.5  # [m/s] of 3 that a landing allows
LOWEST_FINAL, HIGHEST_FINAL = 40.0, 130.0  # [m] the height from which on the contact rate is flown
RESERVE = 38.0  # [s] of hovering that the slow end leaves in the tanks
GUARDED = 250.0  # [m] above the slow end, in which a loss of thrust is planned for
THRUST_LEFT = 0.6  # of the thrust after that
BRAKING_RATE = 40.0  # [m/s] of descent while there is lateral speed to lose
MUCH, LITTLE = 80.0, 20.0  # [m/s] of lateral speed: above the one that rate holds, below the other none
MOST_DRIFT = 1.0  # [m/s] of the inertial velocity that is believed


class Wary(Pilot):
    """Descends slowly while braking and from well above the ground on, quickly in between."""

    name = "wary"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        require_control(self.name, scenario, self.control)
        self.vehicle = Vehicle.of(scenario)
        self.table = scenario.observation_table()
        error = scenario.navigation.altitude_error
        self.worst_error = max(error.high if isinstance(error, Range) else error, 0.0)  # [m] belief above truth
        self.is_shown_truth = scenario.observation == "truth"
        period = scenario.decision_period
        self.steady = SteadyAltitude(num_landers, period, device)
        self.navigator = ErrorStateFilter(self.table, num_landers, period, Tuning.from_scenario(scenario), device)
        self.loop = RateLoop(scenario, num_landers, device)

    @classmethod
    def wishes(cls, scenario: Scenario) -> dict[str, object]:
        """A quick loop: the last metres are flown at a rate near what the gear stands."""
        return {**super().wishes(scenario), "guidance.vertical_time": 1.0}

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        for part in (self.steady, self.navigator, self.loop):
            part.reset(mask)

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3): the wished rate of descent and no lateral speed."""
        reading = self.steady.repaired(self.table.read(observation))
        now = exact(reading, self.table.beams()[0].range) if self.is_shown_truth else self.navigator.update(reading)
        self.loop.look(reading)
        rate = torch.where(now.seen, *self.rates(now.height, now.height_deviation, reading["propellant"]))
        slowed = ((MUCH - now.velocity[:, :2].norm(dim=1)) / (MUCH - LITTLE)).clamp(0.0, 1.0)
        rate = torch.minimum(rate, BRAKING_RATE + max(self.loop.known.fastest - BRAKING_RATE, 0.0) * slowed)
        return self.loop.action(rate, now.velocity_error[:, 2].clamp(-MOST_DRIFT, MOST_DRIFT))

    def rates(
        self, height: torch.Tensor, deviation: torch.Tensor, propellant: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The rates of descent (N,) [m/s] that are safe with the ground in sight, and without."""
        vehicle, mass = self.vehicle, self.vehicle.dry_mass + propellant
        strongest = self.loop.effect * vehicle.maximum_thrust / mass
        braking = BRAKING_SHARE * (strongest - vehicle.gravity).clamp(min=0.05)
        guarded = BRAKING_SHARE * (THRUST_LEFT * strongest - vehicle.gravity).clamp(min=0.05)

        endurance = propellant * vehicle.exhaust_speed / (mass * vehicle.gravity)  # [s] of hovering
        final = (CONTACT_RATE * (endurance - RESERVE)).clamp(LOWEST_FINAL, HIGHEST_FINAL)
        surely = height - 2.0 * deviation - final
        sighted = guarded_rate(surely, braking, GUARDED, guarded, REACTION, CONTACT_RATE)

        spare = height - self.worst_error - LATEST_LOCK
        blind = blind_rate(spare, braking, LATEST_LOCK - STOPPED, REACTION, CONTACT_RATE, BRAKING_SHARE)
        return sighted, blind
