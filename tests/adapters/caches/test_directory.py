"""Whose cache directory is believed."""

from __future__ import annotations

import os
import pickle
import stat
import sys
from contextlib import closing

import pytest

from amorsize.adapters.caches.directory import claim, create, fault_in, is_usable, mark
from amorsize.adapters.caches.json import JsonCache, JsonOptions
from amorsize.adapters.caches.sqlite import SqliteCache, SqliteOptions
from amorsize.errors import CacheError

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no owners and modes of this kind")
STORES = {
    "json": lambda directory, **more: JsonCache(JsonOptions(directory=directory, **more)),
    "sqlite": lambda directory, **more: SqliteCache(SqliteOptions(directory=directory, **more)),
}


@pytest.fixture(params=STORES)
def make(request):
    return STORES[request.param]


@pytest.fixture
def foreign(tmp_path):
    """Return a directory that belongs to another user: one given away by root, or root's own."""
    if os.geteuid() != 0:
        return "/"
    folder = tmp_path / "foreign"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, -1)
    return str(folder)


def refuses(store, match):
    for action in (
        lambda: store.fetch("here"),
        lambda: store.store("here", "v", "text"),
        lambda: store.discard([("here", "v")]),
        lambda: list(store.locators()),
    ):
        with pytest.raises(CacheError, match=match) as caught:
            action()
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    store.close()


def test_a_store_needs_a_directory():
    with pytest.raises(ValueError, match=r"caches.json.directory must be a directory, got None"):
        JsonCache(JsonOptions())
    with pytest.raises(ValueError, match=r"caches.sqlite.directory must be a directory, got None"):
        SqliteCache(SqliteOptions())


def test_a_missing_directory_is_an_empty_cache_and_reading_does_not_make_it(make, tmp_path):
    store = make(str(tmp_path / "a" / "b"))
    assert store.fetch("here") == {}
    assert list(store.locators()) == []
    assert store.discard([("here", "v")]) == 0
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_new_directory_and_all_in_it_is_the_users_alone(make, tmp_path):
    before = os.umask(0)
    try:
        store = make(str(tmp_path / "a" / "b"))
        store.store("here", "v", "text")
        modes = {stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "a" / "b").rglob("*")}
    finally:
        os.umask(before)
        store.close()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert modes <= {0o700, 0o600}


@posix
@pytest.mark.parametrize(("shared", "above", "below"), [(False, 0o700, 0o700), (True, 0o755, 0o777)])
def test_nobody_else_may_write_to_what_is_made_above_a_new_directory(make, tmp_path, shared, above, below):
    before = os.umask(0)
    try:
        with closing(make(str(tmp_path / "a" / "b" / "c"), allow_shared=shared)) as store:
            store.store("here", "v", "text")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c")]
    assert modes == [above, above, below]


@posix
def test_a_foreign_directory_is_refused_even_by_root(make, foreign):
    refuses(make(foreign), "must belong to user .* got one of user .*; allow_shared = true accepts it")


@posix
def test_a_foreign_directory_is_taken_when_the_config_says_so(make, foreign):
    assert make(foreign, allow_shared=True).fetch("here") == {}


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_directory_that_others_may_write_to_is_refused_unless_the_config_says_so(make, tmp_path, mode):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)
    refuses(make(str(folder)), f"must be writable by its owner only, got mode {mode:o}")
    shared = make(str(folder), allow_shared=True)
    shared.store("here", "v", "text")
    assert shared.fetch("here") == {"v": "text"}
    shared.close()


@posix
def test_in_a_shared_directory_the_umask_says_who_may_read(make, tmp_path):
    before = os.umask(0o027)
    try:
        shared = make(str(tmp_path / "shared"), allow_shared=True)
        shared.store("here", "v", "text")
        modes = {stat.S_IMODE(path.lstat().st_mode) for path in tmp_path.rglob("*")}
    finally:
        os.umask(before)
        shared.close()
    assert modes <= {0o750, 0o640}


@posix
@pytest.mark.parametrize("shared", [False, True])
def test_a_symbolic_link_in_place_of_the_directory_is_refused(make, tmp_path, shared):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    refuses(make(str(tmp_path / "link"), allow_shared=shared), "must be a directory itself, got a symbolic link")
    assert list((tmp_path / "real").iterdir()) == []


def test_a_file_in_place_of_the_directory_is_refused(make, tmp_path):
    (tmp_path / "file").write_text("mine")
    refuses(make(str(tmp_path / "file")), "must be a directory, got another kind of file")
    refuses(make(str(tmp_path / "file" / "below")), "must lie in a directory, got a file above it")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_directory_that_becomes_a_file_is_an_error_and_no_empty_cache(tmp_path):
    store = JsonCache(JsonOptions(directory=str(tmp_path / "cache")))
    store.store("here", "v", "text")
    (tmp_path / "cache").rename(tmp_path / "away")
    (tmp_path / "cache").write_text("mine")
    refuses(store, "must be a directory, got another kind of file")


def test_a_directory_that_is_removed_is_made_again(make, tmp_path):
    store = make(str(tmp_path / "cache"))
    store.store("here", "v", "text")
    if sys.platform == "win32":
        store.close()
    (tmp_path / "cache").rename(tmp_path / "away")
    store.store("here", "w", "text")
    store.close()
    assert store.fetch("here") == {"w": "text"}
    store.close()


def test_creating_what_is_there_changes_nothing(tmp_path):
    create(str(tmp_path / "a"), allow_shared=False)
    create(str(tmp_path / "a"), allow_shared=False)
    assert is_usable(str(tmp_path / "a"), allow_shared=False)


@posix
def test_the_rules_hold_for_the_user_they_are_asked_for(tmp_path):
    status = tmp_path.lstat()
    private = os.stat_result((stat.S_IFDIR | 0o755, *status[1:]))
    assert fault_in(private, status.st_uid) is None
    assert "must belong to" in fault_in(private, status.st_uid + 1)
    assert fault_in(private, status.st_uid + 1, allow_shared=True) is None
    assert fault_in(private, None) is None


def test_a_folder_that_another_thread_marks_at_this_moment_is_ours(tmp_path):
    (tmp_path / "file").touch()

    def is_own(name):
        mark(str(tmp_path), allow_shared=False)  # as another thread does while this one looks
        return False

    claim(str(tmp_path), is_own, allow_shared=False)
