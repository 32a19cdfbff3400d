"""A policy taken along: the exported graph flies as the policy itself, and no stranger's file is believed."""

import ast
import json
import math
import pickle
import re
import shutil
import sys
import zipfile

import numpy as np
import pytest
import torch
from helpers import ROOT, exit_code

pytest.importorskip("tyro")
pytest.importorskip("matplotlib")
pytest.importorskip("safetensors")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

import onnx

from agents import evaluate, export
from agents.pages.model_card import COLUMNS, model_card
from agents.pilots import SHIPPED, as_shown_to, make_pilot
from agents.policy.features import Features
from agents.policy.network import PolicyFileError, PolicyNetwork, load_policy, save_policy
from agents.policy.onnx_file import CHECKSUM, read_onnx, seal
from agents.policy.onnx_pilot import OnnxPilot
from agents.run_folder import provenance
from agents.scoring import episodes as flying
from lunar_env import Descent, load_scenario

MEMORIES = ("none", "gru", "lstm")
EACH_MEMORY = pytest.mark.parametrize("memory", MEMORIES)
WISHES = {"guidance.vertical_time": 0.8}
RESILIENCE = load_scenario("resilience", history=2, **WISHES)  # as the policies want to fly it
# Short descents that begin anywhere on the way and end at different times: many resets in few decisions.
SHORT = load_scenario(RESILIENCE, time_limit=20.0, **{"start.progress": [0.0, 1.0]})


def saved(folder, memory="none"):
    """A run's folder with an untrained policy in it: one squashes its actions, one is shown differences."""
    torch.manual_seed(3)
    differences = memory == "lstm"
    features, size = Features(RESILIENCE, differences).size, 0 if memory == "none" else 6
    network = PolicyNetwork(features, (8,), 3, memory, size, squash=memory == "gru")
    with torch.no_grad():
        network.layers[-1].weight *= 5.0  # so that some actions are clipped
    folder.mkdir()
    further = {"trained_steps": 5_000, "seed": 7, "commit": "c0ffee", "wishes": WISHES, "differences": differences}
    save_policy(folder, network, RESILIENCE, further)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folders of three exported policies, by their memory."""
    root = tmp_path_factory.mktemp("exported")
    for memory in MEMORIES:
        folder = saved(root / memory, memory)
        _, difference = export.export_policy(folder, export.KINDS, folder)
        assert difference < 1e-5
    return root


def command(module, *arguments):
    """What ``python -m agents.MODULE`` does, and its exit code."""
    return exit_code(module.main, *arguments)


class TorchProgram:
    """Flies a policy.pt2 as its user would."""

    def __init__(self, path, state_size):
        self.program, self.state_size, self.state = torch.export.load(path).module(), state_size, None

    def reset(self, mask):
        state = torch.zeros(len(mask), self.state_size) if self.state is None else self.state
        self.state = torch.where(mask[:, None], 0.0, state)

    def act(self, observation):
        if not self.state_size:
            return self.program(observation)
        action, self.state = self.program(observation, self.state)
        return action


def pilots_of(folder, scenario, memory):
    """The policy itself, and what was exported of it."""
    state_size = {"none": 0, "gru": 6, "lstm": 12}[memory]
    program = TorchProgram(folder / export.TORCH, state_size)
    return load_policy(folder, scenario), OnnxPilot(folder / export.ONNX, scenario), program


# The same actions -------------------------------------------------------------------------------------------------


@EACH_MEMORY
def test_both_files_give_the_actions_of_the_policy_over_flights_with_resets(memory, exported):
    descent = Descent(SHORT, 37, seed=5)
    pilots = pilots_of(exported / memory, SHORT, memory)
    seen, done = descent.reset(seed=5), torch.ones(37, dtype=torch.bool)
    resets, actions = 0, []
    for _ in range(60):
        for pilot in pilots:
            pilot.reset(done)
        action, *others = (pilot.act(seen) for pilot in pilots)
        for other in others:
            assert torch.allclose(other, action, rtol=0.0, atol=1e-5)
        transition = descent.step(action)
        seen, done = transition.observation, transition.done
        resets += int(done.sum())
        actions.append(action)
    assert resets > 74, "too few descents began anew"
    actions = torch.stack(actions)
    assert (actions.abs() == 1.0).any() or memory == "gru", "nothing was clipped"
    assert (actions[5:] - actions[5]).abs().max() > 0.01, "the policy does not look"


@EACH_MEMORY
@pytest.mark.parametrize("landers", [1, 37])
def test_one_file_serves_any_number_of_landers(memory, landers, exported):
    low, high = map(torch.from_numpy, RESILIENCE.observation_table().bounds())
    seen = low + (high - low) * torch.rand(landers, len(low), generator=torch.Generator().manual_seed(1))
    pilots = pilots_of(exported / memory, RESILIENCE, memory)
    for pilot in pilots:
        pilot.reset(torch.ones(landers, dtype=torch.bool))
    for _ in range(3):
        action, *others = (pilot.act(seen) for pilot in pilots)
        assert action.shape == (landers, 3)
        for other in others:
            assert torch.allclose(other, action, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_a_reset_forgets_the_masked_landers_and_no_others(memory, exported):
    scenario, mask = RESILIENCE, torch.tensor([True, False])
    pilot = OnnxPilot(exported / memory / export.ONNX, scenario)
    seen = Descent(scenario, 1, seed=2).reset(seed=2).repeat(2, 1)
    first = pilot.act(seen)
    pilot.reset(mask)
    second = pilot.act(seen)
    assert torch.equal(second[0], first[0])
    assert not torch.equal(second[1], first[1])


OTHER_SCALES = {"ceiling": 30_000.0, "extent": 70_000.0, "top_speed": 450.0}


@pytest.mark.parametrize(("memory", "changes"), [("none", OTHER_SCALES | {"start.propellant": 130.0}),
                                                 ("lstm", OTHER_SCALES)])  # fmt: skip
def test_a_scenario_with_other_scales_is_seen_in_the_units_of_the_file(memory, changes, exported):
    scenario = load_scenario(RESILIENCE, **changes)
    scales = [[channel.scale for channel in s.observation_table().channels] for s in (scenario, RESILIENCE)]
    assert sum(one != other for one, other in zip(*scales, strict=True)) >= 6
    descent = Descent(scenario, 37, seed=5)
    own, packed, _ = pilots_of(exported / memory, scenario, memory)
    seen = descent.reset(seed=5)
    for _ in range(20):
        action = own.act(seen)
        assert torch.allclose(packed.act(seen), action, rtol=0.0, atol=1e-5)
        seen = descent.step(action).observation


def test_the_evaluation_flies_the_file_and_the_landers_end_alike(exported, tmp_path):
    export.export_policy(SHIPPED["reference"], ("onnx",), tmp_path)
    landing = SHIPPED["reference"], tmp_path / export.ONNX, load_scenario("resilience")
    # One that knows nothing tumbles about, and magnifies the last digit: it is flown for half a minute.
    tumbling = exported / "lstm", exported / "lstm" / export.ONNX, load_scenario("resilience", time_limit=30.0)
    for own, packed, scenario in (landing, tumbling):
        ends = [flying.fly_episodes(str(pilot), scenario, 12, seed=5) for pilot in (own, packed)]
        assert np.array_equal(ends[0].outcome, ends[1].outcome)
        assert np.allclose(ends[0].record["propellant_used"], ends[1].record["propellant_used"], rtol=0.02, atol=0.01)
    assert command(evaluate, f"--pilots={tmp_path / export.ONNX}", "--episodes=3", f"--out={tmp_path}") == 0
    row = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["results"][0]
    assert (row["pilot"], row["landed"]) == (f"{tmp_path.name}/policy.onnx", 3)


def test_a_graph_that_flies_differently_is_not_written(tmp_path, monkeypatch):
    folder = saved(tmp_path / "run")
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(PolicyFileError, match=r"policy\.pt2 would differ from the policy by .*; not written"):
        export.export_policy(folder, ("torch",), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


# What the files say and what they do not ---------------------------------------------------------------------------


def test_a_file_wants_the_loop_that_its_policy_was_trained_with(exported):
    shown = as_shown_to(str(exported / "none" / export.ONNX), "resilience_replay")
    assert shown == load_scenario("resilience_replay", history=2, **{"guidance.vertical_time": 0.8})


def test_both_files_tell_the_same_facts_and_nothing_of_the_machine(exported):
    for memory in MEMORIES:
        folder = exported / memory
        beside = json.loads((folder / export.TORCH_METADATA).read_text(encoding="utf-8"))
        assert (beside["scenario"], beside["control"], beside["history"]) == ("resilience", "descent_rate", 2)
        assert (beside["decision_period"], beside["memory"], beside["commit"]) == (1.0, memory, "c0ffee")
        assert beside["channels"] == [channel.name for channel in RESILIENCE.observation_table().channels]
        model = onnx.load(folder / export.ONNX)
        inside = {entry.key: entry.value for entry in model.metadata_props}
        assert len(inside.pop(CHECKSUM)) == 64
        assert inside == {key: text if isinstance(text, str) else json.dumps(text) for key, text in beside.items()}
        onnx.checker.check_model(model)
        takes = [node.name for node in model.graph.input]
        assert takes == ["observation"] if memory == "none" else ["observation", "state"]
        with zipfile.ZipFile(folder / export.TORCH) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
        for content in (*contents.values(), (folder / export.ONNX).read_bytes()):
            assert str(ROOT).encode() not in content
            assert b".py" not in content
        # Nothing in the archive that would be unpickled when it is loaded.
        assert not any(content for name, content in contents.items() if name.endswith(".pt"))
        assert not any(b'"use_pickle": true' in content for content in contents.values())


def test_the_command_ends_with_one_line_and_says_what_is_wrong_in_one(tmp_path, capfd):
    folder = saved(tmp_path / "run")
    assert command(export, folder, "--to=torch", f"--out={tmp_path / 'out'}") == 0
    printed = capfd.readouterr()
    assert re.fullmatch(r"wrote .*policy\.pt2, .*policy\.pt2\.json, .*MODEL_CARD\.md; largest .*: \S+\n", printed.out)
    assert printed.err == ""
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "MODEL_CARD.md",
        "policy.pt2",
        "policy.pt2.json",
    ]
    for arguments, words in (
        ((folder, "--to=onx"), "--to takes onnx and torch"),
        ((tmp_path,), "policy.json is missing"),
    ):
        assert command(export, *arguments) == 2
        printed = capfd.readouterr()
        assert words in printed.err
        assert printed.err.count("\n") == 1


def test_the_page_shows_how_to_fly_the_file_without_this_project(exported, monkeypatch):
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8").split("## Take a policy along")[1]
    block = re.search(r"```text\n(import .*?)```", page, re.DOTALL)[1]
    assert "agents" not in block
    assert "lunar_env" not in block
    monkeypatch.chdir(exported / "gru")
    left = {}
    exec(compile(block, "docs/training.md", "exec"), left)
    assert left["action"].shape == (len(left["observation"]), 3)


# Files that are not believed ----------------------------------------------------------------------------------------


def change_model(path, change, sealed=True):
    """Changes a file as its writer could: what was sealed is sealed again."""
    model = onnx.load_model_from_string(path.read_bytes())
    texts = {entry.key: entry.value for entry in model.metadata_props if entry.key != CHECKSUM}
    change(model, texts)
    del model.metadata_props[:]
    for key, text in texts.items():
        model.metadata_props.add(key=key, value=text)
    body = model.SerializeToString()
    path.write_bytes(body + seal(body) if sealed else body)


def metadata_with(**texts):
    return lambda path: change_model(path, lambda _, now: now.update(texts))


def weights_elsewhere(model, _):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret.bin")


def weights_elsewhere_in_a_node(model, _):
    tensor = onnx.TensorProto(name="hidden", data_type=1, dims=[1])
    tensor.external_data.add(key="location", value="/etc/passwd")
    inner = onnx.helper.make_graph([onnx.helper.make_node("Constant", [], ["hidden"], value=tensor)], "inner", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["state"], ["hidden"], then_branch=inner, else_branch=inner))


def not_a_number(model, _):
    tensor = next(t for t in model.graph.initializer if t.name.endswith("layers.0.bias"))
    tensor.raw_data = np.full(8, math.nan, dtype=np.float32).tobytes()


def another_size(model, _):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 41


def another_operator(model, _):
    model.graph.node[0].op_type = "Launch"


def one_batch(model, _):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4


def flip(path):
    """One bit of a weight, so that the file can still be taken apart."""
    content = bytearray(path.read_bytes())
    weights = next(t for t in onnx.load_model_from_string(bytes(content)).graph.initializer if t.name.endswith("bias"))
    content[content.index(weights.raw_data)] ^= 1
    path.write_bytes(content)


def cut(share):
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def a_folder(path):
    path.unlink()
    path.mkdir()


STRANGE = {
    "cut off near its end": (cut(0.99), ["cut off", "export it again"]),
    "cut off in the middle": (cut(0.5), ["cut off", "export it again"]),
    "cut off at the start": (cut(0.01), ["cut off", "export it again"]),
    "empty": (cut(0.0), ["format None", "agents.export"]),
    "a bit that fell over": (flip, ["is damaged", "checksum", "export it again"]),
    "text": (lambda path: path.write_text("down, but slowly"), ["no ONNX file"]),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps([1.0, "two"])), ["no ONNX file"]),
    "a folder": (a_folder, ["cannot read"]),
    "gone": (lambda path: path.unlink(), ["no file", "agents.export"]),
    "somebody else's graph": (
        lambda path: change_model(path, lambda _, texts: texts.clear(), sealed=False),
        ["format None", "lunar_env.exported_policy/1", "agents.export"],
    ),
    "another format": (metadata_with(format="lunar_env.exported_policy/9"), ["exported_policy/9", "exported_policy/1"]),
    "a history in words": (metadata_with(history="two"), ["'history' as int", "'two'"]),
    "a history that fills the memory": (metadata_with(history="1000000000"), ["history from 1 to 4096"]),
    "scales that are none": (metadata_with(scales="[0.0]"), ["a scale above 0 for each channel"]),
    "scales beyond all numbers": (metadata_with(scales=f"[{10**400}]"), ["a scale above 0 for each channel"]),
    "a wish for another planet": (
        metadata_with(wishes='{"moon.radius": 1.0}'),
        ["wishes for guidance and decision_period"],
    ),
    "lists without end": (metadata_with(beams="[" * 100_000), ["'beams' as list"]),
    "channels that are no names": (metadata_with(channels=json.dumps(["\x1b[2J"])), ["channels and actions by name"]),
    "a loop that is none": (metadata_with(loop='{"mass.dry": "light"}'), ["numbers for the loop"]),
    "beams that are none": (metadata_with(beams="[3]"), ["three numbers for each beam"]),
    "no control": (
        lambda path: change_model(path, lambda _, texts: texts.pop("control") and None),
        ["'control' as str", "None"],
    ),
    "weights elsewhere": (
        lambda path: change_model(path, weights_elsewhere),
        ["another file, ['../../secret.bin']", "not followed"],
    ),
    "weights elsewhere, in a branch": (
        lambda path: change_model(path, weights_elsewhere_in_a_node),
        ["'hidden' in another file, ['/etc/passwd']", "not followed"],
    ),
    "weights that are no numbers": (lambda path: change_model(path, not_a_number), ["layers.0.bias", "not finite"]),
    "another size than it says": (lambda path: change_model(path, another_size), ["41", "42"]),
    "one batch only": (lambda path: change_model(path, one_batch), ["[4, 42]", "any number of rows"]),
    "an unknown operator": (lambda path: change_model(path, another_operator), ["onnxruntime cannot load"]),
}


@pytest.mark.parametrize("case", STRANGE)
def test_a_file_that_cannot_be_used_is_refused_in_a_line(case, exported, tmp_path, capfd):
    path = tmp_path / "policy.onnx"
    shutil.copy(exported / "none" / export.ONNX, path)
    damage, words = STRANGE[case]
    damage(path)
    assert command(evaluate, f"--pilots={path}", "--episodes=1", f"--out={tmp_path / 'out'}") == 2
    error = capfd.readouterr().err
    assert "Traceback" not in error
    message = next(line for line in error.splitlines() if line.startswith("error: "))
    for word in [str(path), *words]:
        assert word in message


def test_no_bit_of_a_file_falls_over_unnoticed(exported, tmp_path):
    content = (exported / "gru" / export.ONNX).read_bytes()
    read_onnx(exported / "gru" / export.ONNX)
    body, path = len(content) - len(seal(b"")), tmp_path / "policy.onnx"
    for place in np.linspace(0, body - 1, 97, dtype=int):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(PolicyFileError, match="export"):
            read_onnx(path)


OTHERS = {
    "control": ({"control": "body"}, ["control='descent_rate'", "'body'", "load it with control='descent_rate'"]),
    "history": ({"history": 3}, ["history=2", "has 3", "load it with history=2"]),
    "instruments": (
        {"sensors": [{"name": "altimeter"}, {"name": "second"}]},
        ["sees the channels of 'resilience'", "unknown: second_range", "same instruments"],
    ),
    "beams": ({"altimeter.cant": 0.3}, ["beams along [[0.0, 0.0, -1.0]]", "export a policy that was trained on this"]),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_scenario_that_shows_something_else_is_refused_with_the_remedy(case, exported):
    changes, words = OTHERS[case]
    path = exported / "none" / export.ONNX
    with pytest.raises(PolicyFileError) as caught:
        OnnxPilot(path, load_scenario(RESILIENCE, **changes))
    for word in [str(path), *words]:
        assert word in str(caught.value)
    shown = as_shown_to(str(path), load_scenario("resilience", control="body"))
    assert (shown.control, shown.history) == ("descent_rate", 2), "the evaluation shows it what it wants to see"
    assert make_pilot(str(path), shown, 4).act(torch.zeros(4, 42)).shape == (4, 3)


@pytest.mark.parametrize("changes", [{"guidance.vertical_time": 1.5}, {"mass.dry": 700.0}, {"start.propellant": 130.0}])
def test_a_file_that_works_out_thrust_is_refused_where_vehicle_or_loop_is_another(changes, exported):
    scenario, [key] = load_scenario(RESILIENCE, **changes), changes
    with pytest.raises(PolicyFileError, match=rf"for {key}=[\d.]+, scenario 'resilience' has {changes[key]}; fly a"):
        OnnxPilot(exported / "lstm" / export.ONNX, scenario)
    for pilot in (OnnxPilot(exported / "none" / export.ONNX, scenario), load_policy(exported / "lstm", scenario)):
        assert pilot.act(torch.zeros(4, 42)).shape == (4, 3)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_the_command_that_brings_it(package, exported, tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, package, None)
    code = command(evaluate, f"--pilots={exported / 'none' / export.ONNX}", "--episodes=1", f"--out={tmp_path}")
    assert code == 2
    error = capfd.readouterr().err
    assert f"policy.onnx needs {package}: pip install -e '.[export]'" in error
    assert "Traceback" not in error


def test_nothing_in_agents_unpickles_or_needs_the_packages_of_the_export_to_be_imported():
    for path in sorted((ROOT / "agents").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None), *(alias.name for alias in node.names)]
                assert not {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"} & set(names), path.name
                assert not {"onnx", "onnxscript", "onnxruntime"} & set(names), f"{path.name} must do without it"
            if isinstance(node, ast.Call):
                called, safe = ast.unparse(node.func), [ast.unparse(keyword) for keyword in node.keywords]
                assert called != "torch.load" or "weights_only=True" in safe, f"{path.name}:{node.lineno}"
                assert "allow_pickle=True" not in safe, f"{path.name}:{node.lineno}"


# The card ---------------------------------------------------------------------------------------------------------


FIELDS = ("scenario", "sees", "controls", "decides", "network", "command", "commit", "algorithm", "practice",
          "training steps", "training time", "seed", "device", "versions", "python")  # fmt: skip


def test_the_card_has_every_field_of_a_finished_run(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(SHIPPED["reference"], folder)
    scenario = load_scenario("resilience", history=4)
    experiment = {"algorithm": "sb3.ppo", "practice": {"start.progress": [-1.0, 1.0]}, "changes": {"history": 4}}
    files = {
        "run.json": {"seed": 0, **provenance("cpu"), "command": "python -m agents.train | tee"},
        "config.json": {"experiment": experiment, "scenario": scenario.to_dict(), "practice": scenario.to_dict()},
    }
    for name, tree in files.items():
        (folder / name).write_text(json.dumps(tree), encoding="utf-8")
    assert command(evaluate, f"--pilots=cautious,{folder}", "--episodes=5", f"--out={folder}") == 0
    card = model_card(folder)
    assert "missing" not in card
    facts = dict(re.findall(r"^\| ([\w ]+) \| (.*) \|$", card, re.MULTILINE))
    assert set(FIELDS) <= set(facts)
    assert "the last 4 readings" in facts["sees"]
    assert "altimeter_range [m]" in facts["sees"]
    assert facts["command"] == "`python -m agents.train / tee`", "a bar would end the cell"
    assert facts["training steps"] == "12,025,856 decisions"
    assert facts["network"].startswith("tanh layers of 64, 64; memory: none")
    row = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["results"][1]
    head, _, measured = card.split("## How well it lands")[1].strip().splitlines()[:3]
    assert head == f"| {' | '.join(COLUMNS)} |"
    speed, over = row["touchdown"]["vertical_speed"], row["over_bound"]
    for number in (
        f"5/5 [{row['wilson'][0]:.4f}, 1.0000]",
        f"{row['landed_strict']}/5 [",
        f"{speed['mean']:.2f}, {speed['p99']:.2f}, {speed['worst']:.2f}",
        f"{100 * over['mean']:+.1f} %, {100 * over['worst']:+.1f} %",
        "| 1000000 |",
    ):
        assert number in measured
    assert "trained for `resilience`" in card.split("## Known limits")[1]
    assert "late_acquisition" in card.split("## Known limits")[1]


def test_the_card_names_what_no_file_tells(exported, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(exported / "lstm", folder)
    (folder / "run.json").write_text('{"packages": 3', encoding="utf-8")
    (folder / "evaluation.json").write_text('{"results": [{"pilot": "cautious"}]}', encoding="utf-8")
    card = model_card(folder)
    assert "| command | missing: run.json cannot be read (UnreadableError) |" in card
    assert "| algorithm | missing: no config.json |" in card
    assert "| training time | missing: policy.json has no training.seconds |" in card
    assert "missing: evaluation.json has flights of cautious, none of this pilot" in card
    (folder / "evaluation.json").write_text('{"results": [{"pilot": "run", "episodes": 3}]}', encoding="utf-8")
    assert "| missing | missing | missing | missing | missing | missing | missing |" in model_card(folder)
    assert (exported / "lstm" / "MODEL_CARD.md").is_file(), "the export writes one"
