"""What goes wrong, by name: the kinds with their numbers, what each does, and when.

The names that others rely on; the kinds themselves stand in ``kinds``, their effects in ``effects``.
"""

from lunar_env.faults.kinds import KINDS, NAMES, Fault, Faults, magnitude_of, with_fault

__all__ = ["KINDS", "NAMES", "Fault", "Faults", "magnitude_of", "with_fault"]
