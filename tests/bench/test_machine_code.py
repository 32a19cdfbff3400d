"""The machine code of a GPU, walked through without one: against Python, against the CPU, and its floors."""

import json
import random
import re
from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import warp as wp
from helpers import ROOT

from lunar_env import Descent, load_scenario
from lunar_env.bench.contestants import LIDAR, MARE, every_fault
from lunar_env.bench.machine_code import command, cubin, page
from lunar_env.bench.machine_code.emulator import Emulator
from lunar_env.bench.machine_code.floors import claims
from lunar_env.bench.machine_code.listing import parsed
from lunar_env.bench.machine_code.machine import BASE, DeviceMemory, EmulationError, Warp
from lunar_env.bench.machine_code.measure import measure
from lunar_env.bench.machine_code.subjects import (
    Subject,
    arguments,
    as_on_a_gpu,
    batch,
    disagreement,
    quantities,
    walks,
)
from lunar_env.bench.machine_code.walk import Traffic, walked
from lunar_env.extras import missing
from lunar_env.kernel.builds import Build
from lunar_env.kernel.cache import start_warp
from lunar_env.task import Outcome
from lunar_env.vehicle.control import MODES

TOP = 1 << 32


def tool_is_missing() -> bool:
    try:
        cubin.require_tool()
    except ImportError:
        return True
    return False


needs_tool = pytest.mark.skipif(tool_is_missing(), reason=missing("this test", "nvdisasm"))


# Instructions against Python's whole numbers ------------------------------------------------------------------------


def code(*lines: str) -> str:
    """A listing as the disassembler prints it; a line that ends with a colon is a label."""
    texts, address = [], 0
    for line in (*lines, "EXIT"):
        texts.append(line if line.endswith(":") else f"        /*{address:04x}*/   {line} ;")
        address += 0 if line.endswith(":") else 16
    return "\n".join(texts)


def bare_warp(memory: DeviceMemory | None = None, traffic: Traffic | None = None) -> Warp:
    """A warp with nothing in it but its lanes' numbers in R0."""
    seen = traffic or Traffic()
    warp = Warp(memory or DeviceMemory([]), {}, 64, {}, lambda addresses, size, kind: seen.add(addresses, size))
    warp.registers[0] = np.arange(32)
    return warp


def walk(warp: Warp, *lines: str) -> Emulator:
    emulator = Emulator(parsed(code(*lines)), warp)
    emulator.walk()
    return emulator


def words(*numbers: int) -> dict[int, list[int]]:
    """Random words for registers 2 and on, some of them at the ends of their range."""
    chosen = random.Random(0)
    ends = [0, 1, 31, 32, 33, 63, 64, TOP // 2 - 1, TOP // 2, TOP - 1]
    return {
        number: [chosen.choice([*ends, *(chosen.getrandbits(32) for _ in ends)]) for _ in range(32)]
        for number in numbers
    }


def signed(word: int) -> int:
    return word - TOP if word >= TOP // 2 else word


def results(lines: Sequence[str], target: int) -> list[tuple[dict[int, int], int]]:
    """For each lane, what stood in registers 2 to 7 and what the lines leave in the target."""
    warp, given = bare_warp(), words(2, 3, 4, 5, 6, 7)
    for number, values in given.items():
        warp.registers[number] = values
    walk(warp, *lines)
    return [({n: given[n][lane] for n in given}, int(warp.registers[target][lane])) for lane in range(32)]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["IADD3 R10, R2, -R3, R4"], lambda r: r[2] - r[3] + r[4]),
        (
            ["IADD3 R9, P0, R2, R4, RZ", "IADD3.X R10, R3, R5, RZ, P0, !PT"],
            lambda r: (r[2] + r[4] + TOP * (r[3] + r[5])) >> 32,
        ),
        (
            ["IADD3 R9, P0, R2, -R4, RZ", "IADD3.X R10, R3, ~R5, RZ, P0, !PT"],
            lambda r: (r[2] - r[4] + TOP * (r[3] - r[5])) >> 32,
        ),
        (["IMAD R10, R2, R3, R4"], lambda r: r[2] * r[3] + r[4]),
        (["IMAD.WIDE.U32 R10, R2, R3, R4", "MOV R10, R11"], lambda r: (r[2] * r[3] + r[4] + TOP * r[5]) >> 32),
        (
            ["IMAD.WIDE R10, R2, R3, R4", "MOV R10, R11"],
            lambda r: (signed(r[2]) * signed(r[3]) + r[4] + TOP * r[5]) >> 32,
        ),
        (["IMAD.HI.U32 R10, R2, R3, RZ"], lambda r: r[2] * r[3] >> 32),
        (["LEA R10, R2, R3, 0x3"], lambda r: (r[2] << 3) + r[3]),
        (["LEA.HI R10, R2, R3, R4, 0x3"], lambda r: ((r[2] + TOP * r[4]) << 3 >> 32) + r[3]),
        (["SHF.L.U32 R10, R2, R3, RZ"], lambda r: r[2] << r[3] if r[3] < 32 else 0),
        (["SHF.R.U32.HI R10, RZ, R3, R2"], lambda r: r[2] >> min(r[3], 32)),
        (["SHF.R.S32.HI R10, RZ, R3, R2"], lambda r: signed(r[2]) >> min(r[3], 32)),
        (["SHF.R.U64 R10, R2, R4, R3"], lambda r: (r[2] + TOP * r[3]) >> min(r[4], 64)),
        (["SHF.L.U32.HI R10, R2, 0x5, R3"], lambda r: (r[2] + TOP * r[3]) << 5 >> 32),
        (["LOP3.LUT R10, R2, R3, R4, 0x96, !PT"], lambda r: r[2] ^ r[3] ^ r[4]),
        (["LOP3.LUT R10, R2, R3, R4, 0xf8, !PT"], lambda r: r[2] | (r[3] & r[4])),
        (["PRMT R10, R2, 0x5410, R3"], lambda r: (r[2] & 0xFFFF) | (r[3] & 0xFFFF) << 16),
        (["PRMT R10, R2, 0x9910, RZ"], lambda r: (r[2] & 0xFFFF) - (r[2] >> 15 & 1) * 2**16),
        (["VIMNMX R10, R2, R3, !PT"], lambda r: max(signed(r[2]), signed(r[3]))),
        (
            ["ISETP.LT.AND P0, PT, R2, R3, PT", "SEL R10, R4, R5, P0"],
            lambda r: r[4] if signed(r[2]) < signed(r[3]) else r[5],
        ),
        (["R2P PR, R2, 0x5", "P2R R10, PR, R3, 0x7"], lambda r: r[2] & 5 | r[3] & ~7),
        (["R2P PR, R2.B2, 0x6", "P2R R10, PR, R3, 0x6"], lambda r: r[2] >> 16 & 6 | r[3] & ~6),
        (
            [
                "ISETP.GE.U32.AND P0, PT, R2, R4, PT",
                "ISETP.GE.U32.AND.EX P0, PT, R3, R5, PT, P0",
                "SEL R10, R6, R7, P0",
            ],
            lambda r: r[6] if r[2] + TOP * r[3] >= r[4] + TOP * r[5] else r[7],
        ),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_integers_are_pythons_to_the_bit(lines: list[str], wanted: Any) -> None:
    for registers, got in results(lines, 10):
        assert got == wanted(registers) % TOP, registers


def test_what_is_written_to_the_registers_of_zeros_and_of_truth_is_lost() -> None:
    warp = bare_warp()
    walk(warp, "MOV RZ, 0x7", "ISETP.NE.AND PT, P1, R0, R0, PT", "MOV R2, RZ")
    assert not warp.registers[2].any() and warp.predicates[7].all() and warp.predicates[1].all()


def test_rounding_goes_where_the_instruction_says() -> None:
    warp = bare_warp()
    walk(warp, "MOV R3, 0x3f800000", "FFMA.RP R4, R3, 1e-10, R3", "FFMA.RM R5, R3, 1e-10, R3")
    up, down = (warp.registers[number].view(np.float32)[0] for number in (4, 5))
    assert up == np.nextafter(np.float32(1.0), np.float32(2.0)) and down == 1.0


# Lanes that part ------------------------------------------------------------------------------------------------------

LOOP = (
    "BSSY B0, `(.L_end)",
    "MOV R2, RZ",
    ".L_head:",
    "ISETP.GE.AND P0, PT, R2, R0, PT",
    "@P0 BRA `(.L_out)",
    "IADD3 R2, R2, 0x1, RZ",
    "BRA `(.L_head)",
    ".L_out:",
    "BSYNC B0",
    ".L_end:",
    "MOV R3, 0x5",
)


def test_lanes_go_round_as_often_as_each_has_to_and_come_together_again() -> None:
    warp = bare_warp()
    run = walk(warp, *LOOP).run
    assert warp.registers[2].tolist() == list(range(32)) and (warp.registers[3] == 5).all()
    # The head is issued for those that are left, 32 times; whoever leaves waits, and all go on as one.
    assert run.issued[0x20] == 32 and run.issued[0x70] == 1 and run.issued[0x60] == 32


def test_a_call_comes_back_to_where_each_lane_came_from() -> None:
    warp = bare_warp()
    walk(
        warp,
        "kernel:",
        "ISETP.LT.AND P0, PT, R0, 0x10, PT",
        "MOV R3, RZ",
        "@P0 MOV R2, 0x60",
        "@!P0 MOV R2, 0x80",
        "CALL.REL.NOINC `(function)",
        "NOP",
        "MOV R4, 0x1",
        "EXIT",
        "MOV R4, 0x2",
        "EXIT",
        "function:",
        "RET.REL.NODEC R2 `(kernel)",
    )
    assert warp.registers[4].tolist() == [1] * 16 + [2] * 16


def test_lanes_that_end_are_waited_for_no_more() -> None:
    warp = bare_warp()
    walk(warp, "ISETP.LT.AND P0, PT, R0, 0x10, PT", "BSSY B0, `(.L)", "@P0 EXIT", "BSYNC B0", ".L:", "MOV R2, 0x1")
    assert warp.registers[2].tolist() == [0] * 16 + [1] * 16


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("FROB R1, R2", "the emulator does not know FROB"),
        ("FADD.ODD R1, R2, R3", "the emulator does not know FADD with ODD"),
        ("IADD3.64 R2, R4, R6, RZ", "the emulator does not know IADD3 with 64"),
        ("LDG.E R1, desc[UR4][R2.64]", "outside of all tables"),
        ("LDL R1, [R0+0x1000]", "outside of the stack"),
        ("LDC R1, c[0x5][0x0]", "bank 5"),
        ("FADD R1, R2, c[0x5][0x0]", "bank 5"),
    ],
)
def test_what_is_not_known_or_not_there_is_named_with_its_place(line: str, said: str) -> None:
    with pytest.raises(EmulationError, match=rf"^at 0x10, .*{re.escape(said)}"):
        walk(bare_warp(), "NOP", line)


# Memory ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stride", "sectors"), [(0, 1), (4, 4), (8, 8), (32, 32), (128, 32)])
def test_a_request_touches_as_many_sectors_as_its_lanes_lie_in(stride: int, sectors: int) -> None:
    table = np.arange(2048, dtype=np.uint32)
    memory, traffic = DeviceMemory([(table.ctypes.data, table.nbytes)]), Traffic()
    warp = bare_warp(memory, traffic)
    address = memory.address(table.ctypes.data)
    assert address > BASE and address % 512 == 0
    warp.registers[4], warp.registers[5] = address % TOP, address // TOP
    walk(
        warp,
        f"MOV R2, {stride:#x}",
        "IMAD.WIDE.U32 R2, R0, R2, R4",
        "LDG.E R6, desc[UR4][R2.64]",
        "STG.E desc[UR4][R2.64], RZ",
    )
    assert warp.registers[6].tolist() == [lane * stride // 4 for lane in range(32)]
    assert (traffic.requests, traffic.sectors, len(traffic.apart)) == (2, 2 * sectors, sectors)
    memory.put_back()
    assert not table[: 32 * stride // 4 : max(stride // 4, 1)].any()


def test_a_table_of_constants_is_read_by_the_lanes_that_ask_alone() -> None:
    warp = bare_warp()
    warp.constants[2] = np.arange(16, dtype=np.uint32).view(np.uint8)
    lines = ("ISETP.LT.AND P0, PT, R0, 0x10, PT", "IMAD.SHL.U32 R2, R0, 0x4, RZ", "@P0 LDC R3, c[0x2][R2]")
    walk(warp, *lines)
    assert warp.registers[3].tolist() == [*range(16), *([0] * 16)]
    with pytest.raises(EmulationError, match="outside of bank 2"):
        walk(warp, *lines, "LDC R3, c[0x2][R2]")


def test_tables_that_overlap_are_one() -> None:
    table = np.arange(64, dtype=np.uint32)
    place = table.ctypes.data
    memory = DeviceMemory([(place, 64), (place + 32, 128)])
    assert memory.address(place + 100) - memory.address(place) == 100
    with pytest.raises(ValueError, match="in none of the tables"):
        memory.address(place + 160)


# Against the CPU ------------------------------------------------------------------------------------------------------


@wp.kernel(module="unique", module_options={"enable_backward": False})
def trial(given: wp.array2d(dtype=float), bits: wp.array(dtype=wp.uint64), wanted: wp.array2d(dtype=float)):
    row = wp.tid()
    a = given[row, 0]
    b = given[row, 1]
    wanted[row, 0] = a / b
    wanted[row, 1] = wp.sqrt(wp.abs(a))
    wanted[row, 2] = wp.sin(a)
    wanted[row, 3] = wp.pow(wp.abs(a), b)
    wanted[row, 4] = wp.atan2(a, b)
    wanted[row, 5] = float(int(a) % 7) + wp.floor(b) + wp.round(a)
    wanted[row, 6] = wp.log(wp.abs(b)) + wp.exp(wp.clamp(a, -5.0, 5.0))
    total = float(0.0)  # noqa: UP018
    for k in range(int(wp.abs(b)) % 9):
        total = total + 1.0 / (a + float(k) + 0.5)
    wanted[row, 7] = total
    word = bits[row]
    word = (word ^ (word >> wp.uint64(30))) * wp.uint64(0xBF58476D1CE4E5B9)
    bits[row] = word + word % wp.uint64(1000003)


@needs_tool
@pytest.mark.parametrize("architecture", [80, 90])
def test_a_kernel_leaves_what_the_cpu_leaves(architecture: int) -> None:
    start_warp()
    chosen = torch.Generator(device="cpu").manual_seed(0)
    given = torch.randn(64, 2, generator=chosen, dtype=torch.float32, device="cpu") * 20.0
    given[3, 0], given[4, 0], given[5, 0] = 0.0, 3e38, 1e-40  # the slow ways of a division
    given[6, 0] = 2e5  # and of a sine
    bits = torch.randint(2**62, (64,), generator=chosen, dtype=torch.int64, device="cpu")
    tables = [given, bits, torch.zeros(64, 8, dtype=torch.float32, device="cpu")]
    mine = [table.clone() for table in tables]
    kinds = [wp.array2d(dtype=float), wp.array(dtype=wp.uint64), wp.array2d(dtype=float)]
    theirs, ours = (
        [wp.from_torch(one, dtype=kind.dtype) for one, kind in zip(group, kinds, strict=True)]
        for group in (tables, mine)
    )
    wp.launch(trial, dim=64, inputs=theirs, device="cpu")
    machine_code = cubin.compiled(trial, architecture)
    for first in (0, 32):
        done = walked(machine_code, list(zip(kinds, ours, strict=True)), 64, first)
        assert done.stores.requests == 9 and done.stores.sectors == 8 * 32 + 8
    assert torch.equal(mine[1], tables[1])
    torch.testing.assert_close(mine[2], tables[2], rtol=2e-6, atol=2e-6)


@needs_tool
def test_the_compilers_own_figures_are_read() -> None:
    start_warp()
    found = cubin.compiled(trial, 90)
    assert 16 <= found.registers <= 255 and found.stack % 8 == 0
    assert found.sizes[0] == 24 and len(found.sizes) == 4 and found.parameters == 0x210
    assert found.listing.instructions[-1].address == 16 * (len(found.listing.instructions) - 1)


# The command ----------------------------------------------------------------------------------------------------------


@needs_tool
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arch", "91"], "the architecture must be one of 75, "),
        (["--markdown", "page.md"], "needs the lines <!-- machine code: begin -->"),
        (["--json", "."], "cannot write ."),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text("no markers\n", encoding="utf-8")
    monkeypatch.setattr(command, "measure", lambda *request: pytest.fail("it measured"))
    with pytest.raises(SystemExit):
        command.main(words)
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_without_the_disassembler_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(name: str) -> Any:
        raise cubin.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(cubin.importlib.metadata, "files", gone)
    with pytest.raises(SystemExit):
        command.main([])
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith("needs nvidia-cuda-nvdisasm: pip install -e '.[disassembly]'")


def test_the_page_shows_the_figures_beside_it() -> None:
    figures = json.loads((ROOT / "docs" / "machine_code.json").read_text(encoding="utf-8"))
    assert page.markdown(figures) in (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert [one["label"] for one in figures["claims"]] == [claim.label for claim in claims()]


# Floors ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return measure(90)


@needs_tool
@pytest.mark.slow
@pytest.mark.parametrize("label", [one.label for one in claims()])
def test_a_floor_holds(label: str, figures: dict[str, Any]) -> None:
    [claim] = [one for one in figures["claims"] if one["label"] == label]
    assert claim["verdict"] == "pass", claim


@needs_tool
@pytest.mark.slow
def test_what_is_walked_flies_as_the_cpu_does(figures: dict[str, Any]) -> None:
    for name, subject in figures["subjects"].items():
        assert subject["disagreement"] < 1e-5, name
        assert subject["warps"] == (1 if "respawn" in name else 8), name


@cache
def step_of(build: Build) -> cubin.Cubin:
    """The machine code of a build's step."""
    return cubin.compiled(build.advance, 90)


ROUGH = {**every_fault(), **MARE, **LIDAR}  # every fault on mare, with an altimeter and a Doppler lidar


@needs_tool
@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, ROUGH], ids=["plain", "whole"])
@pytest.mark.parametrize("mode", MODES)
def test_every_control_mode_is_flown_as_the_cpu_flies_it(mode: str, changes: dict[str, Any]) -> None:
    subject = Subject(mode, {"control": mode, **changes})
    descent = batch(subject)
    code = step_of(descent._launch.build)
    for _, apart in islice(walks(subject, code, descent), 2):
        assert apart < 1e-5


@needs_tool
@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, ROUGH], ids=["plain", "whole"])
def test_landers_come_down_and_begin_anew_as_the_cpus_do(changes: dict[str, Any]) -> None:
    low = {"decision_period": 0.1, "start.progress": 0.97}
    descent = Descent(load_scenario("resilience", **low, **changes), 32, seed=1)
    code, chosen, met = step_of(descent._launch.build), torch.Generator(device="cpu").manual_seed(0), list[int]()
    there, launch = as_on_a_gpu(descent)
    for step in range(3000):
        if step % 20 == 0:
            descent.actions.uniform_(-1.0, 0.0, generator=chosen)
        before = descent.snapshot()
        descent.advance()
        if (ended := descent.outcomes[descent.outcomes != 0]).numel() and len(met) < 16:
            met += ended.tolist()
            there.restore(before)
            launch.actions.copy_(descent.actions)
            walked(code, arguments(launch), 32, 0)
            assert disagreement(quantities(there), quantities(descent.state), slice(0, 32)) < 1e-5, (step, met)
    assert len(met) >= 16 and int(Outcome.CRASHED) in met


@needs_tool
@pytest.mark.slow
def test_the_command_writes_what_it_shows(
    tmp_path: Path, figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "measure", lambda architecture: figures)
    target, written = tmp_path / "made" / "figures.json", tmp_path / "page.md"
    written.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    assert command.main(["--json", str(target), "--markdown", str(written)]) == 0
    assert json.loads(target.read_text(encoding="utf-8")) == figures
    assert page.markdown(figures) in written.read_text(encoding="utf-8")
    assert page.markdown(figures) in capsys.readouterr().out
