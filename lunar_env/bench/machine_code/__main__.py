"""``python -m lunar_env.bench.machine_code``."""

import sys

from lunar_env.bench.machine_code.command import main
from lunar_env.pages.reader import while_read

if __name__ == "__main__":
    sys.exit(while_read(main))
