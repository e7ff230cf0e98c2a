"""What a command line or a config names: a function by its module, and data by range, lines, glob or JSON."""

from __future__ import annotations

import importlib
import json
import os
import select
import sys
from codecs import getincrementaldecoder
from decimal import Decimal, InvalidOperation
from glob import glob
from io import IncrementalNewlineDecoder
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.arrivals import Arrivals
from amorsize.errors import AmorsizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

STANDARD_INPUT: Final = "-"
"""The name of a file that stands for standard input, as it does for most commands."""

_READ_BYTES: Final = 1 << 16
"""Bytes of standard input that are read at a time: what a pipe holds on Linux."""

_MOST_DIGITS: Final = 18
"""The largest exponent of a number: no data has more items, and 1e999999999 would take all memory."""


class InputError(AmorsizeError):
    """Something named on a command line or in a config is not there or not as it must be."""


def function_named(name: str) -> Callable[[Any], Any]:
    """Return the function that ``module:function`` or ``path/to/file.py:function`` names.

    Modules of the working directory are found first. A file is imported under the name that workers import it by: its
    own, below the packages that it lies in.

    Raises:
        InputError: the name has another form, the module cannot be imported or has no such function.
    """
    module_name, colon, path = name.rpartition(":")
    if not colon or not module_name or not path:
        raise InputError(f"function must be module:function or file.py:function, got {name!r}")
    is_file = module_name.endswith(".py") or os.sep in module_name or "/" in module_name
    found: Any = _module_in(Path(module_name).expanduser()) if is_file else _module(module_name, Path.cwd())
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise InputError(f"{module_name!r} has no function {path!r} ({error})") from error
    if not callable(found):
        raise InputError(f"{name} must be callable, got {type(found).__name__}")
    return found  # type: ignore[no-any-return]  # callable is all that is asked


def _module(name: str, folder: Path) -> ModuleType:
    """Import a module, looking into a folder first."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"module {name!r} cannot be imported: {error}") from error


def _module_in(file: Path) -> ModuleType:
    """Import the module that a file holds."""
    file = file.absolute()
    if not file.is_file():
        raise InputError(f"there is no file {str(file)!r}")
    names, folder = [file.stem], file.parent
    while (folder / "__init__.py").is_file():
        names, folder = [folder.name, *names], folder.parent
    if names[-1] == "__init__" and len(names) > 1:
        names.pop()
    name = ".".join(names)
    if "." in file.stem:
        raise InputError(f"{file.name!r} cannot be imported: its name has a dot in it, rename the file")
    module = _module(name, folder)
    source = getattr(module, "__file__", None)
    if source is None or not Path(source).is_file() or not file.samefile(source):
        other = source or "a built-in module"
        raise InputError(f"{file.name} has the name of another module, {other}: rename the file")
    return module


def whole_number(text: str) -> int:
    """Return the whole number in a text, which may have an exponent as in ``1e5``; ValueError when there is none."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is no number") from None
    if not number.is_finite() or number.adjusted() > _MOST_DIGITS or number != number.to_integral_value():
        raise ValueError(f"{text!r} is no whole number")
    return int(number)


def data_named(
    *,
    numbers: str | Sequence[int] | None = None,
    lines: str | None = None,
    pattern: str | Sequence[str] | None = None,
    document: str | None = None,
) -> Sequence[Any]:
    """Return the data that exactly one of the four ways names.

    Args:
        numbers: ``STOP``, ``START:STOP`` or ``START:STOP:STEP``, or those as ints.
        lines: a text file, UTF-8; each line without its end is an item.
        pattern: a glob pattern, or several; each path that matches is an item, sorted by pattern, once.
        document: a JSON file that holds a list.

    A file called ``-`` is standard input. ``~`` stands for the user's home.

    Raises:
        InputError: none or several are given, or what is named is not there or not as it must be.
    """
    given = [way for way in (numbers, lines, pattern or None, document) if way is not None]
    if len(given) != 1:
        raise InputError(f"data must be named by one of range, lines, glob and items, got {len(given)} of them")
    if numbers is not None:
        return _range(numbers)
    if lines is not None:
        text = _read(lines)
        return text.removesuffix("\n").split("\n") if text else []
    if pattern:
        return _paths([pattern] if isinstance(pattern, str) else pattern)
    return _json(str(document))


class LinesAsTheyCome(Arrivals):
    """The lines of standard input without their ends, each as soon as it is there; InputError as data_named."""

    def __init__(self) -> None:
        super().__init__()
        _check_input()
        self._descriptor = sys.stdin.fileno()
        self._decoder = IncrementalNewlineDecoder(getincrementaldecoder("utf-8-sig")(), translate=True)
        self._begun: list[str] = []

    def take_in(self, *, waits: bool) -> bool:
        """Read what has arrived; see Arrivals."""
        if not _is_readable(self._descriptor, waits=waits):
            return False
        try:
            body = os.read(self._descriptor, _READ_BYTES)
            text = self._decoder.decode(body, final=not body)
        except (OSError, ValueError) as error:
            raise InputError(f"standard input cannot be read as UTF-8 text: {error}") from error
        first, *lines = text.split("\n")
        self._begun.append(first)
        if lines:
            self.arrived.append("".join(self._begun))
            self.arrived.extend(lines[:-1])
            self._begun = lines[-1:]
        if not body:
            self.has_ended = True
            if last := "".join(self._begun):
                self.arrived.append(last)
        return True


def _is_readable(descriptor: int, *, waits: bool) -> bool:
    """Return whether reading would not wait; True where the system does not say: Windows says it of sockets only."""
    try:
        return bool(select.select([descriptor], [], [], None if waits else 0)[0])
    except (OSError, ValueError):
        return True


def _check_input() -> None:
    """Raise InputError where standard input is closed, as ``<&-`` leaves it."""
    if sys.stdin is None:
        raise InputError("standard input is closed: it must be open to be read")


def _range(numbers: str | Sequence[int]) -> range:
    try:
        parts = map(whole_number, numbers.split(":")) if isinstance(numbers, str) else map(int, numbers)
        return range(*parts)
    except (TypeError, ValueError):
        raise InputError(
            f"range must be STOP, START:STOP or START:STOP:STEP in whole numbers, got {numbers!r}"
        ) from None


def _paths(patterns: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for pattern in patterns:
        matching = sorted(glob(os.path.expanduser(pattern), recursive=True))  # noqa: PTH111, PTH207  it may be absolute
        if not matching:
            raise InputError(f"glob {pattern!r} matches no path")
        found |= dict.fromkeys(matching)
    return list(found)


def _read(path: str) -> str:
    """Return the text of a file or of standard input, every line end as one newline, without a byte order mark."""
    if path == STANDARD_INPUT:
        _check_input()
    try:
        body = sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).expanduser().read_bytes()
        text = body.decode("utf-8-sig")
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{_said(path)} cannot be read as UTF-8 text: {error}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _said(path: str) -> str:
    """Return the name of a file in a message."""
    return "standard input" if path == STANDARD_INPUT else path


def _json(path: str) -> list[Any]:
    text = _read(path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{_said(path)} is not valid JSON: {error}") from error
    if not isinstance(document, list):
        raise InputError(f"{_said(path)} must hold a JSON list, got {type(document).__name__}")
    return document
