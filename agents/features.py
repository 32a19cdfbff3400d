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
    """Observations (N, history x channels) to features (N, size). Nothing in here is learned."""

    def __init__(self, table: ObservationTable) -> None:
        super().__init__()
        self.table = table
        scale = torch.tensor([channel.scale for channel in table.channels])
        self.register_buffer("scale", scale, persistent=False)
        self.scale: torch.Tensor
        self.beams = table.beams()
        self.column = {channel.name: i for i, channel in enumerate(table.channels)}
        self.actions = [i for i, channel in enumerate(table.channels) if channel.name.startswith("last_")]
        self.geometry = None if "altitude" in self.column else BeamGeometry(table)
        self.size = self.per_reading(torch.zeros(1, 1, len(table.channels))).shape[-1] * table.history

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """All readings, newest last."""
        readings = observation.unflatten(-1, (self.table.history, len(self.table.channels)))
        return self.per_reading(readings).flatten(-2)

    def per_reading(self, scaled: torch.Tensor) -> torch.Tensor:
        """(N, history, channels) to (N, history, features)."""
        si = scaled * self.scale
        last = [scaled[..., i] for i in self.actions]
        columns = self.of_instruments(si) if self.geometry is None else self.geometry(si)
        if "propellant" in self.column:
            last = [2.0 * scaled[..., self.column["propellant"]] - 1.0, *last]
        return torch.stack([*columns, *last], dim=-1)

    def of_instruments(self, si: torch.Tensor) -> list[torch.Tensor]:
        """Features of readings (N, history, channels) in SI units, beams and inertial state, each (N, history)."""

        def named(name: str) -> torch.Tensor:
            return si[..., self.column[name]]

        climb = named("velocity_up")
        believed = named("altitude")
        columns, heights = [], []
        for beam in self.beams:
            cosine = pointing_down(named, beam.direction)
            measured = named(beam.range) * cosine + climb * named(beam.age)
            heights.append(measured)
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
