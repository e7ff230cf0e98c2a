"""What is peculiar to the store of small files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time

import pytest

from amorsize.adapters.caches.json import JsonCache, JsonOptions, _patiently
from amorsize.errors import CacheError

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need privileges on Windows")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def store(place):
    store = JsonCache(JsonOptions(directory=str(place)))
    store.store("here", "v", "text")
    return store


def test_a_file_holds_exactly_the_text(store, place):
    store.store("func:1", "time:fast", "é\r\n")
    assert (place / "func%3a1" / "time%3afast.json").read_bytes() == "é\r\n".encode()


def test_bytes_that_are_no_text_come_as_replacement_characters_and_can_be_discarded(store, place):
    (place / "here" / "v.json").write_bytes(b'{"a\xff')
    assert store.fetch("here") == {"v": '{"a\ufffd'}
    assert store.discard([("here", "v")]) == 1


def test_of_an_overlong_file_only_the_beginning_is_read(store, place):
    (place / "here" / "v.json").write_bytes(b"x" * 10_000_000)
    assert store.fetch("here") == {"v": "x" * 65536}


def test_of_very_many_variants_only_so_many_are_taken_in(store, place):
    for number in range(1500):
        (place / "here" / f"v{number}.json").write_text("x")
    assert len(store.fetch("here")) == 1000


def test_files_and_directories_of_others_are_passed_over(store, place):
    (place / "here" / "README").write_text("mine")
    (place / "here" / "V.json").write_text("mine")
    (place / "here" / "w.json").mkdir()
    (place / "Mine").mkdir()
    (place / "a file").write_text("mine")
    (place / "file").write_text("mine")
    assert store.fetch("here") == {"v": "text"}
    assert store.fetch("file") == {}
    assert list(store.locators()) == ["here"]


def test_a_file_where_a_locator_should_lie_is_no_place_to_store(store, place):
    (place / "file").write_text("mine")
    with pytest.raises(CacheError, match="must be a directory, got another kind of file"):
        store.store("file", "v", "text")
    assert store.discard([("file", "v")]) == 0
    assert (place / "file").read_text() == "mine"
    assert list((place / ".new").iterdir()) == []


@needs_links
def test_links_are_not_followed(store, place, tmp_path):
    (tmp_path / "secret.json").write_text("secret")
    (place / "here" / "w.json").symlink_to(tmp_path / "secret.json")
    (place / "linked").symlink_to(tmp_path)
    assert store.fetch("here") == {"v": "text"}
    assert store.fetch("linked") == {}
    assert list(store.locators()) == ["here"]
    assert store.discard([("linked", "secret")]) == 0
    with pytest.raises(CacheError):
        store.store("linked", "v", "text")
    store.store("here", "w", "new")
    assert (tmp_path / "secret.json").read_text() == "secret"
    assert store.fetch("here") == {"v": "text", "w": "new"}


@needs_links
def test_a_pipe_in_place_of_a_file_does_not_hold_up_reading(store, place):
    os.mkfifo(place / "here" / "w.json")
    assert store.fetch("here").get("w", "") == ""
    writer = os.open(place / "here" / "w.json", os.O_RDWR)
    try:
        assert store.fetch("here") == {"v": "text"}
    finally:
        os.close(writer)


def test_an_emptied_locator_leaves_no_directory(store, place):
    store.store("here", "w", "text")
    store.discard([("here", "v")])
    assert (place / "here").is_dir()
    store.discard([("here", "w")])
    assert not (place / "here").exists()


def test_what_a_killed_writer_left_is_never_read_and_goes_with_a_discard_an_hour_later(store, place):
    names = ("1f-0123456789abcdef", "2f-0123456789abcdef", "3f-0123456789abcdef", "thesis.txt")
    left, fresh, ahead, other = (place / ".new" / name for name in names)
    for path, age_seconds in ((left, 7200), (fresh, 0), (ahead, -7200), (other, 7200)):
        path.write_text("half a te")
        os.utime(path, (time.time() - age_seconds,) * 2)
    assert list(store.locators()) == ["here"]
    assert left.exists()
    store.discard([])
    assert sorted((place / ".new").iterdir()) == [fresh, other]


@needs_links
def test_a_link_in_place_of_the_folder_for_new_files_leads_nowhere(store, place, tmp_path):
    (tmp_path / "home").mkdir()
    victim = tmp_path / "home" / "1f-0123456789abcdef"
    victim.write_text("mine")
    os.utime(victim, (time.time() - 7200,) * 2)
    shutil.rmtree(place / ".new")
    (place / ".new").symlink_to(tmp_path / "home")
    assert store.discard([("here", "v")]) == 1
    with pytest.raises(CacheError, match="must be a directory, got another kind of file"):
        store.store("here", "v", "text")
    assert victim.read_text() == "mine"


MINE = ("src/src.json", "README", "func%3a0123/v.txt", ".git/config", "V.json", "con/v.json")


@pytest.mark.parametrize("name", MINE)
def test_a_folder_that_holds_anything_else_is_no_cache_and_stays_as_it_is(place, name):
    file = place / name
    file.parent.mkdir(parents=True)
    place.chmod(0o700)
    file.write_text("mine")
    (place / "func%3a4567").mkdir()
    (place / "func%3a4567" / "time%3afast.json").write_text("{}")
    store = JsonCache(JsonOptions(directory=str(place)))
    if name.startswith("func"):  # a folder of our form: the other files in it are ignored
        assert store.discard([("func:0123", "v"), ("func:4567", "time:fast")]) == 1
    else:
        calls = (
            lambda: store.store("func:4567", "time:fast", "text"),
            lambda: store.discard([("func:4567", "time:fast")]),
            lambda: list(store.locators()),
        )
        for call in calls:
            with pytest.raises(CacheError, match="must be empty or a cache of amorsize, got one that holds '.*: name"):
                call()
        assert (place / "func%3a4567" / "time%3afast.json").read_text() == "{}"
        assert not (place / ".new").exists()
    assert file.read_text() == "mine"


def test_a_cache_from_before_there_were_markers_is_gone_on_with(store, place):
    store.store("func:0123_item:x", "time:fast", "text")
    store.discard([("here", "v")])
    for name in ("amorsize.sqlite", "amorsize.sqlite-wal"):
        (place / name).touch()
    (place / "lmdb").mkdir()
    (place / ".amorsize-cache").unlink()
    again = JsonCache(JsonOptions(directory=str(place)))
    assert again.fetch("func:0123_item:x") == {"time:fast": "text"}
    assert "func:0123_item:x" in again.locators()
    assert not (place / ".amorsize-cache").exists()  # looking changes nothing
    again.store("func:4567_item:x", "time:fast", "text")
    assert (place / ".amorsize-cache").read_text().startswith("amorsize keeps a cache here")
    (place / "README").write_text("mine")
    assert {"func:0123_item:x", "func:4567_item:x"} <= set(JsonCache(JsonOptions(directory=str(place))).locators())


@needs_links
def test_a_marker_that_is_a_link_is_none(place, tmp_path):
    place.mkdir(mode=0o700)
    (tmp_path / "elsewhere").touch()
    (place / ".amorsize-cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CacheError, match="got one that holds '.amorsize-cache'"):
        JsonCache(JsonOptions(directory=str(place))).store("here", "v", "text")


def test_a_write_that_fails_leaves_the_old_text_and_no_rest(store, place):
    store.store("here", "folder", "text")
    (place / "here" / "folder.json").unlink()
    (place / "here" / "folder.json").mkdir()
    (place / "here" / "folder.json" / "file").write_text("mine")
    with pytest.raises(OSError, match="folder"):
        store.store("here", "folder", "text")
    assert store.fetch("here") == {"v": "text"}
    assert list((place / ".new").iterdir()) == []


def test_some_locators_are_those_of_our_own_from_a_share_of_the_way_on(store, place):
    names = {f"func:{number:02}" for number in range(20)}
    for name in names:
        store.store(name, "v", "text")
    (place / "func%3A1").mkdir()  # no name that this store gives
    rotated = [store.some_locators(at / 20, 100) for at in range(20)]
    assert all(set(found) == names for found in rotated)
    assert len({found[0] for found in rotated}) > 15
    assert len(store.some_locators(0.99, 7)) == 7
    shutil.rmtree(place)
    assert JsonCache(JsonOptions(directory=str(place))).some_locators(0.5, 7) == []


def test_a_cache_directory_that_is_gone_has_no_locators_and_is_made_again(store, place):
    shutil.rmtree(place)
    assert list(store.locators()) == []
    assert store.fetch("here") == {}
    store.store("here", "v", "again")
    assert store.fetch("here") == {"v": "again"}


@pytest.mark.parametrize("short", [False, True])
def test_a_medium_that_is_full_halfway_leaves_no_rest(store, place, monkeypatch, short):
    write, written = os.write, []

    def full(descriptor, body):
        if short and not written:
            written.append(write(descriptor, body[:2]))
            return written[0]
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space left"):
        store.store("here", "v", "longer text")
    monkeypatch.undo()
    assert store.fetch("here") == {"v": "text"}
    assert list((place / ".new").iterdir()) == []


def test_a_write_that_comes_through_in_pieces_is_whole(store, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, body: write(descriptor, body[:3]))
    store.store("here", "v", "longer text")
    assert store.fetch("here") == {"v": "longer text"}


def test_a_folder_that_others_keep_removing_is_given_up_in_the_end(store, place, monkeypatch):
    tries = []

    def always_gone(*_):
        tries.append(1)
        raise FileNotFoundError("removed again")

    monkeypatch.setattr(os, "replace", always_gone)
    with pytest.raises(FileNotFoundError, match="removed again"):
        store.store("here", "v", "text")
    assert len(tries) > 1
    assert list((place / ".new").iterdir()) == []


@needs_links
def test_a_file_that_may_not_be_read_is_an_error(store, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError):
        store.fetch("here")


def test_permission_denied_is_tried_again_as_long_as_there_are_pauses():
    tries = []

    def refused_twice():
        tries.append(1)
        if len(tries) < 3:
            raise PermissionError

    _patiently(refused_twice, (0.0, 0.0))
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(PermissionError):
        _patiently(refused_twice, (0.0,))


@pytest.mark.usefixtures("store")
def test_a_look_up_imports_nothing_it_does_not_need(place):
    code = (
        "import sys; from amorsize.adapters.caches.json import JsonCache, JsonOptions\n"
        f"assert JsonCache(JsonOptions(directory={str(place)!r})).fetch('here') == {{'v': 'text'}}\n"
        "heavy = {'sqlite3', 'tempfile', 'pathlib', 'cattrs', 'multiprocessing', 'secrets', 'shutil', 'urllib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", _with_path(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _with_path(code):
    return f"import sys; sys.path[:] = {sys.path!r}\n{code}"
