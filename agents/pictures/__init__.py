"""Figures of descents, of learning and of the frontier."""
