"""A program that measures, in a clean interpreter of its own, what pools of one start method cost here.

amorsize runs it as a file and never imports it: ``python -I overheads_program.py overheads fork SECONDS``, or
``imports SECONDS`` with the module search path and module names as JSON on standard input. The answer is a line of JSON
on standard output. After so many seconds it ends with all its workers, whether anybody waits for it or not.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import mmap
import multiprocessing
import os
import pickle
import signal
import sys
import time
from itertools import islice, pairwise

TYPE_CHECKING = False  # typing's own would have to be imported, and that would count as measuring
if TYPE_CHECKING:
    from typing import Any

CHUNKS = 150
"""Chunks that are timed: our choice, so that their mean is steady."""

ITEMS = 5000
"""Items of the one chunk in which items are timed: our choice, so that its own cost does not count."""

LARGE = 1 << 19
"""Bytes of a large message: our choice, eight times what a pipe of Linux holds."""

MESSAGES = 2
"""Large messages that are sent: our choice, one for each of the two workers."""

WINDOWS = 3
"""Windows of computing, alone and together: our choice, so that a change of the machine's speed affects both."""

WINDOW_SECONDS = 0.001
"""Seconds of a window: our choice, so that the whole measurement stays short."""

LEAD_SECONDS = 0.0005
"""Seconds between the message and the window, for each worker: our choice, several times what a chunk costs."""

TURNS = 12
"""Turns of each worker while all CPUs are busy: our choice; their pauses are averaged."""

TURN_SECONDS = 0.001
"""Seconds of a turn: our choice, longer than the pause that is measured."""

CROWDED_REPEATS = 2
"""Measurements while all CPUs are busy: our choice, the mean of all pauses counts."""

REPEATS = 3
"""Measurements whose median counts: our choice, the least number that leaves out one that was disturbed."""

BALLAST = 1 << 24
"""Bytes beside which forks are timed, 16 MiB: our choice; by ``FORK_BYTE_SECONDS`` they add 0.4 ms."""

FORKS = 5
"""Forks that are timed, with and without the ballast: our choice, the least counts."""

CROWD = 3
"""Workers of the larger pool of processes: our choice, few enough for any machine."""

THREADS = 5
"""Threads of the larger pool of threads: our choice, as a thread costs little."""

POOLS = {"fork": 4, "spawn": 3, "forkserver": 5}
"""Pools of each size that are timed, by start method: our choice, by how long one takes and how steady it is."""

SERVERS = 3
"""Starts of the fork server: our choice, their median counts."""

MOST_BUSY = 64
"""CPUs that are kept busy, at most: our choice; more workers would take too long to start."""

LEAST_PART = 16
"""A worker costs at least this part of a pool of one: our choice, so that noise does not make workers free."""


def idle(item: Any) -> Any:
    """Return the item, as the cheapest work there is."""
    return item


def size_of(item: bytes) -> int:
    """Return a length, so that only the way there carries bytes."""
    return len(item)


def zeros(count: int) -> bytes:
    """Return so many bytes, so that only the way back carries them."""
    return bytes(count)


def spent(_: Any) -> tuple[int, float]:
    """Return the number of this process and the CPU seconds it has taken so far."""
    return os.getpid(), time.process_time()


def burn(window: tuple[float, float]) -> tuple[int, float]:
    """Compute from one moment to another; return the turns made and the CPU seconds they took.

    CPU seconds leave out what other programs took meanwhile; where their clock is coarse (Windows) it is wall seconds.
    """
    clock = time.perf_counter if sys.platform == "win32" else time.process_time
    begin, end = window
    while time.perf_counter() < begin:
        pass
    turns, value, began = 0, 1, clock()
    while time.perf_counter() < end:
        for _ in range(100):
            value = (value * 1103515245 + 12345) & 0x7FFFFFFF
        turns += 1
    return turns, clock() - began


def resident(_: Any) -> int:
    """Return the bytes of memory that are this worker's alone, as near as the system reports it."""
    try:
        with open("/proc/self/smaps_rollup") as file:  # noqa: PTH123  pathlib would count as the worker's memory
            lines = [line.split() for line in file if line.startswith("Private")]
        return sum(int(line[1]) for line in lines) * 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return 20 << 20
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def cpus() -> int:
    """Return how many CPUs this process may use, at most 64: a burn on each is started at once."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(MOST_BUSY, len(affinity(0)) if affinity else os.cpu_count() or 1)


def middle(values: list[float]) -> float:
    """Return the median, the lower one of two."""
    return sorted(values)[(len(values) - 1) // 2]


def announce(ready: Any) -> None:
    """Signal that this worker has started."""
    ready.release()


def pool_seconds(context: Any, p: int) -> tuple[float, float, float]:
    """Return seconds to make a pool of p, until all its workers are there and one has answered, and to end it."""
    ready = context.Semaphore(0)
    began = time.perf_counter()
    pool = context.Pool(p, announce, (ready,))
    made = time.perf_counter()
    for _ in range(p):
        ready.acquire()
    pool.apply(idle, (0,))
    there = time.perf_counter()
    pool.terminate()
    pool.join()
    return made - began, there - made, time.perf_counter() - there


def server_seconds(context: Any) -> float:
    """Return seconds that the first pool of a process takes longer than the next, to start the server it forks from."""
    from multiprocessing import forkserver

    stop = getattr(forkserver._forkserver, "_stop", None)  # noqa: SLF001  no public way
    seconds = []
    for turn in range(SERVERS if stop else 1):
        if turn and stop:
            stop()
        first, again = pool_seconds(context, 1), pool_seconds(context, 1)
        seconds.append(sum(first[:2]) - sum(again[:2]))
    return max(middle(seconds), 0.0)


def pool_costs(context: Any, start_method: str) -> dict[str, float]:
    """Return what pools cost to start and to end: once, for each worker in the parent, and in a worker to get ready.

    A forked worker is ready as soon as the parent has made it, so that what the last one takes is in what each takes.
    Small and larger pools alternate, so that a change of the machine's speed affects both. Whole pools are compared, as
    their medians are steadier than those of their parts. Noise must not hide what a worker costs. So a worker never
    costs less than a small part of what making a pool of one takes.
    """
    began = time.perf_counter()
    import multiprocessing.pool  # noqa: F401  as a process does that makes its first pool

    importing = time.perf_counter() - began
    pool_seconds(context, 1)  # which imports a little more
    server = server_seconds(context) if start_method == "forkserver" else 0.0
    ones, crowds = [], []
    for _ in range(POOLS[start_method]):
        ones.append(pool_seconds(context, 1))
        crowds.append(pool_seconds(context, CROWD))
    making, ready, ending = (middle(list(seconds)) for seconds in zip(*ones, strict=True))
    making_more, _, ending_more = (middle(list(seconds)) for seconds in zip(*crowds, strict=True))
    further = (making_more + ending_more - making - ending) / (CROWD - 1)
    whole = middle([sum(seconds) for seconds in ones])
    if start_method == "fork":
        further = (middle([sum(seconds) for seconds in crowds]) - whole) / (CROWD - 1)
        making, ready = making + ready, 0.0
    worker = min(max(further, making / LEAST_PART), making)
    return {
        "first_pool_seconds": importing,
        "start_seconds": server + max(whole - ending - ready - worker, 0.0),
        "start_worker_seconds": worker,
        "boot_seconds": ready,
        "end_seconds": ending,
    }


def per_chunk(pool: Any) -> tuple[float, float]:
    """Return seconds a chunk takes to be handed out and taken back, and CPU seconds it takes a worker.

    The first is wall time with workers that do nothing else: how often the parent can serve its workers in practice.
    """
    walls, busy = [], []
    for _ in range(REPEATS):
        began = time.perf_counter()
        answers = pool.map(spent, range(CHUNKS), 1)
        walls.append((time.perf_counter() - began) / CHUNKS)
        clocks: dict[int, list[float]] = {}
        for worker, seconds in answers:
            clocks.setdefault(worker, []).append(seconds)
        cpu = sum(max(seconds) - min(seconds) for seconds in clocks.values())
        busy.append(cpu / max(1, CHUNKS - len(clocks)))
    return middle(walls), middle(busy) or middle(walls)  # a coarse clock shows nothing


def per_crowded_chunk(pool: Any, busy: int) -> float:
    """Return the mean seconds between two chunks of a worker while a worker computes on each of so many CPUs.

    The parent then has to take a CPU from a worker for each message, and the order is up to the system's
    scheduler: mostly some 10 us pass, and now and then milliseconds, so that no median would do.
    """
    pauses: list[float] = []
    for _ in range(CROWDED_REPEATS):
        turns: dict[int, list[tuple[float, float]]] = {}
        for worker, began, ended in pool.map(turn, [None] * (TURNS * busy), 1):
            turns.setdefault(worker, []).append((began, ended))
        for worked in turns.values():
            worked.sort()
            pauses.extend(later[0] - earlier[1] for earlier, later in pairwise(worked))
    return mean(pauses) if pauses else 0.0


def turn(_: Any) -> tuple[int, float, float]:
    """Compute for a while and return whose turn that was, and when."""
    began = now = time.perf_counter()
    while now < began + TURN_SECONDS:
        now = time.perf_counter()
    return os.getpid(), began, now


def seconds_of(action: Any) -> float:
    """Return the seconds of an action."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def per_item() -> float:
    """Return seconds an item costs within a chunk, its call and its pickling apart: cutting, mapping, putting back."""
    items, done = range(ITEMS), [None] * ITEMS

    def as_chunk() -> None:
        done[:] = list(map(idle, tuple(islice(iter(items), ITEMS))))

    def bare() -> None:
        for item in items:
            idle(item)

    further = [seconds_of(as_chunk) - seconds_of(bare) for _ in range(REPEATS)]
    return max(middle(further), 0.0) / ITEMS


def per_byte(pool: Any) -> float:
    """Return seconds a byte of a large message costs between processes beyond pickling it, the mean of both ways.

    Large is beyond what a pipe holds; what a small message costs is in what its chunk costs.
    """
    content, seconds = bytes(LARGE), []
    for _ in range(REPEATS):
        pickling = seconds_of(lambda: pickle.dumps(content, pickle.HIGHEST_PROTOCOL))
        there = seconds_of(lambda: pool.map(size_of, [content] * MESSAGES, 1))
        back = seconds_of(lambda: pool.map(zeros, [LARGE] * MESSAGES, 1))
        small = seconds_of(lambda: pool.map(zeros, [0] * MESSAGES, 1))
        seconds.append(((there + back) / 2 - small) / MESSAGES - pickling)
    return max(middle(seconds), 0.0) / LARGE


def fork_costs() -> dict[str, float]:
    """Return what forking this process takes, and how much more a child costs for each byte of memory in use.

    The least of several counts, as other programs can only make a fork take longer.
    """
    light = [fork_seconds() for _ in range(FORKS)]
    ballast = bytearray(BALLAST)
    ballast[:: mmap.PAGESIZE] = b"x" * len(range(0, BALLAST, mmap.PAGESIZE))
    more = min(whole for _, whole in (fork_seconds() for _ in range(FORKS))) - min(whole for _, whole in light)
    return {
        "fork_seconds": min(forking for forking, _ in light),
        "fork_byte_seconds": max(more, 0.0) / len(ballast),
    }


def fork_seconds() -> tuple[float, float]:
    """Return the CPU seconds to fork a child that ends at once, and the seconds until it has ended."""
    if sys.platform == "win32":
        return 0.0, 0.0
    began, computed = time.perf_counter(), time.process_time()
    child = os.fork()
    if child == 0:
        os._exit(0)
    forked = time.process_time()
    os.waitpid(child, 0)
    return forked - computed, time.perf_counter() - began


class Burns:
    """CPU seconds a turn of a computation, of one alone and of so many at once, window by window."""

    def __init__(self, pool: Any, busy: int) -> None:
        self.pool = pool
        self.busy = busy
        self.ratios: list[float] = []
        self.off: list[float] = []

    def look(self) -> None:
        """Measure some windows of both in turn, so that a change of the machine's speed affects both."""
        alone: list[float] = []
        together: list[float] = []
        for _ in range(WINDOWS):
            for rates, count in ((alone, 1), (together, self.busy)):
                begin = time.perf_counter() + LEAD_SECONDS * (1 + count)
                answers = self.pool.map(burn, [(begin, begin + WINDOW_SECONDS)] * count, 1)
                if all(turns > 0 for turns, _ in answers):  # a worker that took two missed the second's moment
                    rates.extend(seconds / turns for turns, seconds in answers)
        if sum(alone) and sum(together):
            self.ratios.append(mean(together) / mean(alone))
            self.off.extend(abs(rate / mean(rates) - 1.0) for rates in (alone, together) for rate in rates)

    def slowdown(self) -> float:
        """Return how many times as long a turn takes beside others, in the look in which that was least.

        What is due to sharing a core shows in each look; what is due to another program, or to the machine's own
        change of speed, hardly in all of them. A slowdown that is measured too large keeps jobs serial for as long as
        overheads are believed; one that is measured too small costs only the jobs on the border, and little.
        """
        return max(1.0, min(self.ratios, default=1.0)) if self.busy > 1 else 1.0

    def jitter(self) -> float:
        """Return the relative standard deviation of the speed, by the mean absolute deviation.

        That of a normal distribution is sqrt(2 / pi) of its standard deviation. One window with a very different speed
        changes it little.
        """
        return mean(self.off) * math.sqrt(math.pi / 2) if self.off else 0.0


def mean(values: list[float]) -> float:
    """Return the arithmetic mean."""
    return sum(values) / len(values)


def thread_costs() -> dict[str, float]:
    """Return what a pool of threads costs: once, for each thread, and for each chunk."""
    few: list[float] = []
    many: list[float] = []
    for _ in range(REPEATS):
        for seconds, p in ((few, 1), (many, THREADS)):
            began = time.perf_counter()
            threads = multiprocessing.pool.ThreadPool(p)
            threads.map(idle, range(p), 1)
            threads.terminate()
            threads.join()
            seconds.append(time.perf_counter() - began)
    thread = max((middle(many) - middle(few)) / (THREADS - 1), middle(few) / LEAST_PART)
    with multiprocessing.pool.ThreadPool(2) as threads:
        chunk = middle([seconds_of(lambda: threads.map(idle, range(CHUNKS), 1)) for _ in range(REPEATS)]) / CHUNKS
    return {
        "thread_start_seconds": thread,
        "thread_chunk_seconds": chunk,
        "thread_pool_seconds": max(middle(few) - thread, 0.0),
    }


def overheads(start_method: str) -> dict[str, Any]:
    """Measure all that a pool of a start method and a pool of threads cost."""
    context: Any = multiprocessing.get_context(start_method)
    measured: dict[str, Any] = {"start_method": start_method, **pool_costs(context, start_method), **thread_costs()}
    busy = cpus()
    with context.Pool(max(2, busy)) as pool:
        pool.map(idle, range(2 * busy), 1)
        measured["worker_bytes"] = float(pool.apply(resident, (0,)))
        all_busy, half_busy = Burns(pool, busy), Burns(pool, busy // 2)
        all_busy.look()
        measured["chunk_parent_seconds"], measured["chunk_worker_seconds"] = per_chunk(pool)
        all_busy.look()
        measured["byte_seconds"] = per_byte(pool)
        measured["chunk_crowded_seconds"] = per_crowded_chunk(pool, busy)
        all_busy.look()
        for _ in range(REPEATS if half_busy.busy > 1 else 0):
            half_busy.look()
    measured["slowdown"] = all_busy.slowdown()
    measured["slowdown_half"] = min(half_busy.slowdown(), measured["slowdown"])
    measured["jitter"] = all_busy.jitter()
    measured["item_seconds"] = per_item()
    if start_method == "fork":
        measured |= fork_costs()
    worker = measured["start_worker_seconds"]  # only noise makes a thread cost more than a process
    measured["thread_start_seconds"] = min(measured["thread_start_seconds"], worker)
    return measured


def imports() -> dict[str, Any]:
    """Import the modules named on standard input and return the seconds that took; those that fail cost nothing."""
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    began = time.perf_counter()
    for name in asked["modules"]:
        with contextlib.suppress(BaseException):  # importing a module may raise anything
            importlib.import_module(name)
    return {"seconds": time.perf_counter() - began}


def end_within(seconds: float) -> None:
    """End this process and its workers, which are its process group, when the time is over (POSIX)."""
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    end_within(float(sys.argv[-1]))
    out = sys.stdout
    sys.stdout = sys.stderr  # what an imported module prints must not mix with the answer
    answer = imports() if sys.argv[1] == "imports" else overheads(sys.argv[2])
    print(json.dumps(answer), file=out, flush=True)  # at exit only what sys.stdout names then is flushed for certain
