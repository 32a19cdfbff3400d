"""The tests that need a GPU."""

import re
import subprocess
import sys
from typing import Any

from agents.reading import CHECKOUT

COUNTED = ("passed", "failed", "skipped", "error")


def tests(device: str, quick: bool) -> dict[str, Any]:
    """How many of the tests marked ``gpu`` passed, failed, were skipped; and which failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    print(done.stdout[-4000:], flush=True)
    return counted(done.stdout)


def counted(text: str) -> dict[str, Any]:
    """What pytest's last lines say. Nothing was counted if they say nothing: that is no success."""
    last = text.rstrip().splitlines()[-1] if text.strip() else ""
    found = {what: int(number) for number, what in re.findall(rf"(\d+) ({'|'.join(COUNTED)})", last)}
    if not found:
        return {"error": last[:300] or "pytest said nothing"}
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    return {what: found.get(what, 0) for what in COUNTED} | {"which failed": failed}
