"""The probes of the start methods: what they ask of the measuring child, and what they make of its answers."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import multiprocessing
import os
import subprocess
import sys
import time

import attrs
import psutil
import pytest
from fakes import OVERHEADS

from amorsize.adapters.probes import start_conditions, start_method
from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source
from amorsize.errors import MeasurementError, SamplingError

METHODS = multiprocessing.get_all_start_methods()


def probe(method="spawn", timeout_seconds=20.0):
    return StartMethodProbe(ProbeOptions(timeout_seconds), method)


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Return a function that puts a program in place of the measuring one; it keeps a line for each time it runs."""
    script, log = tmp_path / "worker.py", tmp_path / "log"

    def put(code):
        script.write_text(f"import sys, time\nopen({str(log)!r}, 'a').write(sys.argv[1] + '\\n')\n{code}\n")
        monkeypatch.setattr(start_method, "_PROGRAM", str(script))
        monkeypatch.setattr(start_conditions, "blocked_reason", lambda *_: None)

    put.asked = lambda: log.read_text().split()
    return put


def answering(value):
    return f"print({json.dumps(value)!r})"


@pytest.mark.parametrize("where", ["auto", "caller", "worker"])
@pytest.mark.parametrize("method", METHODS)
def test_a_function_that_reads_standard_input_is_not_sampled(method, where):
    with pytest.raises(SamplingError, match=r"^the function reads standard input \(input\(\)\), which"):
        probe(method).sample(lambda item: (item, input()), Source(range(5)), Budget(where=where))


def test_a_function_that_is_given_standard_input_is_not_sampled(monkeypatch):
    with io.StringIO() as replaced:
        monkeypatch.setattr(sys, "stdin", replaced)
        with pytest.raises(SamplingError, match=r"^the function reads standard input \(argument 0\), which"):
            probe("fork").sample(functools.partial(max, replaced), Source(range(5)), Budget())


def test_what_the_child_measured_is_taken_as_it_is(child):
    child(answering(attrs.asdict(OVERHEADS)))
    assert probe("fork").overheads() == OVERHEADS


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('no json')", "JSONDecodeError"),
        ("sys.exit(3)", "CalledProcessError"),
        ("sys.stdout.buffer.write(b'\\xff')", "UnicodeDecodeError"),
        (answering([1, 2]), "must answer with an object, got list"),
        (answering({"start_method": "spawn"}), "must answer with overheads, got"),
        (answering({**attrs.asdict(OVERHEADS), "start_seconds": -1}), "start_seconds must be a number from 0"),
        (answering({**attrs.asdict(OVERHEADS), "more": 1}), "must answer with overheads, got"),
    ],
)
def test_another_answer_is_a_measurement_error_that_says_what_came(child, code, said):
    child(code)
    with pytest.raises(MeasurementError, match=said):
        probe().overheads()


def test_a_child_that_hangs_is_ended_in_time(child):
    child("time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(MeasurementError, match="TimeoutExpired"):
        probe(timeout_seconds=0.5).overheads()
    assert time.monotonic() - began < 20


def marked(mark):
    """Return the processes that have inherited a variable."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("AMORSIZE_MARK") == mark:
                found.append(process)
    return found


def gone(mark, seconds=20.0):
    until = time.monotonic() + seconds
    while marked(mark) and time.monotonic() < until:
        time.sleep(0.05)
    return not marked(mark)


posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups to end")


@posix
def test_a_measurement_that_takes_too_long_leaves_no_process(monkeypatch, tmp_path):
    monkeypatch.setenv("AMORSIZE_MARK", str(tmp_path))
    with pytest.raises(MeasurementError, match="TimeoutExpired"):
        probe("fork" if "fork" in METHODS else "spawn", timeout_seconds=0.15).overheads()
    assert gone(str(tmp_path))


@posix
def test_a_measurement_whose_caller_was_killed_ends_with_its_workers(monkeypatch, tmp_path):
    monkeypatch.setenv("AMORSIZE_MARK", str(tmp_path))
    code = (
        "from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe\n"
        "StartMethodProbe(ProbeOptions(0.5), 'spawn').overheads()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as caller:
        until = time.monotonic() + 20
        while len(marked(str(tmp_path))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        caller.kill()
    assert gone(str(tmp_path))


def test_without_an_interpreter_to_run_nothing_is_started(child, monkeypatch):
    child(answering({}))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(MeasurementError, match="a Python interpreter must be there to run, got"):
        probe().overheads()
    monkeypatch.delattr(sys, "frozen")
    for executable in ("", None, "/usr/sbin/httpd"):
        monkeypatch.setattr(sys, "executable", executable)
        with pytest.raises(MeasurementError, match="a Python interpreter must be there to run, got"):
            probe().overheads()
    with pytest.raises(FileNotFoundError):
        child.asked()


def work(_):
    time.sleep(0.001)


def imports_seen(own, data=range(10_000), **budget):
    return own.sample(work, Source(data), Budget(**budget)).worker_import_seconds


def test_imports_are_measured_once_for_fresh_workers(child):
    child(answering({"seconds": 0.25}))
    own = probe()
    assert imports_seen(own) == imports_seen(own) == 0.25
    assert child.asked() == ["imports"]


@pytest.mark.parametrize("code", ["sys.exit(1)", answering({}), answering({"seconds": None}), answering(3)])
def test_imports_that_cannot_be_measured_count_as_nothing(child, code):
    child(code)
    assert imports_seen(probe()) == 0.0


def test_imports_are_not_asked_for_where_they_cannot_matter(child, monkeypatch):
    child(answering({"seconds": 0.25}))
    assert imports_seen(probe("fork")) == 0.0
    assert imports_seen(probe(), data=range(3), worker_start_seconds=0.04) == 0.0
    assert imports_seen(probe(), most_items=2) == 0.0
    monkeypatch.setattr(start_conditions, "blocked_reason", lambda *_: "no processes here")
    assert imports_seen(probe()) == 0.0
    with pytest.raises(FileNotFoundError):
        child.asked()


def test_a_blocked_reason_is_cut_to_what_an_entry_holds(monkeypatch):
    monkeypatch.setattr(start_conditions, "blocked_reason", lambda *_: "x" * 1000)
    assert probe().blocked_reason(abs) == "x" * 200


@pytest.mark.parametrize("method", METHODS)
def test_no_kind_of_worker_is_ever_free(method):
    measured = probe(method).overheads()
    assert measured.start_worker_seconds > 0
    assert 0 < measured.thread_start_seconds <= measured.start_worker_seconds
    assert measured.slowdown >= 1
    assert measured.jitter >= 0
    assert measured.first_pool_seconds > 0
    assert measured.chunk_crowded_seconds > 0
    assert (measured.fork_byte_seconds > 0) <= (method == "fork")


def test_the_measuring_program_imports_what_it_is_asked_to_and_passes_over_what_fails(tmp_path):
    (tmp_path / "slow.py").write_text("import time; time.sleep(0.2); print('noise')")
    (tmp_path / "broken.py").write_text("raise SystemExit(3)")
    asked = {"path": [str(tmp_path)], "modules": ["slow", "broken", "there_is_none"]}
    done = subprocess.run(
        [sys.executable, "-I", start_method._PROGRAM, "imports", "60"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert 0.2 <= json.loads(done.stdout)["seconds"] < 30
