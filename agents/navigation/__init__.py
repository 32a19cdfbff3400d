"""Where a classical pilot believes to be: an error-state Kalman filter, and a monitor of the range finders' health."""

from agents.navigation.error_state import ErrorStateFilter, Estimate
from agents.navigation.tuning import FinderTuning, Tuning

__all__ = ["ErrorStateFilter", "Estimate", "FinderTuning", "Tuning"]
