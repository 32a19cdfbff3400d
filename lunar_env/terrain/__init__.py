"""The ground: its shape, its maps, and where a lander meets it."""
