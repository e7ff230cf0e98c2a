"""Sampling in a forked child: where it is done, what is handed to it, and that it ends with its caller."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import itertools
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import psutil
import pytest

from amorsize.adapters.probes import sampling
from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source
from amorsize.errors import SamplingError
from amorsize.processes import process_tree
from amorsize.processes.process_info import foreign_threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux samples in a forked child")

LOCK = threading.Lock()
EVENTS = []
"""Both are read through ``globals()`` where they are not to be found in the code."""


def sample(func, data, method="fork", **budget):
    source = data if isinstance(data, Source) else Source(data)
    return StartMethodProbe(ProbeOptions(), method).sample(func, source, Budget(**budget))


def run(code, *arguments, **options):
    command = [sys.executable, *arguments, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_items_are_sampled_in_a_forked_child_whatever_workers_are_started_by(method):
    seen, is_alone = [], not foreign_threads()  # earlier tests may have loaded libraries with threads of their own
    found = sample(seen.append, range(1000), method)
    assert (found.sampled_in, found.sampled_why, seen) == ("worker", "", [])
    assert (found.fork_seconds > 0) == is_alone
    assert found.parent_bytes > 1 << 20


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        ({"where": "caller"}, "[sampling] where = 'caller'"),
        ({"fork_bytes": 1.0}, "a fork of this process takes long, which has "),
    ],
)
def test_items_are_sampled_here_where_that_is_asked_for_or_a_fork_takes_long(budget, why):
    seen = []
    found = sample(seen.append, range(1000), **budget)
    assert found.sampled_in == "caller"
    assert found.sampled_why.startswith(why)
    assert found.count == len(seen) > 0


def test_a_child_that_waits_for_a_thread_that_was_not_forked_is_ended_and_items_are_sampled_here():
    held, over = threading.Event(), threading.Event()

    def hold():
        with LOCK:
            held.set()
            over.wait()

    def needs_the_lock(item):
        if os.getpid() == here:
            globals()["EVENTS"][-1].set()
        with globals()["LOCK"]:
            return item

    EVENTS.append(over)
    here = os.getpid()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    began = time.monotonic()
    found = sample(needs_the_lock, range(10))
    thread.join()
    assert found.sampled_in == "caller"
    assert found.sampled_why == "a forked child waited for a thread that runs only in this process"
    assert time.monotonic() - began < 30


def test_no_child_is_forked_for_a_function_that_uses_a_lock_while_other_threads_run():
    def uses_the_lock(item):
        with LOCK:
            return os.getpid() + item

    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        found = sample(uses_the_lock, range(10))
    finally:
        over.set()
        thread.join()
    assert found.sampled_in == "caller"
    assert found.sampled_why == "the function uses the lock 'LOCK', and other threads run in this program"


def test_a_child_that_asks_again_and_again_for_what_a_thread_here_would_do_is_ended_too():
    """As joblib asks for the results of workers that were started before."""
    asked, answers, over = [], {}, threading.Event()

    def answer():
        while not over.wait(0.001):
            for item in asked:
                answers.setdefault(item, item + 1)

    def asks(item):
        asked.append(item)
        while item not in answers:
            time.sleep(0.005)
        return answers[item]

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        found = sample(asks, range(10))
    finally:
        over.set()
        thread.join()
    assert found.sampled_in == "caller"
    assert "waited for a thread that runs only in this process" in found.sampled_why


def receive_nothing():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(1)
        with contextlib.suppress(TimeoutError):
            ours.recv(1)


def acquire_nothing():
    globals()["LOCK"].acquire(timeout=1)


@pytest.mark.parametrize("wait", [lambda: time.sleep(1), acquire_nothing, receive_nothing])
def test_a_child_that_waits_for_a_while_is_not_taken_for_one_that_waits_for_ever(wait):
    def waits(item):
        if not globals()["LOCK"].locked():
            globals()["LOCK"].acquire()
        wait()

    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert sample(waits, range(2)).sampled_in == "worker"
    finally:
        over.set()
        thread.join()


@pytest.mark.skipif(ctypes.util.find_library("gomp") is None, reason="no OpenMP library is installed")
def test_a_team_of_openmp_in_this_process_keeps_items_here_and_one_that_items_start_is_gone_with_the_child():
    done = run(
        """
        import ctypes, ctypes.util, os, time
        from amorsize import optimize

        library = ctypes.CDLL(ctypes.util.find_library("gomp"))
        work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)

        def team(item):
            library.GOMP_parallel(work, None, 2, 0)

        def burn(item):
            end = time.thread_time() + 0.002
            while time.thread_time() < end:
                pass

        def ask(func):
            r = optimize(func, range(500), use_cache=False, profile=True)
            print(r.sampled_in, "|", r.sampled_why, "|", r.profile.machine.start_method, "|", *r.warnings)
            print(r.profile.sample.leaves)

        ask(team)
        print(len(os.listdir("/proc/self/task")))
        team(0)
        time.sleep(1.1)  # the start method is looked at once in a second
        ask(burn)
        """
    )
    assert done.stderr == ""
    first, leaves, threads, then, _ = done.stdout.splitlines()
    assert first.startswith("worker |  | fork |")
    assert leaves == "1 OpenMP thread"
    assert threads == "1"
    assert then.startswith("caller | an OpenMP library runs threads in this process")
    assert "| forkserver |" in then
    assert "no processes: " in then  # its main module was typed at a prompt


def test_a_connection_of_the_callers_is_not_shared_and_who_needs_it_is_sampled_here():
    ours, theirs = socket.socketpair()

    def answer():
        while said := theirs.recv(100):
            theirs.sendall(said)

    def asks(item):
        ours.sendall(b"%d;" % item)
        return ours.recv(100)

    thread = threading.Thread(target=answer)
    thread.start()
    with ours, theirs:
        assert asks(1) == b"1;"
        found = sample(asks, range(100))
        assert found.sampled_in == "caller"
        assert "uses a connection of this process" in found.sampled_why
        assert asks(2) == b"2;"
        ours.shutdown(socket.SHUT_WR)
        thread.join()


def test_beside_threads_of_python_nobody_is_warned():
    thread = threading.Thread(target=time.sleep, args=(0.5,))
    thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sample(abs, range(100)).sampled_in == "worker"
    thread.join()


def nested(_):
    return sample(abs, range(100)).sampled_in


def test_inside_a_daemonic_worker_items_are_sampled_in_a_child_too():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(nested, [0]) == ["worker"]


def starts_a_pool(item):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [item] * 4)


def test_items_may_start_processes():
    assert sample(starts_a_pool, range(8)).sampled_in == "worker"


def ends_by_a_signal(item):
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join()
    return {-signal.SIGTERM: item}[process.exitcode]


def test_a_process_that_an_item_forks_ends_by_a_signal_as_elsewhere():
    assert sample(ends_by_a_signal, range(8)).sampled_in == "worker"


def test_without_descriptors_items_are_sampled_here():
    done = run(
        """
        import os, resource
        from amorsize import optimize
        optimize(abs, range(100), use_cache=False)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held = []
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            os.close(held.pop())
        r = optimize(abs, range(100), use_cache=False)
        print(r.sampled_in, r.sampled_why)
        """
    )
    assert done.stdout == "caller no child could be forked ([Errno 24] Too many open files)\n"
    assert done.stderr == ""


@pytest.mark.parametrize("handler", ["signal.SIG_IGN", "lambda *_: os.waitpid(-1, os.WNOHANG)"])
def test_a_child_whose_status_somebody_else_takes_is_sampled_in_all_the_same(handler):
    done = run(
        f"""
        import os, signal
        from amorsize import optimize
        def reap(*_):
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pass
        signal.signal(signal.SIGCHLD, reap if {handler!r} != "signal.SIG_IGN" else signal.SIG_IGN)
        r = optimize(abs, range(100), use_cache=False)
        print(r.sampled_in)
        try:
            r = optimize(os._exit, [3] * 10, use_cache=False)
            print("ended its process" in r.warnings[0])
        except ChildProcessError:
            pass
        """
    )
    assert done.stdout == "worker\nTrue\n"
    assert done.stderr == ""


WAITING = """
import os, sys, time
from amorsize import optimize
def waits(item):
    print(os.getpid(), flush=True)
    {waits}
optimize(waits, range(10), use_cache=False)
"""


def started(code):
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def gone(pid, seconds=20.0):
    until = time.monotonic() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    "waits", ["time.sleep(600)", "while True: pass", "import threading; threading.Event().wait(600)"]
)
def test_a_child_ends_when_its_caller_is_killed(waits):
    process, child = started(WAITING.format(waits=waits))
    with process:
        process.kill()
    assert gone(child)


def test_a_child_ends_when_its_caller_is_interrupted_and_the_caller_says_so():
    process, child = started(WAITING.format(waits="time.sleep(600)"))
    with process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said.splitlines()[-1] == "KeyboardInterrupt"
    assert gone(child)


def test_an_item_that_hangs_is_ended_at_the_limit_with_all_that_it_started():
    def hangs(item):
        subprocess.run(["sleep", "600"])

    began, before = time.monotonic(), process_tree.children()
    with pytest.raises(SamplingError, match=r"^the item at position 5 \(5\) took longer than 0.5 s$"):
        sample(hangs, range(10), item_seconds=0.5)
    assert time.monotonic() - began < 30
    assert process_tree.children() == before


def test_at_the_end_of_the_interpreter_items_are_sampled_somewhere():
    done = run(
        """
        import atexit
        from amorsize import optimize
        atexit.register(lambda: print(optimize(abs, range(100), use_cache=False).sampled_in))
        """
    )
    assert done.stdout in {"worker\n", "caller\n"}
    assert done.stderr == ""


# What items need of memory.


def takes_memory(megabytes):
    def func(item):
        block = bytearray(b"x") * (megabytes << 20)
        end = time.thread_time() + 0.005
        while time.thread_time() < end:
            pass
        return len(block)

    return func


def test_the_memory_of_one_item_is_seen_below_an_earlier_peak_and_not_that_of_two_side_by_side():
    bytearray(b"x") * (400 << 20)  # gone at once, but the caller's peak
    found = sample(takes_memory(60), range(1000))
    assert found.gil_fraction is not None
    assert 50 << 20 < found.peak_bytes < 90 << 20


def test_of_a_large_process_one_item_of_a_long_job_is_run_in_a_child_for_what_an_earlier_peak_hides():
    """In a process of its own: its peak is not that of other tests."""
    done = run(
        """
        from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
        from amorsize.domain.planning.sampling import Budget
        from amorsize.domain.source import Source
        bytearray(b"x") * (400 << 20)
        here = []
        def func(item):
            here.append(item)
            return len(bytearray(b"x") * (60 << 20))
        found = StartMethodProbe(ProbeOptions(), "fork").sample(func, Source(range(10_000)), Budget(fork_bytes=1.0))
        print(found.sampled_in, found.peak_bytes > 50 << 20, len(here) == found.count)
        """
    )
    assert done.stdout == "caller True True\n"
    assert done.stderr == ""


# What is handed to a child of an iterator's items.


def counted(items, taken):
    for item in items:
        taken.append(item)
        yield item


@pytest.mark.parametrize("kind", [range, list, tuple, set, dict.fromkeys], ids=lambda kind: kind.__name__)
def test_a_child_reads_what_can_be_read_again_by_itself(kind):
    data = range(5000) if kind is range else kind(range(5000))
    source = Source(data)
    assert sample(abs, source).count >= 2
    assert source.taken == 0
    assert source.data(data) is data


@pytest.fixture
def takes(monkeypatch):
    """Return a function of which an item takes so many seconds on a clock that nothing else moves."""
    passed = [0.0]
    monkeypatch.setattr(sampling, "perf_counter", lambda: passed[0])

    def taking(seconds):
        def func(item):
            passed[0] += seconds(item) if callable(seconds) else seconds

        return func

    return taking


def test_as_many_items_of_an_iterator_are_taken_as_are_needed_and_none_is_lost(takes):
    taken = []
    source = Source(counted(range(10**6), taken))
    found = sample(takes(lambda item: item * 1e-8), source)
    assert len(taken) >= found.count > 300
    count = len(taken) + 5
    assert list(itertools.islice(source.data([]), count)) == list(range(count))


def test_few_items_of_an_iterator_are_taken_before_it_is_known_how_many_are_needed(takes):
    taken = []
    found = sample(takes(5e-3), counted(itertools.count(), taken))
    assert len(taken) <= 40 > found.count


def test_items_that_come_slowly_are_taken_one_by_one():
    taken = []

    def slowly():
        for item in range(1000):
            time.sleep(0.01)
            taken.append(item)
            yield item

    sample(lambda _: time.sleep(0.002), slowly())
    assert len(taken) <= 10


def test_items_that_cannot_be_pickled_are_seen_as_far_as_the_child_had_them():
    locks = (threading.Lock() for _ in itertools.count())
    found = sample(lambda lock: lock.acquire(), locks)
    assert found.count >= 4
    assert "cannot be pickled" in found.blocked_reason


def test_large_items_are_handed_over_too(takes):
    blocks = (bytes(6 << 20) for _ in range(12))
    source = Source(blocks)
    assert sample(takes(1e-3), source, min_seconds=5.0, fraction=1.0).count == 12
    assert [len(block) for block in source.data([])] == [6 << 20] * 12


@pytest.mark.parametrize("fault", [ValueError("mine"), KeyboardInterrupt()])
def test_what_an_iterator_raises_comes_out_as_it_is(fault):
    def breaks():
        yield from range(3)
        raise fault

    before = process_tree.children()
    with pytest.raises(type(fault)) as caught:
        sample(lambda _: time.sleep(0.001), breaks())
    assert caught.value is fault
    assert process_tree.children() == before


def test_a_stream_whose_later_items_take_longer_is_not_called_short(takes):
    """Item n takes n us, and nobody knows how many there are."""
    found = sample(takes(lambda item: item * 1e-6), (n for n in range(10**6)))
    assert found.count > 40
    assert 1000 * found.seconds_per_item > 0.2
    assert found.spread_seconds >= found.seconds_per_item / 2
    few = sample(takes(lambda item: item * 1e-6), (n for n in range(50)))
    assert few.count * few.seconds_per_item < 0.01


def test_a_stream_of_even_items_is_soon_known(takes):
    found = sample(takes(1e-5), (n for n in range(10**6)))
    assert found.count < 100
    assert found.seconds_per_item == pytest.approx(1e-5)


# What items leave behind.


def leave_nothing(item):
    return item + 1


KEPT = []


def open_a_file(item):
    KEPT.append(open(__file__))  # noqa: SIM115, PTH123  it stays open


def open_the_null_device(item):
    KEPT.append(open(os.devnull))  # noqa: SIM115, PTH123  likewise


def open_a_connection_once(item):
    if not KEPT:
        KEPT.extend(socket.socketpair())


def connect_anew(item):
    """Keep one connection, made anew for each item: their number stays the same."""
    for each in KEPT:
        each.close()
    KEPT[:] = socket.socketpair()


def start_a_thread(item):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def start_a_process(item):
    KEPT.append(subprocess.Popen(["sleep", "600"]))


@pytest.mark.parametrize(
    ("func", "said"),
    [
        (leave_nothing, ""),
        (open_a_file, "1 file"),
        (open_the_null_device, ""),
        (open_a_connection_once, "2 sockets"),
        (connect_anew, "2 sockets"),
        (start_a_thread, "1 thread"),
        (start_a_process, "1 child process"),
    ],
)
def test_what_items_leave_behind_is_reported_in_words(func, said):
    assert sample(func, range(1000), most_items=1).leaves == said


def test_a_connection_that_items_make_anew_is_seen_by_its_inode():
    KEPT[:] = socket.socketpair()
    try:
        assert sample(connect_anew, range(1000)).leaves == "2 sockets"
    finally:
        for each in KEPT:
            each.close()
        KEPT.clear()
