"""Options that draw a decision, and what writes the files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import amorsize
from amorsize.cli.options import UserPath
from amorsize.cli.terminal import say
from amorsize.pictures.figure import check

if TYPE_CHECKING:
    from amorsize import OptimizationResult, Verification

_PICTURES: Final = (".svg", ".png")


class NewFile(UserPath):
    """A path of a file that is written at the end; its folder must be there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; a usage error when its folder is missing or it is a folder itself."""
        path = super().convert(value, param, ctx)
        if Path(path).is_dir() or not Path(path).parent.is_dir():
            self.fail(f"{str(path)!r} must be a file in a folder that is there", param, ctx)
        return path


class PicturePath(NewFile):
    """A path for a picture; its ending says the format. matplotlib must be there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; a usage error when the ending is another one, an error when matplotlib is missing."""
        path = super().convert(value, param, ctx)
        if Path(path).suffix.lower() not in _PICTURES:
            self.fail(f"{str(path)!r} must end with {' or '.join(_PICTURES)}", param, ctx)
        try:
            check("--plot")
        except ImportError as error:
            raise click.ClickException(str(error)) from None
        return path


plot_option: Final = click.option(
    "--plot", type=PicturePath(), metavar="FILE", help="Draw the decision: an .svg or .png (extra plot)."
)
"""The option that draws a decision."""

report_option: Final = click.option(
    "--report", type=NewFile(), metavar="FILE", help="Write a page (HTML) with the decision and what each worker did."
)
"""The option that writes a report."""


def draw(answer: OptimizationResult | Verification, path: str | None) -> None:
    """Draw a decision, if a path is given."""
    if path is not None:
        answer.plot(path)
        say(f"picture written to {path}", err=True)


def write_report(verification: Verification, title: str, path: str | None) -> None:
    """Write the page of a verification, if a path is given."""
    if path is None:
        return
    from amorsize.application.result import explanation
    from amorsize.execution.verification import HEAD, rows, verdict
    from amorsize.pictures.page import page

    written = page(
        title=title,
        lines=list(explanation(verification.result)),
        chart=verification.chart("--report"),
        head=HEAD,
        rows=rows(verification),
        verdict=verdict(verification),
        timeline=verification.timeline,
        footer=f"amorsize {amorsize.__version__}, {time.strftime('%Y-%m-%d %H:%M:%S')}",
    )
    with click.open_file(path, "w", encoding="utf-8", atomic=True) as file:
        file.write(written)
    say(f"report written to {path}", err=True)
