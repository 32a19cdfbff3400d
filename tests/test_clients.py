"""The clients of `make clients`: each has pins, a test, an example and rows on its page, and none of them runs here."""

import re

import pytest
from clients.run import main
from clients.table import BEGIN, CLIENTS, END, FOLDER, PAGE, Client, markdown
from clients.words import signed, span
from test_documentation import blocks

EACH_CLIENT = pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.name)


def rows() -> list[list[str]]:
    """The cells of the table on the page, without its head."""
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")][2:]


@EACH_CLIENT
def test_every_line_of_a_client_s_requirements_is_one_exact_version(client: Client) -> None:
    lines = client.requirements.read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pins)
    assert len(client.pins()) == len(pins), "a distribution stands there twice"
    assert {client.distribution, "torch", "warp-lang", "numpy", "gymnasium", "pytest"} <= set(client.pins())


@EACH_CLIENT
def test_a_client_has_a_test_with_its_mark_and_an_example(client: Client) -> None:
    assert "pytest.mark.clients" in client.test.read_text(encoding="utf-8")
    assert client.example.is_file()


@EACH_CLIENT
def test_the_page_has_rows_of_a_client_in_the_version_that_is_pinned(client: Client) -> None:
    versions = {version for title, version, *_ in rows() if title == client.title}
    assert versions == {client.pins()[client.distribution]}, "run: make clients"


@EACH_CLIENT
def test_the_page_shows_a_client_s_example_as_it_is(client: Client) -> None:
    shown = [block.text for block in blocks(PAGE) if block.tag in ("python", "text")]
    assert client.example.read_text(encoding="utf-8") in shown
    assert f"\n## {client.title}\n" in PAGE.read_text(encoding="utf-8")


def test_there_is_no_other_client_on_disk_or_on_the_page() -> None:
    assert {path.stem for path in (FOLDER / "requirements").iterdir()} == set(CLIENTS)
    assert {path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py")} == set(CLIENTS)
    assert {path.stem.removeprefix("with_") for path in (FOLDER / "examples").iterdir()} == set(CLIENTS)
    assert {title for title, *_ in rows()} == {client.title for client in CLIENTS.values()}
    assert len([block for block in blocks(PAGE) if block.tag in ("python", "text")]) == len(CLIENTS)


def test_clients_are_not_collected_here(request: pytest.FixtureRequest) -> None:
    assert not [item.nodeid for item in request.session.items if FOLDER in item.path.parents]


def test_a_table_is_written_in_the_form_of_the_page() -> None:
    assert markdown([["a", "1", "b", "c"]]).splitlines()[1:] == ["| --- | --- | --- | --- |", "| a | 1 | b | c |"]
    assert signed("from -2.5 to 3, same-step") == "from −2.5 to 3, same-step"
    assert span([1.0, -2.0]) == "mean return -0.50, from -2.00 to 1.00"


def test_an_unknown_client_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["torchlr"]) == 2
    assert "torchlr" in capsys.readouterr().out
