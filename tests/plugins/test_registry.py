"""Backends are found by name: built-ins without a look at plugins, plugins without trust in them."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import attrs
import pytest

from amorsize.errors import AmorsizeWarning, PluginError
from amorsize.plugins.backend import API, OLDEST_API, Backend
from amorsize.plugins.hook_specifications import hookimpl
from amorsize.plugins.registry import CHOICES, KINDS, Backends, Row


@attrs.frozen
class DictOptions:
    size: int = 3
    url: str = attrs.field(kw_only=True)
    tags: tuple[str, ...] = attrs.field(factory=tuple)


@attrs.frozen
class FakePoint:
    """An entry point that gives a plugin, or raises it when it is an exception."""

    name: str
    gives: object
    owner: str = "amorsize-fake"

    @property
    def dist(self):
        return SimpleNamespace(name=self.owner, version="1.2")

    def load(self):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


class CachePlugin:
    def __init__(self, *given):
        self.given = given

    @hookimpl
    def amorsize_caches(self):
        return list(self.given)


def cache_named(name, **changes):
    return attrs.evolve(Backend(name, DictOptions, lambda options: (name, options)), **changes)


def plugged(*points):
    return Backends(lambda: points)


def no_look():
    raise AssertionError("entry points were looked for")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("caches", ["json", "memory", "readonly", "sqlite"]),
        ("probes", ["fixed", "fork", "forkserver", "spawn"]),
        ("inspectors", ["fixed", "psutil"]),
    ],
)
def test_built_in_backends_are_found_without_a_look_at_plugins(kind, names):
    backends = Backends(no_look)
    for name in names:
        assert backends.backend(kind, name).name == name
    assert plugged().names(kind) == names


@pytest.mark.parametrize("kind", KINDS)
def test_built_in_backends_are_themselves_what_a_plugin_must_be(kind):
    given = list(Backends(no_look)._built_in(kind))

    class Copy:
        pass

    copy = Copy()
    renamed = [attrs.evolve(backend, name=f"my-{backend.name}") for backend in given]
    setattr(copy, f"amorsize_{kind}", hookimpl(lambda: renamed))
    backends = plugged(FakePoint("copy", copy))
    for backend in renamed:
        assert backends.backend(kind, backend.name) is backend


def test_a_built_in_comes_without_metadata_cattrs_or_its_siblings_in_a_fresh_process():
    unwanted = {
        *("importlib.metadata", "cattrs", "difflib", "sqlite3", "multiprocessing", "tomllib"),
        *(
            "amorsize.adapters.caches.sqlite",
            "amorsize.adapters.probes.start_method",
            "amorsize.adapters.inspectors.fixed",
        ),
    }
    code = """if True:
        import sys
        before = set(sys.modules)
        from amorsize.plugins.registry import Backends
        backends = Backends()
        backends.backend("caches", "json")
        backends.backend("inspectors", "psutil")
        print(*sorted(set(sys.modules) - before))
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=clean
    )
    imported = set(done.stdout.split())
    assert "amorsize.adapters.caches.json" in imported
    assert not imported & unwanted


def test_a_plugin_is_found_by_the_name_of_its_backend_not_of_its_entry_point():
    backend = cache_named("redis")
    assert plugged(FakePoint("whatever", CachePlugin(backend))).backend("caches", "redis") is backend


def test_entry_points_are_loaded_once():
    looks = []
    backends = Backends(lambda: looks.append(1) or [FakePoint("a", CachePlugin(cache_named("redis")))])
    backends.backend("caches", "redis")
    backends.backend("caches", "redis")
    backends.names("probes")
    assert looks == [1]


def test_a_hook_may_be_a_generator():
    class Plugin:
        @hookimpl
        def amorsize_inspectors(self):
            yield Backend("cloud", DictOptions, SimpleNamespace)

    assert plugged(FakePoint("cloud", Plugin())).backend("inspectors", "cloud").name == "cloud"


def test_a_plugin_that_two_entry_points_lead_to_counts_once():
    plugin = CachePlugin(cache_named("redis"))
    backends = plugged(FakePoint("a", plugin), FakePoint("b", plugin))
    assert backends.names("caches").count("redis") == 1
    assert backends.backend("caches", "redis")


def test_an_unknown_name_lists_the_known_ones_and_suggests_the_nearest():
    with pytest.raises(PluginError) as caught:
        plugged(FakePoint("a", CachePlugin(cache_named("redis")))).backend("caches", "redsi")
    assert str(caught.value) == (
        "cache must be one of 'json', 'memory', 'readonly', 'redis', 'sqlite', got 'redsi' (did you mean 'redis'?)"
    )


@pytest.mark.parametrize(
    ("kind", "name", "end"),
    [
        ("caches", "redis", ", got 'redis': 'redis' comes with the plugin amorsize-redis, which is not installed here"),
        ("executors", "dask", ": 'dask' comes with the plugin amorsize-dask, which is not installed here"),
        ("caches", "rediss", " (did you mean 'redis', of the plugin amorsize-redis, which is not installed here?)"),
        ("caches", "jsno", ", got 'jsno' (did you mean 'json'?)"),
        ("caches", "mongo", ", got 'mongo'"),
        ("probes", "redis", ", got 'redis'"),
    ],
)
def test_only_a_plugin_of_amorsizes_own_is_named_for_a_backend_that_is_not_there(kind, name, end):
    with pytest.raises(PluginError) as caught:
        plugged().backend(kind, name)
    assert str(caught.value).endswith(end)
    assert "pip install" not in str(caught.value)


def test_a_plugin_of_amorsizes_own_that_is_broken_is_not_called_missing():
    with pytest.raises(PluginError) as caught:
        plugged(FakePoint("redis", ImportError("no redis"), "amorsize-redis")).backend("caches", "redis")
    assert str(caught.value).endswith("got 'redis'; could not be loaded: amorsize-redis 1.2 (ImportError: no redis)")


def test_an_unknown_probe_lists_auto_too():
    with pytest.raises(PluginError, match="one of 'auto', 'fixed', 'fork', 'forkserver', 'spawn', got 'zzz'$"):
        plugged().backend("probes", "zzz")


def test_a_plugin_may_not_claim_a_built_in_name():
    backends = plugged(FakePoint("evil", CachePlugin(cache_named("json"), cache_named("redis"))))
    assert backends.backend("caches", "json").options is not DictOptions
    with pytest.raises(PluginError, match=r"caches.json must have one owner, got amorsize and amorsize-fake 1\.2"):
        backends.backend("caches", "redis")


def test_a_plugin_may_not_claim_the_probe_auto():
    class Plugin:
        @hookimpl
        def amorsize_probes(self):
            return [Backend("auto", DictOptions, SimpleNamespace)]

    with pytest.raises(PluginError, match=r"probes\.auto must have one owner"):
        plugged(FakePoint("p", Plugin())).backend("probes", "else")


def test_a_name_that_two_plugins_claim_is_an_error_that_names_both_and_concerns_one_kind_only():
    backends = plugged(
        FakePoint("one", CachePlugin(cache_named("redis")), "first"),
        FakePoint("two", CachePlugin(cache_named("redis")), "second"),
    )
    with pytest.raises(PluginError, match=r"caches\.redis must have one owner, got first 1\.2 and second 1\.2"):
        backends.backend("caches", "redis")
    assert backends.names("inspectors") == ["fixed", "psutil"]


def test_a_backend_that_states_no_api_was_written_for_the_first():
    assert Backend("mongo", DictOptions, dict).api == 1


def test_a_plugin_written_for_the_oldest_api_that_is_supported_is_used():
    plugin = CachePlugin(cache_named("mongo", api=OLDEST_API))
    assert plugged(FakePoint("mongo", plugin)).backend("caches", "mongo").name == "mongo"


def test_a_backend_with_a_newer_api_is_refused_with_words_on_what_to_do(pytestconfig):
    newer = plugged(FakePoint("new", CachePlugin(cache_named("mongo", api=API + 1)), "amorsize-mongo"))
    do = r"\(upgrade amorsize, or install an older version of the plugin\)"
    with pytest.raises(PluginError, match=rf"amorsize-mongo 1\.2 \(api must be at most {API}, got {API + 1}: .*{do}"):
        newer.backend("caches", "mongo")
    page = pytestconfig.rootpath / "docs" / "reference" / "hooks.md"
    assert f"`{newer.describe()[-1].state}`" in page.read_text(encoding="utf-8")


class Raises:
    @hookimpl
    def amorsize_caches(self):
        raise OSError("no such host")


class Misspelt:
    @hookimpl
    def amorsize_cashes(self):
        return []


class TakesTooMuch:
    @hookimpl
    def amorsize_caches(self, connection):
        return [connection]


BROKEN = {
    "import": (ImportError("no module named redis"), "ImportError: no module named redis"),
    "hook": (Raises(), "OSError: no such host"),
    "misspelt": (Misspelt(), "its hooks must be of 'amorsize_caches', .*, got 'amorsize_cashes'"),
    "signature": (TakesTooMuch(), "PluginValidationError"),
    "nothing": (CachePlugin(None), "its hook must return a list of Backend"),
    "newer": (CachePlugin(cache_named("mongo", api=API + 1)), rf"at most {API}, got {API + 1}.*\(upgrade amorsize, or"),
    "older": (CachePlugin(cache_named("mongo", api=OLDEST_API - 1)), rf"at least {OLDEST_API}.*\(upgrade the plugin"),
    "api": (CachePlugin(cache_named("mongo", api="2")), "api of 'mongo' must be a whole number, got '2'"),
    "name": (CachePlugin(cache_named("Mongo DB")), "name must be lower-case letters"),
    "options": (CachePlugin(cache_named("mongo", options=dict)), "options of 'mongo' must be an attrs class"),
    "build": (CachePlugin(cache_named("mongo", build=None)), "build of 'mongo' must be callable"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_plugin_costs_one_warning_when_another_is_asked_for(broken):
    gives, why = BROKEN[broken]
    backends = plugged(FakePoint("bad", gives, "amorsize-bad"), FakePoint("a", CachePlugin(cache_named("redis"))))
    with pytest.warns(AmorsizeWarning, match=rf"amorsize-bad 1\.2: plugin 'bad' is ignored: .*{why}") as caught:
        assert backends.backend("caches", "redis").name == "redis"
    assert len(caught) == 1
    backends.backend("caches", "redis")


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_plugin_that_may_be_the_one_asked_for_is_named_in_the_error(broken):
    gives, why = BROKEN[broken]
    with pytest.raises(PluginError, match=rf"got 'mongo'.*could not be loaded: amorsize-bad 1\.2 \(.*{why}"):
        plugged(FakePoint("bad", gives, "amorsize-bad")).backend("caches", "mongo")


def test_a_plugin_broken_for_one_kind_does_not_trouble_another():
    class Half:
        @hookimpl
        def amorsize_caches(self):
            raise OSError

        @hookimpl
        def amorsize_inspectors(self):
            return [Backend("cloud", DictOptions, SimpleNamespace)]

    backends = plugged(FakePoint("half", Half()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert backends.backend("inspectors", "cloud").name == "cloud"


def test_describe_lists_built_ins_plugins_clashes_and_broken_ones_without_raising():
    rows = plugged(
        FakePoint("good", CachePlugin(cache_named("redis"))),
        FakePoint("greedy", CachePlugin(cache_named("json")), "greedy"),
        FakePoint("bad", ImportError("gone"), "bad"),
    ).describe()
    built_in = {(row.kind, row.name) for row in rows if row.distribution == "amorsize"}
    assert built_in >= {("caches", "json"), ("probes", "spawn"), ("inspectors", "fixed")}
    assert {row.kind for row in rows} == {*KINDS, ""} == {*CHOICES, ""}
    redis = next(row for row in rows if row.name == "redis")
    options = {"size": 3, "url": attrs.NOTHING, "tags": ()}
    assert redis == Row("redis", "caches", "amorsize-fake", "1.2", "ready", options)
    greedy = next(row for row in rows if row.distribution == "greedy")
    assert "must have one owner" in greedy.state
    assert rows[-1] == Row("bad", "", "bad", "1.2", "ImportError: gone")
