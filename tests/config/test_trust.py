"""What a config that was found by searching says of options that reach out counts only once the user trusts it."""

from __future__ import annotations

import os
import stat
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

from amorsize import composition as assembly
from amorsize.config import loader as config
from amorsize.config import trust
from amorsize.config.files import project_of
from amorsize.errors import AmorsizeError, AmorsizeWarning, CacheError, PluginError
from amorsize.plugins.backend import REACHES_OUT, Backend
from amorsize.plugins.hook_specifications import hookimpl
from amorsize.plugins.registry import Backends

posix = pytest.mark.skipif(sys.platform == "win32", reason="links need privileges on Windows")


@attrs.frozen
class FarOptions:
    """Options of which two reach out."""

    url: str = attrs.field(default="far://localhost", metadata=REACHES_OUT)
    password_variable: str = attrs.field(default="FAR_PASSWORD", metadata=REACHES_OUT)
    prefix: str = "amorsize:"
    directory: str | None = None


@attrs.frozen
class StrictOptions:
    """Options that nothing works without."""

    host: str = attrs.field(metadata=REACHES_OUT)


class FarPlugin:
    @hookimpl
    def amorsize_caches(self):
        return [
            Backend(name, options, lambda options: SimpleNamespace(options=options))
            for name, options in (("far", FarOptions), ("strict", StrictOptions))
        ]

    @hookimpl
    def amorsize_probes(self):
        return [Backend("strict", StrictOptions, lambda options: SimpleNamespace(options=options))]


@pytest.fixture
def backends():
    dist = SimpleNamespace(name="amorsize-far", version="0.1")
    return Backends(lambda: [SimpleNamespace(name="far", dist=dist, load=FarPlugin)])


@pytest.fixture
def project(own_place, monkeypatch):
    """Stand in a project whose cache is the user's own."""
    folder = own_place / "work" / "project"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("AMORSIZE_CACHE_DIR")
    return folder


FAR = '[caches.far]\nurl = "far://evil.example"\npassword_variable = "AWS_SECRET_ACCESS_KEY"\nprefix = "mine:"\n'


def write(project, text=FAR, name="amorsize.toml"):
    file = project / name
    file.write_text(text)
    return file


def loaded(backends, **options):
    """Return the settings and the words of each warning on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        settings = config.load(backends=backends, **options)
    assert {one.category for one in caught} <= {AmorsizeWarning}
    return settings, [str(one.message) for one in caught]


def far(settings, backends):
    return config.build("caches", "far", settings, backends=backends).options


def trusted(file, backends):
    """Trust a file as the command does."""
    options, _ = config.reaching(config.load(file, backends=backends), project_of(str(file)), backends)
    trust.trust(str(file), options)


def test_until_it_is_trusted_the_defaults_count_and_one_warning_names_options_and_command(project, backends):
    file = write(project)
    settings, said = loaded(backends)
    (words,) = said
    assert words.startswith(
        "amorsize.toml: caches.far.url, caches.far.password_variable reach out of the project; their"
    )
    assert words.endswith(f": amorsize config trust {file}")
    assert "evil" not in words
    assert far(settings, backends) == FarOptions(
        prefix="mine:", directory=str(Path(os.environ["HOME"], ".cache/amorsize/optimization_cache"))
    )
    trusted(file, backends)
    settings, said = loaded(backends)
    assert said == []
    assert (far(settings, backends).url, far(settings, backends).password_variable) == (
        "far://evil.example",
        "AWS_SECRET_ACCESS_KEY",
    )


def test_the_table_in_pyproject_needs_trust_too(project, backends):
    write(project, FAR.replace("[caches", "[tool.amorsize.caches"), "pyproject.toml")
    settings, said = loaded(backends)
    assert len(said) == 1
    assert far(settings, backends).url == "far://localhost"


def test_what_is_trusted_is_just_these_options_of_just_this_file(project, backends, own_place):
    file = write(project)
    trusted(file, backends)
    for text, count in (
        (FAR.replace("mine:", "ours:") + "[limits]\nmax_workers = 3\n", 0),
        (FAR.replace("evil", "good"), 1),
        (FAR.replace("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"), 1),
        (FAR + 'directory = "/elsewhere"\n', 1),
        (FAR, 0),
    ):
        write(project, text)
        assert len(loaded(backends)[1]) == count, text
    (own_place / "work" / "other").mkdir()
    file.rename(own_place / "work" / "other" / "amorsize.toml")
    os.chdir(own_place / "work" / "other")
    assert len(loaded(backends)[1]) == 1


def test_trust_is_noticed_without_a_new_process_and_can_be_taken_back(project, backends):
    file = write(project)
    before, _ = loaded(backends)
    assert config.is_current(before)
    trusted(file, backends)
    assert not config.is_current(before)
    assert loaded(backends)[1] == []
    assert trust.revoke(str(file)) is True
    assert trust.revoke(str(file)) is False
    assert len(loaded(backends)[1]) == 1


def test_a_config_that_is_named_or_the_users_own_needs_no_trust(project, backends, monkeypatch):
    file = write(project)
    document = {"caches": {"far": {"url": "far://evil.example"}}}
    for given in ({"config": file}, {"config": document}):
        settings, said = loaded(backends, **given)
        assert (said, far(settings, backends).url) == ([], "far://evil.example")
    monkeypatch.setenv("AMORSIZE_CONFIG", str(file))
    assert loaded(backends)[1] == []
    monkeypatch.delenv("AMORSIZE_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "user"))
    (project / "user" / "amorsize").mkdir(parents=True)
    file.rename(project / "user" / "amorsize" / "amorsize.toml")
    for place in (project, project / "user" / "amorsize"):
        monkeypatch.chdir(place)
        settings, said = loaded(backends)
        assert (said, far(settings, backends).url) == ([], "far://evil.example")


def test_options_that_say_what_is_the_default_and_backends_chosen_by_name_need_no_trust(project, backends):
    write(project, 'cache = ["json", "far"]\n[caches.far]\nurl = "far://localhost"\n')
    settings, said = loaded(backends)
    assert (said, settings.cache, settings.untrusted) == ([], ("json", "far"), {})


INSIDE = ["cache", "./a/../cache", "a/b", ".", "$HOME/x", "%2e%2e/x", "~nobody-of-that-name/x", "~/.cache/amorsize/x"]
OUTSIDE = ["~/anything", "../x", "a/../../x", "/tmp/x", "//tmp/x", "link/x", "link", "up/x", "~/.cache/other", "~/.ssh"]


@posix
@pytest.mark.parametrize("backend", ["json", "sqlite", "readonly", "far"])
@pytest.mark.parametrize(("places", "count"), [(INSIDE, 0), (OUTSIDE, 1)], ids=["inside", "outside"])
def test_a_directory_must_lie_in_the_project_or_in_the_users_cache(project, backends, backend, places, count):
    (project / "link").symlink_to(project.parent / "elsewhere")
    (project / "up").symlink_to("..")
    for place in places:
        write(project, f"[caches.{backend}]\ndirectory = '{place}'\n")
        settings, said = loaded(backends)
        assert len(said) == count, (place, said)
        assert list(settings.untrusted) == [f"caches.{backend}.directory"] * count


def test_a_directory_outside_is_not_written_to_before_it_is_trusted(project, own_place, backends):
    file = write(project, "[caches.json]\ndirectory = '~/anything'\n")
    with pytest.warns(AmorsizeWarning, match="caches.json.directory reaches out of the project; its default is used"):
        store = config.build("caches", "json", config.load())
    store.store("here", "v", "text")
    assert not (own_place / "home" / "anything").exists()
    trusted(file, backends)
    config.build("caches", "json", config.load()).store("here", "v", "text")
    assert (own_place / "home" / "anything" / "here" / "v.json").exists()


@posix
def test_a_link_that_is_changed_later_leads_nowhere_else(project, own_place):
    (project / "a").mkdir()
    (project / "link").symlink_to("a")
    write(project, "[caches.json]\ndirectory = 'link/cache'\n")
    store = config.build("caches", "json", config.load())
    (project / "link").unlink()
    (project / "link").symlink_to(own_place / "home")
    store.store("here", "v", "text")
    assert (project / "a" / "cache" / "here" / "v.json").exists()
    assert list((own_place / "home").glob("**/here")) == []


@posix
def test_a_directory_that_was_trusted_is_the_one_it_was_when_it_was_trusted(project, own_place, backends):
    (own_place / "one").mkdir()
    (project / "link").symlink_to(own_place / "one")
    file = write(project, "[caches.json]\ndirectory = 'link/cache'\n")
    trusted(file, backends)
    assert loaded(backends)[1] == []
    (project / "link").unlink()
    (project / "link").symlink_to(own_place / "home")
    assert len(loaded(backends)[1]) == 1


def test_the_project_is_that_of_its_root_and_never_one_that_holds_the_home(project, own_place, monkeypatch, backends):
    (project / "a").mkdir()
    monkeypatch.chdir(project / "a")
    write(project / "a", "[caches.json]\ndirectory = '../cache'\n")
    assert loaded(backends)[1] == []
    (project / ".git").rmdir()
    assert len(loaded(backends)[1]) == 1
    (own_place / ".git").mkdir()  # above the home as well as the project
    assert len(loaded(backends)[1]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of this kind")
def test_what_is_trusted_is_kept_where_nobody_else_can_write(project, own_place, backends):
    file = write(project)
    before = os.umask(0)
    try:
        trusted(file, backends)
    finally:
        os.umask(before)
    folder = own_place / "home" / ".config" / "amorsize" / "trusted"
    (kept,) = folder.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, kept)] == [0o700, 0o700, 0o600]
    assert str(file) in kept.read_text()

    kept.chmod(0o620)
    assert len(loaded(backends)[1]) == 1
    kept.chmod(0o600)
    folder.chmod(0o720)
    assert len(loaded(backends)[1]) == 1
    folder.chmod(0o700)
    assert loaded(backends)[1] == []
    kept.rename(own_place / "kept")
    kept.symlink_to(own_place / "kept")
    assert len(loaded(backends)[1]) == 1
    kept.unlink()
    os.mkfifo(kept)
    assert len(loaded(backends)[1]) == 1
    kept.unlink()
    kept.write_text("x" * 1_000_000)
    kept.chmod(0o600)
    assert len(loaded(backends)[1]) == 1


def test_a_failure_to_keep_it_leaves_nothing_behind(project, own_place, monkeypatch, backends):
    file = write(project)
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trusted(file, backends)
    assert list((own_place / "home" / ".config" / "amorsize" / "trusted").iterdir()) == []


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the home is Linux's here")
def test_a_user_without_a_home_trusts_nothing(project, backends, monkeypatch):
    file = write(project)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("platformdirs.user_config_dir", lambda *_, **__: "~")
    assert len(loaded(backends)[1]) == 1
    with pytest.raises(AmorsizeError, match="must be kept in the user's home, got no home"):
        trusted(file, backends)
    assert trust.revoke(str(file)) is False


def test_a_cache_that_cannot_do_without_is_replaced_by_memory_and_a_probe_is_an_error(project, backends, monkeypatch):
    write(project, '[caches.strict]\nhost = "evil.example"\n[probes.strict]\nhost = "evil.example"\n')
    settings, said = loaded(backends)
    assert len(said) == 1
    with pytest.raises(PluginError, match="probes.strict.host must be given, got nothing: type amorsize config trust"):
        config.build("probes", "strict", settings, backends=backends)
    with pytest.raises(CacheError, match="caches.strict.host must be given, got nothing: type amorsize config trust"):
        config.build("caches", "strict", settings, backends=backends)
    monkeypatch.setattr(assembly, "Backends", lambda: backends)
    with pytest.warns(AmorsizeWarning, match="amorsize config trust .*; answers are kept in memory only"):
        dependencies = assembly._dependencies(settings, "strict", "fork", None, "")
    assert type(dependencies.entries.store).__name__ == "MemoryCache"
