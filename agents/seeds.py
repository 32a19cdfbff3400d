"""Blocks of seeds: the descents that train, those that choose and those that are quoted never meet.

The best of several policies looks better on the descents that chose it than it is, and one that has trained on a
descent knows it. So each purpose has seeds of its own. Within a seed there are as many descents as one likes.
"""

from lunar_env.replays.replay import SEED as REPLAYED

TRAINING = range(900_000)
SEARCH = range(900_000, 1_000_000)
EVALUATION = range(1_000_000, 2_000_000)
REPLAYS = range(REPLAYED, REPLAYED + 1)
SELECTION = range(REPLAYS.stop, 3_000_000)  # the policies that ship so far were chosen by the replays' own

PURPOSES = {
    TRAINING: "training",
    SEARCH: "comparing the trials of a search",
    EVALUATION: "evaluation and all that a table quotes",
    REPLAYS: "the replays of the missions",
    SELECTION: "choosing the policy that ships",
}


def within(block: range, seed: int) -> int:
    """The seed, if it lies in a block.

    Raises:
        ValueError: if it does not; the message says which seeds do, and what this one is for.
    """
    if seed in block:
        return seed
    owner = next((purpose for other, purpose in PURPOSES.items() if seed in other), "nothing")
    raise ValueError(
        f"a seed for {PURPOSES[block]} must be {block[0]:,} to {block[-1]:,}, got {seed:,}, which is for {owner}"
    )
