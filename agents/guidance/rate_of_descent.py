"""P66: Apollo's last phase. The rate of descent is held, the horizontal velocity brought to what is wished.

As published [V: Luminary 099, "Guidance for P66"; numbers V2: its erasable load as rebuilt by the NASSP project]:

- Vertical, each second: |a| = ((w - v) / tau + g) / cos + (lag/tau) (g / cos - |a_m|), clipped to the throttle's
  range; w is the wished altitude rate, cos that of the tilt, |a_m| the measured thrust acceleration. The second term
  brings the rate forward by the lag of loop and engine. The crew's switch changes w by 1 ft/s a click.
- Horizontal, each two seconds, for each axis: a = limit(-Q a_last - (v - w) / tau_h). The limit, with the vertical
  component taken as g, keeps each axis of the tilt within 20 deg; the thrust points along (a_y, a_z, g).

As programmed: as published, without the throttle steps still on their way that Luminary took off |a_m|, and with the
throttle's range left to ``limits``. The limit is the 20 deg of missions reference 5.1; the load's coarse 0.572 m/s^2 is
19.5 deg.
"""

import math

import torch

VERTICAL_TIME = 1.5  # [s] TAUROD [V2]
LAG_SHARE = 0.413333  # [-] LAG/TAU: 0.62 s of lag [V2]
HORIZONTAL_TIME = 5.0  # [s] TAUHZ [V2]
LAST_SHARE = 0.4  # [-] QHZ [V2]
TILT_LIMIT = math.radians(20.0)  # [rad] AHZLIM [V2: KLU]


def rate_of_descent(
    wished_rate: torch.Tensor,
    velocity_up: torch.Tensor,
    measured: torch.Tensor,
    tilt_cosine: torch.Tensor,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """The size (N,) [m/s^2] of the thrust acceleration along the vehicle's axis; not below zero.

    Args:
        wished_rate: (N,) of descent, positive down [m/s].
        velocity_up: (N,) [m/s].
        measured: (N,) size of the thrust acceleration that the accelerometers feel now [m/s^2].
        tilt_cosine: (N,) between the axis and the vertical, positive.
        gravity: positive [m/s^2], a number or (N,).
    """
    raw = ((-wished_rate - velocity_up) / VERTICAL_TIME + gravity) / tilt_cosine
    return (raw + LAG_SHARE * (gravity / tilt_cosine - measured)).clamp(min=0.0)


def horizontal_nulling(
    wished: torch.Tensor, velocity: torch.Tensor, last: torch.Tensor, gravity: float | torch.Tensor
) -> torch.Tensor:
    """The horizontal thrust acceleration (N, 2) [m/s^2] that points the axis, with ``gravity`` as its vertical.

    Args:
        wished: horizontal velocity (N, 2) [m/s], zero when P66 flies alone.
        velocity: horizontal (N, 2) [m/s].
        last: what this function returned two seconds ago (N, 2), zero at first.
        gravity: positive [m/s^2], a number or (N,).
    """
    unlimited = -LAST_SHARE * last - (velocity - wished) / HORIZONTAL_TIME
    limit = (math.tan(TILT_LIMIT) * gravity) * torch.ones_like(velocity[:, 0])
    return unlimited.clamp(-limit[:, None], limit[:, None])


def landing(
    wished_rate: torch.Tensor,
    wished_horizontal: torch.Tensor,
    velocity: torch.Tensor,
    measured: torch.Tensor,
    last: torch.Tensor,
    gravity: float | torch.Tensor,
) -> torch.Tensor:
    """The thrust acceleration (N, 3) [m/s^2] of both channels, for an axis that follows at once; arguments as above.

    ``velocity`` (N, 3) [m/s] is the whole. The first two columns over the third, times gravity, are the next ``last``.
    """
    sideways = horizontal_nulling(wished_horizontal, velocity[:, :2], last, gravity)
    axis = torch.cat([sideways, torch.zeros_like(sideways[:, :1])], dim=1)
    axis[:, 2] = gravity
    axis = axis / axis.norm(dim=1, keepdim=True)
    size = rate_of_descent(wished_rate, velocity[:, 2], measured, axis[:, 2], gravity)
    return size[:, None] * axis
