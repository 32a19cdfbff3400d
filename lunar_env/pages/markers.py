"""Text between the markers of a page: what a command writes into documents by hand."""

from pathlib import Path

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def replaced(page: Path, text: str, begin: str = BEGIN, end: str = END) -> str:
    """What the page says with this text between its two markers.

    Raises:
        ValueError: it cannot be read, or has no markers.
    """
    try:
        before, found, rest = page.read_text(encoding="utf-8-sig").partition(begin)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the page {page} cannot be read ({error}); it needs the lines {begin} and {end}") from None
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"the page {page} needs the lines {begin} and {end}, between which the table goes")
    return f"{before}{begin}\n\n{text}\n{end}{after}"
