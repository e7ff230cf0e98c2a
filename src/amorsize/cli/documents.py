"""What each command says with ``--json``: the values that its text is made from, in one documented form."""

# cattrs looks up the types of fields when it runs:
# ruff: noqa: TC001

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from amorsize.application.cache.maintenance import Stats, Verified, key_of
from amorsize.cli.terminal import own_output, say_lines, say_to
from amorsize.diagnosis.bench import Row as Job
from amorsize.diagnosis.finding import Finding
from amorsize.domain.overheads import Overheads
from amorsize.domain.planning.advice import Advice
from amorsize.domain.planning.neighbours import Neighbour
from amorsize.domain.planning.planner import Candidate
from amorsize.domain.values import Entry, Machine, Plan, Sample
from amorsize.pictures.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.application.result import OptimizationResult
    from amorsize.execution.verification import Verification
    from amorsize.plugins.registry import Row

_OUTPUT: Final = "amorsize.output"

SCHEMA: Final = 1
"""Version of the form: a name that goes or changes its meaning raises it, a new name does not."""


@attrs.frozen
class Measured:
    """What a decision was made from."""

    sample: Sample | None
    machine: Machine
    overheads: Overheads | None
    candidates: tuple[Candidate, ...]


@attrs.frozen
class Optimized:
    """What ``optimize`` says."""

    plan: Plan
    speedup: float
    cache: str
    cache_reason: str
    warnings: tuple[str, ...]
    advice: Advice | None
    sampled_in: str
    sampled_why: str
    profile: Measured | None

    @classmethod
    def of(cls, result: OptimizationResult) -> Optimized:
        """Return what there is to say of a result."""
        profile = result.profile
        return cls(
            result.plan,
            result.estimated_speedup,
            result.cache,
            result.cache_reason,
            result.warnings,
            result.advice(),
            result.sampled_in,
            result.sampled_why,
            None
            if profile is None
            else Measured(profile.sample, profile.machine, profile.overheads, profile.candidates),
        )


@attrs.frozen
class Timed:
    """A way of running, and the median of the seconds it took."""

    way: Neighbour
    seconds: float


@attrs.frozen
class Compared:
    """What ``verify`` says: the plan's own way stands first, and the timeline is that of its run of median length."""

    optimized: Optimized
    ways: tuple[Timed, ...]
    best: Neighbour
    regret: float
    timeline: Timeline | None

    @classmethod
    def of(cls, verification: Verification) -> Compared:
        """Return what there is to say of a verification."""
        ways = tuple(Timed(trial.way, trial.seconds) for trial in verification.trials)
        best, regret = verification.best.way, verification.regret
        return cls(Optimized.of(verification.result), ways, best, regret, verification.timeline)


@attrs.frozen
class Listed:
    """An entry in a list."""

    key: str
    function: str
    items: int
    plan: Plan
    measured_at: float


@attrs.frozen
class Listing:
    """What ``cache list`` says."""

    entries: tuple[Listed, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Listing:
        """Return what there is to say of entries."""
        return cls(
            tuple(Listed(key_of(each), each.function, each.items, each.plan, each.measured_at) for each in entries)
        )


@attrs.frozen
class Entries:
    """What ``cache show`` says."""

    entries: tuple[Entry, ...]


@attrs.frozen
class Found:
    """What ``cache explain`` says."""

    cache: str
    reason: str


@attrs.frozen
class Removed:
    """What ``cache prune`` and ``cache clear`` say."""

    removed: int


@attrs.frozen
class BackendListed:
    """A backend; ``required`` names the options that have no default."""

    name: str
    kind: str
    distribution: str
    version: str
    state: str
    options: dict[str, Any]
    required: tuple[str, ...]


@attrs.frozen
class BackendList:
    """What ``plugins`` says."""

    backends: tuple[BackendListed, ...]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> BackendList:
        """Return what there is to say of backends."""
        return cls(tuple(_backend(row) for row in rows))


def _backend(row: Row) -> BackendListed:
    given = {name: value for name, value in row.options.items() if value is not attrs.NOTHING}
    required = tuple(name for name in row.options if name not in given)
    return BackendListed(row.name, row.kind, row.distribution, row.version, row.state, given, required)


@attrs.frozen
class Diagnosed:
    """What ``doctor`` says; ``fix`` counts what must be fixed."""

    fix: int
    findings: tuple[Finding, ...]


@attrs.frozen
class Benched:
    """What ``bench`` says; ``not_run`` names the jobs for which there was no time."""

    overheads: Overheads
    jobs: tuple[Job, ...]
    not_run: tuple[str, ...]


@attrs.frozen
class Option:
    """An option in force; ``untrusted`` is what an untrusted file says of it, None where it says nothing."""

    name: str
    value: Any
    origin: str
    untrusted: Any


@attrs.frozen
class InForce:
    """What ``config show`` says."""

    options: tuple[Option, ...]


@attrs.frozen
class Checked:
    """What ``config check`` says; without a config ``path`` is None."""

    path: str | None
    errors: tuple[str, ...]


@attrs.frozen
class Decides:
    """What ``config path`` says; None where the defaults hold."""

    path: str | None


DOCUMENTS: Final[dict[str, type]] = {
    "optimize": Optimized,
    "verify": Compared,
    "cache list": Listing,
    "cache show": Entries,
    "cache stats": Stats,
    "cache verify": Verified,
    "cache explain": Found,
    "cache prune": Removed,
    "cache clear": Removed,
    "plugins": BackendList,
    "doctor": Diagnosed,
    "bench": Benched,
    "config show": InForce,
    "config check": Checked,
    "config path": Decides,
}
"""The value of each command that has ``--json``."""


def json_option(command: Any) -> Any:
    """Add ``--json`` to a command."""
    return click.option("--json", "as_json", is_flag=True, callback=_take_output, help="Print JSON.")(command)


def _take_output(context: click.Context, _: click.Parameter, value: bool) -> bool:
    """Keep standard output for the document, before any function is imported: it may print."""
    if value and not context.resilient_parsing and sys.stdout in (None, sys.__stdout__):  # not while a shell completes
        context.meta[_OUTPUT] = own_output()
    return value


def say_document(command: str, value: object) -> None:
    """Write what a command says as a JSON document."""
    document = {"schema": SCHEMA, "command": command, **_converter().unstructure(value)}
    text = in_json(document, indent=2)
    descriptor = click.get_current_context().meta.pop(_OUTPUT, None)
    if descriptor is None:
        say_lines(text)
        return
    say_to(descriptor, text)


def in_json(value: object, *, indent: int | None = None) -> str:
    """Return JSON that cannot steer a terminal; TypeError and ValueError for what JSON cannot say."""
    text = json.dumps(value, allow_nan=False, indent=indent)
    _check_keys(value)
    return text.replace("\x7f", "\\u007f")


def _check_keys(value: Any) -> None:
    """Raise ValueError where two keys of a dict are the same in JSON: a reader would see one of them."""
    if isinstance(value, dict) and any(not isinstance(key, str) for key in value):
        seen: dict[str, object] = {}
        for key in value:
            other = seen.setdefault(key if isinstance(key, str) else json.dumps(key), key)
            if other is not key:
                raise ValueError(f"keys {other!r} and {key!r} are the same in JSON")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for each in inner:
        if isinstance(each, dict | list | tuple):
            _check_keys(each)


def _converter() -> Any:
    from cattrs import Converter

    converter = Converter()
    converter.register_unstructure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_asdict"),
        lambda value: {name: converter.unstructure(part) for name, part in value._asdict().items()},
    )
    return converter
