"""The command bench: what workers cost here, and how plans do against brute force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from amorsize.cli.documents import Benched, json_option, say_document
from amorsize.cli.load import Stopwatch
from amorsize.cli.options import Number, config_option
from amorsize.cli.terminal import say
from amorsize.domain.wording import how_many
from amorsize.domain.wording import seconds as in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amorsize.diagnosis.bench import Row
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.neighbours import Neighbour

_LAYOUT: Final = "{:<21} {:<17} {:>7}  {:<17} {:>7} {:>5}"


@click.command()
@click.option("--seconds", type=Number(min=0), default=60.0, show_default=True, help="Begin nothing after these.")
@config_option
@json_option
def bench(*, seconds: float, config: str | None, as_json: bool) -> None:
    """Measure what workers cost here, and run a dozen jobs as planned and in many other ways."""
    from amorsize.composition import Assembly
    from amorsize.diagnosis.bench import rows
    from amorsize.diagnosis.workloads import WORKLOADS

    assembly = Assembly()
    settings = assembly.settings(config)
    optimizer = assembly.optimizer(settings, None, None, None)
    overheads = optimizer.measure_overheads()
    watch = Stopwatch()
    found = rows(optimizer, settings.constraints, seconds, WORKLOADS)
    if as_json:
        all_rows = list(found)
        late = tuple(row for row in all_rows if isinstance(row, str))
        jobs = tuple(row for row in all_rows if not isinstance(row, str))
        say_document("bench", Benched(overheads, jobs, late))
        return
    _say_all(overheads, found)
    load = watch.read()
    if load.is_busy(1):
        say(f"The machine was busy: {load}.")
        say("Try again when it is quiet.")


def _say_all(overheads: Overheads, rows: Iterator[Row | str]) -> None:
    """Say what workers cost, a line for each job as soon as it has run, and what all of them come to."""
    for name, value in costs(overheads):
        say(f"{name:<40} {value}")
    say("")
    say(_LAYOUT.format("job", "plan", "took", "best of all ways", "took", "ratio").rstrip())
    found: list[Row] = []
    late = 0
    for row in rows:
        if isinstance(row, str):
            late += 1
            say(f"{row:<21} no time left")
        else:
            found.append(row)
            say(_line(row))
    say("")
    _sum_up(found, late)


def costs(overheads: Overheads) -> Iterator[tuple[str, str]]:
    """Yield what workers cost, each with its name in words."""
    yield "what workers cost here", overheads.source
    yield f"  start a pool of processes ({overheads.start_method})", in_words(overheads.start_seconds)
    yield "  start and end each process of it", in_words(overheads.start_worker_seconds)
    if overheads.boot_seconds:
        yield "  until the processes are ready", in_words(overheads.boot_seconds)
    yield "  end the pool", in_words(overheads.end_seconds)
    yield "  a chunk, in the caller", in_words(overheads.chunk_parent_seconds)
    yield "  a chunk, in a worker", in_words(overheads.chunk_worker_seconds)
    yield "  a MiB of items or results", in_words(overheads.byte_seconds * 2**20)
    yield "  start and end a thread", in_words(overheads.thread_start_seconds)
    yield "  computing while all CPUs are busy", f"{overheads.slowdown:.2f} times as long"


def _line(row: Row) -> str:
    name = row.name if row.is_complete else f"{row.name} *"
    took = (in_words(row.seconds), _short(row.best), in_words(row.best_seconds))
    return _LAYOUT.format(name, _short(row.plan), *took, f"{row.ratio:.2f}")


def _short(way: Neighbour) -> str:
    return "serial" if way.n_jobs == 1 else f"{how_many(way)}/{way.chunksize}"


def _sum_up(found: Sequence[Row], late: int) -> None:
    """Say how plans, serial and the usual way do on the whole, and what the table leaves open."""
    from amorsize.diagnosis.bench import over_the_best

    if found:
        plan, serial, usual = (
            "not run" if (ratio := over_the_best(found, chosen)) is None else f"{ratio:.2f}"
            for chosen in (lambda row: row.seconds, lambda row: row.serial_seconds, lambda row: row.usual_seconds)
        )
        say(f"over the best way, as geometric means: the plan {plan}, serial {serial},")
        say(f"  a process for each CPU with the chunks of Pool.map {usual}")
        deciding = sum(row.deciding_seconds for row in found) / len(found)
        say(f"finding a plan took {in_words(deciding)} on average; 2 processes/9 means chunks of 9 items")
    if not all(row.is_complete for row in found):
        say("* not all ways were run in the time: the best may be better")
    if late:
        say(f"{late} of {late + len(found)} jobs had no time: give more with --seconds")
