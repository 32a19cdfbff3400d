"""Compiled kernels on a disk: in a folder that can be written, or said why not; a damaged file is compiled again.

Warp keeps what it compiled in one folder for each module and takes it from there without looking at it. So each folder
gets a list of checksums beside its files, written by whoever compiled them, and is held against it before it is used.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import warp as wp

from lunar_env.vehicle.tiles import WARP

ROOM = 4_000_000  # bytes that a build takes, with what the compiler writes on the way
SEALS = "lunar_env.checksums.json"
REMEDY = "set WARP_CACHE_PATH to a folder that can be written, and has some 100 MB left"


def start_warp() -> None:
    """Get Warp ready, with its folder for compiled kernels. Raises RuntimeError if there can be none."""
    wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)  # Warp's banner would spoil piped output
    before = wp.config.kernel_cache_dir
    try:
        with _quiet_without_driver():
            wp.init()
    except OSError as error:
        place = before or os.environ.get("WARP_CACHE_PATH") or error.filename
        wp.config.kernel_cache_dir = before  # or a better WARP_CACHE_PATH would not be looked at
        raise RuntimeError(f"{place} cannot keep compiled kernels ({error.strerror}); {REMEDY}") from None


@contextlib.contextmanager
def _quiet_without_driver() -> Iterator[None]:
    """Keep Warp's native library from warning of a driver that a machine without a GPU does not have."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        kept = None
    except OSError:
        kept = _stderr_to_nowhere()
    try:
        yield
    finally:
        if kept is not None:
            os.dup2(kept, 2)
            os.close(kept)


def _stderr_to_nowhere() -> int | None:
    """Point the process's standard error to nowhere; a copy of where it pointed, if there is one."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError, ValueError):  # a service may have none
        return None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return kept


# Threads of a block on a GPU: one warp. A thread of the step has 255 registers, so that a multiprocessor holds eight
# warps whatever their blocks; blocks of one let 4,096 landers fly on 128 of an H100's 132 multiprocessors, not on 16.
BLOCK = WARP

_ready: set[tuple[str, str]] = set()  # kernels by name and device


def ready(kernels: Sequence[wp.Kernel], device: Any) -> None:
    """Compile kernels, or take them from the cache; say so when it takes long. Raises RuntimeError, see ``loaded``."""
    waiting = [kernel for kernel in kernels if (kernel.module.name, device.alias) not in _ready]
    if not waiting:
        return
    notice = threading.Timer(
        2.0,
        print,
        [f"lunar_env: compiling the physics for {device.alias}; once, some 10 s, then cached ..."],
        {"file": sys.stderr},
    )
    notice.daemon = True
    notice.start()
    modules = [kernel.module for kernel in waiting]
    try:
        # Side by side.
        loaded(modules, device, lambda: wp.force_load(device, modules, block_dim=BLOCK, max_workers=len(modules)))
    finally:
        notice.cancel()
    _ready.update((module.name, device.alias) for module in modules)


def machine_code(module: Any, architecture: int, folder: Path) -> Path:
    """Compile a module for a GPU that need not be here, as it would be launched on it.

    Args:
        module: of Warp.
        architecture: as the compiler names it, 90 for sm_90.
        folder: of the file that is returned. If it has the name of ``gpu_folder``, Warp finds and takes it from there.
    """
    before = module.options["block_dim"]
    module.options["block_dim"] = BLOCK
    try:
        return Path(wp.compile_aot_module(module, arch=architecture, module_dir=str(folder), use_ptx=False)[0])
    finally:
        module.options["block_dim"] = before


def gpu_folder(module: Any) -> str:
    """The name of the folder in which Warp keeps a module that is compiled for a GPU."""
    return str(module.get_module_identifier(block_dim=BLOCK))


def loaded(modules: Sequence[Any], device: Any, load: Callable[[], None]) -> None:
    """Load compiled modules, and compile anew what is damaged.

    Args:
        modules: Warp modules.
        device: a Warp device.
        load: compiles and loads them.

    Raises:
        RuntimeError: they cannot be compiled, or not kept; the message names the folder and the remedy.
    """
    folders = [_folder_of(module, device) for module in modules]
    for folder in folders:
        if _damaged(folder):
            print(f"lunar_env: {folder} is damaged; compiling it again ...", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
    there = [folder.exists() for folder in folders]
    if not all(there):
        _require_writable(None)  # before compiling: on a full disk the compiler ends the process
    try:
        load()
    except Exception as error:  # Warp, its compiler and its linker raise errors of many kinds
        _require_writable(error)
        if not any(there):
            raise RuntimeError(f"the physics cannot be compiled ({_line(error)})") from error
        # Something is wrong with what was there, though no checksum says so: an older list, another program's file.
        place = folders[0].parent
        print(f"lunar_env: what is compiled in {place} cannot be used; compiling it again ...", file=sys.stderr)
        for module, folder in zip(modules, folders, strict=True):
            shutil.rmtree(folder, ignore_errors=True)
            module.unload()
        try:
            load()
        except Exception as again:
            _require_writable(again)
            raise RuntimeError(f"the physics cannot be compiled ({_line(again)}); clear {place}") from again
    for folder in folders:
        _seal(folder)


def _folder_of(module: Any, device: Any) -> Path:
    """Where Warp keeps a compiled module: an existing folder of a device is told apart by the block it is for."""
    name = module.get_module_identifier(block_dim=1) if device.is_cpu else gpu_folder(module)
    return Path(wp.config.kernel_cache_dir) / name


def _sums(folder: Path) -> dict[str, str]:
    """The checksum of every file that Warp loads."""
    files = [path for path in sorted(folder.iterdir()) if path.name != SEALS and path.suffix != ".part"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _damaged(folder: Path) -> bool:
    """Whether a file of a folder is not what was compiled. A folder without a list is taken as it is."""
    try:
        wanted = json.loads((folder / SEALS).read_text(encoding="utf-8"))
        found = _sums(folder)
        return any(found.get(name) != checksum for name, checksum in wanted.items())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True


def _seal(folder: Path) -> None:
    """Write the checksums of what was compiled, if there are none yet and the folder can be written."""
    try:
        if (folder / SEALS).exists():
            return
        part = folder / f".{os.getpid()}.part"
        part.write_text(json.dumps(_sums(folder)), encoding="utf-8")
        os.replace(part, folder / SEALS)
    except OSError:
        return


def _require_writable(error: Exception | None) -> None:
    """Raise RuntimeError if the folder of compiled kernels cannot be written, after an error or before any."""
    folder = wp.config.kernel_cache_dir
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
            file.flush()
    except OSError as refused:
        raise RuntimeError(f"{folder} cannot keep compiled kernels ({refused.strerror}); {REMEDY}") from error
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        raise RuntimeError(f"{folder} cannot keep compiled kernels ({error.strerror}); {REMEDY}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
