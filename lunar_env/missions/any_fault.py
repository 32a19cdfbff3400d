"""Resilience's descent with whatever may go wrong with its altimeter and its engine, one at a time or several.

Each of these faults is in one of ten descents [P], with the numbers that kinds.py gives for training; the range finder
wakes up late in all of them, anywhere between 200 m and 5 km, as in ``resilience``. Faults of the inertial unit, the
tanks, the ground and the touchdown sensor stay out: those are other exercises.
"""

from lunar_env.changes import change
from lunar_env.faults.kinds import KINDS, with_fault
from lunar_env.missions.resilience import RESILIENCE

ALTIMETER = (
    "delayed_readings",
    "detection_loss",
    "noise_burst",
    "ranging_loss",
    "missing_flag",
    "range_bias",
    "outliers",
    "frozen_reading",
    "range_ambiguity",
    "dust",
    "dropout",
)
ENGINE = ("engine_cut", "thrust_deviation", "engine_loss", "stuck_throttle")
PROBABILITY = 0.1  # [P]

ANY_FAULT = change(
    RESILIENCE,
    {
        "name": "any_fault",
        "summary": "Resilience with any fault of altimeter and engine: each in one of ten descents",
        **{
            path: value
            for name in (*ALTIMETER, *ENGINE)
            for path, value in with_fault(name, probability=PROBABILITY, **KINDS[name].training).items()
        },
    },
)
