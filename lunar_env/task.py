"""The task: the outcomes of a descent, and the reward of each decision."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import warp as wp

from lunar_env.quantities import Number, mirrored, number, twin
from lunar_env.state import Facts, Motion, Surface
from lunar_env.terrain.contact import GearDrawn, lateral_velocity
from lunar_env.terrain.surface import height_below, rough, shape_below
from lunar_env.vehicle.algebra import dot, length
from lunar_env.vehicle.compare import anywhere, below, greatest, root, select
from lunar_env.vehicle.dynamics import MassDrawn, MoonDrawn
from lunar_env.vehicle.frames import thrust_axis, up_at

# Warp looks the operators up by these names: + is add, - is sub and neg, * is mul.
from lunar_env.vehicle.lanes import add, mul, neg, sub  # noqa: F401

wp.set_module_options({"enable_backward": False})


class Outcome(IntEnum):
    """How a descent ended. ``terminated`` and ``truncated`` follow from it."""

    FLYING = 0
    LANDED = 1  # touched down inside the limits
    CRASHED = 2  # touched down outside the limits
    TIPPED_OVER = 3  # touched down slowly enough, but falls over
    OUT_OF_PROPELLANT = 4  # hit the ground outside the limits with dry tanks
    LOST = 5  # left the region that the scenario covers, or spins faster than the integration can follow
    OUT_OF_TIME = 6  # still flying at the time limit: the only truncation
    INVALID = 7  # the pilot's action was not a finite number

    @property
    def touched(self) -> bool:
        """Whether the lander met the ground, well or badly."""
        return self in (Outcome.LANDED, Outcome.CRASHED, Outcome.TIPPED_OVER, Outcome.OUT_OF_PROPELLANT)


TOUCHED = tuple(outcome for outcome in Outcome if outcome.touched)  # for arrays of codes

FLYING = wp.constant(0)
LANDED = wp.constant(1)
CRASHED = wp.constant(2)
TIPPED_OVER = wp.constant(3)
OUT_OF_PROPELLANT = wp.constant(4)
LOST = wp.constant(5)
OUT_OF_TIME = wp.constant(6)
INVALID = wp.constant(7)


@dataclass(frozen=True)
class Limits:
    """The touchdown box of "landed": the values to which Chandrayaan-3's lander was tested [V2: HT]."""

    descent_rate: Number = number(3.0, "m/s", "tested [V2: HT]", low=0.0, high=1e4)
    lateral_speed: Number = number(1.0, "m/s", "tested [V2: HT]", low=0.0, high=1e4)
    tilt: Number = number(0.1745, "rad", "10 degrees [P]", low=0.0, high=3.2)
    rate: Number = number(0.0524, "rad/s", "3 degrees per second [P]", low=0.0, high=100.0)
    distance: Number = number(1e7, "m", "from the pad; by default anywhere", low=0.01, high=1e7)


@dataclass(frozen=True)
class Reward:
    """Weights of the named reward terms. All [P]: a design of ours, no fact about the Moon.

    ``approach`` is the change of a potential (not discounted, so that waiting earns nothing): height, speed above
    what the height allows, lateral speed and, where a pad is to be reached, the way to it all count against it.
    """

    height: Number = number(2.0, "1/km", "potential per height", low=0.0, high=1e3)
    excess: Number = number(0.1, "s/m", "potential per rate of descent above the safe one", low=0.0, high=1e3)
    lateral: Number = number(0.03, "s/m", "potential per lateral speed", low=0.0, high=1e3)
    distance: Number = number(0.0, "1/km", "potential per horizontal distance from the pad", low=0.0, high=1e3)
    safe_deceleration: Number = number(1.0, "m/s^2", "safe rate of descent: sqrt(1 + 2 a h)", low=0.01, high=100.0)
    propellant: Number = number(0.1, "1/kg", "cost of propellant", low=0.0, high=1e3)
    landed: Number = number(10.0, "-", "for a landing", low=0.0, high=1e6)
    soft: Number = number(2.0, "-", "more for a landing, in proportion to how far inside the limits", low=0.0, high=1e6)
    near: Number = number(0.0, "-", "more for a landing, less by its distance over the limit's", low=0.0, high=1e6)
    failed: Number = number(5.0, "-", "cost of any other end but the clock; less for a near miss", low=0.0, high=1e6)


LimitsDrawn = mirrored(Limits)
RewardDrawn = mirrored(Reward)

# What a decision earns, term by term. A new term is a line here and two in ``earn``, and its weight in ``Reward``;
# records, ``info``, TensorBoard and the documents go by these names.
TERMS = {
    "approach": "the growth of a potential of height, excess rate of descent and lateral speed",
    "propellant_cost": "the propellant that was burnt",
    "touchdown": "a prize for a landing, the more the softer, and a cost for any other end but the clock",
}
Record = twin("Record", Facts, reward=float, **dict.fromkeys(TERMS, float))  # each term's and all rewards' sums


def record_fields() -> list[str]:
    """Names of the numbers of a record."""
    return list(Record.cls.__annotations__)


@wp.func
def tip_speed(slope: float, mass: float, inertia: float, gear: GearDrawn) -> float:
    """Lateral speed [m/s] at which a rigid lander tips over its downhill legs (NASA TN D-3117's problem).

    As published (missions reference, section 4): v = sqrt(2 m g dh / I_p) I_p / (m h_c), I_p = I + m (h_c^2 + d^2),
    dh = sqrt(h_c^2 + d^2) - (h_c cos s + d sin s). Here g is the Moon's 1.62 m/s^2, and beyond the static tip angle
    the speed is zero. There the uphill direction has s < 0; the steepest downhill is the worst, and is used.
    """
    h = gear.centre_height
    d = gear.foot_distance
    arm = wp.sqrt(h * h + d * d)
    rise = arm - (h * wp.cos(slope) + d * wp.sin(slope))
    if h <= 0.0:
        return 1.0e9
    if wp.tan(slope) >= d / h:
        return 0.0
    pivot = inertia + mass * arm * arm
    return wp.sqrt(2.0 * mass * 1.62 * rise / pivot) * pivot / (mass * h)


@wp.func
def slope_below(position: wp.vec3, radius: float, surface: Surface, maps: Any, gear: GearDrawn) -> float:
    """Slope [rad] of the ground that the feet stand on: over rough ground, from the heights below them."""
    x = wp.vec3(gear.foot_distance, 0.0, 0.0)
    y = wp.vec3(0.0, gear.foot_distance, 0.0)
    rise_x = float(0.0)
    rise_y = float(0.0)
    if rough(surface, maps):
        per_span = 0.5 / gear.foot_distance
        ahead, behind = (
            height_below(position + x, radius, surface, maps),
            height_below(position - x, radius, surface, maps),
        )
        left, right = (
            height_below(position + y, radius, surface, maps),
            height_below(position - y, radius, surface, maps),
        )
        rise_x = (ahead - behind) * per_span
        rise_y = (left - right) * per_span
    else:
        ground = shape_below(position, radius, surface, maps)
        rise_x = ground[1]
        rise_y = ground[2]
    return wp.atan(wp.sqrt(rise_x * rise_x + rise_y * rise_y))


@wp.func
def at_touchdown(
    record: Record, motion: Motion, moon: MoonDrawn, surface: Surface, maps: Any, gear: GearDrawn
) -> Record:
    """Speeds and angles at the moment the ground is met."""
    up = up_at(motion.position, moon.radius)
    record.descent_rate = -wp.dot(motion.velocity, up)
    record.lateral_speed = wp.length(lateral_velocity(motion, moon.radius))
    record.tilt = wp.acos(wp.clamp(wp.dot(thrust_axis(motion.attitude), up), -1.0, 1.0))
    record.rate = wp.length(motion.rates)
    record.slope = slope_below(motion.position, moon.radius, surface, maps, gear)
    record.distance = wp.sqrt(motion.position[0] * motion.position[0] + motion.position[1] * motion.position[1])
    return record


@wp.func
def judge_touchdown(record: Record, motion: Motion, mass: MassDrawn, gear: GearDrawn, limits: LimitsDrawn) -> int:
    """The outcome of meeting the ground."""
    upright = record.tilt <= limits.tilt and record.rate <= limits.rate
    there = record.distance <= limits.distance
    gentle = record.descent_rate <= limits.descent_rate
    slow = record.lateral_speed <= limits.lateral_speed
    tipping = tip_speed(record.slope, mass.dry + motion.propellant, mass.inertia_transverse, gear)
    if gentle and upright and slow and there and record.lateral_speed < tipping:
        return LANDED
    if gentle and upright and record.lateral_speed >= tipping:
        return TIPPED_OVER
    if motion.propellant <= 0.0:
        return OUT_OF_PROPELLANT
    return CRASHED


@wp.func
def potential(height: Any, motion: Any, moon: Any, reward: Any):
    """The potential whose change is the reward term ``approach``; zero for a lander at rest on the ground."""
    up = up_at(motion.position, moon.radius)
    fall = -dot(motion.velocity, up)
    lateral = length(lateral_velocity(motion, moon.radius))
    safe = root(1.0 + 2.0 * reward.safe_deceleration * greatest(height, 0.0))
    excess = greatest(fall - safe, 0.0)
    worth = -(0.001 * reward.height * height + reward.excess * excess + reward.lateral * lateral)
    counts = below(0.0, reward.distance)
    if anywhere(counts):
        at = motion.position
        away = root(at.x * at.x + at.y * at.y)
        worth = select(counts, worth - 0.001 * reward.distance * away, worth)
    return worth


@wp.func
def touchdown_reward(outcome: int, record: Record, limits: LimitsDrawn, reward: RewardDrawn) -> float:
    """The reward term ``touchdown``: what the end itself is worth."""
    if outcome == FLYING or outcome == OUT_OF_TIME:
        return 0.0
    if outcome == LANDED:
        softness = 1.0 - 0.5 * (record.descent_rate / limits.descent_rate + record.lateral_speed / limits.lateral_speed)
        return reward.landed + reward.soft * softness + reward.near * (1.0 - record.distance / limits.distance)
    if outcome == LOST or outcome == INVALID:
        return -reward.failed
    # A near miss costs a fifth, ten times the limit costs all: what is learned first is to miss by less.
    worst = wp.max(
        wp.max(record.descent_rate / limits.descent_rate, record.lateral_speed / limits.lateral_speed),
        wp.max(record.tilt / limits.tilt, wp.max(record.rate / limits.rate, record.distance / limits.distance)),
    )
    return -reward.failed * wp.clamp(0.1 * worst, 0.2, 1.0)


@wp.func
def earn(record: Any, episode: Any, motion: Any, moon: Any, touchdown: Any, reward: Any):
    """What a decision earns: every term by name, summed here and nowhere else. ``touchdown`` is that term.

    Returns the record with the sums, the episode with the new potential, and the reward.
    """
    worth = potential(record.height, motion, moon, reward)
    used = episode.start_propellant - motion.propellant
    approach = worth - episode.potential
    propellant_cost = reward.propellant * (record.propellant_used - used)
    earned = approach + propellant_cost + touchdown

    record.approach = record.approach + approach
    record.propellant_cost = record.propellant_cost + propellant_cost
    record.touchdown = record.touchdown + touchdown
    record.reward = record.reward + earned
    record.propellant_used = used
    episode.potential = worth
    return record, episode, earned
