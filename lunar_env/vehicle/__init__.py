"""The vehicle: frames, equations of motion, actuators and the loops below an action."""
