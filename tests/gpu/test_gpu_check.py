"""The check of a GPU, tried out without one: what it asks, what it makes of the answers, and what it survives."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import warp as wp

pytest.importorskip("rsl_rl")

import agents.gpu.__main__ as command
from agents.gpu import agreement, counters, pack, parts, speed, suite, training
from agents.gpu.__main__ import Arguments, run
from agents.gpu.floors import claims, named
from agents.gpu.page import BEGIN, END
from agents.training.rsl_rl.returns import estimate
from lunar_env.kernel.cache import gpu_folder, start_warp

SHORT = {name: replace(case, steps=5, landers=8) for name, case in agreement.CASES.items()}
COUNTED = """==PROF== Connected to process 1
"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","advance","l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum","sector","29,130,752"
"0","advance","sm__inst_executed.sum","inst","194,609,152"
"0","advance","gpu__time_duration.sum","us","812.5"
"0","advance","dram__bytes_read.sum","Gbyte","1.25"
"""


# What is asked ------------------------------------------------------------------------------------------------------


def test_a_device_that_flies_as_the_reference_agrees_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "CASES", SHORT)
    agreement.write_reference(tmp_path / "reference.npz")
    for found in agreement.agreement("cpu", tmp_path / "reference.npz").values():
        assert found == {"same outcomes": 1.0, "height": 0.0, "descent rate": 0.0, "observation": 0.0}


def test_the_difference_of_flights_is_that_of_the_landers_that_ended_alike():
    reference = agreement.fly(SHORT["plain"], "cpu")
    mine = {name: table.copy() for name, table in reference.items()}
    mine["height"][2] += 0.25
    mine["outcomes"][3, 5] += 1.0
    mine["height"][5] += 1000.0
    found = agreement.apart(mine, reference)
    assert found["same outcomes"] == 7 / 8
    assert found["height"] == 0.25
    assert found["descent rate"] == 0.0


def test_flights_of_which_none_ended_alike_agree_in_no_outcome():
    reference = agreement.fly(SHORT["beams"], "cpu")
    assert agreement.apart(reference | {"episode": reference["episode"] + 1.0}, reference)["same outcomes"] == 0.0


def test_the_core_is_timed_beside_a_copy_of_its_tables(monkeypatch):
    monkeypatch.setattr(speed, "SIZES", (64,))
    found = speed.core("cpu", quick=True)
    assert list(found) == ["descent_rate, N=64", "body, N=64"]
    for row in found.values():
        assert row["core over copy"] == pytest.approx(row["core, recorded"] / row["copy of the tables"])
        assert row["core"] > row["Descent.step"] > 0.0


def test_a_size_that_does_not_fit_costs_no_other(monkeypatch):
    def no_room(control: str, landers: int, device: str, seconds: float) -> dict[str, float]:
        if landers == 64:
            raise RuntimeError("CUDA out of memory.\n Tried to allocate")
        return {"core": 1.0}

    monkeypatch.setattr(speed, "SIZES", (64, 32))
    monkeypatch.setattr(speed, "row", no_room)
    found = speed.core("cpu", quick=False)
    assert found["body, N=64"] == {"error": "CUDA out of memory. Tried to allocate"}
    assert found["body, N=32"] == {"core": 1.0}


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_a_training_is_timed_in_its_parts(memory):
    found = training.train("cpu", 16, memory, 0.1)
    assert found["rounds"] >= 1
    both = 1.0 / found["flying, decisions/s"] + 1.0 / found["learning, decisions/s"]
    assert found["decisions/s"] == pytest.approx(1.0 / both)


def test_what_a_profiler_counted_is_told_by_warp():
    found = counters.read(COUNTED)
    assert found == {
        "sectors loaded of a warp": 889.0,
        "instructions of a warp": 5939.0,
        "duration [us]": 812.5,
        "bytes read from memory [Gbyte]": 1.25,
    }
    assert counters.read("==ERROR== The user does not have permission") == {}
    assert "not counted" in counters.counters("cpu", quick=True)


def test_tests_that_were_not_counted_are_no_success():
    assert suite.counted("") == {"error": "pytest said nothing"}
    assert suite.counted("ImportError: no such thing")["error"] == "ImportError: no such thing"
    text = "FAILED tests/test_cuda.py::test_one - no\n==== 1 failed, 12 passed, 3 deselected in 4.0s ===="
    which = ["tests/test_cuda.py::test_one"]
    assert suite.counted(text) == {"passed": 12, "failed": 1, "skipped": 0, "error": 0, "which failed": which}


# What it survives ---------------------------------------------------------------------------------------------------


def test_a_part_that_hangs_is_given_up_with_all_that_it_started(tmp_path):
    started = tmp_path / "started"
    file = f"pathlib.Path({str(started)!r})"
    child = f"import time, pathlib; {file}.touch(); time.sleep(3); {file}.write_text('lives')"
    hanging = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    began = time.perf_counter()
    said = parts._run([sys.executable, "-c", hanging], tmp_path / "words.txt", 1.5)
    assert said == "not done within 1.5 s"
    assert time.perf_counter() - began < 10.0
    time.sleep(max(0.0, began + 5.0 - time.perf_counter()))
    assert started.exists()
    assert started.read_text() == ""


def test_a_part_that_fails_leaves_its_last_words(tmp_path):
    found = parts.ask("agreement", "cpu", True, tmp_path / "missing.npz")
    assert found["error"] == "ended with exit code 1"
    assert "missing.npz" in found["last words"][-1]


# The command --------------------------------------------------------------------------------------------------------


@pytest.fixture
def answers(monkeypatch):
    """Answers in place of the parts', and the parts that were asked."""
    asked: list[str] = []

    def ask(name: str, device: str, quick: bool, reference: Path | None) -> dict[str, object]:
        asked.append(name)
        if name == "core":
            return {"descent_rate, N=1,048,576": {"core, recorded": 2e9, "core over copy": 0.5}, "took [s]": 1.0}
        return {"error": "not done within 20 s"}

    monkeypatch.setattr(command, "ask", ask)
    return asked


def test_figures_and_page_tell_what_was_measured_and_what_was_not(tmp_path, answers, capsys):
    page, out = tmp_path / "speed.md", tmp_path / "gpu.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert run(Arguments(device="cpu", out=out, page=page, check=True)) == 1
    assert answers == list(parts.PARTS)
    figures = json.loads(out.read_text(encoding="utf-8"))
    verdicts = {one["label"]: one["verdict"] for one in figures["claims"]}
    assert verdicts["core N=1,048,576, steps/s"] == "pass"
    assert verdicts["core N=1,048,576 / copy of its tables"] == "missed"
    assert verdicts["GPU tests that failed"] == "not measured"
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "not done within 20 s" in text
    assert f"1 of {len(claims())} floors met; figures: {out}" in capsys.readouterr().out


def test_what_is_known_is_kept_when_a_later_part_is_interrupted(tmp_path, monkeypatch):
    def ask(name: str, *rest: object) -> dict[str, float]:
        if name == "core":
            raise KeyboardInterrupt
        return {"bytes/s": 4.3e12}

    monkeypatch.setattr(command, "ask", ask)
    out = tmp_path / "gpu.json"
    with pytest.raises(KeyboardInterrupt):
        run(Arguments(device="cpu", out=out, only=("bandwidth", "core")))
    assert json.loads(out.read_text(encoding="utf-8"))["parts"] == {"bandwidth": {"bytes/s": 4.3e12}}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"only": ("speed",)}, "--only knows 'first step'"),
        ({"page": Path("nowhere.md")}, "the page nowhere.md cannot be read"),
        ({"reference": Path("nowhere.npz")}, "--reference nowhere.npz is no file"),
        ({"device": "tpu"}, "tpu"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_asked(wrong, words, answers, tmp_path):
    with pytest.raises((ValueError, RuntimeError), match=words):
        run(Arguments(**{"device": "cpu", "out": tmp_path / "gpu.json", **wrong}))
    assert not answers
    assert not (tmp_path / "gpu.json").exists()


@pytest.mark.slow
def test_without_a_gpu_it_says_so_and_its_trial_run_goes_through_every_part(tmp_path):
    asked = [sys.executable, "-m", "agents.gpu", "--out", str(tmp_path / "gpu.json")]
    if not wp.is_cuda_available():
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
    done = subprocess.run([*asked, "--device", "cpu", "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert list(figures["parts"]) == list(parts.PARTS)
    assert not [name for name in parts.PARTS if name != "tests" and "error" in figures["parts"][name]]
    assert named(figures["parts"])["agreement, plain, same outcomes"] == 1.0
    unknown = {one["label"] for one in figures["claims"] if one["verdict"] == "not measured"}
    assert unknown <= {"core N=1,048,576, steps/s", "core N=1,048,576 / copy of its tables"}


# What is taken along ------------------------------------------------------------------------------------------------


def test_machine_code_is_packed_where_warp_looks_for_it(tmp_path):
    start_warp()
    pack.compile_into(tmp_path, estimate, 90)
    folder = tmp_path / gpu_folder(estimate.module)
    (cubin,) = folder.glob("*.sm90.cubin")
    assert cubin.name == f"{folder.name}.sm90.cubin"
    assert not list(folder.glob("*.cu"))
    before = cubin.stat().st_mtime_ns
    pack.compile_into(tmp_path, estimate, 90)
    assert cubin.stat().st_mtime_ns == before


def test_every_kernel_that_a_training_launches_is_packed():
    launched = {"advance", "reset", "tell", "tell_a_critic", "count_on", "show", "show_truth", "add_ends", "estimate"}
    assert launched == {kernel.key.rsplit("__locals__", maxsplit=1)[-1].strip("_") for kernel in pack.KERNELS}
