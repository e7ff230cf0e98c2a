"""Blocks of a stream, and what is watched of the first ones."""

from __future__ import annotations

from typing import Any, Final

import attrs

from amorsize.domain.pulling import Watch
from amorsize.processes.failures import note_item

UNKNOWN_ITEMS: Final = 1 << 40
"""Items that stand for a number that is not known: our choice, more than any run has."""

AHEAD_BLOCKS: Final = 2
"""Blocks that each taker has ahead of it: our choice, one to run and one so that it does not wait for the caller."""

ARRIVAL_SECONDS: Final = 0.005
"""Seconds between two looks for items that have arrived and that workers could take: our choice, hardly noticed."""


@attrs.define(eq=False)
class Block:
    """Consecutive items that were pulled, and their results as soon as they have come."""

    number: int
    first: int
    items: list[Any]
    results: list[Any] = attrs.field(factory=list)
    error: BaseException | None = None
    is_done: bool = False

    def settle(self, results: list[Any]) -> None:
        """Keep the results, as all items have run."""
        self.results, self.is_done = results, True

    def fail(self, error: BaseException) -> None:
        """Keep what an item has raised."""
        self.error = error

    def ended_by(self, error: BaseException) -> Exception | bool:
        """Return what ends the stream: an error of the data, or True for one that is kept here, of the last item.

        Ctrl-C before an item was pulled is raised at once: there is no item to keep it.
        """
        if len(self.items) == len(self.results) and isinstance(error, Exception):
            return error
        if not self.items:
            raise error
        if len(self.items) > len(self.results):
            note_item(error, self.first + len(self.results), self.items[-1])
        self.fail(error)
        return True

    def restore(self, item: Any) -> None:
        """Put back the one item, as it was before it changed."""
        self.items = [item]


class FirstBlocks:
    """The first blocks that are pulled ahead, of one item each: whether an item changes when the next one is pulled."""

    def __init__(self) -> None:
        self.watch = Watch()
        self._blocks: list[Block] = []

    def has_run(self, item: Any) -> None:
        """Watch an item that was pulled last and has run."""
        self._blocks = [each for each in self._blocks if not each.is_done]
        (self.watch.keep if self._blocks else self.watch.keep_only)(item)

    def look(self) -> None:
        """Look at the items before the next one is pulled."""
        self.watch.look(copies=any(not each.is_done for each in self._blocks))

    def are_changed_by(self, pulled: Block) -> bool:
        """Return whether the pull of a block changed items before it. Those that have not run are restored."""
        changed = self.watch.is_changed_by(pulled.items[0] if pulled.items else None)
        for block in self._blocks if changed else ():
            if not block.is_done:
                block.restore(self.watch.before_pull(block.items[0]))
        return changed

    def keep(self, block: Block) -> None:
        """Watch the item of a block from now on."""
        self.watch.keep(block.items[0])
        self._blocks.append(block)

    def is_any_out(self, kept_back: list[Block]) -> bool:
        """Return whether somebody may be at an item that is watched."""
        return any(not each.is_done and each not in kept_back for each in self._blocks)
