"""How the tests of the clients say what they saw."""

import re
from collections.abc import Iterable


def span(returns: Iterable[float]) -> str:
    """The returns of some episodes in a few words."""
    numbers = sorted(map(float, returns))
    mean = sum(numbers) / len(numbers)
    return f"mean return {mean:.2f}, from {numbers[0]:.2f} to {numbers[-1]:.2f}"


def signed(text: str) -> str:
    """A text in which numbers have their sign as the pages write it."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)
