"""Which episodes somebody could have survived: physics and information, one answer for all pilots.

Drawn numbers and one flight decide, never what a pilot under test does:

- **The ground can be seen.** Where the range finder is lost for good before it wakes up, no pilot ever gets a range.
- **The engine suffices for who learns of its fault when it strikes.** The planned descent is flown in the same
  episode, by ``as_flown`` on true readings, so that no altimeter fault matters. Where an engine fault strikes, what is
  left of the engine must still be able to brake the rate of descent there to the touchdown rate
  (``fastest_vertical``). A fault that ends is asked about at its end: until then nobody can do anything about it.

Nearly every doubt speaks for the episode. What is called lost is lost for whoever was on the plan; what is called
survivable may still be beyond all pilots, for attitude, lateral speed, the throttle's lag and its least, other kinds of
faults, the reach of the range finder and how long it saw the ground are left out. Engine faults that have not struck
when the planned flight is down are no objection, whether it landed or an earlier one, survivable by itself, brought it
down. One that would end but still acts when it meets the ground is, unless it landed.

Three limits: who descends more slowly than the plan may survive more; a second engine fault finds the plan as it went
on after the first, though who knew of that one might have flown otherwise; and where the plan on true readings crashes
without any fault, its flight is no measure of an engine. Resilience's always lands.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from agents.limits.frontier import Starts, fastest_vertical
from agents.pilots import as_shown_to, make_pilot
from lunar_env import Descent, Outcome, Scenario, load_scenario
from lunar_env.faults.kinds import FOREVER, NAMES
from lunar_env.flying.batches import batches
from lunar_env.flying.episodes import CHUNK
from lunar_env.missions.any_fault import ENGINE as ENGINE_FAULTS
from lunar_env.vehicle.dynamics import STANDARD_GRAVITY

PLANNED = "as_flown"
LEAST_THRUST = 1e-6  # of the nominal one: an engine that is gone, for quotients
LEAST_GRAVITY = 1e-3  # [m/s^2] at orbital speed, likewise


@dataclass(frozen=True)
class Survivable:
    """What was possible in a list of episodes."""

    seen: NDArray[np.bool_]  # (episodes,) the ground can be seen
    braked: NDArray[np.bool_]  # (episodes,) the engine suffices

    @property
    def episodes(self) -> NDArray[np.bool_]:
        """(episodes,) bool: survivable."""
        return self.seen & self.braked

    def counts(self) -> dict[str, int]:
        """Episodes, how many are survivable, and how many are not for each reason; some for both."""
        return {
            "episodes": self.seen.size,
            "survivable": int(self.episodes.sum()),
            "unseen": int((~self.seen).sum()),
            "unbraked": int((~self.braked).sum()),
        }


def survivable(scenario: Scenario, episodes: int, seed: int) -> Survivable:
    """What is possible in episodes 0 to ``episodes`` - 1 of a seed, as ``flying.fly_episodes`` flies them."""
    planned = as_shown_to(PLANNED, load_scenario(scenario, observation="truth"))
    every_tick = load_scenario(planned, decision_period=planned.tick)
    parts = [
        (ground_is_seen(descent), engine_suffices(descent, planned))
        for descent in batches(every_tick, episodes, seed, "cpu", CHUNK)
    ]
    seen, braked = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Survivable(seen, braked)


def ground_is_seen(descent: Descent) -> NDArray[np.bool_]:
    """(N,) whether the range finder wakes up before it is lost for good; asked at the start of the episodes.

    Blind above ``late_acquisition.altitude`` and lost from ``ranging_loss.below`` down, in the same tick at the latest:
    if the second height is not below the first, there is no tick with a range. A loss that waits for its ``onset`` may
    find the ground seen before, and one that spares a share of the samples, or a range finder, leaves some to see.
    """
    state, tick = descent.state, descent.scenario.tick

    def for_good(name: str) -> torch.Tensor:
        """(N,) whether a fault can begin with the first sample, and does not end."""
        drawn = f"drawn.faults.{name}."
        return (
            _among(state["episode.faults"], name)
            & (state[drawn + "onset"] <= tick)
            & (state[drawn + "duration"] >= FOREVER)
        )

    late, loss = "drawn.faults.late_acquisition.", "drawn.faults.ranging_loss."
    start = state["record.height"]
    blind = for_good("late_acquisition") & (state[late + "below"] >= start)
    awake = torch.where(blind, state[late + "altitude"].minimum(start), start)  # [m] height of the first range
    lost = for_good("ranging_loss") & (state[loss + "loss"] >= 1.0) & (state[loss + "below"] >= awake)
    if not all(finder.faulty for finder in descent.scenario.sensors):
        lost = torch.zeros_like(lost)
    return (~lost).cpu().numpy()


def engine_suffices(descent: Descent, planned: Scenario) -> NDArray[np.bool_]:
    """(N,) whether the engine could still brake the planned descent when each of its faults had struck.

    Args:
        descent: a batch at the start of its episodes, with a decision in every tick.
        planned: the scenario as ``PLANNED`` flies it, which decides less often.
    """
    pilot = make_pilot(PLANNED, planned, descent.num_envs)
    pilot.reset(torch.ones(descent.num_envs, dtype=torch.bool, device="cpu"))
    decision = round(planned.decision_period / planned.tick)  # [ticks]
    lasting, brief = _engine_faults(descent)
    before = torch.zeros_like(lasting)  # acting in the last tick
    flew = torch.ones(descent.num_envs, dtype=torch.bool, device="cpu")
    outlived = torch.ones_like(flew)  # every fault that would have ended
    rows, states = [], []
    for tick in range(planned.steps * decision + 1):
        acting, flies = descent.state["episode.acting"].clone(), descent.outcomes == int(Outcome.FLYING)
        struck = ((acting & ~before & lasting) | (before & ~acting & brief)) != 0
        if bool((struck & flies).any()):
            rows.append(torch.nonzero(struck & flies)[:, 0])
            states.append(state_of(descent, rows[-1], (acting & lasting)[rows[-1]]))
        outlived &= ~(flew & ~flies & (before & brief != 0)) | (descent.outcomes == int(Outcome.LANDED))
        if not bool(flies.any()):
            break
        if tick % decision == 0:
            descent.actions.copy_(pilot.act(descent.state.observation))
        descent.advance()
        before, flew = acting, flies
    suffices = outlived.numpy()
    if rows:
        now = Starts(*(np.concatenate([getattr(state, item.name) for state in states]) for item in fields(Starts)))
        suffices[torch.cat(rows).numpy()[now.descent_rate >= fastest_vertical(now)]] = False
    return suffices


def state_of(descent: Descent, rows: torch.Tensor, weakened: torch.Tensor) -> Starts:
    """Landers ``rows`` (n,) of a batch as ``fastest_vertical`` wants them, with what is left of their engines.

    Gravity is the weakest on the way, less the centrifugal relief of the lateral speed.

    Args:
        descent: the batch.
        rows: numbers of its landers.
        weakened: (n,) one bit for each fault that has struck and does not end.
    """
    truth = {name: column[rows].double().numpy() for name, column in descent.truth().items()}

    def drawn(name: str) -> NDArray[np.float64]:
        return descent.state[name][rows].double().numpy()

    radius, propellant = drawn("drawn.moon.radius"), drawn("motion.propellant")
    distance = radius + truth["height"]
    gravity = drawn("drawn.moon.surface_gravity") * (radius / distance) ** 2 - truth["lateral_speed"] ** 2 / distance
    nominal = drawn("drawn.engine.maximum_thrust") * drawn("drawn.engine.thrust_scale")
    return Starts(
        height=np.maximum(truth["height"], 0.0),
        descent_rate=np.maximum(truth["descent_rate"], 0.0),
        mass=drawn("drawn.mass.dry") + propellant,
        propellant=propellant,
        thrust=nominal * np.maximum(thrust_left(descent, rows, weakened), LEAST_THRUST),
        exhaust_speed=drawn("drawn.engine.specific_impulse") * drawn("drawn.engine.impulse_scale") * STANDARD_GRAVITY,
        gravity=np.maximum(gravity, LEAST_GRAVITY),
        touchdown_rate=drawn("drawn.limits.descent_rate"),
        wait=np.zeros_like(radius),
    )


def thrust_left(descent: Descent, rows: torch.Tensor, weakened: torch.Tensor) -> NDArray[np.float64]:
    """The share (n,) of the thrust that is left for good; arguments as of ``state_of``.

    ``effects.thrust_factor``, and what a cut or a stuck valve leaves if it does not end. A fault that adds thrust
    counts from the start.
    """

    def drawn(name: str) -> torch.Tensor:
        return descent.state[name][rows].double()

    def acts(name: str) -> torch.Tensor:
        return _among(weakened, name)

    excess = drawn("drawn.faults.thrust_deviation.excess")
    added = torch.where(_among(descent.state["episode.faults"][rows], "thrust_deviation"), excess.clamp(min=0.0), 0.0)
    share = 1.0 + torch.where(acts("thrust_deviation"), excess, added)
    for name in ("engine_loss", "engine_cut"):
        share = share * torch.where(acts(name), 1.0 - drawn(f"drawn.faults.{name}.loss"), 1.0)
    held = acts("stuck_throttle") & (drawn("drawn.faults.stuck_throttle.share") >= 1.0)
    return (share * torch.where(held, drawn("motion.throttle"), 1.0)).numpy()


def _engine_faults(descent: Descent) -> tuple[torch.Tensor, torch.Tensor]:
    """(N,) one bit for each engine fault that would not end, and (N,) one for each that would."""
    lasting = torch.zeros_like(descent.state["episode.faults"])
    for name in ENGINE_FAULTS:
        for_good = descent.state[f"drawn.faults.{name}.duration"] >= FOREVER
        lasting |= for_good.to(torch.int32) << NAMES.index(name)
    return lasting, ~lasting & sum(1 << NAMES.index(name) for name in ENGINE_FAULTS)


def _among(faults: torch.Tensor, name: str) -> torch.Tensor:
    """(n,) whether a fault is among those whose bits are set."""
    return (faults >> NAMES.index(name) & 1) == 1
