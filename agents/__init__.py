"""The pilots: classical and learned, their training and their evaluation. Run from the checkout."""
