"""The ports: what the core asks of a measurement probe, a system inspector, a cache store and executors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.external import Capacity
    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.source import Source
    from amorsize.domain.values import Machine, Sample


@runtime_checkable
class Probe(Protocol):
    """Measures a function, and what workers of one start method cost on this machine.

    A probe that states figures instead of measuring them has an attribute ``stated``: a text with all of them. Entries
    made with one such text are never used for another text, or for a probe that measures.
    """

    @property
    def start_method(self) -> str:
        """The start method measured: ``fork``, ``spawn`` or ``forkserver``.

        Any other name says that it measures in a way of its own. Workers are then started as with ``auto``.
        """

    def sample(self, func: Callable[[Any], Any], source: Source, budget: Budget) -> Sample:
        """Run func on a few items of source, each at most once, and return what that showed.

        Absent: an empty source raises ValueError. Repeated: runs other items each time. Failing: an exception of func
        is raised unchanged (or as a copy from a child process), with a note that names the item's position. A
        SamplingError is raised when an item ends its child process or takes too long. Nothing else is raised.
        """

    def overheads(self) -> Overheads:
        """Measure what workers cost on this machine.

        Repeated: measures again each time. Failing: MeasurementError, in bounded time and without output to stderr.
        Never imports or runs the caller's main module.
        """

    def blocked_reason(self, func: Callable[[Any], Any]) -> str | None:
        """Say why no worker process can be started by the caller, None when one can.

        Repeated: cheap; it answers for the process and thread of this call. Never raises.
        """


@runtime_checkable
class SystemInspector(Protocol):
    """Reads the facts about this machine."""

    def inspect(self, start_method: str) -> Machine:
        """Return the facts as they are now, with the given start method.

        Absent: a fact that cannot be read has its most careful value (one core, no memory). Repeated: reads again what
        can change. Never raises.
        """

    def file_bytes(self, path: str) -> int | None:
        """Return the size of the file at a path: items that name files are described by it.

        Absent: 0 when there is no file. None when the size does not say how much there is to read (a folder, a device),
        or cannot be read within about a millisecond. Repeated: reads it again. Never raises.
        """


@runtime_checkable
class CacheStore(Protocol):
    """Keeps text under two strings, a locator and a variant, each 1 to 80 printable ASCII characters.

    A text is at most 64 KiB of UTF-8; an invalid name or text raises ValueError. Stores know nothing about entries.
    Every method may raise OSError or CacheError when the medium fails; the caller makes one warning of that. Several
    threads, and the child after a fork, may use a store.
    """

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants under a locator with their text, in one step; empty when there is none.

        Damaged records are left out or returned as they are: the caller checks every text. Never deletes.
        """

    def store(self, locator: str, variant: str, text: str) -> None:
        """Keep text; a text under both strings is replaced atomically."""

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        """Remove (locator, variant) pairs and return how many existed; absent ones are skipped.

        Takes any number of them lazily; those removed before a failure stay removed.
        """

    def locators(self) -> Iterator[str]:
        """Yield each locator once, in any order, without blocking readers or writers.

        Locators that are stored or removed meanwhile may or may not be seen.
        """

    def close(self) -> None:
        """Close files and connections; repeated calls do nothing, and any later call opens them again."""


@runtime_checkable
class Executors(Protocol):
    """Starts executors of one kind; each is a ``concurrent.futures.Executor``.

    A class that derives from this one inherits ``capacity`` and ``reruns`` as workers of this machine have them.
    """

    @property
    def kind(self) -> str:
        """What a worker is to the cost model: ``serial``, ``thread`` (shares objects) or ``process`` (gets pickles)."""

    def start(self, workers: int, start_method: str) -> Executor:
        """Return a new executor with ``workers`` workers; executors without start methods ignore the other argument.

        Repeated: another executor. Failing: OSError when no workers can be started.
        """

    def capacity(self) -> Capacity | None:
        """Return how many workers there are, with what memory and where; None: as many as are useful on this machine.

        Repeated: asked once per call. Executors without a fixed number return what they have now. Failing:
        ExecutionError when they cannot be reached, in bounded time.
        """
        return None

    def reruns(self, executor: Executor) -> int:  # noqa: ARG002  for those that override it
        """Return how many chunks ran again because their worker was lost, since the last call of this method.

        Absent: 0 when a lost worker ends the run instead, as with amorsize's own executors. Never raises.
        """
        return 0

    def kill(self, executor: Executor) -> None:
        """End the workers of an executor at once, whatever they do; workers that cannot be ended are left running.

        Repeated: does nothing. Never raises.
        """
