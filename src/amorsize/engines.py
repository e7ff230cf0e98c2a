"""What engines charge: measured once for each place, and remembered."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from amorsize.domain import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.engine import Engine
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Machine
    from amorsize.entries import Entries
    from amorsize.question import Chosen


class Engines:
    """The engines that were asked about, with what they charge from here, in this process and in its cache."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._charges: dict[str, Overheads] = {}

    def engine(
        self,
        chosen: Chosen,
        func: Callable[[Any], Any],
        obstacle: str | None,
        here: tuple[Machine, str],
        *,
        keep: bool = True,
    ) -> Engine:
        """Return executors that were chosen, with the room they have now and what they charge.

        Raises what the executors raise when they cannot be reached.

        Args:
            chosen: whose they are.
            func: what they are to run.
            obstacle: why plain pickle cannot send the function or its items, None when it can.
            here: the machine that asks, and its name among kinds of machine.
            keep: False neither reads nor writes the cache.
        """
        from amorsize.domain.engine import Engine, Room  # noqa: PLC0415  most calls choose none

        machine, machine_id = here
        room = chosen.executors.room() or Room(max(1, ceil(machine.usable_cpus)))
        where = keys.place_id(machine_id, chosen.name, room.place)
        known = self._charges.get(where)
        if known is None and keep and room.place:
            known = self._entries.overheads(where, machine.start_method)
        if known is None:
            known = chosen.charges(room.workers, machine.start_method)
            if keep and room.place:
                self._entries.keep_overheads(where, known)
        self._charges[where] = known
        if obstacle is not None and obstacle.startswith("the function") and chosen.takes(func):
            obstacle = None
        return Engine(chosen.name, chosen.executors.kind, room, known, obstacle)
