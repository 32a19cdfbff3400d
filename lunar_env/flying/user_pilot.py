"""A user's own pilot: a class or a function in a file. Nowhere else does an evaluation run code from outside."""

import importlib.util
import inspect
import sys
from pathlib import Path

from lunar_env.flying.failures import words_of
from lunar_env.flying.function_pilot import FunctionPilot
from lunar_env.flying.pilot import Pilot


def is_user_pilot(name: str) -> bool:
    """Whether a name is a file and something in it."""
    return ".py:" in name


def load_user_pilot(given: str) -> type[Pilot] | FunctionPilot:
    """The class of ``Pilot``, or the function from observations to actions, that ``FILE.py:NAME`` names.

    Raises:
        ValueError: no such file, it cannot be imported, or it has no such pilot; the message says which.
    """
    file, _, wanted = given.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"no file {file!r} for the pilot {given!r}; looked for {path.absolute()}")
    spec = importlib.util.spec_from_file_location(f"user_pilot_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file may raise anything, SystemExit included
        raise ValueError(f"{file!r} cannot be imported: {type(error).__name__}: {words_of(error)}") from error
    defined = {name: kind for name, kind in vars(module).items() if inspect.isclass(kind) or inspect.isfunction(kind)}
    found = {name: kind for name, kind in defined.items() if kind.__module__ == spec.name}
    if wanted not in found:
        raise ValueError(f"{file!r} has no class or function {wanted!r}; it has: {', '.join(found) or 'none'}")
    kind = found[wanted]
    return checked_class(kind, given) if inspect.isclass(kind) else FunctionPilot(kind)


def checked_class(kind: type, given: str) -> type[Pilot]:
    """The class, if it is a pilot that can be built. Raises ValueError that says what it lacks."""
    if not issubclass(kind, Pilot):
        raise ValueError(f"{given!r} is no pilot: write `class {kind.__name__}(Pilot)` with Pilot from lunar_env")
    if inspect.isabstract(kind):
        raise ValueError(f"{given!r} lacks {', '.join(sorted(kind.__abstractmethods__))}")
    return kind
