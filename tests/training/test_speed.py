"""The table of training speeds: both learners get the same task, and the verdict follows from the figures."""

import sys

import pytest

pytest.importorskip("rsl_rl")
pytest.importorskip("stable_baselines3")
pytest.importorskip("tyro")

from agents.training import speed as learning_speed
from agents.training.speed import ALGORITHMS, Arguments, markdown, task


def test_both_learners_get_the_same_task_networks_and_numbers():
    one, other = (task(name, Arguments()).model_dump(exclude={"algorithm"}) for name in ALGORITHMS)
    assert one == other
    assert one["num_envs"] == 4096
    assert one["ppo"]["steps"] * one["num_envs"] == 4 * one["ppo"]["batch_size"]


def test_the_table_tells_medians_ranges_and_the_environments_share():
    speeds = {"sb3.ppo": [50_000.0, 52_000.0, 40_000.0], "rsl_rl.ppo": [70_000.0, 60_000.0, 80_000.0]}
    shares = {"sb3.ppo": [0.2, 0.1, 0.3], "rsl_rl.ppo": [0.25, 0.24, 0.26]}
    *_, first, second = markdown(Arguments(), speeds, shares).splitlines()
    assert first == "| Stable-Baselines3, `sb3.ppo` | 50,000 (40,000 to 52,000) | 20 % |"
    assert second == "| the device path, `rsl_rl.ppo` | 70,000 (60,000 to 80,000) | 25 % |"


@pytest.mark.parametrize(
    ("sb3", "device", "code"), [(50_000, 61_000, 0), (50_000, 59_000, 1), (70_000, 69_000, 1), (70_000, 71_000, 0)]
)
def test_it_fails_when_the_device_path_is_slower_than_sb3_or_than_its_floor(monkeypatch, tmp_path, sb3, device, code):
    speed_of = {"sb3.ppo": sb3, "rsl_rl.ppo": device}

    def trained(wanted):
        return {"steps_per_second": float(speed_of[wanted.algorithm]), "environment_share": 0.2}

    page = tmp_path / "page.md"
    page.write_text("<!-- measured: begin -->\n<!-- measured: end -->\n")
    monkeypatch.setattr(learning_speed, "train_shortly", trained)
    monkeypatch.setattr(sys, "argv", ["learning_speed", "--page", str(page)])
    assert learning_speed.main() == code
    assert f"{device:,}" in page.read_text()


def test_a_page_that_is_none_is_refused_before_anything_is_trained(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(learning_speed, "train_shortly", lambda wanted: pytest.fail("it trained"))
    monkeypatch.setattr(sys, "argv", ["learning_speed", "--page", str(tmp_path / "none.md")])
    assert learning_speed.main() == 2
    assert f"error: the page {tmp_path / 'none.md'} cannot be read" in capsys.readouterr().err


def test_each_learner_really_trains_and_tells_its_speed():
    small = Arguments(num_envs=64, updates=2)
    for name in ALGORITHMS:
        training = learning_speed.train_shortly(task(name, small))
        assert (
            training["steps"] == 2 * 64 * 16
            and training["steps_per_second"] > 0.0
            and 0.0 < training["environment_share"] < 1.0
        )
