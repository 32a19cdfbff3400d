"""Learning: the experiment, its practice, checkpoints, and the trainers."""
