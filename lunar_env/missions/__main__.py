"""``python -m lunar_env.missions``: the missions flown again, the program of ``lunar_env.replays``."""

import runpy

runpy.run_module("lunar_env.replays", run_name="__main__")
