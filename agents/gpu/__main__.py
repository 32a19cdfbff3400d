"""``python -m agents.gpu``."""

import sys

from agents.gpu.command import main

if __name__ == "__main__":
    sys.exit(main())
