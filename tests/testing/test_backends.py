"""What the tests of a plugin are given: its backends as a config chooses them, and what its executor costs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from amorsize.adapters.caches.json import JsonCache
from amorsize.adapters.inspectors.fixed import FixedInspector
from amorsize.errors import ConfigError, PluginError
from amorsize.testing import build_backend, describe_backend, measure_executor


def test_a_backend_is_built_with_the_options_of_a_mapping_a_file_or_the_config_that_is_found(own_place):
    work = own_place / "work"
    store = build_backend("caches", "json", {"caches": {"json": {"directory": str(work / "one")}}})
    store.store("func:here", "v", "text")
    assert isinstance(store, JsonCache)
    (work / "other.toml").write_text('[caches.readonly]\ndirectory = "one"\n')
    assert build_backend("caches", "readonly", work / "other.toml").fetch("func:here") == {"v": "text"}
    (work / "amorsize.toml").write_text("[inspectors.fixed]\nusable_cpus = 3\n")
    found = build_backend("inspectors", "fixed")
    assert isinstance(found, FixedInspector)
    assert found.inspect("fork").usable_cpus == 3


def test_a_wrong_option_and_an_unknown_backend_are_errors():
    with pytest.raises(ConfigError, match="allow_shared"):
        build_backend("caches", "json", {"caches": {"json": {"allow_shared": "perhaps"}}})
    with pytest.raises(PluginError, match="got 'jsom'"):
        build_backend("caches", "jsom")


def test_a_backend_is_described_as_the_command_lists_it():
    row = describe_backend("caches", "sqlite")
    assert (row.distribution, row.state) == ("amorsize", "ready")
    assert row.options == {"directory": None, "timeout_seconds": 0.05, "allow_shared": False}
    with pytest.raises(LookupError, match="probes must have a backend 'sqlite', got none of that name"):
        describe_backend("probes", "sqlite")


def test_a_running_executor_is_measured_and_runs_on():
    with ThreadPoolExecutor(1) as executor:
        found = measure_executor(executor, "fork")
        assert (found.start_method, found.source) == ("fork", "measured")
        assert found.chunk_parent_seconds + found.chunk_worker_seconds > 0
        assert executor.submit(abs, -1).result() == 1
