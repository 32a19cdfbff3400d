"""The pilots: classical and learned, their training and their evaluation. Run from the checkout."""

import importlib.util
import os

# Torch's threads spin while they wait, and take the core from the threads that fly the landers. Set before torch is
# imported, this makes them sleep instead: twice the training speed on two busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# All rooms need these; what a single one needs it asks for itself.
_missing = [name for name in ("pydantic", "safetensors", "scipy", "tqdm", "tyro") if not importlib.util.find_spec(name)]
if _missing:
    raise ImportError(
        f"agents needs {', '.join(_missing)}, and the checkout that it stands in: "
        "git clone the project, then pip install -e '.[train,report]' in it"
    )
