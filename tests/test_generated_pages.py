"""The pages that the code writes say what the code says now."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


def generator():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name", ["hostile.md", "observations.md", "scenarios.md", "faults.md", "sensors.md", "spaces.md"]
)
def test_a_generated_page_is_up_to_date(name):
    page = generator().PAGES[name]()
    assert (DOCS / name).read_text(encoding="utf-8") == page, "run: python docs/generate.py"
