"""``python -m lunar_env.missions``: fly every mission again, print the catalogue, draw the page."""

import argparse
import sys
from pathlib import Path

from lunar_env.extras import missing
from lunar_env.flying.episodes import MOST_EPISODES
from lunar_env.inputs.files import require_writable
from lunar_env.pages.markers import replaced
from lunar_env.pages.reader import while_read
from lunar_env.replays.catalogue import draw, replay_all, table, text
from lunar_env.replays.replay import EPISODES

MARKERS = ("<!-- catalogue -->", "<!-- end of catalogue -->")


def main() -> int:
    """The command line. Returns 0 if every replay is inside its tolerance, else 1; 2 for a wrong request."""
    parser = argparse.ArgumentParser("python -m lunar_env.missions", description=__doc__)
    parser.add_argument("--episodes", type=int, default=EPISODES, help="flights of each scenario")
    parser.add_argument("--out", type=Path, default=Path("runs/missions"), help="where missions.md and .png go")
    parser.add_argument("--page", type=Path, help="also put the table between this page's markers")
    chosen = parser.parse_args()
    if not 1 <= chosen.episodes <= MOST_EPISODES:
        parser.error(f"--episodes must be from 1 to {MOST_EPISODES:,}, got {chosen.episodes}")
    try:  # what cannot be written is refused now, not after all flights
        if chosen.page:
            replaced(chosen.page, "", *MARKERS)
        chosen.out.mkdir(parents=True, exist_ok=True)
        require_writable(chosen.out / "missions.md")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    replays = replay_all(chosen.episodes, lambda title: print(f"flying {title} ...", file=sys.stderr, flush=True))
    print(text(replays))
    (chosen.out / "missions.md").write_text(table(replays) + "\n", encoding="utf-8")
    picture = chosen.out / "missions.png"
    try:
        draw(replays, picture)
    except ImportError:
        print(missing("the picture", "matplotlib"), file=sys.stderr)
    if chosen.page:
        chosen.page.write_text(replaced(chosen.page, table(replays), *MARKERS), encoding="utf-8")
    met = sum(one.met for one in replays)
    print(f"\n{met} of {len(replays)} missions inside their tolerances; table and picture in {chosen.out}")
    return int(met < len(replays))


if __name__ == "__main__":
    sys.exit(while_read(main))
