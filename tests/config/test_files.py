"""Config files that somebody else has made, or that are made to take for ever."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path

import platformdirs
import pytest

from amorsize.config import files
from amorsize.config import loader as config
from amorsize.errors import AmorsizeWarning, ConfigError
from amorsize.testing.faults import become_nobody, in_a_fork


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Stand in a folder two levels below a project's root."""
    (tmp_path / ".git").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return tmp_path


has_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here")


@pytest.fixture
def give_away(monkeypatch):
    """Return a function that makes a file somebody else's: as root by giving it away, else by being another user."""
    own = os.lstat

    def give(path):
        if os.geteuid() == 0:
            os.chown(path, 4242, -1, follow_symlinks=False)
            return
        given.add(own(path).st_ino)

    def looked(look):
        def status(path, **options):
            found = look(path, **options)
            return os.stat_result((*found[:4], 4242, *found[5:])) if found.st_ino in given else found

        return status

    given = set()
    if os.geteuid() != 0:
        for name in ("lstat", "stat", "fstat"):
            monkeypatch.setattr(os, name, looked(getattr(os, name)))
    return give


@has_owners
@pytest.mark.parametrize("name", ["amorsize.toml", "pyproject.toml"])
def test_a_file_of_another_user_is_not_read_unless_named(project, give_away, name):
    file = project / name
    file.write_text(f"[{'tool.amorsize.' if name == 'pyproject.toml' else ''}limits]\nmax_workers = 2\n")
    give_away(file)
    with pytest.warns(AmorsizeWarning, match=rf"{name} must be owned by you or root to be read, got owner 4242; "):
        assert config.load().constraints.max_workers is None
    assert config.load(file).constraints.max_workers == 2


@has_owners
def test_files_of_other_users_cost_one_warning_and_the_search_goes_on(project, give_away):
    for name in ("a/b/amorsize.toml", "a/b/pyproject.toml", "a/amorsize.toml"):
        (project / name).write_text("no TOML")
        give_away(project / name)
    (project / "amorsize.toml").write_text("[limits]\nmax_workers = 2\n")
    with pytest.warns(AmorsizeWarning, match=r"b/amorsize.toml .*; .*b/pyproject.toml .*; .*a/amorsize.toml ") as said:
        assert config.load().constraints.max_workers == 2
    assert len(said) == 1


@has_owners
def test_a_link_of_another_user_to_a_file_of_ours_is_not_followed(project, give_away):
    (project / "elsewhere").write_text("[limits]\nmax_workers = 2\n")
    (project / "amorsize.toml").symlink_to("elsewhere")
    assert config.load().constraints.max_workers == 2
    give_away(project / "amorsize.toml")
    with pytest.warns(AmorsizeWarning, match="must be owned by you or root"):
        assert config.load().constraints.max_workers is None


@has_owners
@pytest.mark.parametrize("name", [".git", "pyproject.toml"])
def test_what_another_user_has_put_into_a_shared_folder_makes_no_project_of_it(project, give_away, name):
    (project / ".git").rmdir()
    (project / "amorsize.toml").write_text("no TOML")
    (project / name).mkdir() if name == ".git" else (project / name).touch()
    with pytest.raises(ConfigError, match="not valid TOML"):
        config.load()
    give_away(project / name)
    assert config.load().source == "defaults"


@pytest.mark.skipif(sys.platform == "win32", reason="users and modes of this kind are POSIX's")
@pytest.mark.parametrize("name", ["amorsize.toml", "pyproject.toml", ".git"])
@pytest.mark.parametrize("kind", ["file", "folder", "pipe"])
def test_nothing_that_cannot_be_read_in_a_shared_folder_above_fails_those_below(name, kind):
    with tempfile.TemporaryDirectory() as above:
        shared = Path(above, "shared")
        (shared / "mine").mkdir(parents=True)
        make = {"file": lambda path, mode: path.touch(mode), "folder": Path.mkdir, "pipe": os.mkfifo}[kind]
        make(shared / name, 0o000)
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(shared / name, 4242, -1)
        for path in (Path(above), shared, shared / "mine"):
            path.chmod(0o777)

        def load():
            become_nobody()
            if not is_root:  # who cannot give files away is somebody else
                os.geteuid = lambda: 4243
            os.chdir(shared / "mine")
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                return config.load().source, len(said)

        assert in_a_fork(load) == ("defaults", 0)
        (shared / name).chmod(0o700)


@pytest.mark.usefixtures("project")
def test_a_file_too_large_to_be_a_config_is_not_taken_in():
    with open("amorsize.toml", "wb") as file:  # noqa: PTH123  as the code under test
        file.truncate(4 << 30)
    with pytest.raises(ConfigError, match="amorsize.toml must be at most 1048576 bytes, got more"):
        config.load()
    with pytest.raises(ConfigError, match="zero must be at most 1048576 bytes, got more"):
        config.load("/dev/zero")
    Path("amorsize.toml").rename("pyproject.toml")
    assert config.load().source == "defaults"
    Path("pyproject.toml").write_text("[tool.amorsize]\n" + "#" * (1 << 20))
    with pytest.raises(ConfigError, match="pyproject.toml must be at most 1048576 bytes, got more"):
        config.load()


LONG = "a." * 200_000 + "a"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{LONG} = 1", "must have keys of at most 32 parts"),
        (f"[{LONG}]", "must have keys of at most 32 parts"),
        (f"[[{LONG.replace('.', ' . ')}]]", "must have keys of at most 32 parts"),
        (f"cache = {{ {LONG} = 1 }}", "must have keys of at most 32 parts"),
        (".".join(['"a"', "'b'"] * 50) + " = 1", "must have keys of at most 32 parts"),
        ("cache = " + "[" * 100_000, "not valid TOML"),
        ("cache = " + "{ a = " * 100_000, "not valid TOML"),
        ("cache = " + "1" * 100_000, "not valid TOML"),
        ("cache = " + "[" * 200 + "]" * 200, "cache must be"),
        ("".join(f"[limits.k{number}]\n" for number in range(30_000)), "unknown key 'limits.k0'"),
        ("".join(f"k{number} = 1\n" for number in range(30_000)), "unknown key 'k0'"),
        ("x" * 500_000 + " = 1", "unknown key"),
    ],
    ids=lambda text: text[:12],
)
def test_a_config_made_to_take_for_ever_is_refused_soon(text, said):
    Path("amorsize.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        config.load()


def test_many_dots_in_a_text_are_no_long_key(project):
    (project / "pyproject.toml").write_text(
        f'[project]\ndescription = "{LONG}."\n# {LONG}\n[tool.amorsize.limits]\nmax_workers = 2\n'
    )
    assert config.load().constraints.max_workers == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a mode makes nothing unreadable there")
def test_a_file_that_cannot_be_read_is_an_error(monkeypatch):
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patch:
        Path(folder).chmod(0o755)  # pytest's own folders let only root in
        Path(folder, "amorsize.toml").touch(mode=0o000)
        patch.chdir(folder)
        root = os.geteuid() == 0
        if root:  # who may read everything
            os.seteuid(65534)
        try:
            with pytest.raises(ConfigError, match=r"^amorsize\.toml cannot be read: Permission denied"):
                config.load()
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("home", ["/home/someone", "/", "home", "", None])
@pytest.mark.parametrize("xdg", ["/elsewhere", "/with space ", "relative", "", None])
def test_the_users_folders_are_those_that_platformdirs_names(monkeypatch, xdg, home):
    given = {"HOME": home, "XDG_CACHE_HOME": xdg, "XDG_CONFIG_HOME": xdg, "AMORSIZE_CACHE_DIR": None}
    for name, value in given.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    for which in ("user_cache_dir", "user_config_dir"):
        assert files.user_folder(which) == getattr(platformdirs, which)("amorsize", appauthor=False)
