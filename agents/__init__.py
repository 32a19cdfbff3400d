"""The pilots: classical and learned, their training and their evaluation. Run from the checkout."""

import os

# Torch's threads spin while they wait, and take the core from the threads that fly the landers. Told before torch is
# imported, they sleep instead: twice the training speed on two busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
