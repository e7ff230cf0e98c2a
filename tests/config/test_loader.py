"""A config is searched for, noticed when it changes, and its backends are built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import attrs
import platformdirs
import pytest

from amorsize.config import loader as config
from amorsize.config.settings import Settings
from amorsize.domain.rules import RuleSettings
from amorsize.domain.values import Constraints
from amorsize.errors import AmorsizeWarning, CacheError, ConfigError, PluginError
from amorsize.plugins.backend import Backend
from amorsize.plugins.hook_specifications import hookimpl
from amorsize.plugins.registry import KINDS, Backends


@attrs.frozen
class RedisOptions:
    url: str
    directory: str | None = None


def out_of_reach(_):
    raise ConnectionRefusedError("nobody answers")


class FarPlugin:
    @hookimpl
    def amorsize_caches(self):
        return [
            Backend("redis", RedisOptions, lambda options: SimpleNamespace(options=options)),
            Backend("moody", attrs.make_class("MoodyOptions", {}), lambda _: 1 / 0),
            Backend("far", attrs.make_class("FarOptions", {}), out_of_reach),
        ]


@pytest.fixture
def backends():
    dist = SimpleNamespace(name="amorsize-redis", version="0.1")
    return Backends(lambda: [SimpleNamespace(name="redis", dist=dist, load=FarPlugin)])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Stand in a folder two levels below a project's root."""
    (tmp_path / ".git").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return tmp_path


# Search


@pytest.mark.usefixtures("project")
def test_without_a_file_the_settings_are_the_defaults():
    settings = config.load()
    assert settings == Settings(cache_dir=os.environ["AMORSIZE_CACHE_DIR"])
    assert settings.source == "defaults"
    assert config.find() is None


def test_a_file_is_found_from_the_working_directory_upwards_and_the_nearest_wins(project):
    (project / "amorsize.toml").write_text("[limits]\nmax_workers = 2\n")
    assert config.load().constraints.max_workers == 2
    (project / "a" / "amorsize.toml").write_text("[limits]\nmax_workers = 3\n")
    settings = config.load()
    assert settings.constraints.max_workers == 3
    assert settings.source == str(project / "a" / "amorsize.toml")
    assert config.find() == project / "a" / "amorsize.toml"


def test_the_search_ends_at_the_project_root(project):
    (project / "amorsize.toml").write_text("[limits]\nmax_workers = 2\n")
    (project / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert config.load().constraints.max_workers is None


def test_without_a_project_only_the_working_directory_counts(tmp_path, monkeypatch):
    inner = tmp_path / "a"
    inner.mkdir()
    monkeypatch.chdir(inner)
    (tmp_path / "amorsize.toml").write_text("[limits]\nmax_workers = 2\n")
    assert config.load().constraints.max_workers is None
    (inner / "amorsize.toml").write_text("[limits]\nmax_workers = 3\n")
    assert config.load().constraints.max_workers == 3


@pytest.mark.parametrize(
    "text",
    [
        "[tool.amorsize.limits]\nmax_workers = 2\n",
        "[tool]\namorsize = {limits = {max_workers = 2}}\n",
        "[tool]\namorsize.limits.max_workers = 2\n",
        '[ tool . "amorsize" . limits ]\nmax_workers = 2\n',
        "tool.amorsize.limits.max_workers = 2\n",
    ],
)
def test_the_table_in_pyproject_counts_however_it_is_written(project, text):
    (project / "pyproject.toml").write_text(text)
    assert config.load().constraints.max_workers == 2


def test_a_file_of_our_own_beats_pyproject_beside_it(project):
    (project / "pyproject.toml").write_text("[tool.amorsize.limits]\nmax_workers = 2\n")
    (project / "amorsize.toml").write_text("[limits]\nmax_workers = 3\n")
    assert config.load().constraints.max_workers == 3


def test_a_pyproject_that_is_not_ours_need_not_even_be_toml(project):
    (project / "pyproject.toml").write_text('dependencies = ["amorsize>=1"\nbroken')
    assert config.load().source == "defaults"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG folders are Linux's")
def test_the_users_folder_comes_last(project, monkeypatch):
    user = project / "user" / "amorsize"
    user.mkdir(parents=True)
    (user / "amorsize.toml").write_text("[limits]\nmax_workers = 4\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "user"))
    assert config.load().constraints.max_workers == 4
    (project / "amorsize.toml").write_text("")
    assert config.load().constraints.max_workers is None


def test_the_variable_names_a_file_outright(project, monkeypatch):
    (project / "amorsize.toml").write_text("[limits]\nmax_workers = 2\n")
    other = project / "other.toml"
    other.write_text("[limits]\nmax_workers = 5\n")
    monkeypatch.setenv("AMORSIZE_CONFIG", str(other))
    assert config.load().constraints.max_workers == 5
    monkeypatch.setenv("AMORSIZE_CONFIG", os.devnull)
    assert config.load().constraints.max_workers is None
    monkeypatch.setenv("AMORSIZE_CONFIG", "")
    assert config.load().constraints.max_workers == 2


@pytest.mark.usefixtures("project")
def test_a_path_given_beats_the_variable(monkeypatch):
    for name, workers in (("one.toml", 1), ("two.toml", 2)):
        Path(name).write_text(f"[limits]\nmax_workers = {workers}\n")
    monkeypatch.setenv("AMORSIZE_CONFIG", "one.toml")
    assert config.load().constraints.max_workers == 1
    assert config.load("two.toml").constraints.max_workers == 2
    assert config.load(Path("two.toml")).constraints.max_workers == 2


def test_a_file_named_outright_must_be_there_and_speak_to_us(project, monkeypatch):
    with pytest.raises(ConfigError, match=r"config: there is no file '.*gone\.toml'"):
        config.load("gone.toml")
    with pytest.raises(ConfigError, match="config must name a file, got the folder"):
        config.load(project)
    Path("pyproject.toml").write_text("[project]\n")
    with pytest.raises(ConfigError, match=r"pyproject.toml must have a table \[tool.amorsize\], got none"):
        config.load("pyproject.toml")
    monkeypatch.setenv("AMORSIZE_CONFIG", "gone.toml")
    with pytest.raises(ConfigError, match="AMORSIZE_CONFIG: there is no file"):
        config.find()
    with pytest.raises(ConfigError, match="config must be a path, a mapping or None, got 3"):
        config.load(3)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["amorsize.toml", "pyproject.toml"])
def test_a_folder_of_that_name_is_named(name):
    Path(name).mkdir()
    Path("below").mkdir()
    Path(".git").mkdir(exist_ok=True)
    os.chdir("below")
    with pytest.warns(AmorsizeWarning, match=rf"{name} must be a file to be read, got a folder"):
        assert config.load().source == "defaults"


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed")
@pytest.mark.usefixtures("project")
def test_a_working_directory_that_was_removed_is_no_obstacle():
    Path.cwd().rmdir()
    assert config.load().source == "defaults"


@pytest.mark.usefixtures("project")
def test_a_mapping_stands_in_for_a_file():
    Path("amorsize.toml").write_text("[limits]\nmax_workers = 2\n")
    settings = config.load({"limits": {"min_speedup": 2}, "rules": {"ttl_seconds": 60}})
    assert settings.constraints == Constraints(min_speedup=2.0)
    assert settings.rules == RuleSettings(ttl_seconds=60.0)
    assert settings.source == "config"


# Staleness


def test_settings_are_current_until_something_looked_at_changes(project, monkeypatch):
    settings = config.load()
    assert config.is_current(settings)
    file = project / "a" / "amorsize.toml"
    file.write_text("[limits]\nmax_workers = 2\n")
    assert not config.is_current(settings)
    settings = config.load()
    assert config.is_current(settings)
    file.write_text("[limits]\nmax_workers = 22\n")
    assert not config.is_current(settings)
    settings = config.load()
    file.unlink()
    assert not config.is_current(settings)
    settings = config.load()
    (project / "a" / ".git").mkdir()
    assert not config.is_current(settings)
    settings = config.load()
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(project))
    assert not config.is_current(settings)
    settings = config.load()
    monkeypatch.chdir(project)
    assert not config.is_current(settings)


def test_settings_from_a_mapping_stay_current(monkeypatch, project):
    settings = config.load({})
    monkeypatch.chdir(project)
    assert config.is_current(settings)


# Building


def test_the_cache_directory_is_the_variables_or_in_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path / "here"))
    assert config.cache_directory(config.load()) == str(tmp_path / "here")
    monkeypatch.delenv("AMORSIZE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    found = Path(config.cache_directory(config.load()))
    assert found.is_absolute()
    assert found.parts[-1] == "optimization_cache"
    assert "amorsize" in found.parts
    if sys.platform == "linux":
        assert found == tmp_path / "user" / "amorsize" / "optimization_cache"


def no_home(*_, **__):
    raise RuntimeError("could not determine the home directory")


@pytest.mark.parametrize("folder", [no_home, lambda *_, **__: "~/.cache/amorsize"])
def test_a_user_without_a_home_has_no_cache_directory_and_no_config(monkeypatch, folder):
    for name in ("AMORSIZE_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", folder)
    monkeypatch.setattr(platformdirs, "user_config_dir", folder)
    settings = config.load()
    assert settings == Settings()
    with pytest.raises(CacheError, match="must lie in the user's home, got no home: set AMORSIZE_CACHE_DIR"):
        config.cache_directory(settings)


def directory(settings, backends):
    return config.build("caches", "redis", settings, backends=backends).options.directory


def test_a_directory_that_is_not_set_is_the_cache_directory(backends, tmp_path, monkeypatch):
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path))
    assert directory(config.load({"caches": {"redis": {"url": "x"}}}, backends=backends), backends) == str(tmp_path)


def test_a_directory_is_taken_from_the_files_folder_and_the_variable_overrules_it(project, backends, monkeypatch):
    (project / "amorsize.toml").write_text('[caches.redis]\nurl = "x"\ndirectory = "mine"\n')
    assert directory(config.load(backends=backends), backends) == os.environ["AMORSIZE_CACHE_DIR"]
    monkeypatch.delenv("AMORSIZE_CACHE_DIR")
    assert directory(config.load(backends=backends), backends) == str(project / "mine")


def test_a_directory_in_a_mapping_beats_the_variable(backends, tmp_path):
    document = {"caches": {"redis": {"url": "x", "directory": str(tmp_path / "mine")}}}
    assert directory(config.load(document, backends=backends), backends) == str(tmp_path / "mine")


def test_a_plugin_that_fails_to_build_is_named(backends):
    with pytest.raises(PluginError, match=r"caches\.moody cannot be built: ZeroDivisionError: division by zero"):
        config.build("caches", "moody", config.load({}), backends=backends)


def test_a_medium_that_is_out_of_reach_says_so_itself(backends):
    with pytest.raises(ConnectionRefusedError, match="nobody answers"):
        config.build("caches", "far", config.load({}), backends=backends)


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_backend_builds_from_the_defaults(kind):
    backends = Backends(list)
    for name in backends.names(kind):
        built = config.build(kind, name, config.load({}), backends=backends)
        if hasattr(built, "close"):
            built.close()


def test_a_fresh_process_without_a_config_imports_no_parser(tmp_path):
    unwanted = {"cattrs", "tomllib", "tomli_w", "difflib", "importlib.metadata", "sqlite3", "multiprocessing"}
    code = """if True:
        import sys
        before = set(sys.modules)
        from amorsize.config import loader as config
        settings = config.load()
        config.build("caches", settings.cache, settings)
        config.build("inspectors", settings.inspector, settings)
        print(settings.source, *sorted(set(sys.modules) - before))
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path, env=clean
    )
    source, *imported = done.stdout.split()
    assert source == "defaults"
    assert "amorsize.config.settings" in imported
    assert not unwanted & set(imported)
