"""Pictures of one descent. Drawing needs pygame-ce; ``view`` is how a shell asks for one."""
