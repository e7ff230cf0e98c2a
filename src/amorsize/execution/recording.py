"""Runs items in one way with a pool of the standard library, and notes what each worker did."""

from __future__ import annotations

import os
from functools import partial
from itertools import islice
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any

from amorsize.pictures.timeline import Span, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from amorsize.domain.planning.neighbours import Neighbour

    Noted = tuple[tuple[int, int], float, float, int]


def _run_chunk(func: Callable[[Any], Any], items: tuple[Any, ...]) -> tuple[Noted, list[Any]]:
    """Run the items of a chunk; return which worker ran them and when, with the results, which a worker has to send.

    ``perf_counter`` is one clock for all processes of a machine.
    """
    began = perf_counter()
    results = [func(item) for item in items]
    return ((os.getpid(), get_ident()), began, perf_counter(), len(items)), results


def recorded(func: Callable[[Any], Any], data: Iterable[Any], way: Neighbour, start_method: str) -> Timeline:
    """Run func over data in one way, throw the results away, and return what each worker did.

    The pool cuts data into the chunks that its ``map`` would make.
    """
    began = perf_counter()
    noted = _serial(func, data) if way.n_jobs == 1 else _parallel(func, data, way, start_method)
    seconds = perf_counter() - began
    names = {worker: number for number, worker in enumerate(dict.fromkeys(worker for worker, *_ in noted))}
    spans = (Span(names[worker], begin - began, end - began, items) for worker, begin, end, items in noted)
    return Timeline(seconds, tuple(spans)).condensed()


def _serial(func: Callable[[Any], Any], data: Iterable[Any]) -> list[Noted]:
    began, count = perf_counter(), 0
    for item in data:
        func(item)
        count += 1
    return [((os.getpid(), get_ident()), began, perf_counter(), count)]


def _parallel(func: Callable[[Any], Any], data: Iterable[Any], way: Neighbour, start_method: str) -> list[Noted]:
    import multiprocessing.pool

    run, chunks = partial(_run_chunk, func), _chunks(data, way.chunksize)
    if way.executor == "thread":
        with multiprocessing.pool.ThreadPool(way.n_jobs) as threads:
            return [noted for noted, _ in threads.map(run, chunks, 1)]
    with multiprocessing.get_context(start_method).Pool(way.n_jobs) as processes:
        return [noted for noted, _ in processes.map(run, chunks, 1)]


def _chunks(data: Iterable[Any], chunksize: int) -> Iterator[tuple[Any, ...]]:
    """Yield items in chunks."""
    items = iter(data)
    while chunk := tuple(islice(items, chunksize)):
        yield chunk
