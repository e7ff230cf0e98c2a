"""Whatever items do while optimize() tries them, the caller's process is afterwards as it was before."""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import ctypes
import decimal
import functools
import gc
import io
import locale
import logging
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

import amorsize
from amorsize.processes import process_tree

np = pytest.importorskip("numpy")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux samples in a forked child")

TABLE = {"calls": 0}
HELD = []
MODULE = types.ModuleType("made_up")
CONTEXT = contextvars.ContextVar("CONTEXT", default=0)
LOCAL = threading.local()


class Settings:
    level = 1


@functools.cache
def remembered(item):
    return item


def opens_a_file(item):
    HELD.append(Path(os.devnull).open())  # noqa: SIM115  it stays open


def opens_connections(item):
    server = socket.create_server(("127.0.0.1", 0))
    HELD.extend((server, socket.create_connection(server.getsockname())))


def starts_a_thread(item):
    threading.Thread(target=time.sleep, args=(600,)).start()


def starts_a_pool_of_threads(item):
    HELD.append(ThreadPoolExecutor(2))
    HELD[-1].submit(abs, 1).result()


def starts_a_process(item):
    HELD.append(subprocess.Popen(["sleep", "600"]))


def starts_workers(item):
    HELD.append(multiprocessing.get_context("fork").Pool(2))
    return HELD[-1].map(abs, [1, 2])


def starts_a_process_of_multiprocessing(item):
    HELD.append(multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)))
    HELD[-1].start()


def forks(item):
    if os.fork() == 0:
        time.sleep(600)
        os._exit(0)


def edits_its_item(item):
    item["value"] += 1
    item["parts"].append(item["value"])
    item.setdefault("new", 1)


def edits_globals(item):
    TABLE["calls"] += 1
    TABLE[id(item)] = item
    HELD.append(item)
    MODULE.level = 2
    Settings.level = 2
    Settings.more = item
    globals()["anew"] = item


def draws_random_numbers(item):
    return random.random() + np.random.random() + random.getrandbits(8)


def seeds_random_numbers(item):
    random.seed(5)
    np.random.seed(5)


def changes_its_place(item):
    os.chdir("/")
    os.environ["NO_TRACE"] = "1"
    os.environ.pop("HOME", None)
    os.umask(0o777)
    sys.path.append("/nowhere")
    sys.argv.append("more")


def changes_the_interpreter(item):
    sys.setrecursionlimit(sys.getrecursionlimit() + 1000)
    warnings.simplefilter("ignore")
    warnings.filters.clear()
    sys.setswitchinterval(0.5)
    gc.disable()
    gc.set_threshold(1, 1, 1)
    sys.settrace(lambda *_: None)
    sys.stdout = io.StringIO()
    decimal.getcontext().prec = 3
    CONTEXT.set(5)
    LOCAL.value = 5
    np.seterr(all="raise")
    locale.setlocale(locale.LC_ALL, "C")
    sys.modules["made_up"] = MODULE
    logging.getLogger().addHandler(logging.NullHandler())
    atexit.register(abs, 1)


def changes_signals(item):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    signal.setitimer(signal.ITIMER_REAL, 600)


def changes_limits(item):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    os.nice(5)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.setpgid(0, 0)


def fills_caches(item):
    remembered(str(item))


def closes_what_is_open(item):
    with contextlib.suppress(OSError):  # it is closed already
        os.close(OWN[0])


def reads_what_is_open(item):
    return os.read(OWN[1], 10), FILE[0].readline()


def takes_memory(item):
    HELD.append(bytearray(b"x") * (30 << 20))


def frees_what_is_held(item):
    TABLE.clear()
    del FILE[:]
    FOLDER.clear()
    gc.collect()


def uses_a_blas(item):
    return float((np.ones((200, 200)) @ np.ones((200, 200))).sum())


def crashes(item):
    ctypes.string_at(0)


def ends_its_process(item):
    os._exit(3)


def kills_its_process(item):
    os.kill(os.getpid(), signal.SIGKILL)


def leaves_for_good(item):
    sys.exit(4)


def raises(item):
    HELD.append(item)
    raise ValueError(item)


def starts_and_crashes(item):
    subprocess.Popen(["sleep", "600"])
    ctypes.string_at(0)


OWN = []
FOLDER = []
FILE = []
QUIET = [
    opens_a_file,
    opens_connections,
    starts_a_thread,
    starts_a_pool_of_threads,
    starts_a_process,
    starts_workers,
    starts_a_process_of_multiprocessing,
    forks,
    edits_its_item,
    edits_globals,
    draws_random_numbers,
    seeds_random_numbers,
    changes_its_place,
    changes_the_interpreter,
    changes_signals,
    changes_limits,
    fills_caches,
    closes_what_is_open,
    reads_what_is_open,
    takes_memory,
    frees_what_is_held,
    uses_a_blas,
]


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found[int(path.name)] = (path.stat().st_ino, str(path.readlink()))
    return {number: what for number, what in found.items() if "/proc/" not in what[1]}


def state(items):
    """Return all that items could have changed, in a form that can be compared."""
    umask = os.umask(0o022)
    os.umask(umask)
    generator = np.random.get_state()
    return {
        "items": repr(items),
        "globals": (dict(TABLE), len(HELD), vars(MODULE).copy(), {**vars(Settings)}, set(globals())),
        "random": (random.getstate(), generator[1].tolist(), generator[2]),
        "place": (str(Path.cwd()), dict(os.environ), umask, list(sys.path), list(sys.argv)),
        "interpreter": (
            sys.getrecursionlimit(),
            list(warnings.filters),
            sys.getswitchinterval(),
            gc.isenabled(),
            gc.get_threshold(),
            gc.get_freeze_count(),
            sys.gettrace(),
            sys.stdout,
            sys.stderr,
            decimal.getcontext().prec,
            CONTEXT.get(),
            vars(LOCAL).copy(),
            np.geterr(),
            locale.setlocale(locale.LC_ALL),
            set(sys.modules),
            list(logging.getLogger().handlers),
            atexit._ncallbacks(),
        ),
        "signals": (
            [signal.getsignal(number) for number in signal.valid_signals()],
            signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            signal.getitimer(signal.ITIMER_REAL),
        ),
        "limits": (
            [resource.getrlimit(which) for which in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)],
            os.nice(0),
            os.sched_getaffinity(0),
            os.getpgid(0),
        ),
        "caches": remembered.cache_info().currsize,
        "descriptors": descriptors(),
        "files": sorted(path.name for path in Path(FOLDER[0].name).iterdir()),
        "offsets": (os.lseek(OWN[1], 0, os.SEEK_CUR), FILE[0].tell()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "tasks": len(list(Path("/proc/self/task").iterdir())),
        "children": process_tree.children(),
    }


@pytest.fixture(autouse=True)
def own_files():
    """Hold open files of the caller's own, which items find open too."""
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile("w+") as text:
        file.write(b"x" * 10_000)
        file.flush()
        text.write("line\n" * 1000)
        text.seek(0)
        reads = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)
        again = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)
        OWN[:] = [again, reads]
        FOLDER[:] = [tempfile.TemporaryDirectory()]
        Path(FOLDER[0].name, "file").touch()
        FILE[:] = [Path(f"/proc/self/fd/{text.fileno()}").open()]  # noqa: SIM115  closed below
        try:
            yield
        finally:
            FILE[0].close()
            FOLDER[0].cleanup()
            os.close(reads)
            os.close(again)


@pytest.fixture(autouse=True, scope="module")
def _all_is_loaded():
    """Have amorsize loaded what it loads once, which is all that it adds to a process; mark what is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_TRACE_OF", str(os.getpid()))
        _load()
        yield


def _load():
    for data in ([1] * 100, iter([1] * 100)):
        amorsize.optimize(time.sleep, (0.001 * item for item in data), use_cache=False)
    amorsize.optimize(len, iter(rows()), use_cache=False)  # loads what compares items that may change
    with contextlib.suppress(ValueError):
        amorsize.optimize(raises, [1], use_cache=False)


def rows():
    return [{"value": number, "parts": [number]} for number in range(40)]


def given(kind, items):
    """Return data of a kind: those that a child can see, and one whose items the caller has to hand over."""
    return items if kind == "list" else iter(items) if kind == "iterator" else dict(enumerate(items)).values()


def settled(items):
    """Return the state once threads that earlier tests have left, and files in reference cycles, have ended."""
    gc.collect()
    known, until = state(items), time.monotonic() + 10
    while threading.active_count() > 1 and time.monotonic() < until:
        time.sleep(0.05)
        before, known = known, state(items)
        if known == before:
            break
    return known


@pytest.mark.parametrize("kind", ["list", "iterator", "view"])
@pytest.mark.parametrize("func", QUIET, ids=lambda func: func.__name__)
def test_what_items_do_is_gone(func, kind):
    items = rows()
    before, memory = settled(items), resident()
    result = amorsize.optimize(func, given(kind, items), use_cache=False)
    after = state(items)
    assert result.sampled_in == "worker", result.sampled_why
    assert after == before
    assert resident() - memory < 20 << 20
    if kind == "iterator":
        assert list(result.data) == items


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize("func", [crashes, ends_its_process, kills_its_process], ids=lambda func: func.__name__)
def test_an_item_that_ends_its_process_does_not_end_this_one(func, kind):
    items = rows()
    before = settled(items)
    result = amorsize.optimize(func, given(kind, items), use_cache=False)
    assert (result.executor, result.sampled_in) == ("serial", "worker")
    assert "while it was sampled" in result.warnings[0]
    assert state(items) == before


@pytest.mark.parametrize("kind", ["list", "iterator"])
@pytest.mark.parametrize(("func", "error"), [(raises, ValueError), (leaves_for_good, SystemExit)])
def test_what_an_item_raises_comes_out_and_nothing_else(func, error, kind):
    items = rows()
    before = settled(items)
    with pytest.raises(error) as caught:
        amorsize.optimize(func, given(kind, items), use_cache=False)
    assert any("position" in note for note in caught.value.__notes__)
    assert state(items) == before


def running():
    """Return the numbers of all processes."""
    return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}


def hangs(item):
    subprocess.run(["sleep", "600"])


@pytest.mark.parametrize(
    "func",
    [starts_a_process, starts_workers, starts_a_process_of_multiprocessing, forks, starts_and_crashes, hangs],
    ids=lambda func: func.__name__,
)
def test_nothing_that_items_started_is_left_running(func):
    there = running()
    amorsize.optimize(func, rows(), use_cache=False, config={"sampling": {"item_seconds": 0.5}})
    until = time.monotonic() + 10
    while (left := [pid for pid in running() - there if _is_ours(pid)]) and time.monotonic() < until:
        time.sleep(0.01)
    assert not left


def _is_ours(pid):
    """Tell whether a process was started by these items and runs still: it has our mark, or our open file."""
    with contextlib.suppress(OSError, psutil.Error):
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        ours = Path(f"/proc/self/fd/{OWN[1]}").stat().st_ino
        return process.environ().get("NO_TRACE_OF") == str(os.getpid()) or any(
            path.stat().st_ino == ours for path in Path(f"/proc/{pid}/fd").iterdir()
        )
    return False
