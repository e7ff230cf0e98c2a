"""Contracts for faults that a cache store must survive: damaged bytes, full media, and forks."""

# a contract asserts, its method names are its sentences, and its numbers are its examples
# ruff: noqa: S101, D102

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import SkipTest

from amorsize.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.ports import CacheStore

NOBODY: Final = 65534
"""The user without rights: ``nobody`` on Linux and BSD."""
TEXT: Final = '{"digest":"0123456789abcdef","record":{"name":"é","value":1.5}}'


class DamagedCacheContract:
    """What a store must do when the bytes of its files are not those it wrote: answer with texts, or CacheError.

    Reading changes no file. ``damages`` is how often a byte is flipped, or bytes are cut, doubled, zeroed or replaced.
    """

    damages = 1000

    def at(self, directory: str) -> CacheStore:
        """Return a store that keeps all it has under a directory, which need not exist yet."""
        raise NotImplementedError

    def test_damaged_bytes_give_texts_or_a_cache_error_and_stay_as_they_are(self) -> None:
        chance = random.Random(self.damages)  # noqa: S311  chance, not secrecy
        with tempfile.TemporaryDirectory() as above:
            folder = Path(above, "cache")
            with closing(self.at(str(folder))) as store:
                for number in range(40):
                    store.store(f"l{number % 20}", f"v{number}", TEXT * (number % 30))
            whole = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            for case in range(self.damages):
                path = chance.choice([path for path, body in whole.items() if body])
                damaged = mutated(whole[path], chance)
                path.write_bytes(damaged)
                self._read(str(folder), case)
                assert path.read_bytes() == damaged
                self._restore(folder, whole)

    def test_writing_over_damaged_bytes_works_or_is_a_cache_error(self) -> None:
        chance = random.Random(self.damages)  # noqa: S311  as above
        with tempfile.TemporaryDirectory() as above:
            folder = Path(above, "cache")
            with closing(self.at(str(folder))) as store:
                store.store("l1", "v1", TEXT * 20)
            whole = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            for case in range(self.damages // 10):
                path = chance.choice([path for path, body in whole.items() if body])
                path.write_bytes(mutated(whole[path], chance))
                with closing(self.at(str(folder))) as store, suppress(OSError, CacheError):
                    store.store("here", "v", TEXT)
                    store.discard([("here", "v"), ("l1", "v1")])
                self._read(str(folder), case)
                self._restore(folder, whole)

    def _read(self, folder: str, case: int) -> None:
        with closing(self.at(folder)) as store:
            with suppress(OSError, CacheError):
                texts = store.fetch(f"l{case % 20}")
                assert all(type(name) is str and type(text) is str for name, text in texts.items())
            with suppress(OSError, CacheError):
                assert all(type(name) is str for name in store.locators())

    @staticmethod
    def _restore(folder: Path, whole: dict[Path, bytes]) -> None:
        for path in folder.rglob("*"):
            if path.is_file() and path not in whole:
                path.unlink()
        for path, body in whole.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(body)


class FaultyMediumContract:
    """What a store on disk must do when the disk takes nothing, or no more, or its files are gone."""

    def at(self, directory: str) -> CacheStore:
        """Return a store that keeps all it has under a directory, which need not exist yet."""
        raise NotImplementedError

    def test_in_a_read_only_directory_reading_goes_on_and_writing_says_so(self) -> None:
        skip_without_forks()
        with tempfile.TemporaryDirectory() as above:
            Path(above).chmod(0o711)
            folder = Path(above, "cache")
            with closing(self.at(str(folder))) as store:
                store.store("here", "v", "text")
            for path in (folder, *folder.rglob("*")):
                if sys.platform != "win32" and os.geteuid() == 0:
                    os.chown(path, NOBODY, NOBODY)
                path.chmod(0o500 if path.is_dir() else 0o400)

            def read_and_write() -> object:
                become_nobody()
                with closing(self.at(str(folder))) as store:
                    refused = fails(lambda: store.store("here", "v", "new"))
                    return dict(store.fetch("here")), list(store.locators()), refused

            answer = in_a_fork(read_and_write)
            for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
                path.chmod(0o700)
            assert answer == ({"v": "text"}, ["here"], True)

    def test_where_nothing_can_be_made_there_is_nothing_and_the_first_write_says_so(self) -> None:
        skip_without_forks()
        with tempfile.TemporaryDirectory() as above:
            Path(above).chmod(0o555)

            def write() -> object:
                become_nobody()
                with closing(self.at(str(Path(above, "cache")))) as store:
                    return fails(lambda: store.store("here", "v", "text")), dict(store.fetch("here"))

            assert in_a_fork(write) == (True, {})

    def test_when_the_medium_takes_no_more_the_old_text_stays_whole(self) -> None:
        skip_without_forks()
        with tempfile.TemporaryDirectory() as above:
            folder = str(Path(above, "cache"))
            with closing(self.at(folder)) as store:
                store.store("here", "v", "text")

            def fill() -> object:
                limit_files(16384)
                with closing(self.at(folder)) as store:
                    refused = fails(lambda: store.store("here", "v", "x" * 60_000))
                    return refused, dict(store.fetch("here"))

            assert in_a_fork(fill) == (True, {"v": "text"})
            with closing(self.at(folder)) as store:
                assert dict(store.fetch("here")) == {"v": "text"}
                store.store("here", "v", "x" * 60_000)
                assert dict(store.fetch("here")) == {"v": "x" * 60_000}

    def test_a_cache_removed_under_a_store_is_begun_again(self) -> None:
        if sys.platform == "win32":
            raise SkipTest("Windows keeps a file that is open")
        with tempfile.TemporaryDirectory() as above:
            folder = Path(above, "cache")
            with closing(self.at(str(folder))) as store, closing(self.at(str(folder))) as other:
                for number in range(3):
                    store.store("here", f"v{number}", "text")
                    other.store("here", f"w{number}", "text")
                    folder.rename(Path(above, f"away{number}"))
                store.store("here", "last", "text")
                other.store("here", "last", "other")
                store.close()
                assert dict(store.fetch("here")) == {"last": "other"}


class ForkedCacheContract:
    """What a store must do when its process forks: child and parent both go on, and share what is shared."""

    shared = True
    """Whether parent and child see each other's texts; a store in memory has them apart."""

    def make(self) -> CacheStore:
        """Return a new and empty store, each call another."""
        raise NotImplementedError

    def test_a_child_uses_the_parents_store_and_harms_it_not(self) -> None:
        skip_without_forks()
        with closing(self.make()) as store:
            store.store("parent", "v", "text")

            def work() -> object:
                before = dict(store.fetch("parent"))
                store.store("child", "v", "text")
                store.close()
                store.store("child", "w", "text")
                return before, dict(store.fetch("child"))

            for _ in range(3):
                assert in_a_fork(work) == ({"v": "text"}, {"v": "text", "w": "text"})
                assert dict(store.fetch("child")) == ({"v": "text", "w": "text"} if self.shared else {})
                store.store("parent", "v", "text")
                assert dict(store.fetch("parent")) == {"v": "text"}

    def test_forking_while_another_thread_writes_leaves_child_and_parent_able(self) -> None:
        skip_without_forks()
        ended = threading.Event()
        faults: list[object] = []
        with closing(self.make()) as store:

            def write() -> None:
                number = 0
                while not ended.wait(0.001):
                    number += 1
                    try:
                        store.store("here", f"v{number % 50}", "text")
                        store.discard([("here", f"v{number % 50}")])
                    except CacheError:  # the child was writing
                        pass
                    except Exception as error:  # noqa: BLE001  raised in a thread it would go unseen
                        faults.append(error)

            writer = threading.Thread(target=write)
            writer.start()
            try:
                for number in range(20):

                    def work(number: int = number) -> object:
                        for _ in range(100):
                            with suppress(CacheError):  # the parent was writing
                                store.store("child", f"v{number}", "text")
                                return dict(store.fetch("child"))[f"v{number}"]
                        return "never"

                    assert in_a_fork(work) == "text"
            finally:
                ended.set()
                writer.join()
            store.store("here", "last", "text")
            assert store.fetch("here")["last"] == "text"
        assert faults == []


def mutated(body: bytes, chance: random.Random) -> bytes:
    """Return bytes, of which there must be some, with one fault: flipped, cut, left out, doubled, zeroed, replaced."""
    kind, at = chance.randrange(6), chance.randrange(len(body))
    to = min(len(body), at + chance.choice([1, 4, 100, 4096]))
    return [
        body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :],
        body[:at],
        body[:at] + body[to:],
        body[:to] + body[at:],
        body[:at] + bytes(to - at) + body[to:],
        body[:at] + chance.randbytes(to - at) + body[to:],
    ][kind]


def in_a_fork(action: Callable[[], object]) -> Any:
    """Return what action returns in a forked child, if it can be pickled; a failure there is an AssertionError here."""
    import pickle
    import warnings

    if sys.platform == "win32":
        raise SkipTest("Windows does not fork")
    here, there = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what is tested
        child = os.fork()
    if child == 0:
        answer: tuple[object, str | None]
        try:
            answer = (action(), None)
        except BaseException as error:  # noqa: BLE001  the child must not go on as a test runner
            answer = (None, f"{type(error).__name__}: {error}")
        with os.fdopen(there, "wb") as pipe:
            pipe.write(pickle.dumps(answer))
        os._exit(0)
    os.close(there)
    with os.fdopen(here, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said, "the child must answer, got a sudden end"
    answer, fault = pickle.loads(said)  # noqa: S301  our own child's
    assert fault is None, fault
    return answer


def fails(action: Callable[[], object]) -> bool:
    """Return whether an action raises what a store may raise when its medium fails."""
    try:
        action()
    except (OSError, CacheError):
        return True
    return False


def skip_without_forks() -> None:
    """Skip the test, in pytest as in unittest, on systems that do not fork."""
    if not hasattr(os, "fork"):
        raise SkipTest("only POSIX forks, changes users and limits file sizes")


def become_nobody() -> None:
    """Give up root's rights, if this is root."""
    if sys.platform != "win32" and os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def limit_files(most_bytes: int) -> None:
    """Let no file grow beyond so many bytes, for the rest of this process's life."""
    if sys.platform != "win32":
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
