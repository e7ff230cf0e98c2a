"""The store keeps the contracts it promises, and what is particular to LMDB."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from functools import partial
from itertools import count
from pathlib import Path

import pytest

import amorsize
from amorsize import AmorsizeWarning, CacheError, ConfigError
from amorsize.testing import (
    CacheContract,
    ForkedCacheContract,
    SharedCacheContract,
    become_nobody,
    build_backend,
    describe_backend,
    in_a_fork,
    limit_files,
)
from amorsize_lmdb import LmdbOptions, build
from amorsize_lmdb.cache import LmdbCache


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMORSIZE_CONFIG", "/dev/null")
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path / "cache"))


class OnDisk:
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path
        self.numbers = count()
        self.directories = {}

    def make(self):
        directory = str(self.place / f"cache{next(self.numbers)}")
        store = LmdbCache(LmdbOptions(directory=directory))
        self.directories[id(store)] = directory
        return store


class TestLmdb(OnDisk, CacheContract):
    def reopen(self, store):
        return LmdbCache(LmdbOptions(directory=self.directories[id(store)]))


class TestForkedLmdb(OnDisk, ForkedCacheContract):
    pass


class TestSharedLmdb(SharedCacheContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path

    def shared(self):
        return partial(LmdbCache, LmdbOptions(directory=str(self.place / "cache"), size_mib=32))


def test_a_full_database_refuses_writes_as_a_full_disk_does_and_is_read_on(tmp_path):
    store = LmdbCache(LmdbOptions(directory=str(tmp_path / "cache"), size_mib=1))
    store.store("here", "v", "text")
    with pytest.raises(OSError, match="MDB_MAP_FULL") as caught:  # noqa: PT012  one of these is too many
        for number in range(100):
            store.store(f"locator {number}", "v", "x" * 60_000)
    assert caught.value.errno == errno.ENOSPC
    assert store.fetch("here") == {"v": "text"}
    assert store.discard(("locator 0", "v") for _ in range(2)) == 1
    store.store("here", "w", "text")


@pytest.fixture
def place(tmp_path):
    """Return a folder with a database in which something is."""
    store = LmdbCache(LmdbOptions(directory=str(tmp_path / "cache")))
    for number in range(60):
        store.store(f"l{number}", "v", "x" * number * 100)
    store.close()
    return tmp_path / "cache"


def answers(directory):
    """Return what becomes of each call in a process of its own: an answer, or an error that a store may raise."""

    def ask():
        store = LmdbCache(LmdbOptions(directory=str(directory)))
        said = []
        for call in (
            lambda: dict(store.fetch("l50")),
            lambda: len(list(store.locators())),
            lambda: store.store("here", "v", "text"),
            lambda: store.discard([("l1", "v")]),
        ):
            try:
                said.append(call())
            except (OSError, CacheError) as error:
                said.append(str(error))
        return said

    return in_a_fork(ask)


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_it_works_for_an_ordinary_user_whatever_the_umask(tmp_path):
    place = tmp_path / "cache"
    if os.geteuid() == 0:
        for folder in (tmp_path, *tmp_path.parents[:-2]):
            folder.chmod(0o755)
        tmp_path.chmod(0o777)

    def work():
        become_nobody()
        modes = []
        for umask in (0o077, 0o000):
            os.umask(umask)
            store = LmdbCache(LmdbOptions(directory=str(place)))
            store.store("here", "v", "text")
            assert store.fetch("here") == {"v": "text"}
            store.close()
            modes.append({stat.S_IMODE(path.stat().st_mode) for path in (place, *place.rglob("*"))})
            shutil.rmtree(place)
        return modes

    assert in_a_fork(work) == [{0o700, 0o600}] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_a_folder_that_an_earlier_version_made_too_tight_is_opened(place):
    (place / "lmdb").chmod(0o600)
    assert len(LmdbCache(LmdbOptions(directory=str(place))).fetch("l50")["v"]) == 5000
    assert stat.S_IMODE((place / "lmdb").stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_a_file_that_was_cut_ends_no_process(place):
    file = place / "lmdb" / "data.mdb"
    whole = file.read_bytes()
    for length in (*range(0, 4 * 4096, 512), *range(4 * 4096, len(whole), 7 * 4096 + 100)):
        file.write_bytes(whole[:length])
        said = answers(place)
        assert said == [{}, 0, None, 0] if length == 0 else all(type(each) is str for each in said), (length, said)
    assert "must have" in said[0]
    file.write_bytes(whole)
    assert answers(place)[1] == 60


@pytest.mark.skipif(sys.platform == "win32", reason="a file in use cannot be cut there")
def test_a_file_that_is_cut_while_it_is_open_ends_no_process(place):
    def work():
        store = LmdbCache(LmdbOptions(directory=str(place)))
        assert len(store.fetch("l50")["v"]) == 5000
        os.truncate(place / "lmdb" / "data.mdb", 3 * 4096)
        said = []
        for call in (lambda: store.fetch("l50"), lambda: store.store("here", "v", "text"), lambda: [*store.locators()]):
            with pytest.raises(
                CacheError, match=r"data.mdb must have \d+ bytes, got one cut to 12288: remove the folder"
            ):
                call()
            said.append(True)
        shutil.rmtree(place / "lmdb")
        store.store("here", "v", "text")
        return said, dict(store.fetch("here"))

    assert in_a_fork(work) == ([True] * 3, {"v": "text"})


WITHOUT_SPACE = """
    import os, resource, sys
    from amorsize import CacheError
    from amorsize_lmdb import LmdbOptions
    from amorsize_lmdb.cache import LmdbCache
    store = LmdbCache(LmdbOptions(directory=sys.argv[1] + "/cache"))
    kept = 0
    for number in range(200):
        try:
            store.store(f"l{number}", "v", "x" * 3000)
            kept += 1
        except (OSError, CacheError):
            pass
    assert sum(len(store.fetch(f"l{number}")) for number in range(200)) == kept
    print("answered", kept)
"""


def on_a_disk_of(kibibytes, folder):
    """Return what the program above says where a disk has so much space: a real one if this user may mount one."""
    program = [sys.executable, "-c", textwrap.dedent(WITHOUT_SPACE), str(folder)]
    mount = ["sh", "-c", f'mount -t tmpfs -o size={kibibytes}k none "$0" && exec "$@"', str(folder)]
    for unshare in (["unshare", "-m"], ["unshare", "-Urm"]):
        if shutil.which("unshare") and not subprocess.run([*unshare, *mount, "true"], capture_output=True).returncode:
            return subprocess.run([*unshare, *mount, *program], capture_output=True, text=True, timeout=60)
    limit = partial(limit_files, kibibytes << 10)
    return subprocess.run(program, capture_output=True, text=True, timeout=60, preexec_fn=limit)


@pytest.mark.skipif(sys.platform == "win32", reason="disks of this kind are POSIX's")
@pytest.mark.parametrize("kibibytes", [4, 8, 12, 16, 36, 40, 44, 48, 52, 64, 128])
def test_a_full_disk_ends_no_process(tmp_path, kibibytes):
    done = on_a_disk_of(kibibytes, tmp_path)
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert done.stdout.startswith("answered")


@pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"), reason="only there a file can be filled up without writing to it"
)
@pytest.mark.parametrize("sparse", [False, True])
def test_the_file_that_is_mapped_for_writing_has_space_for_all_of_it(tmp_path, sparse):
    place = tmp_path / "cache" / "lmdb"
    locks = place / "lock.mdb"
    if sparse:  # as LMDB makes it by itself
        place.mkdir(parents=True)
        place.parent.chmod(0o700)
        with locks.open("wb") as file:
            file.truncate(32_896)
    store = LmdbCache(LmdbOptions(directory=str(tmp_path / "cache")))
    store.store("here", "v", "text")
    status = locks.stat()
    assert status.st_blocks * 512 >= status.st_size >= 512 * 64
    assert sorted(path.name for path in place.iterdir()) == ["data.mdb", "lock.mdb"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges on Windows")
@pytest.mark.parametrize("name", ["lmdb", "lmdb/data.mdb", "lmdb/lock.mdb"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_are_never_opened(place, tmp_path, name, kind):
    path, mine = place / name, tmp_path / "mine"
    if name == "lmdb":
        path.rename(mine)
    else:
        mine.write_text("mine")
        path.unlink()
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(mine)
    assert all(type(each) is str for each in answers(place))
    assert mine.is_dir() or mine.read_text() == "mine"


def test_some_locators_are_those_from_a_share_of_the_way_on_and_then_the_first(tmp_path):
    store = LmdbCache(LmdbOptions(directory=str(tmp_path / "cache")))
    assert store.some_locators(0.5, 3) == []
    names = [f"func:{number:02x}00" for number in range(0, 256, 8)]
    for name in [*names, "aside:0"]:
        store.store(name, "v", "text")
    assert store.some_locators(0.5, 3) == names[17:20]
    assert store.some_locators(0.96, 3) == [names[-1], "aside:0", names[0]]


def test_of_very_many_variants_only_so_many_are_taken_in(tmp_path):
    store = LmdbCache(LmdbOptions(directory=str(tmp_path / "cache")))
    store.store("here", "v", "text")
    store._write(lambda transaction: [transaction.put(b"here\x00w%d" % number, b"x") for number in range(3000)])
    assert len(store.fetch("here")) == 1000


def test_a_directory_in_a_config_found_in_a_folder_counts_only_once_it_is_trusted(tmp_path, monkeypatch):
    monkeypatch.delenv("AMORSIZE_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Path("amorsize.toml").write_text('cache = "lmdb"\n[caches.lmdb]\ndirectory = "elsewhere"\nsize_mib = 8\n')
    with pytest.warns(AmorsizeWarning, match="caches.lmdb.directory reaches out of the project"):
        options = build_backend("caches", "lmdb")._options
    assert options.size_mib == 8
    assert options.directory != str(tmp_path / "elsewhere")


def test_a_file_that_is_no_database_is_a_cache_error(tmp_path):
    place = tmp_path / "cache"
    (place / "lmdb").mkdir(parents=True)
    place.chmod(0o700)
    (place / "lmdb" / "data.mdb").write_bytes(b"no database" * 10_000)
    store = LmdbCache(LmdbOptions(directory=str(place)))
    for call in (lambda: store.fetch("here"), lambda: store.store("here", "v", "text"), lambda: list(store.locators())):
        with pytest.raises(CacheError, match="caches.lmdb: "):
            call()


def test_a_folder_of_others_is_refused_and_reading_makes_none(tmp_path):
    store = LmdbCache(LmdbOptions(directory=str(tmp_path / "cache")))
    assert store.fetch("here") == {}
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(CacheError, match="must be writable by its owner only"):
        store.fetch("here")


def test_it_is_chosen_by_name_and_answers():
    assert [amorsize.optimize(abs, range(2000), cache="lmdb").cache for _ in range(2)] == ["miss", "hit"]
    assert amorsize.open_cache(cache=["memory", "lmdb"]).stats().entries == 1
    row = describe_backend("caches", "lmdb")
    assert (row.distribution, row.state) == ("amorsize-lmdb", "ready")
    with pytest.raises(ConfigError, match="caches.lmdb.size_mib must be >= 1, got 0"):
        build_backend("caches", "lmdb", {"caches": {"lmdb": {"size_mib": 0}}})
    with pytest.raises(ValueError, match="caches.lmdb.directory must be a directory"):
        build(LmdbOptions())
