"""The formulas of features.py, beam_features.py and differences.py once more, of one lander, for the kernel."""

import warp as wp

from agents.guidance.descent_loop import LEAN, LEAST_COMMAND, LOWEST, STEADY
from agents.navigation.jumps import LEAST_JUMP
from agents.policy.feature_plan import BeamPlan, FeaturePlan

wp.set_module_options({"enable_backward": False})

JUMP, LEAST, CHANGES_BY, LOWEST_EFFECT, LEANING = (
    wp.constant(value) for value in (LEAST_JUMP, LEAST_COMMAND, STEADY, LOWEST, LEAN)
)


@wp.func
def log_of_one_and(x: float) -> float:
    """log(1 + x) for x of at least 0, right to the last bits also where x is small (Kahan)."""
    sum = 1.0 + x
    if sum == 1.0:
        return x
    if x > 1.0e6:
        return wp.log(sum)
    return wp.log(sum) * (x / (sum - 1.0))


@wp.func
def signed_log(value: float, unit: float) -> float:
    """See beam_features.signed_log."""
    size = log_of_one_and(wp.abs(value) / unit)
    if value > 0.0:
        return size
    if value < 0.0:
        return -size
    return value  # zero, or no number


@wp.struct
class Shown:
    """One reading of one lander, in SI units by its channels."""

    observation: wp.array2d(dtype=float)
    scale: wp.array(dtype=float)
    row: int
    first: int


@wp.func
def si(reading: Shown, channel: int) -> float:
    """One number [SI]."""
    return reading.observation[reading.row, reading.first + channel] * reading.scale[channel]


@wp.func
def si3(reading: Shown, channel: int) -> wp.vec3:
    """Three numbers [SI], side by side."""
    return wp.vec3(si(reading, channel), si(reading, channel + 1), si(reading, channel + 2))


@wp.func
def measured_height(reading: Shown, plan: FeaturePlan, beam: BeamPlan) -> float:
    """See Features.measured_heights [m]."""
    x = si(reading, plan.attitude)
    y = si(reading, plan.attitude + 1)
    z = si(reading, plan.attitude + 2)
    w = si(reading, plan.attitude + 3)
    up_x = 2.0 * (x * z - y * w)
    up_y = 2.0 * (y * z + x * w)
    up_z = 1.0 - 2.0 * (x * x + y * y)
    down = -(up_x * beam.direction[0] + up_y * beam.direction[1] + up_z * beam.direction[2])
    return si(reading, beam.range) * down + si(reading, plan.velocity + 2) * si(reading, beam.age)


@wp.func
def put(out: wp.array2d(dtype=float), row: int, column: int, value: float) -> int:
    """Write one feature. Returns the column after it."""
    out[row, column] = value
    return column + 1


@wp.func
def show_instruments(
    reading: Shown, plan: FeaturePlan, beams: wp.array(dtype=BeamPlan), out: wp.array2d(dtype=float), start: int
) -> int:
    """See Features.of_instruments."""
    row = reading.row
    column = int(start)
    first_height = float(0.0)
    for number in range(plan.beams):
        beam = beams[number]
        height = measured_height(reading, plan, beam)
        if number == 0:
            first_height = height
        column = put(out, row, column, height / 2000.0)
        column = put(out, row, column, signed_log(height, 5.0) / 3.0)
        column = put(out, row, column, si(reading, beam.valid))
        column = put(out, row, column, signed_log(si(reading, beam.age), 0.5) / 3.0)
        if beam.speed >= 0:
            column = put(out, row, column, si(reading, beam.speed) / 50.0)
            column = put(out, row, column, signed_log(si(reading, beam.speed), 1.0) / 3.0)
    if plan.pad == 1:
        for axis in range(2):
            place = si(reading, plan.position + axis)
            column = put(out, row, column, place / 1000.0)
            column = put(out, row, column, signed_log(place, 2.0) / 3.0)
    believed = si(reading, plan.altitude)
    velocity = si3(reading, plan.velocity)
    column = put(out, row, column, believed / 2000.0)
    column = put(out, row, column, signed_log(believed, 50.0) / 3.0)
    column = put(out, row, column, (believed - first_height) / 1000.0)
    column = put(out, row, column, velocity[2] / 50.0)
    column = put(out, row, column, signed_log(velocity[2], 1.0) / 3.0)
    column = put(out, row, column, velocity[0] / 100.0)
    column = put(out, row, column, velocity[1] / 100.0)
    column = put(out, row, column, signed_log(velocity[0], 0.3) / 3.0)
    column = put(out, row, column, signed_log(velocity[1], 0.3) / 3.0)
    column = put(out, row, column, 2.0 * si(reading, plan.attitude))
    column = put(out, row, column, 2.0 * si(reading, plan.attitude + 1))
    column = put(out, row, column, 5.0 * si(reading, plan.rate))
    column = put(out, row, column, 5.0 * si(reading, plan.rate + 1))
    return column


@wp.func
def thrust_axis(reading: Shown, plan: FeaturePlan) -> wp.vec3:
    """See BeamGeometry.thrust_axis."""
    if plan.thrust < 0:
        return wp.vec3(0.0, 0.0, 1.0)
    thrust = si3(reading, plan.thrust)
    wanted = wp.vec3(thrust[0], thrust[1], wp.max(thrust[2], 0.0) + 0.01)
    return wanted / wp.length(wanted)


@wp.func
def turned(vector: wp.vec3, axis: wp.vec3) -> wp.vec3:
    """See beam_features.turned."""
    both = wp.vec3(axis[0], axis[1], axis[2] + 1.0)
    return vector - both * (wp.dot(vector, both) / (1.0 + axis[2])) + axis * (2.0 * vector[2])


@wp.func
def show_beams(
    reading: Shown, plan: FeaturePlan, beams: wp.array(dtype=BeamPlan), out: wp.array2d(dtype=float), start: int
) -> int:
    """See BeamGeometry.forward: columns quantity by quantity, each for all beams."""
    row = reading.row
    count = plan.beams
    axis = thrust_axis(reading, plan)
    sum = float(0.0)
    velocity = wp.vec3(0.0, 0.0, 0.0)
    for number in range(count):
        beam = beams[number]
        height = -si(reading, beam.range) * turned(beam.direction, axis)[2]
        sum = sum + height
        out[row, start + number] = height / 2000.0
        out[row, start + count + number] = signed_log(height, 5.0) / 3.0
        out[row, start + 2 * count + number] = si(reading, beam.valid)
        out[row, start + 3 * count + number] = signed_log(si(reading, beam.age), 0.5) / 3.0
        if beam.speed >= 0:
            velocity = velocity + si(reading, beam.speed) * beam.velocity_of
    column = put(out, row, start + 4 * count, signed_log(sum / float(count), 1.0) / 3.0)
    if plan.doppler > 0:
        velocity = turned(velocity, axis)
        for i in range(3):
            out[row, column + i] = velocity[i] / 50.0
            out[row, column + 3 + i] = signed_log(velocity[i], 0.3) / 3.0
        column = column + 6
    return column


@wp.func
def carried(velocity: wp.vec3, plan: FeaturePlan) -> float:
    """See DescentLoop.carried."""
    return wp.max(plan.gravity - (velocity[0] * velocity[0] + velocity[1] * velocity[1]) / plan.radius, 0.0)


@wp.func
def asked(rate: float, velocity: wp.vec3, strongest: float, plan: FeaturePlan) -> float:
    """See DescentLoop.asked."""
    wished = wp.max(carried(velocity, plan) - (velocity[2] + rate) / plan.time, 0.0)
    return wp.min(wished, strongest) / strongest


@wp.func
def show_engine(before: Shown, now: Shown, plan: FeaturePlan, out: wp.array2d(dtype=float), start: int):
    """See Changes.of_engine."""
    row = now.row
    earlier = si3(before, plan.velocity)
    velocity = si3(now, plan.velocity)
    strongest = plan.thrust_maximum / (plan.dry_mass + si(now, plan.propellant))
    change = (velocity - earlier) / plan.period
    up = (change[2] + carried(velocity, plan)) / strongest
    across = wp.sqrt(change[0] * change[0] + change[1] * change[1]) / strongest
    column = put(out, row, start, wp.clamp(up, -1.0, 2.0))
    column = put(out, row, column, wp.min(across, 2.0))
    column = put(out, row, column, wp.min(wp.sqrt(up * up + across * across), 2.0))
    if plan.wish >= 0:
        half = 0.5 * (si(now, plan.wish) + 1.0)
        rate = plan.fastest * (half * half)
        begin = asked(rate, earlier, plan.thrust_maximum / (plan.dry_mass + si(before, plan.propellant)), plan)
        end = asked(rate, velocity, strongest, plan)
        mean = 0.5 * (begin + end)
        seen = up / wp.max(mean, LEAST)
        missing = float(0.0)
        telling = float(0.0)
        if mean > LEAST and wp.abs(end - begin) < CHANGES_BY and across < LEANING * up and seen > LOWEST_EFFECT:
            missing = wp.clamp(1.0 - seen, -0.5, 1.0)
            telling = 1.0
        column = put(out, row, column, end)
        column = put(out, row, column, 3.0 * missing)
        column = put(out, row, column, telling)


@wp.func
def show_change(
    before: Shown,
    now: Shown,
    plan: FeaturePlan,
    beams: wp.array(dtype=BeamPlan),
    out: wp.array2d(dtype=float),
    start: int,
):
    """See Changes.named."""
    row = now.row
    earlier = si3(before, plan.velocity)
    velocity = si3(now, plan.velocity)
    column = int(start)
    for number in range(plan.beams):
        beam = beams[number]
        old = si(before, plan.altitude) - measured_height(before, plan, beam)
        new = si(now, plan.altitude) - measured_height(now, plan, beam)
        column = put(out, row, column, signed_log(si(now, beam.range) - si(before, beam.range), 0.5) / 3.0)
        column = put(out, row, column, signed_log(new - old, 0.5) / 3.0)
    rise = si(now, plan.altitude) - si(before, plan.altitude)
    jump = rise - 0.5 * plan.period * (earlier[2] + velocity[2])
    if wp.abs(jump) <= JUMP:
        jump = 0.0
    column = put(out, row, column, signed_log(rise, 0.5) / 3.0)
    column = put(out, row, column, signed_log(jump, 5.0) / 3.0)
    column = put(out, row, column, wp.clamp(jump / 50.0, -4.0, 4.0))
    column = put(out, row, column, velocity[2] - earlier[2])
    column = put(out, row, column, (velocity[0] - earlier[0]) / 3.0)
    column = put(out, row, column, (velocity[1] - earlier[1]) / 3.0)
    show_engine(before, now, plan, out, column)
