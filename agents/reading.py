"""Reading the files that a user gives: TOML and JSON, from any editor, of any size and nesting, and nothing else.

A byte-order mark and line ends of any system are no part of the text. UTF-16 and other codes are refused in words.
"""

import codecs
import json
import re
import tomllib
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent  # with configs/ and runs/
LARGEST_FILE = 64_000_000  # bytes: what is larger, or endless like /dev/zero, is none of ours

# The longest first: that of UTF-16 is the beginning of that of UTF-32.
OTHER_CODES = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


class UnreadableError(ValueError):
    """Raised when a file is there and is not what it should be; the message says what is wrong with it."""


def read_text(path: Path) -> str:
    """The text of a UTF-8 file. Raises UnreadableError, or OSError if the file cannot be opened."""
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise UnreadableError(f"it is larger than {LARGEST_FILE // 1_000_000} MB")
    for mark, code in OTHER_CODES.items():
        if content.startswith(mark):
            raise UnreadableError(f"it is {code}; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"it is not UTF-8 ({error}); save it as UTF-8") from None
    return re.sub("\r\n?", "\n", text)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises UnreadableError or OSError."""
    try:
        return json.loads(read_text(path))
    except UnreadableError:
        raise
    except RecursionError:
        raise UnreadableError("its brackets are nested too deeply") from None
    except ValueError as error:  # also of a number of thousands of digits
        raise UnreadableError(f"it is no JSON: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises UnreadableError or OSError."""
    return parse_toml(read_text(path))


def parse_toml(text: str) -> dict[str, Any]:
    """What a text in TOML says. Raises UnreadableError."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UnreadableError("its brackets are nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError is one, and Python's for a number of thousands of digits another
        raise UnreadableError(str(error)) from None


def found(path: Path) -> Path:
    """A path from where one stands; if nothing is there, from the checkout; if nothing is there either, as it was."""
    beside = CHECKOUT / path
    return beside if not path.exists() and beside.exists() else path


def looked_in(path: Path) -> str:
    """Where ``found`` has looked, for the words of a refusal."""
    return str(path) if path.is_absolute() else f"{path}, from {Path.cwd()} and from {CHECKOUT}"
