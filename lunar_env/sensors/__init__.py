"""Range finders and inertial units: what they measure of a descent, and what arrives of it."""
