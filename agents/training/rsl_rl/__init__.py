"""Training on the device with rsl_rl; all contact with the library is here."""
