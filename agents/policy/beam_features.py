"""What a network is given where altimeter beams are all there is: what they tell together, by their geometry.

The closing speeds c of beams along d_1, d_2, ... in body axes are c_i = d_i . v, so the velocity is v = D^+ c, with the
pseudo-inverse of the matrix D of directions. Which way the body points is not shown either: it is taken to be where the
last command wants it, if that was a thrust vector, and upright otherwise.
"""

import torch
from torch import nn

from lunar_env.observation import ObservationTable


def signed_log(value: torch.Tensor, unit: float) -> torch.Tensor:
    """sign(x) log(1 + |x| / unit): linear below ``unit``, logarithmic above."""
    return torch.sign(value) * torch.log1p(torch.abs(value) / unit)


class BeamGeometry(nn.Module):
    """Readings (N, history, channels) in SI units to features, each (N, history)."""

    def __init__(self, table: ObservationTable) -> None:
        super().__init__()
        column = {channel.name: i for i, channel in enumerate(table.channels)}
        beams = table.beams()
        tables = {
            "ranges": [column[beam.range] for beam in beams],
            "valid": [column[beam.valid] for beam in beams],
            "ages": [column[beam.age] for beam in beams],
            "speeds": [column[beam.speed] for beam in beams if beam.speed],
            "commands": [column[f"last_thrust_{axis}"] for axis in ("x", "y", "up") if f"last_thrust_{axis}" in column],
        }
        # Buffers, not lists: while a GPU's work is recorded, nothing may come from the CPU.
        for name, columns in tables.items():
            self.register_buffer(name, torch.tensor(columns, dtype=torch.long, device="cpu"), persistent=False)
        self.ranges: torch.Tensor
        self.valid: torch.Tensor
        self.ages: torch.Tensor
        self.speeds: torch.Tensor
        self.commands: torch.Tensor
        self.register_buffer(
            "upright", torch.tensor([0.0, 0.0, 1.0], dtype=torch.float32, device="cpu"), persistent=False
        )
        self.upright: torch.Tensor
        directions = torch.tensor([beam.direction for beam in beams], dtype=torch.float32, device="cpu")
        moving = torch.tensor(
            [beam.direction for beam in beams if beam.speed], dtype=torch.float32, device="cpu"
        ).reshape(-1, 3)
        self.register_buffer("directions", directions, persistent=False)  # (beams, 3) body axes
        self.register_buffer("velocity_of", torch.linalg.pinv(moving).T, persistent=False)  # (Doppler beams, 3)
        self.directions: torch.Tensor
        self.velocity_of: torch.Tensor

    def forward(self, si: torch.Tensor) -> list[torch.Tensor]:
        """What the beams tell: heights and, from Doppler beams, velocity."""
        axis = self.thrust_axis(si)
        down = -turned(self.directions, axis[..., None, :])[..., 2]  # (N, history, beams) cosine to straight down
        heights = si[..., self.ranges] * down
        columns = [
            heights / 2_000.0,
            signed_log(heights, 5.0) / 3.0,
            si[..., self.valid],
            signed_log(si[..., self.ages], 0.5) / 3.0,
            signed_log(heights.mean(dim=-1, keepdim=True), 1.0) / 3.0,
        ]
        if len(self.speeds):
            velocity = turned(si[..., self.speeds] @ self.velocity_of, axis)
            columns += [velocity / 50.0, signed_log(velocity, 0.3) / 3.0]
        return list(torch.cat(columns, dim=-1).unbind(dim=-1))

    def thrust_axis(self, si: torch.Tensor) -> torch.Tensor:
        """(N, history, 3) where the body's z axis points, as far as the command tells; see control.steer."""
        upright = self.upright.expand(*si.shape[:-1], 3)
        if not len(self.commands):
            return upright
        thrust = si[..., self.commands]
        wanted = torch.cat([thrust[..., :2], thrust[..., 2:].clamp(min=0.0)], dim=-1) + 0.01 * upright
        return wanted / wanted.norm(dim=-1, keepdim=True)


def turned(vector: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Vectors (..., 3) in body axes to site axes, by the shortest rotation of z to ``axis`` (..., 3)."""
    both = torch.cat([axis[..., :2], axis[..., 2:] + 1.0], dim=-1)  # with z
    along = (vector * both).sum(dim=-1, keepdim=True) / (1.0 + axis[..., 2:])
    return vector - both * along + 2.0 * vector[..., 2:] * axis
