"""What a config says is checked strictly and all at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomli_w import dumps

from amorsize.config import loader as config
from amorsize.config.inputs import data_named
from amorsize.config.settings import CHOSEN, TABLES, Warm
from amorsize.domain.values import Constraints
from amorsize.errors import ConfigError
from amorsize.plugins.backend import Backend
from amorsize.plugins.hook_specifications import hookimpl
from amorsize.plugins.registry import KINDS, Backends


@attrs.frozen
class Server:
    host: str
    port: int = 6379


@attrs.frozen
class RedisOptions:
    """One option of each type a plugin may want."""

    url: str
    timeout_seconds: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    retries: int = attrs.field(default=2, validator=attrs.validators.ge(0))
    tls: bool = True
    mode: Literal["plain", "cluster"] = "plain"
    tags: tuple[str, ...] = ()
    span: tuple[int, int] | None = None
    size: int | str | None = None
    servers: list[Server] = attrs.field(factory=list)
    labels: dict[str, str] = attrs.field(factory=dict)
    directory: str | None = None
    anything: Any = None


@attrs.frozen
class OddOptions:
    """Types that no TOML file can give."""

    size: complex = 0j
    either: complex | bytes = 0j


@attrs.frozen
class LostOptions:
    where: Nowhere = None  # noqa: F821  a type that cannot be looked up is what is tested


class RedisPlugin:
    @hookimpl
    def amorsize_caches(self):
        return [
            Backend("odd", OddOptions, SimpleNamespace),
            Backend("lost", LostOptions, SimpleNamespace),
            Backend("redis", RedisOptions, lambda options: SimpleNamespace(options=options)),
        ]


def written(settings):
    """Return settings as the text of an amorsize.toml; what is not set is left out, as TOML has no null."""
    document = {key: getattr(settings, key) for key in CHOSEN}
    for table, (field, _, options) in TABLES.items():
        part = getattr(settings, field) if attrs.has(type(getattr(settings, field))) else settings
        given = {name: value for name in options if (value := getattr(part, name)) is not None}
        if given:
            document[table] = given
    for kind, tables in settings.backends.items():
        document[kind] = {
            name: {key: value for key, value in table.items() if value is not None} for name, table in tables.items()
        }
    if settings.warm:
        document["warm"] = [attrs.asdict(warm, filter=lambda _, value: value is not None) for warm in settings.warm]
    return dumps(document)


@pytest.fixture
def backends():
    dist = SimpleNamespace(name="amorsize-redis", version="0.1")
    return Backends(lambda: [SimpleNamespace(name="redis", dist=dist, load=RedisPlugin)])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Stand in a folder two levels below a project's root."""
    (tmp_path / ".git").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return tmp_path


def faults(document, backends=None):
    with pytest.raises(ConfigError) as caught:
        config.load(document, backends=backends)
    return str(caught.value).splitlines()


def text_faults(text):
    Path("amorsize.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load()
    return str(caught.value).splitlines()


# Strictness


@pytest.mark.usefixtures("project")
def test_all_faults_of_a_file_are_reported_at_once_with_file_and_key():
    reported = text_faults(
        """
        cahce = "json"
        colour = "red"
        probe = 3
        inspector = "psutl"
        warm = 1
        [limits]
        max_workers = 0
        min_speedup = true
        [rules]
        ttl = 5
        memory_tolerance = "0.2"
        [sampling]
        worker_start_seconds = 1
        fraction = nan
        [store]
        max_entries = 1.5
        [caches.sqlite]
        directory = 7
        [caches.jsom]
        [probes]
        fork = 2
        """
    )
    assert all(line.startswith("amorsize.toml: ") for line in reported)
    assert [line.removeprefix("amorsize.toml: ") for line in reported] == [
        "unknown key 'cahce' (did you mean 'cache'?)",
        (
            "unknown key 'colour' (known keys: 'cache', 'probe', 'inspector', 'executor', 'limits', 'rules', "
            "'sampling', 'store', 'workers', 'warm', 'caches', 'probes', 'inspectors', 'executors')"
        ),
        "probe must be text, got 3",
        "limits.min_speedup must be a number, got True",
        "limits.max_workers must be a whole number from 1 to 65536, got 0",
        "unknown key 'rules.ttl' (did you mean 'ttl_seconds'?)",
        "rules.memory_tolerance must be a number, got '0.2'",
        (
            "unknown key 'sampling.worker_start_seconds' (known keys: 'fraction', 'min_seconds', 'assumed_items', "
            "'where', 'item_seconds')"
        ),
        "sampling.fraction must be a number from 0 to 1, got nan",
        "store.max_entries must be a whole number, got 1.5",
        "warm must be a list of tables, got 1",
        "caches.sqlite.directory must be text, got 7",
        "caches must be one of 'json', 'memory', 'readonly', 'sqlite', got 'jsom' (did you mean 'json'?)",
        "probes.fork must be a table, got 2",
        "inspector must be one of 'fixed', 'psutil', got 'psutl' (did you mean 'psutil'?)",
    ]


@pytest.mark.usefixtures("project")
def test_what_an_earlier_version_called_otherwise_is_named_with_what_it_is_called_now():
    text = """
        [advice]
        max_workers = 4
        executor = "thread"
        [keeping]
        max_entries = 9
        [workers]
        keep_seconds = 5
        """
    assert text_faults(text) == [
        "amorsize.toml: unknown key 'advice' (now called 'limits')",
        "amorsize.toml: unknown key 'keeping' (now called 'store')",
        "amorsize.toml: unknown key 'workers.keep_seconds' (now called 'workers.idle_seconds')",
        "amorsize.toml: unknown key 'advice.executor' (now called 'executor')",
    ]
    Path("amorsize.toml").unlink()
    Path("pyproject.toml").write_text("[tool.amorsize.limits]\nexecutor = 'thread'\n")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert str(caught.value) == "pyproject.toml: unknown key 'tool.amorsize.limits.executor' (now called 'executor')"


def test_faults_in_pyproject_and_mappings_say_where_too():
    Path("pyproject.toml").write_text("[tool.amorsize.rules]\nttl_seconds = -1\n")
    with pytest.raises(
        ConfigError, match=r"^pyproject\.toml: tool\.amorsize\.rules\.ttl_seconds must be a number from 0"
    ):
        config.load()
    Path("pyproject.toml").write_text("[tool]\namorsize = 4\n")
    with pytest.raises(ConfigError, match=r"^pyproject\.toml: tool\.amorsize must be a table, got 4"):
        config.load()
    assert faults({"rules": {"ttl_seconds": -1}})[0].startswith("config: rules.ttl_seconds must be a number from 0")
    assert faults({"rules": []}) == ["config: rules must be a table, got []"]
    assert faults({"caches": 3}) == ["config: caches must be a table, got 3"]
    assert faults({5: 3})[0].startswith("config: unknown key '5' (known keys: ")


def test_a_file_elsewhere_is_shown_by_its_whole_path(project):
    (project / "amorsize.toml").write_text("x = 1")
    with pytest.raises(ConfigError, match="^" + re.escape(f"{project / 'amorsize.toml'}: unknown key 'x'")):
        config.load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cache = 'json'\nprobe =\n", r"^amorsize\.toml, line 2: not valid TOML: Invalid value"),
        (b"cache = 'json'\n\xff = 1\n", r"^amorsize\.toml, line 2: must be UTF-8 text, got byte 0xff"),
        (b"a = " + b"[" * 10**5, r"^amorsize\.toml.*: not valid TOML: "),
        (b"cache = 'json'\ncache = 'json'\n", r"^amorsize\.toml, line 2: not valid TOML: Cannot overwrite a value"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_is_no_toml_is_reported_with_its_line(content, message):
    Path("amorsize.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        config.load()


@pytest.mark.usefixtures("project")
def test_a_byte_order_mark_is_no_fault():
    Path("amorsize.toml").write_bytes(b"\xef\xbb\xbf[limits]\nmax_workers = 2\n")
    assert config.load().constraints.max_workers == 2


def test_whole_numbers_pass_for_fractions_and_nothing_else_for_anything_else(backends):
    settings = config.load({"rules": {"ttl_seconds": 5}})
    assert type(settings.rules.ttl_seconds) is float
    document = {
        "url": 1,
        "timeout_seconds": "1",
        "retries": 1.0,
        "tls": 1,
        "mode": "fast",
        "tags": "abc",
        "span": [1],
        "size": 1.5,
        "servers": [{"host": "a"}, {"port": "1", "x": 1}, 5],
        "labels": {"a": 1},
        "directory": False,
    }
    assert faults({"caches": {"redis": document}}, backends) == [
        "config: caches.redis.url must be text, got 1",
        "config: caches.redis.timeout_seconds must be a number, got '1'",
        "config: caches.redis.retries must be a whole number, got 1.0",
        "config: caches.redis.tls must be true or false, got 1",
        "config: caches.redis.mode must be one of 'plain', 'cluster', got 'fast'",
        "config: caches.redis.tags must be a list, got 'abc'",
        "config: caches.redis.span must be a list of 2 items, got [1]",
        "config: caches.redis.size must be a whole number or text, got 1.5",
        "config: caches.redis.servers[1].host must be given, got nothing",
        "config: caches.redis.servers[1].port must be a whole number, got '1'",
        "config: unknown key 'caches.redis.servers[1].x' (known keys: 'host', 'port')",
        "config: caches.redis.servers[2] must be a table, got 5",
        "config: caches.redis.labels.a must be text, got 1",
        "config: caches.redis.directory must be text, got False",
    ]


def test_every_option_that_a_plugins_validators_refuse_is_reported(backends):
    document = {"url": "x", "timeout_seconds": 0, "retries": -1}
    assert faults({"caches": {"redis": document}}, backends) == [
        "config: caches.redis.timeout_seconds must be > 0, got 0.0",
        "config: caches.redis.retries must be >= 0, got -1",
    ]


def test_options_of_every_type_reach_a_plugin_as_declared(backends, tmp_path):
    table = {
        "url": "redis://x",
        "timeout_seconds": 3,
        "mode": "cluster",
        "tags": ["a", "b"],
        "span": [1, 2],
        "size": "big",
        "servers": [{"host": "a"}],
        "labels": {"a": "b"},
        "directory": str(tmp_path),
        "anything": {"x": [1]},
    }
    settings = config.load({"cache": "redis", "caches": {"redis": table}}, backends=backends)
    built = config.build("caches", settings.cache, settings, backends=backends)
    assert built.options == RedisOptions(
        url="redis://x",
        timeout_seconds=3.0,
        mode="cluster",
        tags=("a", "b"),
        span=(1, 2),
        size="big",
        servers=[Server("a")],
        labels={"a": "b"},
        directory=str(tmp_path),
        anything={"x": [1]},
    )


def test_a_required_option_is_asked_for_only_when_its_backend_is_chosen(backends):
    assert faults({"cache": "redis"}, backends) == ["config: caches.redis.url must be given, got nothing"]
    assert config.load({"cache": "json"}, backends=backends).cache == "json"
    with pytest.raises(ConfigError, match=r"caches\.redis\.url must be given, got nothing"):
        config.build("caches", "redis", config.load({}), backends=backends)


@pytest.mark.filterwarnings("ignore:.*is now called")  # names of earlier versions still count in a mapping
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*CHOSEN, *TABLES, *KINDS, "warm", "json", "function", "range", "max_workers", "x"]),
                inner,
            )
        ),
        max_leaves=12,
    ).filter(lambda document: isinstance(document, dict))
)
def test_any_document_is_read_or_refused_in_our_form(document):
    try:
        settings = config.load(document, backends=Backends(list))
    except ConfigError as error:
        reported = str(error)
    else:
        reported = "config: unknown key "
        assert config.load(tomllib.loads(written(settings))) == settings
    assert re.match(r"config: (unknown key |.*must .*got )", reported, re.DOTALL)


def test_options_that_no_config_can_give_are_reported_as_such(backends):
    assert faults({"caches": {"odd": {"size": 1, "either": 1}}}, backends) == [
        "config: caches.odd.size must be of a type that TOML can give, got complex",
        "config: caches.odd.either must be complex or bytes, got 1",
    ]
    assert faults({"caches": {"lost": {"where": 1}}}, backends) == [
        "config: caches.lost must have options whose types can be looked up, got name 'Nowhere' is not defined"
    ]


def test_none_in_a_mapping_stands_for_an_option_that_is_not_set():
    settings = config.load({"limits": {"max_workers": None}, "caches": {"json": {"directory": None}}})
    assert settings.constraints == Constraints()
    assert faults({"limits": {"min_speedup": None}}) == ["config: limits.min_speedup must be a number, got None"]


# Warm


def test_functions_to_warm_are_read_with_paths_from_the_files_folder(project):
    (project / "amorsize.toml").write_text(
        '[[warm]]\nfunction = "m.n:f.g"\nrange = [0, 9]\n[[warm]]\nfunction = "m:f"\nlines = "data/x.txt"\n'
    )
    assert config.load().warm == (
        Warm(function="m.n:f.g", range=(0, 9)),
        Warm(function="m:f", lines=str(project / "data" / "x.txt")),
    )


def test_a_pattern_to_warm_is_taken_from_the_files_folder_and_gives_the_paths_seen_from_here(project, monkeypatch):
    (project / "deep").mkdir()
    (project / "data").mkdir()
    (project / "data" / "x.csv").write_text("")
    text = '[[warm]]\nfunction = "m:f"\nglob = "data/*.csv"\n'
    file = project / "amorsize.toml"
    file.write_text(text)
    for here, pattern in ((project, "data/*.csv"), (project / "deep", str(Path("..", "data", "*.csv")))):
        monkeypatch.chdir(here)
        (warm,) = config.load(file).warm
        assert data_named(pattern=warm.glob) == data_named(pattern=pattern)
    file.write_text(text.replace("data/", f"{(project / 'data').as_posix()}/"))
    (warm,) = config.load(file).warm
    assert data_named(pattern=warm.glob) == [str(project / "data" / "x.csv")]


def test_a_function_to_warm_needs_a_name_and_data_of_exactly_one_kind():
    assert faults(
        {
            "warm": [
                {"function": "m"},
                {"function": "m:f"},
                {"function": "m:f", "lines": "a", "json": "b"},
                {"range": [1]},
                {"function": "m:f", "range": [1]},
                {"function": "m:f", "range": [1, "x"]},
                7,
            ]
        }
    ) == [
        "config: warm[0].function must be 'module:function', got 'm'",
        "config: warm[1].data must be given as one of 'range', 'lines', 'glob', 'json', got none",
        "config: warm[2].data must be given as one of 'range', 'lines', 'glob', 'json', got 'lines' and 'json'",
        "config: warm[3].function must be given, got nothing",
        "config: warm[4].range must be [start, stop], got [1]",
        "config: warm[5].range[1] must be a whole number, got 'x'",
        "config: warm[6] must be a table, got 7",
    ]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {
            "cache": "sqlite",
            "executor": "thread",
            "limits": {"max_workers": 3, "memory_limit": 10**9},
            "store": {"max_entries": 10},
            "caches": {"json": {"directory": "/x"}},
            "warm": [{"function": "m:f", "range": [0, 5]}],
        },
    ],
)
def test_settings_written_as_toml_read_back_the_same(document):
    settings = config.load(document)
    assert config.load(tomllib.loads(written(settings))) == settings
