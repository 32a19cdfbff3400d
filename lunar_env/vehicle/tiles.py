"""Tables in tiles, (tiles, words, width), and how a kernel reads and writes them.

A struct of a lander is a column of words in a tile, and a tile is as wide as what flies abreast: a warp of 32 landers
on a GPU, which so reads a word of all with one access of 128 bytes; the eight lanes of a CPU, whose words then follow
each other in memory. Of Warp's own arrays of structs, which are rows, a warp reads 32 lines for every word.

Below are the native pieces of which kernel/access.py makes functions. ``LOAD`` and ``STORE`` move a struct of one
lander, ``LOAD_LANES`` the ``abreast`` one of eight side by side, ``STORE_WHERE`` those of some of the eight; ``PUT``
puts one lander among eight and ``TAKE`` takes it out. The compiler drops the words that nobody asks for.
"""

import torch
import warp as wp

from lunar_env.vehicle.lanes import WIDTH

wp.set_module_options({"enable_backward": False})

WARP = 32  # threads of a GPU that run in step
SECTOR = 32  # bytes that a GPU's memory is moved in


def tile_width(device: torch.device) -> int:
    """Landers in a tile of a device."""
    return WARP if device.type == "cuda" else WIDTH


_PLACE = """
    #ifdef __CUDA_ARCH__
    enum { width_of_tile = 32 };
    #else
    enum { width_of_tile = 8 };
    #endif
    typedef unsigned __attribute__((may_alias)) word_t;
    char* const tile = (char*)table.data + (size_t)table.strides[0] * (row / width_of_tile);
    word_t* const place = (word_t*)tile + first * width_of_tile + row % width_of_tile;
    """
_LANES = """
    typedef float lanes_t __attribute__((ext_vector_type(8), aligned(4), may_alias));
    lanes_t* const place = (lanes_t*)((char*)table.data + (size_t)table.strides[0] * (row / 8)) + first;
    """
LOAD = f"""{_PLACE}
    word_t* const words = (word_t*)&value;
    #pragma unroll
    for (unsigned word = 0; word < sizeof(value) / 4; ++word) words[word] = place[word * width_of_tile];
    """
STORE = f"""{_PLACE}
    const word_t* const words = (const word_t*)&value;
    #pragma unroll
    for (unsigned word = 0; word < sizeof(value) / 4; ++word) place[word * width_of_tile] = words[word];
    """
LOAD_LANES = f"""{_LANES}
    lanes_t* const words = (lanes_t*)&value;
    #pragma unroll
    for (unsigned word = 0; word < sizeof(value) / 32; ++word) words[word] = place[word];
    """
STORE_WHERE = f"""{_LANES}
    typedef signed counts_t __attribute__((ext_vector_type(8), aligned(4), may_alias));
    const lanes_t* const words = (const lanes_t*)&value;
    const counts_t chosen = *(const counts_t*)&where;
    #pragma unroll
    for (unsigned word = 0; word < sizeof(value) / 32; ++word) place[word] = chosen ? words[word] : place[word];
    """
PUT = """
    typedef unsigned __attribute__((may_alias)) word_t;
    const word_t* const words = (const word_t*)&value;
    #pragma unroll
    for (unsigned word = 0; word < sizeof(value) / 4; ++word) ((word_t*)&group)[word * 8 + lane] = words[word];
    """
TAKE = """
    typedef unsigned __attribute__((may_alias)) word_t;
    word_t* const words = (word_t*)&value;
    #pragma unroll
    for (unsigned word = 0; word < sizeof(value) / 4; ++word) words[word] = ((const word_t*)&group)[word * 8 + lane];
    """

# A struct of six words that has a sector of its own, which a thread of a GPU reads and writes in two pieces.
_SECTOR = """
    char* const place = (char*)samples.data + (size_t)samples.strides[0] * row + samples.strides[1] * slot;
    char* const sector = place + samples.strides[2] * beam;
    """
LOAD_SECTOR = f"""{_SECTOR}
    #ifdef __CUDA_ARCH__
    ((uint4*)&value)[0] = *(const uint4*)sector;
    ((uint2*)&value)[2] = ((const uint2*)sector)[2];
    #else
    memcpy(&value, sector, sizeof(value));
    #endif
    """
STORE_SECTOR = f"""{_SECTOR}
    #ifdef __CUDA_ARCH__
    *(uint4*)sector = ((const uint4*)&value)[0];
    ((uint2*)sector)[2] = ((const uint2*)&value)[2];
    #else
    memcpy(sector, &value, sizeof(value));
    #endif
    """


@wp.func_native(f"{_PLACE} return *(const float*)place;")
def number_of(table: wp.array3d(dtype=float), row: int, first: int) -> float:  # type: ignore[empty-body]
    """One word of one lander."""
    ...


@wp.func_native(f"{_PLACE} *(float*)place = number;")
def put_number(table: wp.array3d(dtype=float), row: int, first: int, number: float):
    """Write one word of one lander."""
    ...


@wp.func_native("""
    const char* const line = (const char*)table.data + (size_t)table.strides[0] * (row / 8);
    for (signed byte = 0; byte < words * 32; byte += 64) __builtin_prefetch(line + byte);
    """)
def fetch_lanes(table: wp.array3d(dtype=float), row: int, words: int):
    """Have the first words of eight landers fetched while the CPU works on others."""
    ...
