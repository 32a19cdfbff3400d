"""Files that users give: with any mark and line ends, and refused in words if they are something else."""

import json
import sys

import pytest
from helpers import exit_code

pytest.importorskip("tyro")
pytest.importorskip("pydantic")
pytest.importorskip("optuna")
pytest.importorskip("stable_baselines3")

from agents import train
from agents.reading import LARGEST_FILE, UnreadableError, read_json, read_text, read_toml
from agents.search.plan import load_search
from agents.training.experiment import load_experiment

TOML = 'scenario = "vertical"\nnum_envs = 7 # ångström\n'
MARKED = {
    "plain": TOML.encode(),
    "with a byte-order mark": TOML.encode("utf-8-sig"),
    "from Windows": TOML.replace("\n", "\r\n").encode("utf-8-sig"),
    "from an old Mac": TOML.replace("\n", "\r").encode(),
}


@pytest.mark.parametrize("content", MARKED.values(), ids=MARKED)
def test_a_configuration_is_read_from_any_editor(content, tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    assert read_toml(path) == {"scenario": "vertical", "num_envs": 7}
    assert load_experiment(path).num_envs == 7


def test_a_search_and_json_are_read_with_a_mark(tmp_path):
    path = tmp_path / "hunt.toml"
    path.write_bytes('experiment = "a.toml"\r\n[space]\r\nppo.epochs = [1, 2]\r\n'.encode("utf-8-sig"))
    assert load_search(path).experiment == "a.toml"
    path.write_bytes(json.dumps({"a": "é"}, ensure_ascii=False).encode("utf-8-sig"))
    assert read_json(path) == {"a": "é"}


WRONG = {
    "UTF-16": (TOML.encode("utf-16"), "it is UTF-16; save it as UTF-8"),
    "UTF-16, big end first": (b"\xfe\xff" + TOML.encode("utf-16-be"), "it is UTF-16; save it as UTF-8"),
    "UTF-32": (TOML.encode("utf-32"), "it is UTF-32; save it as UTF-8"),
    "Latin-1": (TOML.encode("latin-1"), "it is not UTF-8 ("),
    "noise": (b"\xff\x00\x80", "it is not UTF-8 ("),
    "brackets without end": (b"a = " + b"[" * 100_000, "nested"),
    "a number of many digits": (b"a = 1" + b"0" * 5_000, "digits"),
    "no TOML": (b"num_envs = ", "is not valid TOML"),
    "empty bytes": (b"\0\0\0", "is not valid TOML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_configuration_is_refused_in_one_line(case, tmp_path, capsys):
    content, words = WRONG[case]
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    assert exit_code(train.main, path, f"--out={tmp_path / 'run'}") == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path} is not valid TOML: ") and message.count("\n") == 1
    assert words in message and len(message) < 500, message
    assert not (tmp_path / "run").exists()


JSON = {
    "brackets without end": (b"[" * 100_000, "nested too deeply"),
    "tables without end": (b'{"a":' * 100_000, "nested too deeply"),
    "a number of many digits": (b"1" + b"0" * 5_000, "digits"),
    "UTF-16": ("[1]".encode("utf-16"), "UTF-16"),
    "half": (b'{"a": ', "it is no JSON"),
    "nothing": (b"", "it is no JSON"),
}


@pytest.mark.parametrize("case", JSON)
def test_what_is_no_json_is_refused_in_words(case, tmp_path):
    content, words = JSON[case]
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UnreadableError, match=words):
        read_json(tmp_path / "a.json")


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no endless files")
def test_an_endless_file_is_refused(capsys, tmp_path):
    assert exit_code(train.main, "/dev/zero", f"--out={tmp_path / 'run'}") == 2
    assert f"it is larger than {LARGEST_FILE // 1_000_000} MB" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="links there need rights")
def test_what_is_no_file_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    for path in (tmp_path / "loop.toml", tmp_path, tmp_path / ("x" * 300)):
        assert exit_code(train.main, path, f"--out={tmp_path / 'run'}") == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ") and message.count("\n") == 1
    with pytest.raises(OSError):
        read_text(tmp_path)
