"""What the clients' tests share: each is collected in its own environment only, and tells what it saw."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clients.table import CLIENTS, ENVIRONMENTS
from clients.words import signed

HERE = next((client for client in CLIENTS.values() if Path(sys.prefix) == ENVIRONMENTS / client.name), None)
ROWS = pytest.StashKey[list[tuple[str, str]]]()

collect_ignore = [client.test.name for client in CLIENTS.values() if client is not HERE]


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Notes for docs/clients.md what a test ran and what it saw; it stays where all tests of the client pass."""
    rows = request.config.stash.setdefault(ROWS, [])
    return lambda ran, saw: rows.append((ran, signed(saw)))


@pytest.fixture
def example() -> Path:
    """The example of the page that this environment runs."""
    assert HERE is not None
    return HERE.example


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if HERE and exitstatus == pytest.ExitCode.OK:
        rows = session.config.stash.get(ROWS, [])
        HERE.seen.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
