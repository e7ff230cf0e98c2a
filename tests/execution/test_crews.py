"""Workers are kept between calls, see what has changed, and end with whoever started them."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor

import psutil
import pytest
from execution import forced
from execution.jobs import here, nap

import amorsize
from amorsize import execute
from amorsize.adapters.executors import process
from amorsize.execution.crew import Crew
from amorsize.execution.crews import Crews

WORK = """
import os, sys, time
SCALE = 1

def where(x):
    time.sleep(0.001)
    return os.getpid()

def scaled(x):
    time.sleep(0.001)
    return SCALE * x

def folder(x):
    time.sleep(0.001)
    return os.getcwd(), os.environ.get("MARK")

def long(x):
    time.sleep(0.2)
    return x
"""


@pytest.fixture
def program(own_place, started):
    """Return a function that runs a program with the module work beside it and returns what it prints."""
    (own_place / "work" / "work.py").write_text(WORK)

    def start(code, **options):
        body = textwrap.indent(textwrap.dedent(code), "    ")
        return started(
            "import os, signal, sys, time\nimport work\nfrom execution.forced import execute\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a test run in the background passes it over
            f"if __name__ == '__main__':\n{body}",
            **options,
        )

    return start


def said(process):
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.split()


METHODS = ["fork", "spawn", "forkserver"] if hasattr(os, "fork") else ["spawn"]


@pytest.mark.parametrize("method", METHODS)
def test_workers_are_kept_for_the_next_call_and_end_with_the_program(program, method):
    process = program(
        f"""
        ask = dict(probe={method!r})
        first = set(execute(work.where, range(1500), **ask)) - {{os.getpid()}}
        second = set(execute(work.where, range(1500), **ask)) - {{os.getpid()}}
        assert len(first | second) <= 2, (first, second)
        print(*(first | second))
        """
    )
    workers = [int(word) for word in said(process)]
    assert workers
    gone(workers)


def gone(pids, seconds=10):
    until = time.monotonic() + seconds
    while left := [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_caller_changes_between_calls_is_seen(program, method):
    process = program(
        f"""
        ask = dict(probe={method!r})
        assert execute(work.scaled, range(800), **ask) == list(range(800))
        os.environ["MARK"] = "new"
        os.mkdir("deeper"); sys.path.insert(0, os.getcwd()); os.chdir("deeper")
        assert set(execute(work.folder, range(800), **ask)) == {{(os.getcwd(), "new")}}
        """
    )
    said(process)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only forked workers know what changed in memory")
def test_functions_and_the_numbers_they_name_are_seen_when_they_change_in_memory(program):
    process = program(
        """
        ask = dict(probe="fork")
        assert execute(work.where, range(800), **ask)
        work.SCALE = 3
        assert execute(work.scaled, range(800), **ask) == [3 * x for x in range(800)]
        work.SCALE = 5
        assert execute(work.scaled, range(800), **ask) == [5 * x for x in range(800)]

        def scaled(x):
            time.sleep(0.001)
            return -x

        scaled.__module__, scaled.__qualname__, work.scaled = "work", "scaled", scaled
        assert execute(work.scaled, range(800), **ask) == [-x for x in range(800)]
        for step in (2, 7):
            sums = execute(lambda x: (time.sleep(0.001), x + step)[1], range(800), **ask)
            assert sums == [x + step for x in range(800)]
        """
    )
    said(process)


def test_a_module_imported_after_the_workers_were_started_is_found(program, own_place):
    (own_place / "work" / "late.py").write_text("import time\ndef f(x):\n    time.sleep(0.001)\n    return x + 1\n")
    said(
        program(
            """
            ask = dict(kind="process")
            execute(work.where, range(800), **ask)
            import late
            assert execute(late.f, range(800), **ask) == list(range(1, 801))
            """
        )
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_workers_of_its_own_and_harms_nobody(program):
    process = program(
        """
        ask = dict(kind="process")
        ours = set(execute(work.where, range(800), **ask))
        child = os.fork()
        if child == 0:
            theirs = set(execute(work.where, range(800), **ask))
            import amorsize.api
            amorsize.api._assembly.end_workers()
            os._exit(0 if not theirs & (ours - {os.getppid()}) else 1)
        assert os.waitpid(child, 0)[1] == 0
        again = set(execute(work.where, range(800), **ask))
        assert len((ours | again) - {os.getpid()}) <= 2
        """
    )
    said(process)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
@pytest.mark.parametrize("kind", ["process", "serial", "thread"])
def test_an_interrupt_ends_everything(program, kind):
    process = program(
        f"""
        print("ready", flush=True)
        try:
            execute(work.long, range(1000), kind={kind!r}, workers=1 if {kind!r} == "serial" else 3)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    whole = psutil.Process(process.pid)
    until = time.monotonic() + 30
    while kind == "process" and not whole.children(recursive=True) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    children = [child.pid for child in whole.children(recursive=True)]
    os.killpg(process.pid, signal.SIGINT)
    assert said(process) == ["interrupted"]
    gone(children)


class InterruptedPool(ProcessPoolExecutor):
    """A pool in which Ctrl-C comes when a worker has its task and the caller not yet its future."""

    waited = None

    def submit(self, fn, /, *args, **kwargs):
        future = super().submit(time.sleep, 600)
        while not future.running():
            time.sleep(0.01)
        raise KeyboardInterrupt

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.waited.append(wait)
        super().shutdown(wait=False, cancel_futures=cancel_futures)


def test_an_interrupt_while_a_chunk_is_handed_out_waits_for_nobody(monkeypatch):
    monkeypatch.setattr(InterruptedPool, "waited", [])
    monkeypatch.setattr(process, "ProcessPoolExecutor", InterruptedPool)
    amorsize.api._assembly.end_workers()
    before = set(psutil.Process().children())
    with pytest.raises(KeyboardInterrupt):
        forced.execute(here, range(10))
    assert InterruptedPool.waited == [False]
    gone([child.pid for child in set(psutil.Process().children()) - before if "tracker" not in str(child.cmdline())])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_workers_end_when_their_parent_is_killed(program):
    process = program(
        """
        workers = set(execute(work.where, range(800)))
        print(*(workers - {os.getpid()}), flush=True)
        time.sleep(60)
        """
    )
    workers = [int(word) for word in process.stdout.readline().split()]
    process.kill()
    process.communicate()
    assert workers
    gone(workers)


def test_workers_are_not_kept_when_the_config_says_so():
    config = {"workers": {"keep_seconds": 0}}
    workers = set(forced.execute(here, range(800), config=config)) - {os.getpid()}
    assert workers
    gone(workers, seconds=1)


class CountingExecutors:
    """Executors that only count what is started and ended."""

    kind = "process"

    def __init__(self):
        self.started, self.ended = [], []

    def start(self, workers, start_method):
        outer = self

        class Idle:
            def shutdown(self, wait=True, cancel_futures=False):
                outer.ended.append(workers)

        self.started.append(workers)
        return Idle()


def test_idle_crews_end_when_their_time_is_over():
    crews, executors = Crews(time.monotonic), CountingExecutors()
    crew = crews.hire(executors, 2, "spawn")
    assert isinstance(crew, Crew)
    crews.release(crew, 0.05)
    assert crews.most_warm(executors, "spawn") == 2
    until = time.monotonic() + 10
    while not executors.ended and time.monotonic() < until:
        time.sleep(0.01)
    assert executors.ended == [2]
    assert crews.most_warm(executors, "spawn") == 0


def test_a_crew_is_used_by_one_call_at_a_time_and_few_are_kept():
    crews, executors = Crews(time.monotonic), CountingExecutors()
    first, second = crews.hire(executors, 2, "spawn"), crews.hire(executors, 2, "spawn")
    assert first is not second
    crews.release(first, 60)
    crews.release(second, 60)
    assert executors.ended == [2]
    assert crews.hire(executors, 2, "spawn") is first
    assert crews.hire(executors, 8, "spawn") is not first
    assert crews.hire(executors, 2, "fork") is not first
    for workers in (2, 4, 8, 16, 32, 64):
        crews.release(crews.hire(executors, workers, "spawn"), 60)
    assert len(crews._idle) <= 4
    assert crews.most_warm(executors, "spawn") == 64
    crews.end()
    assert crews.most_warm(executors, "spawn") == 0


def test_a_near_number_of_workers_will_do_but_never_more_than_allowed():
    crews, executors = Crews(time.monotonic), CountingExecutors()
    crews.release(crew := crews.hire(executors, 20, "spawn"), 60)
    assert crews.hire(executors, 18, "spawn", 18) is not crew
    assert crews.hire(executors, 18, "spawn") is crew


@pytest.fixture(autouse=True, scope="module")
def none_left():
    yield
    amorsize.api._assembly.end_workers()
    execute(nap, [1], use_cache=False)  # a test's own cache is gone by now
