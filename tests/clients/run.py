"""``make clients``: the tests of each client in its environment, and what they saw into docs/clients.md."""

import os
import platform
import subprocess
import sys
import time

from clients.table import BEGIN, CLIENTS, END, PAGE, ROOT, Client, markdown

from lunar_env.pages.markers import replaced


def passed(client: Client) -> bool:
    """Whether its tests ran, and all of them passed."""
    client.seen.unlink(missing_ok=True)
    command = [str(client.python), "-m", "pytest", "-m", "clients", "-p", "no:cacheprovider", str(client.test)]
    print(f"\n{client.title}", flush=True)
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=ROOT, env=own).returncode == 0 and client.seen.is_file()


def timed(client: Client) -> float | None:
    """The seconds in which its tests passed; none if they did not."""
    began = time.perf_counter()
    return time.perf_counter() - began if passed(client) else None


def table(seconds: dict[str, float]) -> str:
    """What goes between the markers of the page."""
    rows = [row for client in CLIENTS.values() for row in client.rows()]
    torch = CLIENTS["gymnasium"].pins()["torch"]
    where = f"Python {platform.python_version()}, torch {torch}, {os.cpu_count()} cores, without a GPU"
    each = ", ".join(f"{CLIENTS[name].title} {spent:.0f}" for name, spent in seconds.items())
    return f"{markdown(rows)}\n{where}. Seconds besides installing: {each}; {sum(seconds.values()):.0f} in all.\n"


def main(names: list[str]) -> int:
    """Run these clients, or all of them, and say whether every one is green."""
    if unknown := set(names) - set(CLIENTS):
        print(f"no client {', '.join(sorted(unknown))}; there are {', '.join(CLIENTS)}")
        return 2
    seconds = {name: timed(CLIENTS[name]) for name in names or CLIENTS}
    green = {name: spent for name, spent in seconds.items() if spent is not None}
    failed = [name for name in seconds if name not in green]
    if not names and not failed:
        PAGE.write_text(replaced(PAGE, table(green), BEGIN, END), encoding="utf-8")
    print(f"\nnot green: {', '.join(failed)}" if failed else f"\nall green, in {sum(green.values()):.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
