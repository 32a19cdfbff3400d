"""``cautious``: a pilot that slows down while the altimeter is silent.

While no reading has come, the ground may be as near as the worst altitude error allows. The pilot keeps the speed from
which it could still stop if the range finder woke up only ``LATEST_LOCK`` above that ground, and no less: hovering
burns the propellant that the landing needs. From the first reading on it follows the stopping curve with a margin.
"""

import torch

from agents.altitude_filter import AltitudeFilter
from agents.descent_rate import descent_rate_action
from agents.pilot import require_control
from lunar_env import Scenario

WORST_ERROR = 1_500.0  # [m] belief above truth, the navigation's specification
LATEST_LOCK = 200.0  # [m] lowest first range that the pilot plans for
GRAVITY = 1.62  # [m/s^2]
EXHAUST_SPEED = 2_844.0  # [m/s] 290 s
THRUST = 1_600.0  # [N]
DRY_MASS = 340.0  # [kg]
BRAKING_SHARE = 0.8  # of the deceleration that full thrust gives
REACTION = 2.2  # [s] decision period, delay and throttle lag
BRAKING_RATE = 50.0  # [m/s]
BRAKED = 60.0  # [m/s] of lateral speed
CONTACT_RATE = 1.2  # [m/s]
FINAL_HEIGHT = 10.0  # [m] flown at the contact rate


class Cautious:
    """Slow while blind, firm when sighted."""

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        require_control("cautious", scenario, "descent_rate")
        self.scenario = scenario
        self.table = scenario.observation_table()
        self.filter = AltitudeFilter(num_landers, scenario.decision_period, device=device)

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.filter.reset(mask)

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The slower of what the height allows and, while blind, of what the worst case allows."""
        reading = self.table.read(observation)
        height = self.filter.update(reading)
        sideways = torch.hypot(reading["velocity_x"], reading["velocity_y"])
        mass = DRY_MASS + reading["propellant"]
        braking = BRAKING_SHARE * (THRUST / mass - GRAVITY)

        sighted = stopping_rate(height - 2.0 * self.filter.deviation() - FINAL_HEIGHT, braking)
        worst = reading["altitude"] - WORST_ERROR - LATEST_LOCK
        creep = stopping_rate(torch.full_like(height, LATEST_LOCK - FINAL_HEIGHT), braking)
        blind = torch.sqrt(creep**2 + 2.0 * BRAKING_SHARE * braking * worst.clamp(min=0.0))
        rate = torch.where(self.filter.seen, sighted, blind)
        rate = torch.where(sideways > BRAKED, rate.clamp(max=BRAKING_RATE), rate)
        return descent_rate_action(self.scenario, rate)


def stopping_rate(height: torch.Tensor, deceleration: torch.Tensor) -> torch.Tensor:
    """Rate of descent [m/s] from which ``deceleration`` [m/s^2], after the reaction time, stops within a height [m].

    v^2 / 2a + v t = h, solved for v.
    """
    delay = deceleration * REACTION
    return (torch.sqrt(delay**2 + 2.0 * deceleration * height.clamp(min=0.0)) - delay).clamp(min=CONTACT_RATE)
