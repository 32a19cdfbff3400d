"""What a network is given to look at: the observation on scales where a metre matters near the ground.

Heights and speeds span four decades, and a soft touchdown happens in the last one. So each is given twice, in
proportion and in the signed logarithm. The one combined quantity is the measured height, the slant range turned
vertical and brought forward by its age; everything else is left to the network and its memory of past readings.
Where beams are all there is, beam_features.py says what they tell together.
"""

import torch
from torch import nn

from agents.beam_features import BeamGeometry, signed_log
from lunar_env import Descent
from lunar_env.observation import ObservationTable, pointing_down


def truth_features(descent: Descent) -> torch.Tensor:
    """(N, 23 + 3 F) the privileged truth for a critic: in proportion, and what is in metres once more as a logarithm.

    A critic that sees a true height in shares of kilometres only cannot tell a wrong reading of 50 m from a right one.
    """
    state = descent.state
    metric = [
        descent.truth()["height"][:, None],
        state["motion.position"],
        state["motion.velocity"],
        state["belief.position_error"],
    ]
    return torch.cat([descent.privileged(), signed_log(torch.cat(metric, dim=1), 2.0) / 3.0], dim=1)


class Features(nn.Module):
    """Observations (N, history x channels) to features (N, size). Nothing in here is learned.

    Args:
        table: what the observations hold.
        differences: whether only the newest reading is shown, and how each differs from the one before. A range that
            stands still while the lander falls, or that jumps, is then plain to see; of two whole readings, whose
            scales are kilometres, it is the small difference.
    """

    def __init__(self, table: ObservationTable, differences: bool = False) -> None:
        super().__init__()
        if differences and (table.history < 2 or "altitude" not in {channel.name for channel in table.channels}):
            raise ValueError(
                "network.differences compares readings of altimeter and inertial unit, one after the other; "
                "give the scenario a history of at least 2 and observation='instruments', or leave it out"
            )
        self.differences = differences
        self.table = table
        scale = torch.tensor([channel.scale for channel in table.channels])
        self.register_buffer("scale", scale, persistent=False)
        self.scale: torch.Tensor
        self.beams = table.beams()
        self.column = {channel.name: i for i, channel in enumerate(table.channels)}
        self.actions = [i for i, channel in enumerate(table.channels) if channel.name.startswith("last_")]
        self.geometry = None if "altitude" in self.column else BeamGeometry(table)
        self.size = self.forward(torch.zeros(1, table.size)).shape[-1]

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """All readings, newest last; or the newest and the differences."""
        readings = observation.unflatten(-1, (self.table.history, len(self.table.channels)))
        if self.differences:
            newest, differences = self.per_reading(readings[..., -1:, :]), self.per_pair(readings * self.scale)
            return torch.cat([newest.flatten(-2), differences.flatten(-2)], dim=-1)
        return self.per_reading(readings).flatten(-2)

    def per_reading(self, scaled: torch.Tensor) -> torch.Tensor:
        """(N, history, channels) to (N, history, features)."""
        si = scaled * self.scale
        last = [scaled[..., i] for i in self.actions]
        columns = self.of_instruments(si) if self.geometry is None else self.geometry(si)
        if "propellant" in self.column:
            last = [2.0 * scaled[..., self.column["propellant"]] - 1.0, *last]
        return torch.stack([*columns, *last], dim=-1)

    def per_pair(self, si: torch.Tensor) -> torch.Tensor:
        """(N, history, channels) in SI units to (N, history - 1, differences), oldest first."""

        def change(column: torch.Tensor) -> torch.Tensor:
            return column[..., 1:] - column[..., :-1]

        columns = []
        for beam, measured in zip(self.beams, self.measured_heights(si), strict=True):
            moved = change(si[..., self.column[beam.range]])
            columns += [signed_log(moved, 0.5) / 3.0]
            columns += [signed_log(change(si[..., self.column["altitude"]] - measured), 0.5) / 3.0]
        columns += [signed_log(change(si[..., self.column["altitude"]]), 0.5) / 3.0]
        columns += [change(si[..., self.column["velocity_up"]])]
        columns += [change(si[..., self.column[f"velocity_{axis}"]]) / 3.0 for axis in "xy"]
        return torch.stack(columns, dim=-1)

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
