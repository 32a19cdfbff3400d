"""``inertial``: Resilience's plan, on inertial navigation alone after the last fix.

As published for NASA's Lunar Pallet Lander: ranges down to 30 m, below that the inertial unit only, for the dust
[V2: LPL]. As programmed: the autopilot corrects its inertial altitude by the range finders until it first believes to
be below 30 m; from then on it is shown none of their flags, and the last correction stands.

A belief that jumps or drifts without fixes goes unnoticed to the ground.
"""

import torch

from lunar_env import Scenario
from lunar_env.flight_computer.autopilot import Autopilot
from lunar_env.flying.pilot import Pilot, require_control
from lunar_env.missions.resilience import PLAN

LAST_FIX = 30.0  # [m] [V2: LPL]


class Inertial(Pilot):
    """The autopilot of a mission that uses no range finder below ``LAST_FIX``."""

    name = "inertial"

    def __init__(self, scenario: Scenario, num_landers: int, device: torch.device | str = "cpu") -> None:
        require_control(self.name, scenario, self.control)
        self.autopilot = Autopilot(PLAN, scenario, num_landers, device)
        self.alone = torch.zeros(num_landers, dtype=torch.bool, device=device)  # after the last fix
        table = scenario.observation_table()
        flags = {beam.valid for beam in table.beams()}
        first = table.size - len(table.channels)  # of the newest reading
        self.flags = [first + i for i, channel in enumerate(table.channels) if channel.name in flags]

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.autopilot.reset(mask)
        self.alone[mask] = False

    def act(self, observation: torch.Tensor) -> torch.Tensor:
        """The actions (N, 3) of the autopilot."""
        shown = observation.clone()
        shown[:, self.flags] *= (~self.alone).float()[:, None]
        action = self.autopilot.act(shown)
        self.alone |= self.autopilot.height <= LAST_FIX
        return action
