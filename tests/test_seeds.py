"""Blocks of seeds: what trains, what chooses, what is quoted and what replays never fly the same descents."""

import json
import re
import tomllib
from itertools import combinations

import pytest
from helpers import ROOT

from agents import evaluate, frontier, seeds
from agents.scoring.selection import VALIDATION_SEED
from agents.scoring.shipped import RESULTS
from agents.seeds import EVALUATION, PURPOSES, REPLAYS, SEARCH, SELECTION, TRAINING, within
from lunar_env.replays.replay import SEED


def test_no_two_blocks_share_a_seed() -> None:
    assert len(PURPOSES) == len({name for name, block in vars(seeds).items() if isinstance(block, range)}) == 5
    for first, second in combinations(PURPOSES, 2):
        assert len(first) and len(second)
        assert first[-1] < second[0] or second[-1] < first[0], f"{PURPOSES[first]} meets {PURPOSES[second]}"


def test_every_seed_that_is_used_lies_in_its_block() -> None:
    assert SEED in REPLAYS
    assert VALIDATION_SEED in SELECTION
    for seed in (evaluate.Arguments().seed, frontier.Arguments().seed, *(result.seed for result in RESULTS)):
        assert seed in EVALUATION


def test_the_shipped_policies_were_trained_in_their_block_and_chosen_where_no_table_quotes() -> None:
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(ROOT.glob("runs/*/policy.json"))]
    assert cards and all(card["seed"] in TRAINING for card in cards)
    chosen = [card["chosen"]["validation"]["seed"] for card in cards if "chosen" in card]
    assert chosen and not any(seed in block for seed in chosen for block in (TRAINING, SEARCH, EVALUATION))


def test_the_configurations_ask_for_seeds_of_their_blocks() -> None:
    for path in sorted((ROOT / "configs").glob("*.toml")):
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        assert tree.get("seed", TRAINING[0]) in TRAINING, path.name
        assert tree.get("evaluation", {}).get("seed", EVALUATION[0]) in EVALUATION, path.name


@pytest.mark.parametrize("block", PURPOSES, ids=PURPOSES.get)
def test_a_seed_of_another_block_is_refused_in_words_that_name_both(block: range) -> None:
    assert within(block, block[0]) == block[0] and within(block, block[-1]) == block[-1]
    for other in set(PURPOSES) - {block}:
        with pytest.raises(ValueError, match=re.escape(f"is for {PURPOSES[other]}")) as refused:
            within(block, other[0])
        assert f"a seed for {PURPOSES[block]} must be {block[0]:,} to {block[-1]:,}" in str(refused.value)
    with pytest.raises(ValueError, match="got -1, which is for nothing"):
        within(block, -1)


def test_the_documents_name_the_blocks_as_they_are() -> None:
    text = " ".join((ROOT / "docs" / "results.md").read_text(encoding="utf-8").split())
    for block in (TRAINING, SEARCH, EVALUATION, SELECTION):
        assert f"{block[0]:,} to {block[-1]:,}" in text
    text = " ".join((ROOT / "docs" / "search.md").read_text(encoding="utf-8").split())
    for block in (TRAINING, SEARCH, EVALUATION):
        assert f"{block[0]:,} to {block[-1]:,}" in text
