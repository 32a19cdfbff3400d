"""Guidance laws: each as published and as programmed, for a batch of landers."""
