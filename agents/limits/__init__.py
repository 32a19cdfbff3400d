"""What no pilot can beat: the least propellant, the fuel optimum, the frontier, the game of 1969."""
