"""The folder of compiled kernels: what is damaged is compiled again, what cannot be written is said in words."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

from lunar_env.kernel import cache

FLY = (
    "import torch; from lunar_env import Descent\n"
    "descent = Descent('vertical', 2, seed=1)\n"
    "print(descent.step(torch.zeros(2, 1)).observation.tolist(), descent.truth()['height'].tolist())"
)


def fly(place: Path, before: str = "") -> subprocess.CompletedProcess:
    """Fly in a process whose kernels lie in a place."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WARP_CACHE_PATH": str(place)}
    command = [sys.executable, "-c", before + FLY]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything compiled."""
    place = tmp_path_factory.mktemp("compiled")
    done = fly(place)
    assert done.returncode == 0, done.stderr
    return place


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garbage(file: Path) -> None:
    file.write_bytes(os.urandom(file.stat().st_size))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def written(place: Path) -> dict[Path, int]:
    """When each compiled file was written."""
    return {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}


DAMAGES = {"half": half, "garbage": garbage, "empty": empty, "gone": Path.unlink}


CASES = [
    pytest.param(
        kind, damage, sealed, marks=[] if (kind, damage, sealed) == ("*.o", "half", True) else pytest.mark.slow
    )
    for kind in ("*.o", "*.meta")
    for damage in DAMAGES
    for sealed in (True, False)
]


@pytest.mark.parametrize(("kind", "damage", "sealed"), CASES)
def test_a_damaged_file_is_compiled_again(kind: str, damage: str, sealed: bool, compiled: Path, tmp_path: Path) -> None:
    if not sealed and (damage, kind) == ("garbage", "*.o"):
        pytest.skip("without checksums only the linker can tell, which may take what looks like code")
    place = tmp_path / "cache"
    shutil.copytree(compiled, place)
    files = sorted(place.rglob(kind))
    assert len(files) >= 3, "advance, reset and truth"
    DAMAGES[damage](files[0])
    if not sealed:
        for seal in place.rglob(cache.SEALS):
            seal.unlink()
    done = fly(place)
    assert done.returncode == 0, done.stderr
    assert done.stdout == fly(compiled).stdout
    assert "Traceback" not in done.stderr
    if not (damage == "gone" and not sealed):  # what is not there is compiled, as ever
        assert "compiling it again" in done.stderr
    compiled_then = written(place)
    assert "again" not in fly(place).stderr
    assert written(place) == compiled_then, "mended for good"


def test_a_file_in_the_folders_place_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder", encoding="utf-8")
    done = fly(tmp_path / "cache")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"RuntimeError: {tmp_path / 'cache'}") and "set WARP_CACHE_PATH" in last


def test_a_better_place_is_taken_in_the_same_process(compiled: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder", encoding="utf-8")
    before = (
        "import os; from lunar_env import Descent\n"
        "try:\n    Descent('vertical')\nexcept RuntimeError as error:\n    assert 'WARP_CACHE_PATH' in str(error)\n"
        f"os.environ['WARP_CACHE_PATH'] = {str(compiled)!r}\n"
    )
    assert fly(tmp_path / "cache", before).stdout == fly(compiled).stdout


REFUSING = """
import os, pathlib
from lunar_env.kernel import cache
cache.start_warp()
import builtins, errno, tempfile
def refused(*given, **more):
    raise OSError({code}, os.strerror({code}))
class Refusing:
    pass
tempfile.TemporaryFile = refused
pathlib.Path.mkdir = refused
"""


CODES = [
    pytest.param(errno.ENOSPC, id="full"),
    pytest.param(errno.EROFS, id="read-only", marks=pytest.mark.slow),
    pytest.param(errno.EACCES, id="not ours", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("code", CODES)
def test_a_folder_that_cannot_be_written_is_said_in_words_unless_all_is_there(
    code: int, compiled: Path, tmp_path: Path
) -> None:
    before = REFUSING.format(code=code)
    done = fly(tmp_path, before)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"RuntimeError: {tmp_path}") and os.strerror(code) in last and "set WARP_CACHE_PATH" in last
    assert fly(compiled, before).stdout == fly(compiled).stdout, "nothing is written where all is there"
