"""An altitude that does not jump: what a belief gains or loses at once, against its own velocity, is taken back.

Odysseus' belief was 100 m off when its ranging was lost (missions reference, section 7, mode 5). Nothing that flies
moves by that from one decision to the next, so a jump tells of the belief, not of the flight.
"""

import torch

LEAST_JUMP = 20.0  # [m] in a decision, against the mean of the velocities at its ends [P]


class SteadyAltitude:
    """What the believed altitudes of a batch of landers have jumped by."""

    def __init__(self, num_landers: int, period: float, device: torch.device | str = "cpu") -> None:
        self.period = period  # [s] between two decisions
        self.jumped = torch.zeros(num_landers, dtype=torch.float32, device=device)  # [m] since the start
        self.altitude = torch.full(
            (num_landers,), torch.nan, dtype=torch.float32, device=device
        )  # [m] as believed at the last decision
        self.climb = torch.full((num_landers,), torch.nan, dtype=torch.float32, device=device)  # [m/s] then

    def reset(self, mask: torch.Tensor) -> None:
        """Forget the landers in ``mask`` (N,)."""
        self.jumped[mask] = 0.0
        self.altitude[mask] = self.climb[mask] = torch.nan

    def repaired(self, reading: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """One decision's observation (named SI columns), its ``altitude`` (N,) without the jumps."""
        altitude, climb = reading["altitude"], reading["velocity_up"]
        jump = altitude - self.altitude - self.period * 0.5 * (self.climb + climb)
        self.jumped = self.jumped + torch.where(jump.abs() > LEAST_JUMP, jump, 0.0)  # never true of nan
        self.altitude, self.climb = altitude.clone(), climb.clone()
        return {**reading, "altitude": altitude - self.jumped}
