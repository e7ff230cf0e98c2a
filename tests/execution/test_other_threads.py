"""Functions that wait for threads of the caller end: no process is started for them while other threads run."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading, time, warnings
from concurrent.futures import ThreadPoolExecutor
import amorsize

lock, turn, asked = threading.Lock(), threading.Condition(), {{}}
others = ThreadPoolExecutor(1)

def holds():
    while True:
        with lock:
            time.sleep(0.004)
        time.sleep(0.0002)

def serves():
    while True:
        with turn:
            turn.wait(0.01)
            for item in asked:
                asked[item] = True
            turn.notify_all()

def burn():
    until = time.thread_time() + 0.004
    while time.thread_time() < until:
        pass

def polls(item):
    burn()
    while not lock.acquire(blocking=False):
        time.sleep(0.001)
    lock.release()
    return item

def gives_up(item):
    burn()
    if lock.acquire(timeout=1):
        lock.release()
        return item

def asks(item):
    burn()
    with turn:
        asked[item] = False
        while not asked[item]:
            turn.wait(0.05)
    return item

def looks(item):
    burn()
    asked[item] = False
    while not asked[item]:
        time.sleep(0.001)
    return item

def submits(item):
    burn()
    future = others.submit(abs, item)
    while not future.done():
        time.sleep(0.0005)
    return future.result()

if __name__ == "__main__":
    others.submit(abs, 1).result()
    for target in (holds, serves):
        threading.Thread(target=target, daemon=True).start()
    data = range(60)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        {call}
    print(*(str(each.message) for each in warned))
"""

CALLS = {
    "execute": "assert amorsize.execute({func}, data) == list(data)",
    "process": "assert amorsize.execute({func}, data, executor='process') == list(data)",
    "spawn": "assert amorsize.execute({func}, data, config={{'probe': 'spawn'}}, executor='process') == list(data)",
    "iexecute": "assert list(amorsize.iexecute({func}, data)) == list(data)",
    "optimize": "assert amorsize.optimize({func}, data).sampled_in == 'caller'",
}


def _said(path, call):
    """Run the program with a call, and return what the warnings in it say."""
    file = path / "waits.py"
    file.write_text(PROGRAM.format(call=call))
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize("func", ["polls", "gives_up", "asks", "submits"])
def test_a_function_that_waits_for_another_thread_ends(tmp_path, func):
    calls = ["execute", "iexecute"] if func == "polls" else ["execute"]
    said = _said(tmp_path, "; ".join(CALLS[name].format(func=func) for name in calls))
    assert not said.strip()


@pytest.mark.parametrize("call", ["process", "spawn"])
def test_processes_that_were_asked_for_are_not_started_and_a_warning_says_why(tmp_path, call):
    said = _said(tmp_path, CALLS[call].format(func="polls"))
    assert "items run in the caller's process: the function uses the lock 'lock'" in said
    assert "executor='thread'" in said


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
@pytest.mark.parametrize("call", ["execute", "iexecute"])
def test_a_worker_that_only_looks_for_what_another_thread_does_is_ended(tmp_path, call):
    shorter = "from amorsize.execution.workers import forked; forked._PATIENCE_SECONDS = 0.3; "
    said = _said(tmp_path, shorter + CALLS[call].format(func="looks"))
    assert not said.strip() or "what only another thread of this process does" in said  # threads may have run all


def test_such_a_function_is_sampled_in_the_caller(tmp_path):
    assert not _said(tmp_path, CALLS["optimize"].format(func="gives_up")).strip()


def test_threads_that_were_asked_for_run_such_a_function(tmp_path):
    call = "assert amorsize.execute(lambda item: (polls(item), threading.current_thread().name)[1], data, "
    call += "executor='thread', max_workers=2, min_speedup=1.0).count('MainThread') < 60"
    _said(tmp_path, call)


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_a_lock_alone_costs_no_parallelism(tmp_path):
    call = "threading.enumerate = lambda: [threading.main_thread()]; lock = threading.Lock(); import os; "
    call += "found = amorsize.execute(lambda item: (burn(), lock, os.getpid())[2], data, executor='process', "
    call += "max_workers=2, min_speedup=1.0); assert os.getpid() not in found"
    assert not _said(tmp_path, call).strip()


OWN_MODULE = """
import random
noise, held = random.Random(5), open(__file__, "rb", buffering=0)

def draw():
    return noise.random()

def reads(item):
    held.seek(item)
    return held.read(8)
"""

DRAWS = """
import sys, time, warnings
import amorsize, own_noise

def draws(item):
    time.sleep(0.002)
    return own_noise.draw()

def reads(item):
    time.sleep(0.002)
    return own_noise.reads(item)

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for config in ({"probe": "fork"}, {"probe": "spawn"}):
        options = dict(config=config, max_workers=2, min_speedup=1.0)
        for kind in ("auto", "process"):
            found = amorsize.execute(draws, range(100), executor=kind, **options)
            assert len(set(found)) == 100, (config, kind, len(set(found)))
            found = amorsize.execute(reads, range(200), executor=kind, **options)
            assert found == list(map(own_noise.reads, range(200))), (config, kind)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_what_a_module_of_ones_own_draws_and_reads_is_drawn_once_and_in_order(tmp_path):
    (tmp_path / "own_noise.py").write_text(OWN_MODULE)
    file = tmp_path / "draws.py"
    file.write_text(DRAWS)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
