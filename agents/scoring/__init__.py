"""Episodes, landing rates and comparisons: the numbers that one may quote."""
