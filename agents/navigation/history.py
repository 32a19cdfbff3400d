"""Where the vehicle was when a reading was taken: readings are late, and within a decision the vehicle moves on."""

from dataclasses import dataclass

import torch

from agents.navigation.tuning import Tuning
from lunar_env.observation import BeamChannels

LEAST_COSINE = 0.3  # [-] of a beam from straight down; what is flatter is not used [P]
HORIZON = 4.0  # [s] of age; what is older is not used [P]
SHARED = 10.0  # [-] successive samples of the same ground at most [P]


@dataclass(frozen=True)
class Passage:
    """The inertial solution when each beam's newest sample was taken: (beams, N), vectors (3, beams, N)."""

    usable: torch.Tensor  # bool
    age: torch.Tensor  # [s]
    stamp: torch.Tensor  # [s]
    altitude: torch.Tensor  # [m] of the instruments
    across: torch.Tensor  # [m/s] over the ground
    cosine: torch.Tensor  # of the beam from straight down
    direction: torch.Tensor  # of the beam, local axes
    velocity: torch.Tensor  # [m/s] local axes
    roughness: torch.Tensor  # [m] deviation of the ground that the beam meets from that below the vehicle now
    leaning: torch.Tensor  # [-] deviation of the range by an attitude error, over the range
    swerve: torch.Tensor  # [m/s] deviation of the closing speed for what happened within a decision


class Past:
    """The inertial solution of the last seconds, for readings that are late."""

    NAMES = (
        "altitude", "velocity_up", "velocity_x", "velocity_y", "position_x", "position_y",
        "attitude_x", "attitude_y", "attitude_z", "attitude_w", "rate_x", "rate_y", "rate_z",
        "time",
    )  # fmt: skip

    def __init__(
        self, beams: list[BeamChannels], num_landers: int, period: float, tuning: Tuning, device: torch.device | str
    ) -> None:
        self.beams, self.period, self.tuning = beams, period, tuning
        self.slots = int(HORIZON / period) + 3
        self.newest = 0  # slot
        self.table = torch.zeros(len(self.NAMES), self.slots * num_landers, dtype=torch.float32, device=device)
        self.table[-1] = -1e9  # [s] a time that is none
        self.row = torch.arange(num_landers, dtype=torch.int64, device=device)
        self.directions = torch.tensor([beam.direction for beam in beams], dtype=torch.float32, device=device).T[
            :, :, None
        ]

    def recall(self, reading: dict[str, torch.Tensor]) -> Passage:
        """Keep a decision's reading, and work out where the vehicle was at the stamps of its samples.

        Altitude and climb rate: the cubic that has those of the decisions before and after. Other velocities, rates:
        linear between them.
        """
        count = len(self.row)
        self.newest = (self.newest + 1) % self.slots
        first = self.newest * count
        self.table[:, first : first + count] = torch.stack([reading[name] for name in self.NAMES])
        age = torch.stack([reading[beam.age] for beam in self.beams])
        steps = (age / self.period + 1e-3).floor().clamp(0.0, self.slots - 2)
        back = (age - steps * self.period).clamp(0.0, self.period)  # [s] from the decision after the sample
        slot = (self.newest - steps.long()) % self.slots
        after = self._at(slot)
        before = self._at((slot - 1) % self.slots)
        known = (after[13] - reading["time"] + steps * self.period).abs() < 0.5 * self.period
        steady = torch.cat([after[:1] - self.period * after[1:2], after[1:]])  # where there is no decision before
        before = torch.where((after[13] - before[13] - self.period).abs() < 0.5 * self.period, before, steady)

        share = back / self.period
        rise, period = after[0] - before[0], self.period
        square, cube = share**2, share**3
        altitude = after[0] - rise * (3.0 * square - 2.0 * cube)
        altitude = altitude - period * ((share - 2.0 * square + cube) * after[1] + (cube - square) * before[1])
        climb = rise / period * 6.0 * (share - square) + (1.0 - 4.0 * share + 3.0 * square) * after[1]
        climb = climb + (3.0 * square - 2.0 * share) * before[1]
        velocity = torch.stack([*torch.lerp(after[2:4], before[2:4], share), climb])
        place = after[4:6] - velocity[:2] * back
        turn = -torch.lerp(after[10:13], before[10:13], 0.5 * share) * back
        direction, cosine, upright = self._pointing(after[6:10], turn, place, altitude)
        usable = torch.stack([reading[beam.valid] > 0.5 for beam in self.beams])
        usable &= known & (age <= HORIZON) & (cosine > LEAST_COSINE)
        height = altitude + self.tuning.lever * (1.0 - upright)
        stamp = reading["time"] - age
        return Passage(
            usable, age, stamp, height, torch.hypot(*velocity[:2]), cosine, direction, velocity,
            *self._deviations(age, back, height, cosine, direction, velocity),
        )  # fmt: skip

    def _at(self, slot: torch.Tensor) -> torch.Tensor:
        """The readings (names, beams, N) of slots (beams, N)."""
        index = slot * len(self.row) + self.row
        return self.table.index_select(1, index.flatten()).unflatten(1, index.shape)

    def _pointing(
        self, attitude: torch.Tensor, turn: torch.Tensor, place: torch.Tensor, altitude: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Directions (3, beams, N) in local axes, their cosines from straight down, and that of the body's axis.

        The attitude before a ``turn`` [rad, body axes] was q exp(turn).
        """
        angle = torch.sqrt((turn**2).sum(dim=0))
        once = torch.linalg.cross(turn, self.directions.expand_as(turn), dim=0)
        twice = torch.linalg.cross(turn, once, dim=0)
        body = self.directions + torch.sinc(angle / torch.pi) * once
        body = body + 0.5 * torch.sinc(0.5 * angle / torch.pi) ** 2 * twice
        axis, scalar = attitude[:3], attitude[3]
        cross = 2.0 * torch.linalg.cross(axis, body, dim=0)
        site = body + scalar * cross + torch.linalg.cross(axis, cross, dim=0)

        x, y = place / (self.tuning.radius + self.tuning.lever + altitude)
        z = torch.sqrt((1.0 - x**2 - y**2).clamp(min=0.0))
        up = torch.stack([x, y, z])
        cosine = -(site * up).sum(dim=0)
        upright_x, upright_y = (axis[0] * axis[2] + scalar * axis[1]), (axis[1] * axis[2] - scalar * axis[0])
        upright = 2.0 * (upright_x * x + upright_y * y) + (1.0 - 2.0 * (axis[0] ** 2 + axis[1] ** 2)) * z
        # The shortest rotation from up to z, see ``to_local`` in lunar_env/vehicle/control.py.
        both = torch.stack([x, y, z + 1.0])
        local = site - both * ((site * both).sum(dim=0) / (1.0 + z))
        local[2] -= 2.0 * cosine
        return local, cosine, upright

    def _deviations(
        self,
        age: torch.Tensor,
        back: torch.Tensor,
        height: torch.Tensor,
        cosine: torch.Tensor,
        direction: torch.Tensor,
        velocity: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What a reading is uncertain by beside its noise: ``roughness``, ``leaning`` and ``swerve`` of a Passage.

        A tilted beam meets other ground than that below. Successive samples meet nearly the same, so that their mean is
        not much better than one: each is taken for as many as it takes to pass on, up to ``SHARED``.
        """
        tuning = self.tuning
        tangent = torch.sqrt((1.0 - cosine**2).clamp(min=0.0)) / cosine.clamp(min=LEAST_COSINE)
        aside = height.abs() * tangent
        fast = torch.sqrt((velocity**2).sum(dim=0))
        shared = (aside / (fast * self.period + 1e-3)).clamp(1.0, SHARED)
        roughness = tuning.unevenness * torch.sqrt(aside * shared + torch.hypot(*velocity[:2]) * age)
        along = (direction * velocity).sum(dim=0)
        sideways = torch.sqrt((fast**2 - along**2).clamp(min=0.0))
        unsteady = tuning.unsteadiness * back * (1.0 - back / self.period)
        return roughness, tuning.attitude * tangent, torch.hypot(tuning.attitude * sideways, unsteady)


def slant_range(height: torch.Tensor, cosine: torch.Tensor, radius: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Range (N,) [m] from a height (N,) [m] along a beam to a sphere, and its change per metre of height.

    As published: r^2 - 2 (R + h) c r + h (2 R + h) = 0. As programmed: its nearer root, without cancellation.
    """
    cosine = cosine.clamp(min=LEAST_COSINE)  # flatter beams are not used: they may miss the sphere
    share = height / radius
    falling = (1.0 + share) * cosine
    root = torch.sqrt((falling**2 - share * (2.0 + share)).clamp(min=1e-4))
    slant = height * (2.0 + share) / (falling + root)
    return slant, (1.0 + share - cosine * slant / radius) / root
