"""Every wrong input of the table gets its one answer, and the same from every shell."""

from pathlib import Path

import pytest
from hostile import CASES, SHELL_CASES, SHELLS, Case, Shell, ShellCase

from lunar_env import Outcome


@pytest.mark.parametrize("case", SHELL_CASES, ids=lambda case: f"{case.area}: {case.given}")
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell.name)
def test_one_wrong_input_has_one_answer_in_every_shell(case: ShellCase, shell: Shell) -> None:
    if isinstance(case.answer, Outcome):
        assert case.do(shell) == case.answer
        return
    with pytest.raises(case.answer) as caught:
        case.do(shell)
    assert case.words in str(caught.value), str(caught.value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.area}: {case.given}")
def test_wrong_input_is_answered_in_words(case: Case, tmp_path: Path) -> None:
    with pytest.raises(case.answer) as caught:
        case.do(tmp_path)
    assert case.words in str(caught.value), str(caught.value)


def test_the_list_is_long() -> None:
    assert len(SHELL_CASES) + len(CASES) >= 120
