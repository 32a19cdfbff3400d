"""``python -m lunar_env.bench``."""

import os
import subprocess
import sys

from lunar_env.bench.command import main
from lunar_env.pages.reader import while_read

if __name__ == "__main__":
    if "OMP_WAIT_POLICY" not in os.environ:
        # Idle torch threads would spin and take the core from those that fly. Torch has read this by now: start again.
        os.environ["OMP_WAIT_POLICY"] = "passive"
        sys.exit(subprocess.call([sys.executable, "-m", "lunar_env.bench", *sys.argv[1:]]))
    sys.exit(while_read(main))
