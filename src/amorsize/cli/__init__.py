"""The amorsize command; it needs the extra ``cli`` (click and rich)."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say in a line what is missing for it."""
    try:
        import click  # noqa: F401  asked for before anything that needs them
        import rich  # noqa: F401
    except ImportError as error:
        sys.exit(f"amorsize: the command needs click and rich, got no {error.name}: pip install 'amorsize[cli]'")
    from amorsize.cli.commands import run

    sys.exit(run())
