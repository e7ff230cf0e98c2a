"""The reusable client: its own config and cache, the process's CPUs, and an end that can be asked for."""

from __future__ import annotations

import doctest
import pydoc

import psutil
import pytest
from api_jobs import fresh, spin
from fakes import FakeInspector, FakeProbe

import amorsize.api
import amorsize.client.client
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.adapters.probes.start_conditions import start_method_in_use
from amorsize.errors import ConfigError
from amorsize.plugins import Backend, hookimpl

STATED = {"inspector": "fixed", "probe": "fixed", "probes": {"fixed": {"seconds_per_item": 0.01}}}


class Store(MemoryCache):
    def __init__(self):
        super().__init__(MemoryOptions())
        self.closed = 0

    def close(self):
        self.closed += 1


def test_a_client_holds_config_cache_probe_and_inspector():
    store, probe, inspector = Store(), FakeProbe(), FakeInspector()
    func = fresh("held", 2600)
    with amorsize.Client(cache=store, probe=probe, inspector=inspector) as client:
        assert client.optimize(func, range(2000)).cache == "miss"
        assert client.optimize(func, range(2000)).cache == "hit"
        assert client.lookup(func, range(2000))[0] == "hit"
        assert client.open_cache().stats().entries == 1
        assert client.clear_cache() == 1
    assert probe.asked["sample"] == 1
    assert inspector.asked >= 1
    assert store.closed == 0, "a store that was given stays open"
    assert amorsize.open_cache().stats().entries == 0


def test_the_config_of_a_client_counts_for_all_its_calls():
    with amorsize.Client(config={**STATED, "limits": {"max_workers": 2}}) as client:
        assert client.optimize(spin, range(3000)).n_jobs <= 2
        assert client.execute(abs, [-1, 2]) == [1, 2]
        assert list(client.iexecute(abs, [-1, 2])) == [1, 2]


def test_a_config_is_read_once_and_a_wrong_one_is_refused_by_the_first_call(tmp_path):
    file = tmp_path / "mine.toml"
    client = amorsize.Client(config=file)
    with pytest.raises(ConfigError, match="config: there is no file"):
        client.lookup(abs, [1])
    file.write_text('cache = "memory"\n')
    func = fresh("once", 2650)
    assert client.optimize(func, range(2000)).cache == "miss"
    file.write_text("[rules\n")
    assert client.optimize(func, range(2000)).cache == "hit"
    client.close()
    with pytest.raises(ConfigError, match="not valid TOML"):
        client.optimize(func, range(2000))


def test_a_client_that_is_closed_can_be_used_again():
    func = fresh("again", 2750)
    client = amorsize.Client(cache="memory")
    assert client.optimize(func, range(2000)).cache == "miss"
    client.close()
    client.close()
    assert client.optimize(func, range(2000)).cache == "miss"
    assert client.optimize(func, range(2000)).cache == "hit"


def test_close_ends_the_workers_of_its_own_client_only():
    def children():
        return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}

    amorsize.default_client().close()
    one, other = amorsize.Client(probe="spawn"), amorsize.Client(probe="spawn")
    for client in (one, other):
        assert client.execute(abs, range(-9, 0), executor="process") == list(range(9, 0, -1))
    both = children()
    one.close()
    assert children() < both
    left = children()
    amorsize.default_client().close()
    assert children() == left
    other.close()
    assert children() < left


def test_stores_that_a_client_opened_are_closed_with_it(monkeypatch):
    made = []

    def build(_):
        made.append(Store())
        return made[-1]

    class Plugin:
        @hookimpl
        def amorsize_caches(self):
            return [Backend("mine", MemoryOptions, build)]

    entry = type("Entry", (), {"name": "mine", "dist": None, "load": staticmethod(Plugin)})()
    monkeypatch.setattr("amorsize.plugins.registry._installed", lambda: [entry])
    with amorsize.Client(cache="mine") as client:
        client.optimize(spin, range(100))
        assert [store.closed for store in made] == [0]
    assert [store.closed for store in made] == [1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: amorsize.Client(cache=3), "Client: cache must be the name of a cache backend"),
        (lambda: amorsize.Client(n_jobs=3), "Client: there is no argument 'n_jobs'; it takes config, cache, probe"),
        (lambda: amorsize.Client("x"), "Client: it takes nothing by position and the rest by name"),
        (lambda: amorsize.Client().execute(abs, [1], n_jobs=3), "execute: there is no argument 'n_jobs'; use max_work"),
        (lambda: amorsize.Client().optimize(abs, [1], 3), "optimize: it takes func and data by position"),
        (lambda: amorsize.Client().lookup(3, [1]), "lookup: func must be callable, got 3"),
    ],
)
def test_wrong_arguments_are_refused_as_by_the_functions(call, said):
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("where", [amorsize.api, amorsize.client.client], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_run(where):
    done = doctest.testmod(where)
    assert done.attempted >= 2
    assert done.failed == 0


def test_the_help_of_optimize_begins_with_what_it_is_for():
    text = pydoc.render_doc(amorsize.optimize, renderer=pydoc.plaintext)
    assert [text.count(part) for part in ("Example:", "Args:", "Returns:", "Raises:")] == [1, 1, 1, 1]


def test_a_disabled_program_reads_no_config_of_a_client(monkeypatch):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    with amorsize.Client(config="nowhere.toml") as client:
        assert client.execute(abs, [-1]) == [1]
        assert client.optimize(abs, [-1]).executor == "serial"


def test_a_probe_that_names_no_start_method_leaves_workers_to_auto():
    probe = FakeProbe()
    probe.start_method = "remote"
    with amorsize.Client(cache="memory", probe=probe) as client:
        assert client.optimize(abs, range(100), profile=True).profile.machine.start_method == start_method_in_use()[0]
        assert client.execute(abs, range(-9, 9)) == [abs(item) for item in range(-9, 9)]
