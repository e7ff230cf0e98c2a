"""What engines charge: measured once for each place, and remembered."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from amorsize.domain import keys
from amorsize.domain.rules import has_lapsed
from amorsize.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.engine import Engine
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Limits, Machine
    from amorsize.entries import Entries
    from amorsize.question import Chosen


class Engines:
    """The engines that were asked about, with what they charge from here, in this process and in its cache."""

    def __init__(self, entries: Entries, now: Callable[[], float], limits: Limits) -> None:
        self._entries = entries
        self._now = now
        self._limits = limits
        self._charges: dict[str, Overheads] = {}

    def engine(  # noqa: PLR0913  whose, what for, from where, and how
        self,
        chosen: Chosen,
        func: Callable[[Any], Any],
        obstacle: str | None,
        here: tuple[Machine, str],
        *,
        keep: bool = True,
        renew: bool = False,
    ) -> Engine:
        """Return executors that were chosen, with the room they have now and what they charge.

        Raises what the executors raise when they cannot be reached.

        Args:
            chosen: whose they are.
            func: what they are to run.
            obstacle: why plain pickle cannot send the function or its items, None when it can.
            here: the machine that asks, and its name among kinds of machine.
            keep: False neither reads nor writes the cache.
            renew: True measures again what was measured too long ago.
        """
        from amorsize.domain.engine import Engine, Room  # noqa: PLC0415  most calls choose none

        machine, machine_id = here
        room = chosen.executors.room() or Room(max(1, ceil(machine.usable_cpus)))
        where = keys.place_id(machine_id, chosen.name, room.place)
        known = self._charges.get(where)
        if known is None and keep and room.place:
            known = self._entries.overheads(where, machine.start_method)
        if known is None or (renew and has_lapsed(known.measured_at, self._now(), self._limits)):
            known = self._measured(chosen, room.workers, machine.start_method, known)
            if keep and room.place:
                self._entries.keep_overheads(where, known)
        self._charges[where] = known
        if obstacle is not None and obstacle.startswith("the function") and chosen.takes(func):
            obstacle = None
        return Engine(chosen.name, chosen.executors.kind, room, known, obstacle)

    def _measured(self, chosen: Chosen, workers: int, start_method: str, old: Overheads | None) -> Overheads:
        """Measure what executors charge; when that fails, what they charged long ago has to do."""
        try:
            overheads = chosen.charges(workers, start_method)
        except MeasurementError:
            if old is None:
                raise
            return old
        return overheads.dated(self._now())
