"""Unusual places to call from: a worker, many threads, the interpreter's end, and no descriptors or memory."""

from __future__ import annotations

import os
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

HEAD = """
import gc, os, resource, signal, sys, threading, time, warnings
import amorsize
from amorsize import AmorsizeWarning, execute, iexecute
from execution.jobs import spin
from execution.test_random_runs import children, is_open

warnings.simplefilter("ignore", AmorsizeWarning)

def work(item):
    spin(0.0005)
    return 2 * item

def slow(item):
    spin(0.01)
    return 2 * item

def nap_once(item):
    time.sleep(0.02)
    return item

def here(item):
    spin(0.0005)
    return os.getpid()

def run(func=work, count=100, **options):
    return execute(func, range(count), **{"max_workers": 3, "min_speedup": 1.0, **options})

WANTED = [2 * x for x in range(100)]
"""

PROGRAMS = {
    "nested calls": """
        def outer(item):
            return [sum(run(count=30)), sum(run(count=30, executor="process")), sum(run(count=30, executor="thread"))]
        for kind in ("auto", "process", "thread"):
            assert run(outer, 8, executor=kind) == [[870] * 3] * 8
    """,
    "a worker of a user's pool": """
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.apply(run) == WANTED
            assert pool.map(run, [work] * 3) == [WANTED] * 3
    """,
    "a child process that used it ends": """
        import multiprocessing
        for method in ("fork", "forkserver"):
            for kind in ("auto", "process"):
                child = multiprocessing.get_context(method).Process(target=run, kwargs={"executor": kind})
                child.start()
                child.join()
                assert child.exitcode == 0
    """,
    "six threads that call first at once": """
        most, over = [0], threading.Event()
        def count():
            while not over.is_set():
                most[0] = max(most[0], len(children()))
                time.sleep(0.0005)
        watcher = threading.Thread(target=count)
        watcher.start()
        barrier, got = threading.Barrier(6), []
        def call():
            barrier.wait()
            got.append(execute(work, range(200)))
        threads = [threading.Thread(target=call) for _ in range(6)]
        [each.start() for each in threads]
        [each.join() for each in threads]
        over.set()
        watcher.join()
        assert got == [[2 * x for x in range(200)]] * 6
        assert most[0] <= len(os.sched_getaffinity(0)), most
    """,
    "the interpreter's end": """
        import atexit
        def late():
            assert run() == WANTED
            assert run(executor="process") == WANTED
            os.write(1, b"late\\n")
        atexit.register(late)
        run()
    """,
    "a thread that outlives the main one": """
        def later():
            while threading.main_thread().is_alive():
                time.sleep(0.001)
            assert run() == WANTED
            assert run(executor="process") == WANTED
            os.write(1, b"late\\n")
        threading.Thread(target=later).start()
    """,
    "no descriptors": """
        run()
        for left in range(3, 30, 2):
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(is_open()) + left, limit[1]))
            try:
                for kind in ("auto", "process"):
                    assert run(executor=kind) == WANTED
                assert list(iexecute(work, iter(range(100)), max_workers=3, min_speedup=1.0)) == WANTED
                assert execute(nap_once, range(20), use_cache=False) == list(range(20))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    """,
    "no processes": """
        real, os.fork = os.fork, lambda: (_ for _ in ()).throw(BlockingIOError(11, "no more"))
        for kind in ("auto", "process"):
            assert run(executor=kind) == WANTED
        assert execute(nap_once, range(20), use_cache=False) == list(range(20))
        os.fork = real
        assert run(executor="process") == WANTED
    """,
    "no semaphores in this Python": """
        sys.modules["multiprocessing.synchronize"] = None
        for kind in ("auto", "process", "thread"):
            assert run(executor=kind) == WANTED
        assert execute(slow, range(50)) == WANTED[:50]
        assert list(iexecute(slow, iter(range(50)))) == WANTED[:50]
    """,
    "semaphores that the system refuses": """
        import _multiprocessing
        class Refused(_multiprocessing.SemLock):
            def __new__(cls, *_):
                raise PermissionError(13, "Permission denied")
        _multiprocessing.SemLock = Refused
        for kind in ("auto", "process", "thread"):
            assert run(executor=kind) == WANTED
        assert execute(slow, range(50)) == WANTED[:50]
        assert list(iexecute(slow, iter(range(50)))) == WANTED[:50]
        with amorsize.Pool() as pool, amorsize.Executor() as executor:
            assert pool.map(slow, range(50)) == list(executor.map(slow, range(50))) == WANTED[:50]
    """,
    "a signal handler that the function sets": """
        def late(*_):
            raise TimeoutError
        def limited(item, work=spin):
            signal.signal(signal.SIGALRM, late)
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.02 if item % 10 == 0 else 60)
                time.sleep(60) if item % 10 == 0 else work(0.001)
                return 2 * item
            except TimeoutError:
                return None
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        def handled(item):
            before = signal.signal(signal.SIGUSR1, late)
            time.sleep(0.002)
            signal.signal(signal.SIGUSR1, before)
            return 2 * item
        in_time = [None if x % 10 == 0 else 2 * x for x in range(100)]
        for options in ({}, {"max_workers": 3, "min_speedup": 1.0}):
            for func, wanted in ((limited, in_time), (handled, WANTED)):
                assert execute(func, range(100), **options) == wanted
                assert list(iexecute(func, iter(range(100)), **options)) == wanted
        assert run(limited, executor="process") == in_time
    """,
    "signals to the caller's handlers": """
        class Stop(Exception):
            pass
        def stop(*_):
            raise Stop
        def counted(item):
            spin(0.0005)
            os.kill(os.getpid(), signal.SIGUSR1)
            return 2 * item
        def waiting(item):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.002)
            return 2 * item
        def stopped(item):
            time.sleep(0.002)
            try:
                os.kill(os.getpid(), signal.SIGUSR2)
                time.sleep(60)
            except Stop:
                return 2 * item
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.signal(signal.SIGUSR2, stop)
        for options in ({}, {"max_workers": 3, "min_speedup": 1.0}):
            for func in (counted, waiting, stopped):
                assert execute(func, range(100), **options) == WANTED
                assert list(iexecute(func, iter(range(100)), **options)) == WANTED
        for kind in ("process", "thread"):
            assert run(counted, executor=kind) == WANTED
    """,
    "a timer of the caller's": """
        ticks = []
        signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for kind in ("auto", "process", "thread"):
            assert run(executor=kind) == WANTED
        assert list(iexecute(work, iter(range(100)))) == WANTED
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert ticks
    """,
    "children whose status nobody keeps": """
        for kind in ("auto", "process"):
            was = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            assert run(executor=kind) == WANTED
            signal.signal(signal.SIGCHLD, was)
        def wait_for_any(*_):
            os.waitpid(-1, os.WNOHANG)
        for handler in (signal.SIG_IGN, wait_for_any):
            signal.signal(signal.SIGCHLD, handler)
            def asks(item):
                time.sleep(0.05)
                return signal.getsignal(signal.SIGCHLD) is handler
            assert all(execute(asks, range(8), use_cache=False))
    """,
    "a wait for any child": """
        def waits():
            while not over.is_set():
                try:
                    os.waitpid(-1, 0)
                except ChildProcessError:
                    time.sleep(0.0005)
        over = threading.Event()
        waiter = threading.Thread(target=waits)
        waiter.start()
        for kind in ("auto", "process"):
            assert run(executor=kind) == WANTED
        over.set()
        waiter.join()
    """,
    "forks of the user's in items and beside a stream": """
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later warn of forks beside threads
        def forking(item):
            spin(0.0005)
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
            return 2 * item
        for kind in ("auto", "process", "thread"):
            assert run(forking, executor=kind) == WANTED
        stream, got = iexecute(work, iter(range(100)), max_workers=3, min_speedup=1.0, in_flight=30), []
        for value in stream:
            got.append(value)
            if len(got) % 20 == 5:
                pid = os.fork()
                if not pid:
                    stream.close()
                    os._exit(0)
                os.waitpid(pid, 0)
        assert got == WANTED
        warnings.simplefilter("error", AmorsizeWarning)  # of workers that a copy of the stream has ended
        stream = iexecute(nap_once, range(20))
        got = [next(stream)]
        pid = os.fork()
        if not pid:
            stream.close()
            os._exit(0)
        os.waitpid(pid, 0)
        assert [*got, *stream] == list(range(20))
    """,
    "items that are quick first and slow later": """
        def uneven(item):
            if item > 60_000:
                spin(0.0003)
            return 2 * item
        for kind in ("auto", "auto", "process"):
            assert run(uneven, 60_500, executor=kind) == [2 * x for x in range(60_500)]
    """,
    "standard input": """
        def asks(item):
            spin(0.0003)
            return item, input()
        def reads(item):
            spin(0.0003)
            return item, sys.stdin.readline().strip()
        lines = [str(x) for x in range(1000)]
        with open("lines", "w") as file:
            file.write("\\n".join(lines))
        for func in (asks, reads):
            for kind in ("auto", "process", "thread"):
                with open("lines") as sys.stdin:
                    assert run(func, executor=kind) == list(enumerate(lines[:100]))
                with open("lines") as sys.stdin:
                    assert list(iexecute(func, iter(range(100)), executor=kind)) == list(enumerate(lines[:100]))
        sys.stdin = sys.__stdin__
    """,
    "standard input that no code names": """
        with open("lines", "w") as file:
            file.write("line\\n" * 9)
        own, lines = os.dup(0), os.open("lines", os.O_RDONLY)
        os.dup2(lines, 0)
        def reads(item):
            spin(0.0003)
            return getattr(sys, "std" + "in").read()
        assert set(run(reads, executor="process")) == {""}
        assert os.read(0, 5) == b"line\\n"
        os.dup2(own, 0)
        os.close(own)
        os.close(lines)
    """,
    "what items print": """
        def speaks(item):
            spin(0.0003)
            print("out", item)
            print("err", item, file=sys.stderr)
            sys.stdout.write("more\\n")
            return 2 * item
        for kind in ("auto", "process"):
            assert run(speaks, executor=kind) == WANTED
        list(iexecute(speaks, iter(range(100)), max_workers=3, min_speedup=1.0))
    """,
}
SPOKEN = {
    "the interpreter's end": ("late\n", ""),
    "a thread that outlives the main one": ("late\n", ""),
    "what items print": (
        "".join(f"out {x}\nmore\n" for x in range(100)) * 3,
        "".join(f"err {x}\n" for x in range(100)) * 3,
    ),
}
TAIL = """
    amorsize.default_client().close()
    gc.collect()
    left = [open(f"/proc/{pid}/cmdline").read() for pid in children() - known]
    assert [each for each in left if "multiprocessing" not in each] == []
    if not left and "multiprocessing.pool" not in sys.modules:  # else the standard library holds on to its own
        assert set(is_open().items()) - set(before.items()) == set()
"""


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_results_are_those_of_the_list_comprehension_and_nothing_is_left(name, started):
    body = PROGRAMS[name].replace("\n        ", "\n    ").rstrip()
    opening = "\nif __name__ == '__main__':\n    before, known = is_open(), children()"
    tail = "" if name in {"a thread that outlives the main one", "a child process that used it ends"} else TAIL
    process = started(HEAD + opening + body + "\n" + tail, stderr=-1)
    said = process.communicate()
    assert (process.returncode, *said) == (0, *SPOKEN.get(name, ("", ""))), os.linesep.join(said)[-3000:]
