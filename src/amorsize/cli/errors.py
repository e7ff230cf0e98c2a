"""How the command shows an error: in a line, with the line in the user's code, or with the whole traceback."""

from __future__ import annotations

import re
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

import amorsize
from amorsize.cli.terminal import OutputClosedError, output, say_lines
from amorsize.errors import AmorsizeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY: Final = "amorsize.traceback"
_OURS: Final = (str(Path(amorsize.__file__).parent), str(Path(click.__file__).parent), "<frozen")
_INSTALLED: Final = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib")})
_STANDARD: Final = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
_LINE: Final = re.compile(r'^ *File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
_TRACEBACK: Final = "Traceback (most recent call last)"


class Location(NamedTuple):
    """A line of code that was running when an error was raised."""

    file: str
    line: int
    function: str


class Commands(click.Group):
    """A group of commands that shows their errors and exits with 1 after one."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read the command line; ``--help`` and ``--version`` are answered here."""
        with output():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OutputClosedError):
            raise
        except Exception as error:
            if isinstance(error, BrokenPipeError) and location_of(error) is None:  # click's own help
                raise OutputClosedError("nobody reads the output") from error
            for line in full(error) if ctx.meta.get(_KEY) else brief(error):
                say_lines(line, err=True)
            return 1

    def offer_traceback(self) -> None:
        """Give this group and all that is below it the option ``--traceback``."""
        commands: list[click.Command] = [self]
        while commands:
            command = commands.pop()
            command.params.append(_traceback_option())
            if isinstance(command, click.Group):
                commands += command.commands.values()


def _traceback_option() -> click.Option:
    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            context.meta[_KEY] = True

    text = "Show all of the traceback of an error."
    return click.Option(["--traceback"], is_flag=True, expose_value=False, callback=remember, help=text)


def full(error: BaseException) -> Iterator[str]:
    """Yield the traceback of an error with those of its causes."""
    yield "".join(traceback.format_exception(error)).rstrip("\n")


def brief(error: BaseException) -> Iterator[str]:
    """Yield what an error says in a line, where in the user's code it was raised, and its notes."""
    yield f"amorsize: {said(error)}"
    location = location_of(error)
    if location is not None:
        yield f'  File "{location.file}", line {location.line}, in {location.function}'
    for note in getattr(error, "__notes__", ()):
        if _TRACEBACK not in note:
            yield f"  {note}"
    if location is not None:
        yield "  --traceback shows the whole traceback"


def said(error: BaseException) -> str:
    """Return an error in a line: its kind too, unless it is one of amorsize's own."""
    return text_of(error) if isinstance(error, AmorsizeError) else f"{type(error).__name__}: {text_of(error)}"


def text_of(error: BaseException) -> str:
    """Return the text of an error; of one that raises instead of saying it, what it raises."""
    try:
        return str(error)
    except Exception as why:  # noqa: BLE001  a hostile __str__ must not hide the error
        return f"<its __str__ raises {type(why).__name__}>"


def location_of(error: BaseException) -> Location | None:
    """Return the last line of the user's own code in an error's traceback or those of its causes.

    Where there is none: the last line of an installed library, or of the standard library. None where only amorsize
    and compiled code were running, and for an error of amorsize's own that no line of the user's caused.
    """
    locations: list[Location] = []
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        locations = [*_locations(one), *locations]  # the cause was raised deeper in the stack
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    found = [location for location in locations if not location.file.startswith(_OURS)]
    own = [location for location in found if not location.file.startswith((*_INSTALLED, *_STANDARD))]
    if own or isinstance(error, AmorsizeError):
        return own[-1] if own else None
    libraries = [location for location in found if location.file.startswith(_INSTALLED)]
    return next((group[-1] for group in (libraries, found) if group), None)


def _locations(error: BaseException) -> list[Location]:
    """Return the lines in one traceback, the last raised last; those of a worker come as text."""
    text = "\n".join(note for note in getattr(error, "__notes__", ()) if _TRACEBACK in note)
    if _TRACEBACK in (words := text_of(error)):
        text += f"\n{words}"
    locations = [
        Location(frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(error.__traceback__)
    ]
    locations += [Location(file, int(line), function) for file, line, function in _LINE.findall(text)]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        locations.append(Location(error.filename, error.lineno, "the module"))
    return locations
