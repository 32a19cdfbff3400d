"""Three builds of the step: a plain one, the whole one, and the full one, for what scenarios rarely ask.

A plain descent has one beam without Doppler, smooth ground, true gyros, and no faults but those of the altimeter, the
tanks and the site: the training ground of most pilots. In the build that has all of this it would pay a tenth of its
time for what it lacks (docs/speed.md). Both fly a plain descent bit for bit alike. The full build adds what body.py
and rotation.py have, and flies each lander alone. All are one source, told apart by the type of their tables.
"""

from dataclasses import dataclass
from typing import Any

import warp as wp

from lunar_env.faults.kinds import NAMES, bits_of
from lunar_env.kernel.spawn import reset_of
from lunar_env.kernel.step import advance_of
from lunar_env.kernel.step_in_lanes import advance_abreast_of
from lunar_env.kernel.tables import FullTables, PlainTables, Tables
from lunar_env.quantities import ends
from lunar_env.scenario import Scenario, possible_faults
from lunar_env.vehicle.body import is_as_drawn
from lunar_env.vehicle.rotation import is_at_rest

# Where a plain descent has no faults.
NOT_PLAIN = bits_of("ground") | bits_of("engine") | bits_of("inertial") | bits_of("contact")


@dataclass(frozen=True)
class Build:
    """The kernels of one build, and the struct that they take."""

    tables: Any
    advance: wp.Kernel  # one lander per thread: a GPU's
    advance_abreast: wp.Kernel  # eight per thread: a CPU's
    reset: wp.Kernel


def built_for(tables: Any) -> Build:
    """The kernels that take tables of this type; each is compiled when it is first needed."""
    return Build(tables, advance_of(tables), advance_abreast_of(tables), reset_of(tables))


FULL, WHOLE, PLAIN = built_for(FullTables), built_for(Tables), built_for(PlainTables)


def build_of(scenario: Scenario) -> Build:
    """The build that flies a scenario: the one with the fewest parts that it can do with."""
    if not (is_as_drawn(scenario.body) and is_at_rest(scenario.rotation)):
        return FULL
    return PLAIN if is_plain(scenario) else WHOLE


def is_plain(scenario: Scenario) -> bool:
    """Whether no episode of the scenario can use what the plain build lacks."""
    faults = set(possible_faults(scenario))
    others = any(NOT_PLAIN >> code & 1 for code, name in enumerate(NAMES) if name in faults)
    smooth = scenario.terrain.map == "none" and ends(scenario.terrain.step_height) == (0.0, 0.0)
    navigation = scenario.navigation
    gyros = (navigation.gyro_bias_x, navigation.gyro_bias_y, navigation.gyro_bias_z, navigation.angle_random_walk)
    measured_well = all(ends(error) == (0.0, 0.0) for error in (*gyros, navigation.scale_error))
    one_beam = sum(scenario.beams().values()) == 1 and not scenario.sensors[0].doppler
    return one_beam and smooth and measured_well and not others
