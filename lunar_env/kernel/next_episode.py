"""The count of episodes, one further: the random numbers of a lander's next descent are counted from it."""

import warp as wp

from lunar_env.kernel.access import EPISODE, load, store
from lunar_env.state import Episode

wp.set_module_options({"enable_backward": False})


@wp.kernel
def count_on(landers: wp.array3d(dtype=float), mask: wp.array(dtype=wp.uint8)):
    """Let the landers in ``mask`` (N,) stand before their next episode."""
    row = wp.tid()
    if mask[row] != wp.uint8(0):
        episode = Episode()
        load(landers, row, EPISODE, episode)
        episode.episode = episode.episode + 1
        store(landers, row, EPISODE, episode)
