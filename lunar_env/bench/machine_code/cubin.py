"""A kernel's machine code, compiled for an architecture that need not be here."""

import importlib.metadata
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import warp as wp

from lunar_env.bench.machine_code.listing import Listing, parsed
from lunar_env.extras import missing
from lunar_env.kernel.cache import machine_code, start_warp

TOOL = "nvdisasm"
REGISTERS, FRAME, PARAMETER, PARAMETERS = 0x2F, 0x11, 0x17, 0x0A  # kinds of notes in .nv.info
WITH_BYTES = 4  # a note's form that has so many bytes as it says behind it; others have two


@dataclass(frozen=True)
class Cubin:
    """What the compiler made of one kernel."""

    kernel: str
    architecture: int  # 90 for sm_90
    registers: int  # of a thread
    stack: int  # bytes of a thread
    parameters: int  # place of the first of them in the bank of constants 0
    sizes: tuple[int, ...]  # bytes of each parameter
    constants: dict[int, np.ndarray]  # the other banks, bytes
    listing: Listing


def require_tool() -> Path:
    """The disassembler. Raises ImportError that says which extra brings it."""
    try:
        files = importlib.metadata.files("nvidia-cuda-nvdisasm") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in (TOOL, f"{TOOL}.exe") and (path := Path(str(file.locate()))).is_file():
            return path
    raise ImportError(missing("lunar_env.bench.machine_code", TOOL))


def require_architecture(architecture: int) -> None:
    """Raise ValueError for an architecture that the compiler does not know."""
    start_warp()
    known = wp.get_cuda_supported_archs()
    if architecture not in known:
        raise ValueError(f"the architecture must be one of {', '.join(map(str, known))}, got {architecture}")


def compiled(kernel: wp.Kernel, architecture: int) -> Cubin:
    """Compile a kernel, which is alone in its module, and read its machine code.

    Raises:
        ImportError: the disassembler is not installed.
        ValueError: the compiler knows no such architecture.
    """
    tool = require_tool()
    require_architecture(architecture)
    with tempfile.TemporaryDirectory() as folder:
        path = machine_code(kernel.module, architecture, Path(folder))
        done = subprocess.run([str(tool), "-c", str(path)], capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{TOOL} cannot read the machine code of {kernel.key}: {done.stderr.strip()}")
        return read_cubin(kernel.key, architecture, path.read_bytes(), parsed(done.stdout))


def read_cubin(kernel: str, architecture: int, image: bytes, listing: Listing) -> Cubin:
    """What an ELF file of the CUDA compiler says about its one kernel beside the instructions."""
    sections = _sections(image)
    [text] = [name for name in sections if name.startswith(".text.")]
    function = text.removeprefix(".text.")
    notes = _notes(sections[".nv.info"]) + _notes(sections[f".nv.info.{function}"])
    registers = max(struct.unpack("<II", value)[1] for kind, value in notes if kind == REGISTERS)
    stack = max(struct.unpack("<II", value)[1] for kind, value in notes if kind == FRAME)
    [where] = [struct.unpack("<IHH", value)[1] for kind, value in notes if kind == PARAMETERS]
    found = {}
    for kind, value in notes:
        if kind == PARAMETER:
            _, place, _, packed = struct.unpack("<IHHI", value)
            found[place] = packed >> 18  # its size in bytes; the bits below tell how it is passed
    constants = {
        int(name.split(".")[2].removeprefix("constant")): np.frombuffer(data, np.uint8)
        for name, data in sections.items()
        if name.startswith(".nv.constant") and name.endswith((".constant3", f".{function}"))
    }
    sizes = tuple(found[place] for place in sorted(found))
    return Cubin(kernel, architecture, registers, stack, where, sizes, constants, listing)


def _sections(image: bytes) -> dict[str, bytes]:
    """The sections of an ELF file by name."""
    (first,) = struct.unpack_from("<Q", image, 0x28)
    size, count, names = struct.unpack_from("<HHH", image, 0x3A)
    heads = [struct.unpack_from("<IIQQQQ", image, first + size * number) for number in range(count)]
    texts = heads[names][4]
    sections = {}
    for name, kind, _, _, offset, length in heads:
        end = image.index(b"\0", texts + name)
        no_bits = kind == 8  # SHT_NOBITS: nothing of it lies in the file
        sections[image[texts + name : end].decode()] = b"" if no_bits else image[offset : offset + length]
    return sections


def _notes(section: bytes) -> list[tuple[int, bytes]]:
    """The compiler's notes about a kernel: kind and content."""
    notes, place = [], 0
    while place < len(section):
        form, kind, length = struct.unpack_from("<BBH", section, place)
        place += 4
        if form == WITH_BYTES:
            notes.append((kind, section[place : place + length]))
            place += length
    return notes
