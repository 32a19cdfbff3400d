"""``python -m lunar_env.missions``: the missions flown again, see ``lunar_env.replays``."""

import sys

from lunar_env.replays.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
