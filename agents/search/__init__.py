"""A search for an experiment's numbers: the plan, the study, the result."""
