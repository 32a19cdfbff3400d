"""What a network is given to look at: the observation on scales where a metre matters near the ground.

Heights and speeds span four decades, and a soft touchdown happens in the last one. So each is given twice, in
proportion and in the signed logarithm. The one combined quantity is the measured height, the slant range turned
vertical and brought forward by its age; everything else is left to the network and its memory of past readings.
Where beams are all there is, beam_features.py says what they tell together; differences.py says what two readings do.
"""

import torch
from torch import nn

from agents.policy.beam_features import BeamGeometry, signed_log
from agents.policy.differences import Changes
from lunar_env import Descent, Scenario
from lunar_env.observation import pointing_down

METRIC = 10  # true numbers in metres or metres a second that come first: height, position, velocity, position error


def truth_features(descent: Descent) -> torch.Tensor:
    """(N, 23 + 3 F) the privileged truth for a critic: in proportion, and what is in metres once more as a logarithm.

    A critic that sees a true height in shares of kilometres only cannot tell a wrong reading of 50 m from a right one.
    """
    numbers = descent.true_numbers()
    metric = numbers[:, :METRIC]
    return torch.cat([numbers / descent.true_scales, signed_log(metric, 2.0) / 3.0], dim=1)


class Features(nn.Module):
    """Observations (N, history x channels) to features (N, size). Nothing in here is learned.

    Args:
        scenario: whose observations they are.
        differences: whether only the newest reading is shown, and what changed from each one before to the next.
    """

    def __init__(self, scenario: Scenario, differences: bool = False) -> None:
        super().__init__()
        self.table = table = scenario.observation_table()
        self.column = {channel.name: i for i, channel in enumerate(table.channels)}
        self.changes = Changes(scenario, self.column) if differences else None
        scale = torch.tensor([channel.scale for channel in table.channels], dtype=torch.float32, device="cpu")
        self.register_buffer("scale", scale, persistent=False)
        self.scale: torch.Tensor
        self.beams = table.beams()
        self.actions = [i for i, channel in enumerate(table.channels) if channel.name.startswith("last_")]
        self.geometry = None if "altitude" in self.column else BeamGeometry(table)
        self.size = self.forward(torch.zeros(1, table.size, dtype=torch.float32, device="cpu")).shape[-1]

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """All readings, newest last; or the newest and the differences."""
        readings = observation.unflatten(-1, (self.table.history, len(self.table.channels)))
        if self.changes is not None:
            si = readings * self.scale
            changes = self.changes(si, self.measured_heights(si))
            return torch.cat([self.per_reading(readings[..., -1:, :]).flatten(-2), changes.flatten(-2)], dim=-1)
        return self.per_reading(readings).flatten(-2)

    def per_reading(self, scaled: torch.Tensor) -> torch.Tensor:
        """(N, history, channels) to (N, history, features)."""
        si = scaled * self.scale
        last = [scaled[..., i] for i in self.actions]
        columns = self.of_instruments(si) if self.geometry is None else self.geometry(si)
        if "propellant" in self.column:
            last = [2.0 * scaled[..., self.column["propellant"]] - 1.0, *last]
        return torch.stack([*columns, *last], dim=-1)

    def measured_heights(self, si: torch.Tensor) -> list[torch.Tensor]:
        """What each beam says of the height, (N, history) [m]: its range turned vertical, and brought forward."""

        def named(name: str) -> torch.Tensor:
            return si[..., self.column[name]]

        return [
            named(beam.range) * pointing_down(named, beam.direction) + named("velocity_up") * named(beam.age)
            for beam in self.beams
        ]

    def of_instruments(self, si: torch.Tensor) -> list[torch.Tensor]:
        """Features of readings (N, history, channels) in SI units, beams and inertial state, each (N, history)."""

        def named(name: str) -> torch.Tensor:
            return si[..., self.column[name]]

        climb = named("velocity_up")
        believed = named("altitude")
        columns, heights = [], self.measured_heights(si)
        for beam, measured in zip(self.beams, heights, strict=True):
            columns += [
                measured / 2_000.0,
                signed_log(measured, 5.0) / 3.0,
                named(beam.valid),
                signed_log(named(beam.age), 0.5) / 3.0,
            ]
            if beam.speed:
                columns += [named(beam.speed) / 50.0, signed_log(named(beam.speed), 1.0) / 3.0]
        measured = heights[0]
        if self.table.pad:
            for axis in ("position_x", "position_y"):
                columns += [named(axis) / 1_000.0, signed_log(named(axis), 2.0) / 3.0]
        columns += [
            believed / 2_000.0,
            signed_log(believed, 50.0) / 3.0,
            (believed - measured) / 1_000.0,
            climb / 50.0,
            signed_log(climb, 1.0) / 3.0,
            named("velocity_x") / 100.0,
            named("velocity_y") / 100.0,
            signed_log(named("velocity_x"), 0.3) / 3.0,
            signed_log(named("velocity_y"), 0.3) / 3.0,
            2.0 * named("attitude_x"),
            2.0 * named("attitude_y"),
            5.0 * named("rate_x"),
            5.0 * named("rate_y"),
        ]
        return columns
