"""What every test shares: no test reads or writes the user's own cache or config.

Where modules without a file of their own are tested (tests/test_structure.py reads these lines in each conftest.py):

- __main__: cli/test_commands
- composition: test_api, test_api_faults, client/test_client
- errors: test_api_faults, execution/test_execute, processes/test_failures
- pytest_plugin: test_api
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("amorsize.testing")
settings.register_profile("default", database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", parent=settings.get_profile("default"), max_examples=20)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

PORTABLE = (
    "tests/application/cache/test_records.py",
    "tests/client/test_arguments.py",
    "tests/config/test_loader.py",
    "tests/contracts/test_caches.py::TestJson",
    "tests/contracts/test_caches.py::TestMemory",
    "tests/contracts/test_caches.py::TestSqlite",
    "tests/contracts/test_contract_of_caches.py",
    "tests/domain/",
    "tests/execution/test_chunks.py",
    "tests/execution/test_execute.py::test_an_iterator_is_run_over_in_order",
    "tests/execution/test_execute.py::test_any_data_gives_what_a_list_comprehension_gives",
    "tests/execution/test_execute.py::test_each_item_is_run_exactly_once",
    "tests/execution/test_out_of_band.py",
    "tests/execution/test_pickling.py",
    "tests/execution/test_thread_limits.py",
    "tests/plugins/test_registry.py",
    "tests/processes/test_failures.py",
    "tests/test_api.py",
)
"""What runs on every Python in less than a minute: each test whose id begins like one of these is marked `portable`."""


def pytest_configure():
    """Have Ctrl-C handled, here and in the programs that tests start: a shell's background jobs begin without that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.startswith(PORTABLE):
            item.add_marker("portable")


if hasattr(os, "register_at_fork"):
    # pytest has every crash print a stack, past its capture; the children that crash in tests do so on purpose
    os.register_at_fork(after_in_child=faulthandler.disable)


def measure_this_child():
    """Have a forked child say what it ran, where coverage is measured; coverage's own patch may raise at its end.

    A child that is killed at that moment leaves half a file, which ``coverage combine`` skips.
    """
    measured, end = sys.modules["coverage"].Coverage.current(), os._exit

    def save_and_end(code):
        with suppress(BaseException):  # no descriptor may be left, or no memory
            measured.save()
        end(code)

    if measured is not None:
        os._exit = save_and_end


if hasattr(os, "register_at_fork") and "coverage" in sys.modules:
    os.register_at_fork(after_in_child=measure_this_child)


@pytest.fixture(autouse=True, scope="session")
def no_real_cache(tmp_path_factory):
    """Keep what runs between tests, as fixtures of a module do, out of the user's own cache as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_place(tmp_path_factory, monkeypatch):
    """Give each test a working directory, a cache and a home of its own."""
    place = tmp_path_factory.mktemp("place")
    for name in ("home", "work", "cache"):
        (place / name).mkdir(mode=0o700)
    monkeypatch.chdir(place / "work")
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.setenv("USERPROFILE", str(place / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "AMORSIZE_CONFIG", "AMORSIZE_DISABLE", "AMORSIZE_EXPLAIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(place / "cache"))
    return place


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch):
    """Keep what other programs do at the moment out of the answers: an answer from a busy machine is asked for anew.

    The variable does the same in the programs that a test starts.
    """
    monkeypatch.setattr("amorsize.adapters.inspectors.load.OthersLoad.now", lambda _: 0.0)
    monkeypatch.setattr("amorsize.adapters.inspectors.files._SLOW_SECONDS", 60.0)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "quiet"), prepend=os.pathsep)


@pytest.fixture(autouse=True)
def small_process(monkeypatch):
    """Keep the memory that earlier tests have taken out of the choice of where items are sampled."""
    monkeypatch.setattr("amorsize.adapters.probes.start_method.own_memory_bytes", lambda: 1 << 20)


@pytest.fixture
def untraced(monkeypatch):
    """Keep coverage out of the processes a test starts, for what it would load there."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)
