"""The learned pilot: what it is shown, its network, its files."""
