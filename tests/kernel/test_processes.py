"""A batch in other processes: after a fork, spawned, in a loader's workers, in Gymnasium's; none of them hangs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

# Each is a program of its own, so that one that hangs is ended by the clock and not waited for.
BEGIN = """
import multiprocessing, os, sys
import torch
from lunar_env import Descent, load_scenario
torch.set_num_threads(2)
def flown(descent):
    return [float(descent.step(torch.zeros(descent.num_envs, 1)).observation.double().sum()) for _ in range(3)]
def fresh(scenario="vertical", num_envs=4096):
    return flown(Descent(scenario, num_envs, seed=1, threads=2 if num_envs > 1 else 1))
def in_child(work, *given):
    ours, theirs = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        try:
            theirs.send(work(*given))
        finally:
            os._exit(0)
    theirs.close()
    found = ours.recv()
    os.waitpid(child, 0)
    return found
"""
PROGRAMS = {
    "a fork steps what it inherited": """
descent = Descent("vertical", 4096, seed=1, threads=2)
torch.rand(3_000_000).mul(2.0).sum()  # torch's own threads have run, too
found = in_child(flown, descent)
assert found == flown(descent), found
""",
    "a fork of a fork": """
descent = Descent("vertical", 4096, seed=1, threads=2)
flown(descent)
expected = fresh()
assert in_child(in_child, fresh) == expected
""",
    "a fork compiles what nobody has compiled": """
Descent("vertical", 1)
changed = load_scenario("vertical", **{"faults.dust.probability": 0.5, "terrain.map": "mare"})
assert in_child(fresh, changed, 64) == fresh(changed, 64)
""",
    "a fork resets and asks for the truth": """
descent = Descent("vertical", 4096, seed=1, threads=2)
flown(descent)
def asked(descent):
    descent.reset(seed=2)
    return float(descent.truth()["height"].sum())
assert in_child(asked, descent) == asked(descent)
""",
    "a fork of a process without any batch": """
import lunar_env
torch.rand(3_000_000).mul(2.0).sum()
assert in_child(fresh) == fresh()
""",
    "spawned and from a server, and given a batch": """
def main():
    expected = fresh(num_envs=64)
    for way in ("spawn", "forkserver"):
        descent = Descent("vertical", 64, seed=1, threads=2)
        with multiprocessing.get_context(way).Pool(1) as pool:
            assert pool.apply(fresh, ("vertical", 64)) == expected, way
            assert pool.apply(flown, (descent,)) == expected, way
if __name__ == "__main__":
    main()
""",
    "workers of a torch loader": """
class Flights(torch.utils.data.Dataset):
    descent = Descent("vertical", 2048, seed=1, threads=2)
    def __len__(self):
        return 4
    def __getitem__(self, place):
        self.descent.reset(seed=place)
        return flown(self.descent)[-1]
if __name__ == "__main__":
    flights = Flights()
    expected = [flights[place] for place in range(4)]
    found = [float(one) for one in torch.utils.data.DataLoader(flights, batch_size=None, num_workers=2)]
    assert found == expected, (found, expected)
""",
    "Gymnasium's processes": """
import gymnasium as gym, numpy as np
if __name__ == "__main__":
    ways = [gym.make_vec("Lunar/Vertical-v0", 3, vectorization_mode=way) for way in ("sync", "async")]
    starts = [env.reset(seed=1)[0] for env in ways]
    steps = [env.step(np.zeros((3, 1), np.float32))[0] for env in ways]
    assert np.array_equal(*starts) and np.array_equal(*steps)
    ways[1].close()
""",
}


LONG = ("spawned and from a server, and given a batch", "a fork compiles what nobody has compiled")
CASES = [pytest.param(text, id=name, marks=pytest.mark.slow if name in LONG else []) for name, text in PROGRAMS.items()]


@pytest.mark.parametrize("program", CASES)
def test_other_processes_fly_the_same(program: str, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(BEGIN + program, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", file], env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_printed_by_who_only_flies(tmp_path: Path) -> None:
    program = "import lunar_env, torch; lunar_env.Descent('vertical').step(torch.zeros(1, 1))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(2):  # with kernels that are cached, at the latest after the first
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_several_that_compile_the_same_at_once_all_fly(tmp_path: Path) -> None:
    program = (
        "import json, torch; from lunar_env import Descent\n"
        "print(json.dumps(Descent('vertical', 2, seed=1).step(torch.zeros(2, 1)).observation.tolist()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WARP_CACHE_PATH": str(tmp_path)}
    command = [sys.executable, "-c", program]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, env=environment, **pipes) for _ in range(3)]
    said = [process.communicate(timeout=180) for process in running]
    assert [process.returncode for process in running] == [0] * 3, said
    first, *others = [json.loads(out) for out, _ in said]
    assert all(other == first for other in others)
