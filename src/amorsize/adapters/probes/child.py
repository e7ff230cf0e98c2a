"""Runs a function on a few items in a child process, so that nothing that happens there harms the caller."""

from __future__ import annotations

import atexit
import pickle
import sys
from functools import partial
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain.values import BLOCKED_TEXT, Sample
from amorsize.domain.wording import brief
from amorsize.errors import SamplingError
from amorsize.processes import failures, process_tree
from amorsize.processes.process_info import signal_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.source import Source


_LEAST_ITEMS: Final = 4
"""Items of an iterator that are taken at once, at least: our choice, so that a child rarely asks for more."""

_MOST_ITEMS: Final = 4096
"""Items of an iterator that are taken at once, at most: our choice, a block of the cheapest items."""

_FIRST_ITEMS: Final = 32
"""Items of an iterator that are taken first, at most: our choice; a later take has three times those before."""

_TAKING_SECONDS: Final = 1e-3
"""Seconds for which items of an iterator are taken at once: our choice, a third of what sampling may take."""

_MOST_BYTES: Final = 8 << 20
"""Bytes of items that are pickled for a child at once, at most: our choice, so that few are held twice."""

_LOOK_SECONDS: Final = 0.02
"""Seconds between two looks at a child that says nothing: our choice, hardly noticed."""


class NoChildError(Exception):
    """Items cannot be sampled in a child, as the text says.

    Args:
        why: the text.
        rest: what to run here, of which nothing has run.
        in_order: whether items share something that two of them at once would spoil.
    """

    def __init__(self, why: str, rest: Any, *, in_order: bool = False) -> None:
        super().__init__(why[:BLOCKED_TEXT])
        self.rest = rest
        self.in_order = in_order


class ChildItems:
    """Items of a source as a child is given them, and asks for more: what sampling asks of a Source.

    Args:
        total: number of items, None when it is not known.
        hint: the length hint of the source, None when there is none.
        taken: those to begin with, each with its position.
        more: gives further ones; none where there are no more.
    """

    is_changing = False
    """Those that a child is given do not change."""

    def __init__(
        self,
        total: int | None,
        hint: int | None,
        taken: list[tuple[int, Any]],
        more: Callable[[], list[tuple[int, Any]]] = list,
    ) -> None:
        self.total = total
        self.hint = hint
        self.in_order = total is None
        self._more = more
        self._items = dict(taken)
        self._order = self._positions()

    def positions(self) -> Iterator[int]:
        """Return the one iterator over positions."""
        return self._order

    def _positions(self) -> Iterator[int]:
        while self._items:
            yield from list(self._items)
            self._items = dict(self._more())

    def at(self, position: int) -> Any:
        """Return the item at a position that ``positions`` has just given."""
        return self._items[position]

    def __reduce__(self) -> tuple[Any, ...]:
        return ChildItems, (self.total, self.hint, list(self._items.items()))

    def asking(self, more: Callable[[], list[tuple[int, Any]]]) -> ChildItems:
        """Return the same items, of which none was run, with another function that gives further ones."""
        return ChildItems(self.total, self.hint, list(self._items.items()), more)


class ChildResult(NamedTuple):
    """What a child has found: a sample, or what the function raised, packed.

    ``cut`` is how many connections of the caller's were cut in the child. ``waits`` is true if the child waits for the
    caller before it tidies up: it has child processes, or items have registered something for its end.
    """

    sample: Sample | None
    error: failures.Packed | None
    cut: int
    waits: bool

    def taken(self) -> Sample:
        """Return the sample, or raise what was raised."""
        if self.error is not None:
            raise failures.unpack(self.error, "in the child process that sampled")
        assert self.sample is not None  # noqa: S101  a child says one or the other
        return self.sample


class _Begun(NamedTuple):
    """A child is about to run the items at these positions."""

    positions: list[int]


class _More(NamedTuple):
    """A child asks for more items."""


class _Failed(NamedTuple):
    """A child has nothing to show; ``how`` follows the name of the item."""

    how: str


class ChildSession:
    """What a child that samples says, and what it is answered.

    Args:
        connection: the caller's end of a connection, of ours or of multiprocessing.
        source: the caller's own.
        budget: ``item_seconds`` bounds what an item may take.
        ended: returns the child's exit code once it has ended, None where it is not known.
        is_stuck: returns whether the child can never go on by itself.
    """

    def __init__(
        self,
        connection: Any,
        source: Source,
        budget: Budget,
        ended: Callable[[], int | None],
        is_stuck: Callable[[], bool] = lambda: False,
    ) -> None:
        self._connection = connection
        self._source = source
        self._budget = budget
        self._ended = ended
        self._is_stuck = is_stuck
        self._taken: list[tuple[int, Any]] = []
        self.positions: list[int] = []
        self.count = 0

    def found(self, boot_seconds: float) -> ChildResult:
        """Wait for the child's last word, and return it.

        Raises:
            SamplingError: the child ended without one, or was too late with one.
            UnusableChildError: it can never go on.
        """
        left = boot_seconds
        while True:
            said = self._heard(left)
            if isinstance(said, ChildResult):
                return said
            if isinstance(said, _Failed):
                raise SamplingError(self._where(), said.how, 0.0)
            if isinstance(said, _More):
                self._say(self._further())
            else:
                self.positions, left = said.positions, self._budget.item_seconds
                self.count += len(self.positions)

    def _further(self) -> bytes:
        """Return further items for the child, pickled; none where there are no more, or they cannot be pickled."""
        taken = self._taken or take_some(self._source, 1, _MOST_ITEMS)
        self._taken = []
        try:
            text = pickle.dumps(taken, pickle.HIGHEST_PROTOCOL)
            if len(text) > _MOST_BYTES and len(taken) > 1:
                self._taken = taken[1:]
                text = pickle.dumps(taken[:1], pickle.HIGHEST_PROTOCOL)
        except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
            return pickle.dumps([])
        return text

    def resume(self) -> None:
        """Let a child go on that waits for that."""
        self._say(b"")

    def _say(self, content: bytes) -> None:
        try:
            self._connection.send_bytes(content)
        except (EOFError, OSError):
            raise self._at_its_end() from None

    def _heard(self, seconds: float) -> ChildResult | _Failed | _More | _Begun:
        """Return the child's next message, which it may take so many seconds for."""
        began, looks = perf_counter(), 0
        try:
            while not self._connection.poll(max(0.0, min(_LOOK_SECONDS, seconds - (perf_counter() - began)))):
                if perf_counter() - began >= seconds:
                    raise self._late(seconds)
                looks = looks + 1 if self._is_stuck() else 0
                if looks > 1:
                    raise UnusableChildError("a forked child waited for a thread that runs only in this process")
            return pickle.loads(self._connection.recv_bytes())  # type: ignore[no-any-return]  # noqa: S301  from our own child
        except (EOFError, OSError):
            raise self._at_its_end() from None

    def _at_its_end(self) -> SamplingError:
        return SamplingError(self._where(), _ending(self._ended()), 0.0)

    def _late(self, seconds: float) -> SamplingError:
        if not self.positions:
            return SamplingError("the child process", f"took longer than {seconds:g} s to start", 0.0)
        return SamplingError(self._where(), f"took longer than {seconds:g} s", seconds)

    def _where(self) -> str:
        positions = self.positions
        if not positions:
            return "the child process"
        if len(positions) == 1:
            return f"the item at position {positions[0]}{self._shown(positions[0])}"
        return f"one of the {len(positions)} items from position {min(positions)} to {max(positions)}"

    def _shown(self, position: int) -> str:
        """Return the item at a position in brackets, nothing when only the child has it."""
        try:
            return f" ({failures.shortly(self._source.at(position))})"
        except LookupError:
            return ""


class UnusableChildError(Exception):
    """No child can be forked, or the child can never go on: what it waits for is a thread that was not forked."""


def take_some(source: Source, least: int, most: int) -> list[tuple[int, Any]]:
    """Take items of a source for a child, each with its position: as many as come in a moment, and a least number."""
    taken: list[int] = []
    until = perf_counter() + _TAKING_SECONDS
    if source.in_order:  # items of a slow or endless iterator are not taken without need
        most = min(most, max(_FIRST_ITEMS, 3 * source.taken))
    for position in islice(source.positions(), most):
        taken.append(position)
        if len(taken) >= least and perf_counter() >= until:
            break
    return [(position, source.at(position)) for position in taken]  # only now: to take one may change those before it


def take_first(source: Source, budget: Budget) -> ChildItems:
    """Take the first items for a child."""
    taken = take_some(source, _LEAST_ITEMS, budget.most_items or _MOST_ITEMS)
    return ChildItems(source.total, source.hint, taken, partial(take_some, source, 1, _MOST_ITEMS))


def _ending(code: int | None) -> str:
    if not code:
        return "ended its process"
    name = signal_of(code)
    return f"was ended by {name}" if name else f"ended its process with exit code {code}"


def sample_as_child(  # noqa: PLR0913  what a child is given
    connection: Any,
    func: Callable[[Any], Any],
    given: Any,
    budget: Budget,
    *,
    cut: int = 0,
    careful: bool = False,
) -> None:
    """Sample in the child: say before each block which items it holds, and at last what was found or raised.

    Args:
        connection: the child's end of the connection.
        func: takes one item.
        given: the caller's source, or what was handed over of it.
        budget: how much to run.
        cut: how many connections of the caller's were cut here.
        careful: end before an item does what cannot be done twice.
    """
    from amorsize.adapters.probes.sampling import Sampling

    def say(message: ChildResult | _Failed | _More | _Begun) -> None:
        connection.send_bytes(pickle.dumps(message))

    def more() -> list[tuple[int, Any]]:
        say(_More())
        return pickle.loads(connection.recv_bytes())  # type: ignore[no-any-return]  # noqa: S301  from who started this one

    before = atexit._ncallbacks()  # noqa: SLF001  the only way to count them
    if isinstance(given, ChildItems):
        given = given.asking(more)
    if careful and sys.platform == "linux":
        from amorsize.adapters.probes import irreversible

        irreversible.exit_before_irreversible(lambda what: say(_Failed(f"would have {what} for good")))
    sample, raised = None, None
    try:
        sample = Sampling(func, given, budget, lambda positions: say(_Begun(positions))).run()
    except BaseException as error:  # noqa: BLE001  raised again in the parent
        raised = failures.pack(error)
        if raised.pickled is None:
            say(_Failed(f"raised {brief(error)}, which cannot be pickled"))
            return
    waits = bool(process_tree.children()) or atexit._ncallbacks() > before  # noqa: SLF001  as above
    found = ChildResult(sample, raised, cut, waits)
    say(found)
    if found.waits:
        connection.recv_bytes()
