"""What a network is given of two readings, one after the other: what changed, and what that tells.

Of two whole readings, whose scales are kilometres, the difference is small. Yet that is what shows a range that stands
still while the lander falls, a belief that jumps, and an engine that gives less than it is asked for.
"""

import torch

from agents.guidance.descent_loop import DescentLoop, effect
from agents.navigation.jumps import LEAST_JUMP
from agents.policy.beam_features import signed_log
from lunar_env import Scenario


class Changes:
    """From each reading to the next, of a scenario with altimeter and inertial unit.

    Args:
        scenario: whose observations hold at least two readings.
        column: of each channel in a reading.

    Raises:
        ValueError: there is nothing to be compared; the message names the remedy.
    """

    def __init__(self, scenario: Scenario, column: dict[str, int]) -> None:
        if scenario.history < 2 or "altitude" not in column:
            raise ValueError(
                "network.differences compares readings of altimeter and inertial unit, one after the other; "
                "give the scenario a history of at least 2 and observation='instruments', or leave it out"
            )
        self.ranges = [column[beam.range] for beam in scenario.observation_table().beams()]
        self.altitude, self.propellant = column["altitude"], column["propellant"]
        self.velocity = [column[f"velocity_{axis}"] for axis in ("x", "y", "up")]
        self.wish = column.get("last_descent_rate")  # in the scenario's control mode, or not
        self.loop = DescentLoop.of(scenario)

    def __call__(self, si: torch.Tensor, heights: list[torch.Tensor]) -> torch.Tensor:
        """Readings (N, history, channels) in SI units to (N, history - 1, changes), oldest first.

        ``heights``: what each beam says of the height, (N, history) [m].
        """
        return torch.stack(list(self.named(si, heights).values()), dim=-1)

    def named(self, si: torch.Tensor, heights: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """The same by name, each (N, history - 1)."""
        before, now = si[..., :-1, :], si[..., 1:, :]
        earlier, velocity = self.velocities(before), self.velocities(now)
        rise = now[..., self.altitude] - before[..., self.altitude]
        jump = rise - 0.5 * self.loop.period * (earlier[..., 2] + velocity[..., 2])
        jump = torch.where(jump.abs() > LEAST_JUMP, jump, 0.0)
        changes = {}
        for number, (place, height) in enumerate(zip(self.ranges, heights, strict=True)):
            doubt = si[..., self.altitude] - height
            changes[f"range_{number}"] = signed_log(now[..., place] - before[..., place], 0.5) / 3.0
            changes[f"doubt_{number}"] = signed_log(doubt[..., 1:] - doubt[..., :-1], 0.5) / 3.0
        changes["rise"] = signed_log(rise, 0.5) / 3.0
        changes["jump"] = signed_log(jump, 5.0) / 3.0
        changes["jump_in_proportion"] = (jump / 50.0).clamp(-4.0, 4.0)  # for a memory that adds up
        changes["velocity_up"] = velocity[..., 2] - earlier[..., 2]
        for axis, name in enumerate("xy"):
            changes[f"velocity_{name}"] = (velocity[..., axis] - earlier[..., axis]) / 3.0
        return changes | self.of_engine(before, now)

    def of_engine(self, before: torch.Tensor, now: torch.Tensor) -> dict[str, torch.Tensor]:
        """What was felt of the thrust; where a loop asks for it, also what it asks for, and what of that is missing."""
        loop, earlier, velocity = self.loop, self.velocities(before), self.velocities(now)
        mass = loop.mass(now[..., self.propellant])
        up, across = loop.felt(earlier, velocity, mass)
        changes = {
            "felt_up": up.clamp(-1.0, 2.0),
            "felt_across": across.clamp(max=2.0),
            "felt": torch.sqrt(up**2 + across**2).clamp(max=2.0),  # ONNX knows no hypot
        }
        if self.wish is None:
            return changes
        rate = loop.rate(now[..., self.wish])  # in force for all of the decision
        begin = loop.asked(rate, earlier, loop.mass(before[..., self.propellant]))
        end = loop.asked(rate, velocity, mass)
        seen, telling = effect(begin, end, up, across)
        missing = torch.where(telling, 1.0 - seen, 0.0).clamp(-0.5, 1.0)
        return changes | {"asked": end, "missing": 3.0 * missing, "telling": telling.to(end.dtype)}

    def velocities(self, readings: torch.Tensor) -> torch.Tensor:
        """(N, readings, 3) [m/s], z up."""
        return torch.stack([readings[..., place] for place in self.velocity], dim=-1)
