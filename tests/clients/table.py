"""The clients: software of others that this package is used from, each with an environment of its own."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(__file__).resolve().parent
PAGE = ROOT / "docs" / "clients.md"
ENVIRONMENTS = ROOT / ".clients"
BEGIN, END = "<!-- seen: begin -->", "<!-- seen: end -->"

COLUMNS = ("client", "version", "what ran", "what was seen")


@dataclass(frozen=True)
class Client:
    """One of them: how the page calls it, and the distribution whose version the page tells."""

    name: str  # of its test, its requirements, its example and its folder below .clients/
    title: str
    distribution: str

    @property
    def test(self) -> Path:
        """What runs in its environment."""
        return FOLDER / f"test_{self.name}.py"

    @property
    def requirements(self) -> Path:
        """What its environment is made of."""
        return FOLDER / "requirements" / f"{self.name}.txt"

    @property
    def example(self) -> Path:
        """What the page shows, and its test runs."""
        suffix = "yml" if self.name == "rl_zoo3" else "py"
        return FOLDER / "examples" / f"with_{self.name}.{suffix}"

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return ENVIRONMENTS / self.name / "bin" / "python"

    @property
    def seen(self) -> Path:
        """The rows that its last run wrote, all tests green."""
        return ENVIRONMENTS / self.name / "seen.json"

    def pins(self) -> dict[str, str]:
        """The version of every distribution in its environment, by its name in lower case."""
        lines = [line.strip() for line in self.requirements.read_text(encoding="utf-8").splitlines()]
        pairs = [line.partition("==") for line in lines if line and not line.startswith("#")]
        return {name.lower(): version for name, _, version in pairs}

    def rows(self) -> list[list[str]]:
        """What the page says of it."""
        return [
            [self.title, self.pins()[self.distribution], ran, saw]
            for ran, saw in json.loads(self.seen.read_text(encoding="utf-8"))
        ]


CLIENTS = {
    name: Client(name, title, distribution)
    for name, title, distribution in (
        ("gymnasium", "Gymnasium", "gymnasium"),
        ("minari", "Minari", "minari"),
        ("rl_zoo3", "rl_zoo3", "rl_zoo3"),
        ("rllib", "RLlib", "ray"),
        ("skrl", "skrl", "skrl"),
        ("torchrl", "torchrl", "torchrl"),
    )
}


def markdown(rows: list[list[str]]) -> str:
    """The table of the page."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
