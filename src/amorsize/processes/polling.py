"""Tells whether a child waits for what only a thread of its parent would do."""

from __future__ import annotations

from time import monotonic
from typing import Final

from amorsize.processes import process_info, process_tree

_POLLS: Final = 10
"""How often a child must have looked since it began to wait: our choice. One that sleeps once is left alone."""

_BUSY_LOOKS: Final = 2
"""Looks in a row that find a child busy until it counts as such: between two naps it runs for some microseconds."""


class PollWatch:
    """Watches a child that was forked beside other threads of Python, which it has no copies of.

    It waits for one of them when it does nothing but look, again and again, whether its own memory has changed. A child
    that receives, polls a descriptor, reads or waits for a process never counts.

    Args:
        pid: the number of the child.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._since = 0.0
        self._switches: int | None = None
        self._busy_looks = 0

    def seconds(self) -> float:
        """Look at the child; return for how long the looks have seen it wait so, 0.0 where it does not."""
        is_busy = not process_info.naps(self._pid)
        self._busy_looks = self._busy_looks + 1 if is_busy else 0
        if self._busy_looks >= _BUSY_LOOKS or process_tree.children(self._pid):
            self._switches = None
            return 0.0
        if self._switches is None:
            if not is_busy:
                self._since, self._switches = monotonic(), process_info.switches(self._pid)
            return 0.0
        has_looked = process_info.switches(self._pid) - self._switches > _POLLS
        return monotonic() - self._since if has_looked else 0.0
