"""What needs the checkout says so, with the line that helps; nobody is sent to a foreign package of the same name."""

import re
import subprocess
import sys

from helpers import ROOT

TEXTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("lunar_env/**/*.py"))]


def test_without_the_extra_agents_say_what_to_install_and_where():
    program = "import sys; sys.modules['tyro'] = None; import agents.train"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1] == ("ImportError: agents needs tyro: pip install -e '.[train]'")


def test_nothing_could_be_read_as_pip_install_agents():
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip install[^\n`'\"]*\bagents\b", text), path
        if path.suffix == ".py" and "python -m agents" in text:
            assert "git clone" in text and "pip install -e" in text, f"{path} names agents without what they need"
