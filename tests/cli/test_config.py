"""The config commands: what is in force and where it comes from, and what is trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib

import pytest

from amorsize.config import writing
from amorsize.config.writing import explained
from amorsize.errors import ConfigError

TEXT = """cache = ["memory", "json"]

[limits]
max_workers = 3

[caches.json]
directory = "~/anything"
"""


@pytest.fixture
def project(own_place, monkeypatch):
    monkeypatch.delenv("AMORSIZE_CACHE_DIR")
    folder = own_place / "work"
    (folder / "amorsize.toml").write_text(TEXT)
    return folder


def run(*arguments, code=0):
    """Return what the command says, and its warnings and errors."""
    done = subprocess.run([sys.executable, "-m", "amorsize", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def in_force():
    said, _ = run("config", "show")
    return {name: (value, origin) for name, value, origin in (line.split("\t") for line in said.splitlines())}


def test_without_a_config_everything_is_the_default(own_place):
    shown = in_force()
    assert shown["cache"] == ('"json"', "default")
    assert shown["limits.max_workers"] == ("not set", "default")
    assert shown["caches.json.directory"] == (f'"{own_place / "cache"}"', "AMORSIZE_CACHE_DIR")
    assert "trust" not in str(shown)


def test_each_value_in_force_stands_beside_where_it_comes_from(project, own_place):
    file = str(project / "amorsize.toml")
    shown = in_force()
    assert shown["cache"] == ('["memory", "json"]', file)
    assert shown["limits.max_workers"] == ("3", file)
    assert shown["limits.min_speedup"] == ("1.1", "default")
    assert shown["workers.idle_seconds"] == ("60.0", "default")
    value, origin = shown["caches.json.directory"]
    assert value == f'"{own_place / "home" / ".cache" / "amorsize" / "optimization_cache"}"'
    assert origin == f"default; amorsize.toml is not trusted: amorsize config trust {file}"
    other = project / "other.toml"
    other.write_text('cache = "sqlite"\n')
    said, warned = run("config", "show", "--config", "other.toml")
    assert f'cache\t"sqlite"\t{other}\n' in said
    assert warned == ""


def test_what_is_trusted_is_shown_and_counts_until_it_is_revoked(project, own_place):
    file = str(project / "amorsize.toml")
    said, warned = run("config", "trust")
    place = f'"{own_place / "home" / "anything"}"'
    assert said == f"{file} is trusted with\n  caches.json.directory = {place}\n"
    assert warned == ""
    assert in_force()["caches.json.directory"] == (place, file)
    assert run("config", "show")[1] == ""
    assert run("config", "trust", "--revoke", "amorsize.toml")[0] == f"{file} is trusted no more\n"
    assert run("config", "trust", "--revoke", file)[0] == f"{file} was not trusted\n"
    assert "caches.json.directory reaches out" in run("config", "show")[1]


def test_a_config_that_reaches_nowhere_needs_no_trust(project):
    (project / "amorsize.toml").write_text("[limits]\nmax_workers = 3\n")
    assert "there is nothing to trust" in run("config", "trust")[0]


def test_what_cannot_be_trusted_is_said(project):
    file = project / "amorsize.toml"
    file.unlink()
    assert "FILE must be given where no config is found" in run("config", "trust", code=1)[1]
    assert "there is no file" in run("config", "trust", "gone.toml", code=1)[1]
    file.write_text("cahce = 1\n")
    assert "unknown key" in run("config", "trust", code=1)[1]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.chown(file, 4242, -1)
        assert "must be owned by you or root to be read" in run("config", "trust", str(file), code=1)[1]


def test_path_names_the_file_that_decides(project):
    assert run("config", "path")[0] == f"{project / 'amorsize.toml'}\n"
    (project / "amorsize.toml").unlink()
    assert "no config is found from here" in run("config", "path", code=1)[1]


def test_check_names_every_error(project):
    assert run("config", "check", "amorsize.toml")[0] == "amorsize.toml: no errors\n"
    (project / "amorsize.toml").write_text("cach = 1\n[advice]\nmax_workers = 0\nmin_speedup = -1\n")
    said = run("config", "check", code=1)[1]
    assert all(name in said for name in ("cach", "max_workers", "min_speedup"))


def test_check_without_a_config_says_that_the_defaults_hold(own_place):
    assert "the defaults hold" in run("config", "check")[0]


def test_init_writes_a_config_that_explains_every_option_and_changes_nothing(own_place):
    before = in_force()
    said, _ = run("config", "init")
    file = own_place / "work" / "amorsize.toml"
    assert said == f"{file} is written: remove the # before an option and its [table] to set it\n"
    text = file.read_text()
    assert not [value for value in tomllib.loads(text).values() if not isinstance(value, dict)]
    assert in_force() == before
    assert run("config", "check")[0] == "amorsize.toml: no errors\n"
    assert "#max_workers = 4" in text
    assert "\n# Most workers of a plan" in text
    assert "is there already: --force replaces it" in run("config", "init", code=1)[1]
    assert file.read_text() == text


def test_what_init_comments_out_can_be_set(own_place):
    run("config", "init")
    file = own_place / "work" / "amorsize.toml"
    file.write_text(
        file.read_text().replace("#max_workers = 4", "max_workers = 3").replace('#cache = "json"', 'cache = "sqlite"')
    )
    assert in_force()["limits.max_workers"] == ("3", str(file))
    run("config", "init", "--force")
    assert in_force()["limits.max_workers"] == ("3", str(file))
    assert in_force()["cache"] == ('"sqlite"', str(file))
    assert "#min_speedup = 1.1" in file.read_text()


def test_init_keeps_what_the_users_own_config_sets_and_trusts_what_it_says(own_place, monkeypatch):
    monkeypatch.delenv("AMORSIZE_CACHE_DIR")
    folder = own_place / "home" / ".config" / "amorsize"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "amorsize.toml").write_text(
        TEXT.replace("~/anything", "beside") + '[[warm]]\nfunction = "math:sqrt"\nlines = "numbers"\n'
    )
    before = in_force()
    run("config", "init")
    file = own_place / "work" / "amorsize.toml"
    after = in_force()
    assert {name: value for name, (value, _) in after.items()} == {
        name: json.dumps(str(folder / "beside")) if value == '"beside"' else value
        for name, (value, _) in before.items()
    }
    assert after["caches.json.directory"][1] == str(file)
    assert tomllib.loads(file.read_text())["warm"] == [{"function": "math:sqrt", "lines": str(folder / "numbers")}]


def test_init_writes_functions_to_warm_as_tables_of_their_own(project):
    (project / ".git").mkdir()
    (project / "amorsize.toml").write_text('[[warm]]\nfunction = "math:sqrt"\nglob = "*.toml"\n')
    (project / "below").mkdir()
    os.chdir(project / "below")
    run("config", "init")
    document = tomllib.loads((project / "below" / "amorsize.toml").read_text())
    assert document["warm"] == [{"function": "math:sqrt", "glob": f"..{os.sep}*.toml"}]
    assert run("config", "check")[0] == "amorsize.toml: no errors\n"


def test_init_writes_nothing_that_it_could_not_read(project, monkeypatch):
    text = "[limits]\nmax_workers = 3\n"
    (project / "amorsize.toml").write_text(text)
    monkeypatch.setattr(writing, "explained", lambda _: "[workers]\nwarm = []\n")
    with pytest.raises(ConfigError, match="warm"):
        writing.write_config(project, force=True)
    assert (project / "amorsize.toml").read_text() == text
    assert [each.name for each in project.iterdir()] == ["amorsize.toml"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")
def test_init_keeps_permissions_and_writes_to_no_file_but_the_config(project):
    file, other = project / "amorsize.toml", project / "other"
    (project / ".amorsize.toml.new").symlink_to(other)
    file.chmod(0o600)
    run("config", "init", "--force")
    assert file.stat().st_mode & 0o777 == 0o600
    assert not other.exists()
    file.unlink()
    umask = os.umask(0o027)
    run("config", "init")
    os.umask(umask)
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a permission there")
def test_init_replaces_what_a_link_leads_to_if_that_is_forced(project):
    file, kept = project / "amorsize.toml", project.parent / "kept.toml"
    file.unlink()
    file.symlink_to(kept)
    assert "is there already" in run("config", "init", code=1)[1]
    assert not kept.exists()
    kept.write_text("[limits]\nmax_workers = 3\n")
    run("config", "init", "--force")
    assert file.is_symlink()
    assert tomllib.loads(kept.read_text())["limits"] == {"max_workers": 3}
    assert "#min_speedup" in kept.read_text()


def test_init_names_what_reaches_out_and_comes_from_another_file(project, own_place):
    private = own_place / "home" / ".config" / "amorsize" / "amorsize.toml"
    private.parent.mkdir(parents=True, mode=0o700)
    (project / "amorsize.toml").rename(private)
    said = f"amorsize: it has options of {private} that reach out: caches.json.directory. Keep it as private\n"
    assert said in run("config", "init")[1]
    assert "reach out" not in run("config", "init", "--force")[1]


def test_init_does_not_have_an_untrusted_option_count(project, own_place):
    (project / "below").mkdir()
    (project / ".git").mkdir()
    (project / "amorsize.toml").chmod(0o600)
    os.chdir(project / "below")
    run("config", "init")
    assert in_force()["caches.json.directory"][0] != f'"{own_place / "home" / "anything"}"'
    assert in_force()["limits.max_workers"] == ("3", str(project / "below" / "amorsize.toml"))


def test_init_says_which_config_decides_and_keeps_the_options_of_plugins(own_place, monkeypatch):
    other = own_place / "other.toml"
    other.write_text("[limits]\nmax_workers = 2\n")
    monkeypatch.setenv("AMORSIZE_CONFIG", str(other))
    said = f"AMORSIZE_CONFIG names {other}, which decides: the new file counts when that variable is not set"
    assert said in run("config", "init")[1]
    given = {"cache": ["memory", "far"], "caches": {"far": {"url": "x"}, "json": {"allow_shared": True}}}
    assert tomllib.loads(explained(given)) == tomllib.loads(explained({})) | given


def test_init_takes_nothing_from_the_file_that_the_variable_names(own_place, monkeypatch):
    other, file = own_place / "other.toml", own_place / "work" / "amorsize.toml"
    other.write_text("[limits]\nmax_workers = 2\n")
    monkeypatch.setenv("AMORSIZE_CONFIG", str(other))
    run("config", "init")
    assert "\n#max_workers = 4" in file.read_text()
    file.write_text("[limits]\nmin_speedup = 1.5\n")
    run("config", "init", "--force")
    assert tomllib.loads(file.read_text())["limits"] == {"min_speedup": 1.5}
    assert in_force()["limits.max_workers"] == ("2", str(other))
    other.write_text("nonsense = 1\n")
    run("config", "init", "--force")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no names in folders there")
@pytest.mark.parametrize(("make", "kind"), [(os.mkdir, "a folder"), (getattr(os, "mkfifo", None), "a pipe")])
def test_a_config_that_is_no_file_is_named(own_place, make, kind):
    make("amorsize.toml")
    said, warned = run("config", "show")
    file = own_place / "work" / "amorsize.toml"
    assert f"{file} must be a file to be read, got {kind}: remove it or rename it" in warned
    assert "limits.max_workers" in said
    if kind == "a folder":
        assert "must name a file, got the folder" in run("config", "check", str(file), code=1)[1]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize(
    "arguments",
    [
        ["config", "show"],
        ["plugins"],
        ["doctor"],
        ["optimize", "math:sqrt", "--range", "9", "--profile"],
        ["cache", "stats"],
        ["demo", "--most", "3"],
        ["--help"],
        ["--version"],
        ["run", "--help"],
    ],
    ids=" ".join,
)
def test_who_reads_nothing_ends_a_command_quietly(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "amorsize", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
