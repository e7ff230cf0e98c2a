"""Faults of the medium as a user meets them: the call answers, quickly, with one clear warning."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
import warnings

import pytest

import amorsize
from amorsize.adapters.caches.sqlite import FILE, FORMAT
from amorsize.application.cache import records
from amorsize.errors import AmorsizeWarning

JOBS = "def work(x):\n    return sum(range(2500))\n"


def work(_):
    return sum(range(2500))


def asked(**options):
    """Ask three times with different data; return the answers and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answers = [amorsize.optimize(work, range(count), **options) for count in (100, 1000, 10_000)]
    return answers, [one for one in caught if issubclass(one.category, AmorsizeWarning)]


def test_a_database_that_another_holds_locked_holds_nobody_up(own_place):
    amorsize.optimize(work, range(50), cache="sqlite")
    other = sqlite3.connect(own_place / "cache" / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    answers, warned = asked(cache="sqlite")  # the lock goes only after this
    other.execute("ROLLBACK")
    other.close()
    assert all(answer.n_jobs >= 1 for answer in answers)
    assert len(warned) == 1
    assert "locked" in str(warned[0].message) or "busy" in str(warned[0].message)


def test_a_database_of_a_newer_format_is_left_alone(own_place):
    amorsize.optimize(work, range(50), cache="sqlite")
    amorsize.clear_cache()
    newer = sqlite3.connect(own_place / "cache" / FILE)
    newer.execute(f"PRAGMA user_version = {FORMAT + 1}")
    newer.close()
    before = (own_place / "cache" / FILE).read_bytes()
    answers, warned = asked(config={"cache": "sqlite"})
    assert all(answer.n_jobs >= 1 for answer in answers)
    assert warned
    assert (own_place / "cache" / FILE).read_bytes() == before


def test_an_entry_of_a_newer_format_is_passed_over_without_a_word(own_place):
    first = amorsize.optimize(work, range(2000), config={"cache": "json"})
    for path in (own_place / "cache").rglob("*"):
        if path.is_file() and path.parent.name.startswith("func"):
            record = json.loads(path.read_text())["record"]
            record[0] += 1
            path.write_text(records.seal(json.dumps(record)))
    again = amorsize.optimize(work, range(2000), config={"cache": "json"})
    assert (first.cache, again.cache) == ("miss", "miss")
    assert "format" in again.cache_reason


def test_a_clock_set_back_measures_anew(own_place, monkeypatch):
    amorsize.optimize(work, range(2000), config={"cache": "json"})
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86400)
    again = amorsize.optimize(work, range(2000), config={"cache": "json"})
    assert again.cache == "miss"
    assert "future" in again.cache_reason


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("cache", ["json", "sqlite"])
def test_a_medium_without_space_stops_writing_with_one_warning(tmp_path, cache):
    (tmp_path / "jobs.py").write_text(JOBS)
    source = f"""
    import resource, signal, warnings
    import amorsize, jobs
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answers = [amorsize.optimize(jobs.work, range(n), cache={cache!r}).n_jobs for n in (100, 1000, 10_000)]
    print(answers, [str(one.message) for one in caught])
    assert len(caught) == 1 and min(answers) >= 1
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        env={**environment, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
