"""The values that amorsize works with, from machine to cache entry: frozen, and checked when they are made."""

from __future__ import annotations

import sys
from math import inf
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs.validators import optional

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT: Final = 4
"""Version of what is written to a cache; a change of meaning in any stored value raises it."""

EXECUTORS: Final = ("serial", "thread", "process")
"""The kinds of worker a plan can name."""

START_METHODS: Final = ("fork", "spawn", "forkserver")
"""The ways to start a process that multiprocessing has."""

OWN_THREADS: Final = 1.25
"""CPUs that a function keeps busy from which on it is believed to run threads of its own: our choice."""

_USUAL_SHARE: Final = 0.8
"""Share of a CPU, and of all usable ones, that a measurement must get to be taken for usual: our choice."""
_WARM_UP: Final = 20.0
"""Times the next that a first call must take to count apart: our choice, above what cold caches make of it."""

SHORT_TEXT: Final = 40
"""Characters of a short text, such as an architecture or the name of a backend: longer ones are not known."""
KEY_TEXT: Final = 80
"""Characters of the longest locator or variant: every store takes so many."""
TEXT_BYTES: Final = 1 << 16
"""Bytes of the longest text that a store takes, as UTF-8."""
PATH_TEXT: Final = 4096
"""Characters of the longest path: as many as Linux takes."""
LONG_TEXT: Final = 120
"""Characters of a long text, such as a CPU model or the name of a function; our choice, so that entries stay short."""
REASON_TEXT: Final = 300
"""Characters of the reason of a plan; our choice, so that entries stay short."""
BLOCKED_TEXT: Final = 200
"""Characters of the reason why processes are ruled out; our choice, so that entries stay short."""
THREADS_TEXT: Final = 200
"""Characters of the thread variables that are set: our choice, a handful fit."""
DAY_SECONDS: Final = 86400.0
"""The seconds of a day."""
YEAR_SECONDS: Final = 366 * DAY_SECONDS
"""The longest time that is believed: a year."""
MAX_CPUS: Final = 65536
"""The most CPUs that a machine, and the most workers that a plan, is believed to have: far above any machine."""
MIN_CPUS: Final = 0.01
"""The least share of a CPU that is believed: a smaller one would make predictions absurdly long."""
MAX_BYTES: Final = 2**63
"""The most bytes that are believed: no machine has more memory."""
MAX_COUNT: Final = 2**53
"""The largest count that is believed: up to it a float holds every whole number."""

LATEST_DATE: Final = 1e11
"""The latest date that is believed, in Unix seconds: some three thousand years from now."""

_LEAST_MEAN_SECONDS: Final = 1e-12
"""The least mean above nothing that is believed: no clock counts in less, and what is divided by it stays finite."""

_LARGEST: Final = sys.float_info.max
"""The largest number that a float holds."""
MAX_POSITIONS: Final = 16
"""Positions that a sample names: our choice, more than any text shows."""


def _fault(attribute: attrs.Attribute[Any], must: str, got: object) -> ValueError:
    return ValueError(f"{attribute.name} must be {must}, got {got!r:.80}")


def number(low: float, high: float = inf, *, above_zero: float | None = None) -> Callable[..., None]:
    """Return a validator for a real number in [low, high] that a float can hold.

    ``above_zero`` excludes numbers between 0 and it.
    """
    least, most = float(low), float(min(high, _LARGEST))  # comparing floats is faster than a float and an int
    must = f"a number from {low:g} to {high:g}"
    if above_zero is not None:
        least, must = above_zero, f"0 or a number from {above_zero:g} to {high:g}"

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        kind = type(value)
        if (kind is float or kind is int) and (least <= value <= most or (value == 0 and above_zero is not None)):
            return
        raise _fault(attribute, must, value)

    return check


def whole(low: int, high: int = MAX_COUNT) -> Callable[..., None]:
    """Return a validator for an int (no bool) in [low, high]."""

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not int or not low <= value <= high:
            raise _fault(attribute, f"a whole number from {low} to {high}", value)

    return check


def text(limit: int) -> Callable[..., None]:
    """Return a validator for a str of at most limit characters."""

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not str or len(value) > limit:
            raise _fault(attribute, f"text of at most {limit} characters", value)

    return check


def flag(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate a bool."""
    if value is not True and value is not False:
        raise _fault(attribute, "true or false", value)


def one_of(*names: str) -> Callable[..., None]:
    """Return a validator for one of the given names."""

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not str or value not in names:
            raise _fault(attribute, "one of " + ", ".join(map(repr, names)), value)

    return check


def backend(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate the name of an executor backend."""
    if type(value) is str and value[:1].isalpha() and len(value) <= SHORT_TEXT:
        word = value.replace("-", "_")
        if word.isascii() and word.isidentifier() and word.islower():
            return
    raise _fault(attribute, f"one of {', '.join(map(repr, EXECUTORS))} or the name of an executor backend", value)


def sample_positions(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate up to 16 positions, each an int from 0."""
    if not value:
        return
    if len(value) > MAX_POSITIONS or {*map(type, value)} != {int} or min(value) < 0 or max(value) > MAX_COUNT:
        raise _fault(attribute, f"at most {MAX_POSITIONS} whole numbers from 0", value)


SECONDS: Final = number(0, YEAR_SECONDS)
BYTES: Final = number(0, MAX_BYTES)
DATE: Final = number(0, LATEST_DATE)
"""Validators of seconds, bytes and dates."""


class Value:
    """Equality, hash and text of values, with the meaning that attrs gives them.

    attrs compiles these methods for each class. That is half of the cost of a class, and few processes call them.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return _compared(self) == _compared(other)

    def __hash__(self) -> int:
        return hash(_compared(self))

    def __repr__(self) -> str:
        shown = (field.name for field in attrs.fields(type(self)) if field.repr)  # type: ignore[arg-type]  # each subclass is an attrs class
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, field.name) for field in attrs.fields(type(value)) if field.eq)


@attrs.frozen(eq=False, repr=False)
class Machine(Value):
    """The facts about this machine now that a plan depends on.

    Attributes:
        physical_cores: cores of the CPUs.
        logical_cores: hardware threads.
        usable_cpus: CPUs by affinity and container quota; it may be a fraction.
        available_memory_bytes: free memory, within the container's limit.
        total_memory_bytes: all memory, within the container's limit.
        start_method: ``fork``, ``spawn`` or ``forkserver``.
        python_tag: the tag of compiled files, such as ``cpython-311``.
        python_version: implementation and version.
        gil_enabled: False for a free-threaded Python that runs without the GIL.
        cpu_model: name of the CPU.
        architecture: such as ``x86_64``.
        blas_threads: the thread variables that are set, as ``NAME=value`` joined by spaces.
        load: threads of programs outside our process tree that want a CPU now; 0 when there are hardly any.
    """

    physical_cores: int = attrs.field(validator=whole(1, MAX_CPUS))
    logical_cores: int = attrs.field(validator=whole(1, MAX_CPUS))
    usable_cpus: float = attrs.field(validator=number(MIN_CPUS, MAX_CPUS))
    available_memory_bytes: int = attrs.field(validator=whole(0, MAX_BYTES))
    total_memory_bytes: int = attrs.field(validator=whole(0, MAX_BYTES))
    start_method: str = attrs.field(validator=one_of(*START_METHODS))
    python_tag: str = attrs.field(validator=text(SHORT_TEXT))
    python_version: str = attrs.field(validator=text(SHORT_TEXT))
    gil_enabled: bool = attrs.field(validator=flag)
    cpu_model: str = attrs.field(validator=text(LONG_TEXT))
    architecture: str = attrs.field(validator=text(SHORT_TEXT))
    blas_threads: str = attrs.field(default="", validator=text(THREADS_TEXT))
    load: float = attrs.field(default=0.0, validator=number(0, MAX_CPUS))

    def granted(self, cpus: float) -> float:
        """Return the CPUs that ``cpus`` threads get beside other programs, when all threads share the CPUs equally."""
        return cpus * min(1.0, self.logical_cores / (cpus + self.load))

    @property
    def free_cpus(self) -> float:
        """Usable CPUs less what other programs take: what all of them get, in units of what one thread gets."""
        if not self.load or self.usable_cpus <= 1:
            return self.usable_cpus
        return self.granted(self.usable_cpus) / self.granted(1.0)

    @property
    def crowding(self) -> float:
        """How much longer a job on all usable CPUs takes because of other programs, as a share of its time."""
        return self.usable_cpus / self.granted(self.usable_cpus) - 1.0 if self.load else 0.0

    @property
    def is_busy(self) -> bool:
        """Tell whether other programs take so much of the CPUs that measurements made now are not typical."""
        return min(self.granted(1.0), self.free_cpus / self.usable_cpus) < _USUAL_SHARE


@attrs.frozen(eq=False, repr=False)
class Sample(Value):
    """What running a function on a few items showed. Seconds are wall-clock seconds per item.

    Attributes:
        count: items that ran.
        seconds_per_item: mean, without the first call.
        spread_seconds: standard deviation of one item's seconds.
        first_call_seconds: the first call.
        cpu_fraction: CPU seconds of the process and its ended children per wall second; above 1 when the function runs
            threads or processes of its own.
        gil_fraction: share of the time during which the GIL is held; None: not measured.
        pickle_item_seconds: pickling an item.
        unpickle_item_seconds: unpickling an item.
        item_bytes: size of a pickled item.
        pickle_result_seconds: pickling a result.
        unpickle_result_seconds: unpickling a result.
        result_bytes: size of a pickled result.
        peak_bytes: growth of the process's memory while the items ran.
        worker_import_seconds: what a worker that was not forked imports for the function.
        blocked_reason: why no other process can take the function, its items or its results; None when one can.
        positions: the first positions that ran.
        threads_variable: environment variable for the number of threads of the function's library; None: not known.
        parent_bytes: memory of the caller's process that a forked worker takes over; 0 when nothing forks.
        lazy_result: a result whose work is done after the call, such as a generator; None when there was none.
        children_fraction: share of the CPU seconds that child processes took.
        leaves: what items leave behind in their process: open files, sockets, threads, child processes; or empty.
        sampled_in: ``caller`` or ``worker``, the process in which the items ran.
        sampled_why: why it was the caller's process.
        fork_seconds: CPU time of the caller for forking that worker; 0 when nothing was forked.
    """

    count: int = attrs.field(validator=whole(1))
    seconds_per_item: float = attrs.field(validator=number(0, YEAR_SECONDS, above_zero=_LEAST_MEAN_SECONDS))
    spread_seconds: float = attrs.field(validator=SECONDS)
    first_call_seconds: float = attrs.field(validator=SECONDS)
    cpu_fraction: float = attrs.field(validator=number(0, MAX_CPUS))
    gil_fraction: float | None = attrs.field(default=None, validator=optional(number(0, 1)))
    pickle_item_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    unpickle_item_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    item_bytes: float = attrs.field(default=0.0, validator=BYTES)
    pickle_result_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    unpickle_result_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    result_bytes: float = attrs.field(default=0.0, validator=BYTES)
    peak_bytes: float = attrs.field(default=0.0, validator=BYTES)
    worker_import_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    blocked_reason: str | None = attrs.field(default=None, validator=optional(text(BLOCKED_TEXT)))
    positions: tuple[int, ...] = attrs.field(default=(), converter=tuple, validator=sample_positions)
    threads_variable: str | None = attrs.field(default=None, validator=optional(text(SHORT_TEXT)))
    parent_bytes: float = attrs.field(default=0.0, validator=BYTES)
    lazy_result: str | None = attrs.field(default=None, validator=optional(text(SHORT_TEXT)))
    children_fraction: float = attrs.field(default=0.0, validator=number(0, 1))
    leaves: str = attrs.field(default="", validator=text(LONG_TEXT))
    sampled_in: str = attrs.field(default="caller", validator=one_of("caller", "worker"))
    sampled_why: str = attrs.field(default="", validator=text(LONG_TEXT))
    fork_seconds: float = attrs.field(default=0.0, validator=SECONDS)

    @property
    def warm_up_seconds(self) -> float:
        """Extra seconds of the first call in a process that are still to be paid.

        They are 0.0 when the items ran in the caller, or when the first call took at most 20 times the next: then only
        caches were cold.
        """
        if self.sampled_in == "caller" or self.first_call_seconds <= _WARM_UP * self.seconds_per_item:
            return 0.0
        return self.first_call_seconds - self.seconds_per_item


@attrs.frozen
class Constraints:
    """What the caller allows.

    Attributes:
        max_workers: the most workers; None: no limit.
        executor: ``auto``, or the only kind of worker that is allowed besides serial.
        min_speedup: the least gain, at the lower end of its interval, for which a parallel plan is chosen.
        memory_limit: bytes that all workers together may take; None: most of the free memory.
        backend: name of an executor backend that is compared too; empty when there is none.
    """

    max_workers: int | None = attrs.field(default=None, validator=optional(whole(1, MAX_CPUS)))
    executor: str = attrs.field(default="auto", validator=one_of("auto", *EXECUTORS))
    min_speedup: float = attrs.field(default=1.1, validator=number(1, 1000))
    memory_limit: int | None = attrs.field(default=None, validator=optional(whole(1, MAX_BYTES)))
    backend: str = attrs.field(default="", validator=text(SHORT_TEXT))


@attrs.frozen(eq=False, repr=False)
class Plan(Value):
    """Which workers, how many, in what chunks, and the predicted time.

    Attributes:
        executor: a kind of worker on this machine, or the name of an executor backend.
        n_jobs: number of workers; 1 means serial.
        chunksize: items per chunk.
        predicted_seconds: predicted wall seconds.
        seconds_low: lower end of its 90 % interval.
        seconds_high: upper end of its 90 % interval.
        serial_seconds: predicted wall seconds of running serially.
        speedup_low: lower end of the 90 % interval of the speedup.
        speedup_high: upper end of the 90 % interval of the speedup.
        reason: why this plan, in words.
    """

    executor: str = attrs.field(validator=backend)
    n_jobs: int = attrs.field(validator=whole(1, MAX_CPUS))
    chunksize: int = attrs.field(validator=whole(1))
    predicted_seconds: float = attrs.field(validator=number(0))
    seconds_low: float = attrs.field(validator=number(0))
    seconds_high: float = attrs.field(validator=number(0))
    serial_seconds: float = attrs.field(validator=number(0))
    speedup_low: float = attrs.field(validator=number(0))
    speedup_high: float = attrs.field(validator=number(0))
    reason: str = attrs.field(default="", validator=text(REASON_TEXT))

    @property
    def speedup(self) -> float:
        """Predicted serial seconds over predicted seconds of this plan; 1.0 when both are 0."""
        return self.serial_seconds / self.predicted_seconds if self.predicted_seconds else 1.0


@attrs.frozen(eq=False, repr=False)
class Entry(Value):
    """What the cache keeps for one workload on one machine.

    Attributes:
        format: version of the format.
        locator: the part of the key that is known before anything runs.
        variant: the part of the key that is measured.
        function: qualified name of the function.
        measured_at: Unix seconds of the measurement.
        confirmed_at: Unix seconds of the last look-up that found it fresh, to the day.
        confirmations: how many look-ups did, at most one a day.
        items: number of items that the plan is for. The plan for another number is solved from the sample.
        constraints: the constraints that the plan is for.
        sample: what running a few items showed.
        plan: the plan.
        machine: the facts about the machine at the time.
        blocked_reason: why no process could be started there, None when one could.
        deciding_seconds: what measuring and deciding took.
        contradictions: how many of the latest runs in a row took over twice as long as expected, or less than half.
        doubt: what was unusual during the measurement, None when nothing was. It is measured again when that is over.
        overheads_at: Unix seconds when its overheads were measured; 0.0: they were assumed; None: it needed none.
    """

    format: int = attrs.field(validator=whole(0))
    locator: str = attrs.field(validator=text(KEY_TEXT))
    variant: str = attrs.field(validator=text(KEY_TEXT))
    function: str = attrs.field(validator=text(LONG_TEXT))
    measured_at: float = attrs.field(validator=DATE)
    confirmed_at: float = attrs.field(validator=DATE)
    confirmations: int = attrs.field(validator=whole(0))
    items: int = attrs.field(validator=whole(0))
    constraints: Constraints = attrs.field(validator=attrs.validators.instance_of(Constraints))
    sample: Sample = attrs.field(validator=attrs.validators.instance_of(Sample))
    plan: Plan = attrs.field(validator=attrs.validators.instance_of(Plan))
    machine: Machine = attrs.field(validator=attrs.validators.instance_of(Machine))
    blocked_reason: str | None = attrs.field(default=None, validator=optional(text(BLOCKED_TEXT)))
    deciding_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    contradictions: int = attrs.field(default=0, validator=whole(0))
    doubt: str | None = attrs.field(default=None, validator=optional(text(100)))
    overheads_at: float | None = attrs.field(default=None, validator=optional(number(0, LATEST_DATE)))
