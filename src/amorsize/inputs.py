"""What a command line or a config names: a function by its module, and data by range, lines, glob or JSON."""

from __future__ import annotations

import importlib
import json
import sys
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amorsize.errors import AmorsizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class InputError(AmorsizeError):
    """Something named on a command line or in a config is not there or not as it must be."""


def function_named(name: str) -> Callable[[Any], Any]:
    """Return the function that ``module:function`` names; modules of the working directory are found first.

    Raises:
        InputError: the name has another form, the module cannot be imported or has no such function.
    """
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise InputError(f"function must be module:function, got {name!r}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"function must be in a module that can be imported, got {module_name!r} ({error})") from error
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise InputError(f"function must be in {module_name!r}, got {path!r} ({error})") from error
    if not callable(found):
        raise InputError(f"{name} must be callable, got {type(found).__name__}")
    return found  # type: ignore[no-any-return]  # callable is all that is asked


def data_named(
    *,
    numbers: str | Sequence[int] | None = None,
    lines: str | None = None,
    pattern: str | None = None,
    document: str | None = None,
) -> Sequence[Any]:
    """Return the data that exactly one of the four ways names.

    Args:
        numbers: ``STOP``, ``START:STOP`` or ``START:STOP:STEP``, or those as ints.
        lines: a text file, UTF-8; each line without its end is an item.
        pattern: a glob pattern; each path that matches is an item, sorted.
        document: a JSON file that holds a list.

    Raises:
        InputError: none or several are given, or what is named is not there or not as it must be.
    """
    given = [way for way in (numbers, lines, pattern, document) if way is not None]
    if len(given) != 1:
        raise InputError(f"data must be named by one of range, lines, glob and json, got {len(given)} of them")
    if numbers is not None:
        return _range(numbers)
    if lines is not None:
        return _read(lines).splitlines()
    if pattern is not None:
        found = sorted(glob(pattern, recursive=True))  # noqa: PTH207  a pattern may be absolute
        if not found:
            raise InputError(f"glob must match a path, got {pattern!r}, which matches none")
        return found
    return _json(str(document))


def _range(numbers: str | Sequence[int]) -> range:
    parts = numbers.split(":") if isinstance(numbers, str) else list(numbers)
    try:
        return range(*(int(part) for part in parts))
    except (TypeError, ValueError):
        raise InputError(
            f"range must be STOP, START:STOP or START:STOP:STEP in whole numbers, got {numbers!r}"
        ) from None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a readable UTF-8 file, got {error}") from error


def _json(path: str) -> list[Any]:
    try:
        document = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} must hold JSON, got {error}") from error
    if not isinstance(document, list):
        raise InputError(f"{path} must hold a JSON list, got {type(document).__name__}")
    return document
