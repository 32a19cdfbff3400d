"""The missions flown again, beside their published figures."""
