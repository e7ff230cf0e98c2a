"""A cache that is only read gives what a JSON cache has written, and leaves all files as they are."""

from __future__ import annotations

import errno

import pytest

from amorsize.adapters.caches.json import JsonCache, JsonOptions
from amorsize.adapters.caches.readonly import ReadonlyCache, ReadonlyOptions


def read_only(folder):
    return ReadonlyCache(ReadonlyOptions(directory=str(folder)))


def files(folder):
    """Return all paths in a folder, with what the files hold and when they were changed."""
    return {path: (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture
def shipped(tmp_path):
    """A folder with two texts of a JSON cache, one of which has been damaged."""
    folder = tmp_path / "amorsize-cache"
    store = JsonCache(JsonOptions(directory=str(folder)))
    store.store("func:here", "v", "shipped")
    store.store("func:there", "v", "damaged")
    (damaged,) = [path for path in folder.rglob("*.json") if path.read_text() == "damaged"]
    damaged.write_bytes(b"\xff")
    return folder


def test_what_was_written_is_read_and_no_file_changes(shipped):
    before, store = files(shipped), read_only(shipped)
    assert store.read_only
    assert store.fetch("func:here") == {"v": "shipped"}
    assert store.fetch("func:there") == {"v": "\N{REPLACEMENT CHARACTER}"}
    assert store.fetch("func:nowhere") == {}
    assert sorted(store.locators()) == sorted(store.some_locators(0.5, 9)) == ["func:here", "func:there"]
    store.close()
    assert files(shipped) == before


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.store("func:here", "v", "new"),
        lambda store: store.store("new", "v", "new"),
        lambda store: store.discard([("func:here", "v")]),
        lambda store: store.discard([]),
    ],
    ids=["replace", "add", "remove", "remove nothing"],
)
def test_what_would_write_is_refused_as_by_a_read_only_file_system(shipped, write):
    before, store = files(shipped), read_only(shipped)
    with pytest.raises(OSError, match=r"caches\.readonly is only read") as caught:
        write(store)
    assert (caught.value.errno, caught.value.filename) == (errno.EROFS, str(shipped))
    assert files(shipped) == before


def test_a_folder_that_is_not_there_is_empty_and_is_not_made(tmp_path):
    store = read_only(tmp_path / "missing")
    assert (store.fetch("func:here"), list(store.locators()), store.some_locators(0.0, 9)) == ({}, [], [])
    with pytest.raises(OSError, match=r"caches\.readonly is only read"):
        store.store("func:here", "v", "new")
    assert list(tmp_path.iterdir()) == []
