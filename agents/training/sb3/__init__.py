"""Training with Stable-Baselines3; all contact with the library is here."""
