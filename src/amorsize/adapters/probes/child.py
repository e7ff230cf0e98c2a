"""Runs a function on a few items in a child process, so that a crash, a hang or a memory blow-up there harms nobody."""

from __future__ import annotations

import pickle
import signal
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from warnings import catch_warnings, simplefilter, warn

from amorsize.domain.source import Source
from amorsize.errors import AmorsizeWarning, SamplingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection

    from amorsize.domain.sampling import Budget
    from amorsize.domain.values import Sample

_MOST_ITEMS: Final = 64
_MOST_BYTES: Final = 8 << 20
_LEAVING_SECONDS: Final = 5.0


class Handed:
    """A few items of a source as a child is given them: what sampling asks of a Source."""

    def __init__(self, source: Source, taken: Iterable[tuple[int, Any]]) -> None:
        self.total = source.total
        self.hint = source.hint
        self.results: dict[int, Any] | None = None if source.results is None else {}
        self.failures: dict[int, Exception] = {}
        self._items = dict(taken)
        self._order = iter(list(self._items))

    keep = Source.keep

    def positions(self) -> Iterator[int]:
        """Return the one iterator over positions."""
        return self._order

    def at(self, position: int) -> Any:
        """Return the item at a position."""
        return self._items[position]


class CannotSendError(Exception):
    """The function or an item cannot be brought into a child, or none can be started; ``rest`` is what to run here."""

    def __init__(self, error: Exception, rest: Any) -> None:
        super().__init__(f"{type(error).__name__}: {error}"[:200])
        self.rest = rest


def sample_in_child(
    func: Callable[[Any], Any], source: Source, budget: Budget, start_method: str, boot_seconds: float
) -> Sample:
    """Run func on a few items of source in a child process and return what that showed.

    Results come back only for a source that keeps them.

    A forked child has all of an indexed source; any other is handed up to 64 items, of up to 8 MiB in all.

    Args:
        func: takes one item.
        source: the items; those that ran do not come again.
        budget: how much to run; ``item_seconds`` bounds one item.
        start_method: of the child.
        boot_seconds: how long the child may take until it runs its first item.

    Raises:
        ValueError: source has no item.
        CannotSendError: nothing has run.
        SamplingError: the child ended without an answer, or was ended when an item took too long.
        Exception: what func raised, with notes that name the item and show the child's traceback.
    """
    import multiprocessing  # noqa: PLC0415  only who asks for a child pays

    context: Any = multiprocessing.get_context(start_method)
    if source.is_empty():
        raise ValueError("sample: source must have an item, got none")
    given: Any = source
    if start_method != "fork" or not source.is_indexed:
        given = Handed(source, _few(source, budget, pickled=start_method != "fork"))
    mine, its = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(its, func, given, budget), daemon=True, name="amorsize sampling")
    try:
        with catch_warnings():
            simplefilter("ignore", DeprecationWarning)  # since 3.12 a fork beside threads warns
            child.start()
    except Exception as error:
        mine.close()
        raise CannotSendError(error, given) from error
    finally:
        its.close()
    try:
        count, answer, kept = _answer(child, mine, source, budget, boot_seconds)
    finally:
        child.kill()
        child.join()
        mine.close()
    if given is source:
        for _ in islice(source.positions(), count):
            pass
    _take_over(source, kept)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _take_over(source: Source, kept: tuple[dict[int, Any], dict[int, Exception]] | None) -> None:
    """Keep what came back from the child for whoever goes on from there; warn when it could not come back."""
    if source.results is None:
        return
    if kept is None:
        told = "what the sampled items gave cannot be brought back from their worker; those items will run again"
        warn(told, AmorsizeWarning, stacklevel=2)
        return
    source.results.update(kept[0])
    source.failures.update(kept[1])


def _few(source: Source, budget: Budget, *, pickled: bool) -> list[tuple[int, Any]]:
    """Take a few items for a child: enough to sample, few enough to send."""
    taken: list[tuple[int, Any]] = []
    left = _MOST_BYTES
    for position in islice(source.positions(), min(_MOST_ITEMS, budget.most_items or _MOST_ITEMS)):
        item = source.at(position)
        taken.append((position, item))
        if pickled:
            try:
                left -= len(pickle.dumps(item, pickle.HIGHEST_PROTOCOL))
            except Exception as error:
                raise CannotSendError(error, Handed(source, taken)) from error
        if left <= 0:
            break
    return taken


def _answer(
    child: Any, pipe: Connection, source: Source, budget: Budget, boot_seconds: float
) -> tuple[int, Sample | BaseException, tuple[dict[int, Any], dict[int, Exception]] | None]:
    """Wait for the child's last word; return how many items it began, that word, and what was to be kept.

    SamplingError when the child ends without one.
    """
    places: tuple[int, ...] = ()
    count, left = 0, boot_seconds
    began = perf_counter()
    while pipe.poll(max(0.0, left - (perf_counter() - began))):
        try:
            word, content = pickle.loads(pipe.recv_bytes())  # noqa: S301  from our own child
        except (EOFError, OSError):
            child.join(_LEAVING_SECONDS)
            raise SamplingError(_where(places, source), _ending(child.exitcode), 0.0) from None
        if word == "done":
            return count, *content
        if word == "lost":
            raise SamplingError(_where(places, source), f"raised {content}, which cannot be pickled", 0.0)
        places, left = content, budget.item_seconds
        count += len(places)
        began = perf_counter()
    if not places:
        raise SamplingError("the child process", f"took longer than {boot_seconds:g} s to start", 0.0)
    raise SamplingError(_where(places, source), f"took longer than {left:g} s", left)


def _where(places: tuple[int, ...], source: Source) -> str:
    from amorsize.adapters.probes.sampling import shortly  # noqa: PLC0415  only a failure needs it

    if not places:
        return "the child process"
    if len(places) == 1:
        return f"the item at position {places[0]} ({shortly(source.at(places[0]))})"
    return f"one of the {len(places)} items from position {min(places)} to {max(places)}"


def _ending(code: int | None) -> str:
    if code is None or code == 0:
        return "ended its process"
    if code > 0:
        return f"ended its process with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _run(pipe: Connection, func: Callable[[Any], Any], source: Any, budget: Budget) -> None:
    """Sample in the child: say before each block which items it holds, and at last what was found or raised."""
    from amorsize.adapters.probes.sampling import Sampling  # noqa: PLC0415  a spawned child imports this module only

    def begun(places: list[int]) -> None:
        pipe.send_bytes(pickle.dumps(("begun", tuple(places))))

    answer: Any
    try:
        answer = Sampling(func, source, budget, begun).run()
    except BaseException as error:  # noqa: BLE001  raised again in the parent
        answer = error
        from traceback import format_exc  # noqa: PLC0415  only a failure needs it

        error.add_note(f"in the child process that sampled:\n{format_exc()}")
    text = _sendable("done", (answer, (source.results or {}, source.failures))) or _sendable("done", (answer, None))
    pipe.send_bytes(text or pickle.dumps(("lost", type(answer).__name__)))
    pipe.close()


def _sendable(word: str, content: Any) -> bytes | None:
    """Return a message, None when it would not come through: an exception may be pickled and still not come back."""
    try:
        text = pickle.dumps((word, content), pickle.HIGHEST_PROTOCOL)
        pickle.loads(text)  # noqa: S301  dumped right here
    except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return None
    return text
