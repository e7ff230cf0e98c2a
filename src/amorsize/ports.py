"""The ports: what the core asks of a measurement probe, a system inspector, a cache store and executors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor

    from amorsize.domain.engine import Room
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.sampling import Budget
    from amorsize.domain.source import Source
    from amorsize.domain.values import Machine, Sample


@runtime_checkable
class Probe(Protocol):
    """Measures a function and what this machine charges for workers of one start method."""

    @property
    def start_method(self) -> str:
        """The start method measured: ``fork``, ``spawn`` or ``forkserver``."""

    def sample(self, func: Callable[[Any], Any], source: Source, budget: Budget) -> Sample:
        """Run func on a few items of source, each at most once, and say what that showed.

        Absent: an empty source raises ValueError. Repeated: runs further calls each time. Failing: what func raises
        comes out unchanged, with a note that names the item's position; nothing else is raised, but for a SamplingError
        when the budget asks for a worker and an item ends it, or runs in it for too long.
        """

    def overheads(self) -> Overheads:
        """Measure what this machine charges for workers.

        Repeated: measures anew each time. Failing: MeasurementError, in bounded time and without a word on stderr.
        Never imports or runs the caller's main module.
        """

    def obstacle(self, func: Callable[[Any], Any]) -> str | None:
        """Say why no process worker can be started from where the caller is, None when one can.

        Repeated: cheap, and answers for the place of this very call. Never raises.
        """


@runtime_checkable
class SystemInspector(Protocol):
    """Reads the facts about this machine."""

    def inspect(self, start_method: str) -> Machine:
        """Return the facts as they are now, with the start method that is asked about.

        Absent: a fact that cannot be read is given its most careful value (one core, no memory). Repeated: reads again
        what can change. Never raises.
        """


@runtime_checkable
class CacheStore(Protocol):
    """Keeps text under two strings, a locator and a variant, each 1 to 80 printable ASCII characters.

    A text is at most 64 KiB of UTF-8; an impossible name or text is a ValueError. Stores know nothing of entries. Every
    method may raise OSError or CacheError when the medium fails; the caller turns
    that into one warning. A store may be used by several threads and, after a fork, by the child.
    """

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants under a locator with their text, in one step; empty when there is none.

        What is damaged is left out or given as it is: the caller checks every text. Never deletes.
        """

    def store(self, locator: str, variant: str, text: str) -> None:
        """Keep text; what was there under both strings is replaced, wholly or not at all."""

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        """Remove (locator, variant) pairs and return how many were there; absent ones are passed over.

        Takes any number lazily; what was removed before a failure stays removed.
        """

    def locators(self) -> Iterator[str]:
        """Yield each locator once, in no given order and without holding up readers or writers.

        What is stored or removed meanwhile may or may not be seen.
        """

    def close(self) -> None:
        """Let go of files and connections; repeated calls do nothing, and a later call opens anew."""


@runtime_checkable
class Executors(Protocol):
    """Starts ``concurrent.futures.Executor``s of one kind: the standard's own port."""

    @property
    def kind(self) -> str:
        """What a worker is to the cost model: ``serial``, ``thread`` (shares objects) or ``process`` (gets pickles)."""

    def start(self, workers: int, start_method: str) -> Executor:
        """Return a new executor with so many workers; those who know no start method pass it over.

        Repeated: another executor. Failing: OSError when there is no room for workers.
        """

    def room(self) -> Room | None:
        """Return how many workers there are, with what memory and where; None: as many as pay here.

        Repeated: asked once for a call. What has no fixed number returns what it has now. Failing: ExecutionError when
        they cannot be reached, in bounded time.
        """

    def reruns(self, executor: Executor) -> int:
        """Return how many chunks have been run again because the worker that had them was lost, since the last call.

        Absent: 0 where a lost worker ends the run instead, which is what amorsize's own do. Never raises.
        """

    def kill(self, executor: Executor) -> None:
        """End the workers of an executor at once, whatever they do; leave alone what cannot be ended.

        Repeated: does nothing. Never raises.
        """
