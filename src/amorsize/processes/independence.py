"""What a forked child does before it runs a user's function, so that it disturbs neither its parent nor the others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

assert sys.platform == "linux"  # noqa: S101  type checkers skip the rest elsewhere; see process_info.can_fork

from amorsize.processes.blas import limit_threads
from amorsize.processes.descriptors import isolate

if TYPE_CHECKING:
    from collections.abc import Callable


def become_independent(
    threads: int, ours: frozenset[int] = frozenset(), limits: list[Callable[[Any], object]] | None = None
) -> bool:
    """Make inherited descriptors harmless, seed numpy's global generator anew, and limit the threads of libraries.

    Python seeds its own generator anew in each forked child.

    Args:
        threads: how many threads numerical libraries may use in the child.
        ours: descriptors to leave alone.
        limits: what ``setters`` returned in the parent, which saves looking; None: it is asked here.

    Returns:
        Whether a connection of the parent was cut in the child.
    """
    is_cut = bool(isolate(ours))
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
    limit_threads(threads, limits)
    return is_cut
