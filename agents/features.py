"""What a network is given to look at: the observation on scales where a metre matters near the ground.

Heights and speeds span four decades, and a soft touchdown happens in the last one. So each is given twice, in
proportion and in the signed logarithm. The one combined quantity is the measured height, the slant range turned
vertical and brought forward by its age; everything else is left to the network and its memory of past readings.
"""

import torch
from torch import nn

from lunar_env.observation import ObservationTable, pointing_down


def signed_log(value: torch.Tensor, unit: float) -> torch.Tensor:
    """sign(x) log(1 + |x| / unit): linear below ``unit``, logarithmic above."""
    return torch.sign(value) * torch.log1p(torch.abs(value) / unit)


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
        self.size = self.per_reading(torch.zeros(1, 1, len(table.channels))).shape[-1] * table.history

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """All readings, newest last."""
        readings = observation.unflatten(-1, (self.table.history, len(self.table.channels)))
        return self.per_reading(readings).flatten(-2)

    def per_reading(self, scaled: torch.Tensor) -> torch.Tensor:
        """(N, history, channels) to (N, history, features)."""
        si = scaled * self.scale

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
            2.0 * scaled[..., self.column["propellant"]] - 1.0,
            *(scaled[..., i] for i in self.actions),
        ]
        return torch.stack(columns, dim=-1)
