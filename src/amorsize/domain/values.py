"""The nouns of amorsize as frozen values that check themselves, wherever their numbers come from."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT: Final = 3
"""Version of what is written to a cache; a change of meaning in any stored value raises it."""

EXECUTORS: Final = ("serial", "thread", "process")
"""The kinds of worker a plan can name."""

OWN_THREADS: Final = 1.25
"""CPUs that a function keeps busy from which on it is believed to run threads of its own."""

_NAME_LENGTH: Final = 40
_YEAR_SECONDS: Final = 366 * 86400.0
_MAX_BYTES: Final = 2**63
_MAX_COUNT: Final = 2**53
_LARGEST: Final = 1.7976931348623157e308
_MAX_PLACES: Final = 16


def _fault(attribute: attrs.Attribute[Any], must: str, got: object) -> ValueError:
    return ValueError(f"{attribute.name} must be {must}, got {got!r:.80}")


def number(low: float, high: float = inf, *, optional: bool = False) -> Callable[..., None]:
    """Return a validator for a real number in [low, high] that a float can hold; None passes when optional."""
    least, most = float(low), float(min(high, _LARGEST))  # a float is held against a float sooner than against an int

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        kind = type(value)
        if (kind is float or kind is int) and least <= value <= most:
            return
        if optional and value is None:
            return
        raise _fault(attribute, f"a number from {low:g} to {high:g}", value)

    return check


def whole(low: int, high: int = _MAX_COUNT, *, optional: bool = False) -> Callable[..., None]:
    """Return a validator for an int (no bool) in [low, high]; None passes when optional."""

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is int and low <= value <= high:
            return
        if optional and value is None:
            return
        raise _fault(attribute, f"a whole number from {low} to {high}", value)

    return check


def text(limit: int, *, optional: bool = False) -> Callable[..., None]:
    """Return a validator for a str of at most limit characters; None passes when optional."""

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is str and len(value) <= limit:
            return
        if optional and value is None:
            return
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


def engine(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate the name that a backend can have."""
    if type(value) is str and value[:1].isalpha() and len(value) <= _NAME_LENGTH:
        word = value.replace("-", "_")
        if word.isascii() and word.isidentifier() and word.islower():
            return
    raise _fault(attribute, f"one of {', '.join(map(repr, EXECUTORS))} or the name of an executor backend", value)


def places(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate up to 16 positions, each an int from 0."""
    if value and (
        len(value) > _MAX_PLACES or {*map(type, value)} != {int} or min(value) < 0 or max(value) > _MAX_COUNT
    ):
        raise _fault(attribute, f"at most {_MAX_PLACES} whole numbers from 0", value)


SECONDS: Final = number(0, _YEAR_SECONDS)
BYTES: Final = number(0, _MAX_BYTES)


class Value:
    """Equality, hash and text of the values that every fresh process needs before its first answer.

    They mean what attrs would have them mean. attrs writes and compiles these methods for each class, which is half of
    what a class costs to make, and few processes ever call them.
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
    """Facts about this machine now, as far as a plan depends on them.

    ``usable_cpus`` counts affinity and container quota and may be fractional; memory is in bytes and knows of the
    container's limit; ``blas_threads`` holds the thread variables that are set, as ``NAME=value`` joined by spaces.
    """

    physical_cores: int = attrs.field(validator=whole(1, 65536))
    logical_cores: int = attrs.field(validator=whole(1, 65536))
    usable_cpus: float = attrs.field(validator=number(0.01, 65536))
    available_memory_bytes: int = attrs.field(validator=whole(0, _MAX_BYTES))
    total_memory_bytes: int = attrs.field(validator=whole(0, _MAX_BYTES))
    start_method: str = attrs.field(validator=one_of("fork", "spawn", "forkserver"))
    python_tag: str = attrs.field(validator=text(40))
    python_version: str = attrs.field(validator=text(40))
    gil_enabled: bool = attrs.field(validator=flag)
    cpu_model: str = attrs.field(validator=text(120))
    architecture: str = attrs.field(validator=text(40))
    blas_threads: str = attrs.field(default="", validator=text(200))


@attrs.frozen(eq=False, repr=False)
class Sample(Value):
    """What running a function on a few items showed.

    Seconds are wall-clock seconds per item unless the name says otherwise. ``cpu_fraction`` is CPU seconds of the whole
    process (its ended children too) per wall second, above 1 when the function runs threads of its own.
    ``gil_fraction`` is the share of wall time during which the interpreter lock is held; None: not measured.
    ``peak_bytes`` is what the process's memory grew by while the items ran. ``worker_import_seconds`` is what a fresh
    (not forked) worker pays to import the function's surroundings. ``obstacle`` says why no other process can take the
    function, its items or its results, None when one can. ``threads_variable`` is the environment variable that sets
    how many threads the function's own library runs, None when it runs none or nobody knows which. ``parent_bytes`` is
    the memory of the caller's process that a forked worker takes over, 0 where nothing forks.
    """

    count: int = attrs.field(validator=whole(1))
    seconds_per_item: float = attrs.field(validator=SECONDS)
    spread_seconds: float = attrs.field(validator=SECONDS)
    first_call_seconds: float = attrs.field(validator=SECONDS)
    cpu_fraction: float = attrs.field(validator=number(0, 65536))
    gil_fraction: float | None = attrs.field(default=None, validator=number(0, 1, optional=True))
    pickle_item_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    unpickle_item_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    item_bytes: float = attrs.field(default=0.0, validator=BYTES)
    pickle_result_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    unpickle_result_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    result_bytes: float = attrs.field(default=0.0, validator=BYTES)
    peak_bytes: float = attrs.field(default=0.0, validator=BYTES)
    worker_import_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    obstacle: str | None = attrs.field(default=None, validator=text(200, optional=True))
    positions: tuple[int, ...] = attrs.field(default=(), converter=tuple, validator=places)
    threads_variable: str | None = attrs.field(default=None, validator=text(40, optional=True))
    parent_bytes: float = attrs.field(default=0.0, validator=BYTES)


@attrs.frozen
class Constraints:
    """What the caller allows: the limits a plan is searched within.

    ``executor`` is ``auto`` or the only kind of worker wanted besides serial; ``min_speedup`` is the least predicted
    gain (lower end) worth leaving serial for; ``memory_limit`` bounds all workers together, in bytes. ``engine`` names
    an executor backend that is in the running too, empty when there is none.
    """

    max_workers: int | None = attrs.field(default=None, validator=whole(1, 65536, optional=True))
    executor: str = attrs.field(default="auto", validator=one_of("auto", *EXECUTORS))
    min_speedup: float = attrs.field(default=1.1, validator=number(1, 1000))
    memory_limit: int | None = attrs.field(default=None, validator=whole(1, _MAX_BYTES, optional=True))
    engine: str = attrs.field(default="", validator=text(40))


@attrs.frozen(eq=False, repr=False)
class Plan(Value):
    """An answer: which workers, how many, in what chunks, and what that should take.

    ``executor`` is a kind of worker on this machine, or the name of an executor backend. ``seconds_low`` and
    ``seconds_high`` bound a 90 % interval around ``predicted_seconds``; the speedup's bounds are ``serial_seconds`` of
    the same draw over the plan's.
    """

    executor: str = attrs.field(validator=engine)
    n_jobs: int = attrs.field(validator=whole(1, 65536))
    chunksize: int = attrs.field(validator=whole(1))
    predicted_seconds: float = attrs.field(validator=number(0))
    seconds_low: float = attrs.field(validator=number(0))
    seconds_high: float = attrs.field(validator=number(0))
    serial_seconds: float = attrs.field(validator=number(0))
    speedup_low: float = attrs.field(validator=number(0))
    speedup_high: float = attrs.field(validator=number(0))
    reason: str = attrs.field(default="", validator=text(300))

    @property
    def speedup(self) -> float:
        """Predicted serial seconds over predicted seconds of this plan (1.0 when both are nil)."""
        return self.serial_seconds / self.predicted_seconds if self.predicted_seconds else 1.0


@attrs.frozen(eq=False, repr=False)
class Entry(Value):
    """What the cache keeps for one workload on one machine.

    Times are Unix seconds. ``items``, ``constraints`` and ``obstacle`` (why no process could be started there) are
    those the plan was solved for; anything else in the same bucket is solved again from the sample.
    ``deciding_seconds`` is what the answer cost when it was measured; ``contradictions`` counts the latest runs in
    a row that took more than twice as long as expected, or less than half; ``confirmed_at`` is when a look-up last
    found it fresh, to the day.
    """

    format: int = attrs.field(validator=whole(0))
    locator: str = attrs.field(validator=text(80))
    variant: str = attrs.field(validator=text(80))
    function: str = attrs.field(validator=text(120))
    measured_at: float = attrs.field(validator=number(0, 1e11))
    confirmed_at: float = attrs.field(validator=number(0, 1e11))
    confirmations: int = attrs.field(validator=whole(0))
    items: int = attrs.field(validator=whole(0))
    constraints: Constraints = attrs.field(validator=attrs.validators.instance_of(Constraints))
    sample: Sample = attrs.field(validator=attrs.validators.instance_of(Sample))
    plan: Plan = attrs.field(validator=attrs.validators.instance_of(Plan))
    machine: Machine = attrs.field(validator=attrs.validators.instance_of(Machine))
    obstacle: str | None = attrs.field(default=None, validator=text(200, optional=True))
    deciding_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    contradictions: int = attrs.field(default=0, validator=whole(0))


@attrs.frozen(eq=False, repr=False)
class Limits(Value):
    """How long and under what changes an entry holds: seconds to live, and the share memory may move by."""

    ttl_seconds: float = attrs.field(default=7 * 86400.0, validator=number(0, 100 * _YEAR_SECONDS))
    memory_tolerance: float = attrs.field(default=0.2, validator=number(0, 1000))


class Verdict(NamedTuple):
    """What the rules say of an entry now: ``fresh``, ``replan`` or ``stale``, with the reason in words."""

    kind: str
    reason: str = ""
