"""The contract of every cache store."""

# a contract asserts, its method names are its sentences, and its numbers are its examples
# ruff: noqa: S101, D102, PLR2004

from __future__ import annotations

import threading
from contextlib import closing
from functools import partial
from itertools import product
from string import printable
from typing import TYPE_CHECKING, Final

from amorsize.testing.concurrency import mixed_operations
from amorsize.testing.raising import must_raise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.application.ports import CacheStore

AWKWARD: Final = (
    *(character for character in printable if character.isprintable()),
    *("aa", "aA", "Aa", "AA", "a%41", "a%61", "%%", "%2", "%zz", "--", "--help", "-x", "~x", "*.*", "$HOME", "';DROP"),
    *("con", "CON", "nul", "com1", "lpt9", "con.json", "aux.txt", "prn:", "a.json", "amorsize.sqlite", ".hidden"),
    *("..", "...", "../up", "..\\up", "/etc/passwd", "C:\\x", "a/b", "a//b", "a/", ".new", "trailing."),
    *("trailing ", " leading", "two words", "x" * 80, "%" * 80, "func:0123456789abcdef_item:str64_size:large"),
)
"""Names that are legal for a store and troublesome for file systems and query languages."""

IMPOSSIBLE: Final = ("", "x" * 81, "é", "a\nb", "a\x00b", "\x7f", "名")
"""Names that no store may take."""


class CacheContract:
    """What every cache store must do; see ``amorsize.application.ports.CacheStore``."""

    def make(self) -> CacheStore:
        """Return a new and empty store, each call another."""
        raise NotImplementedError

    def reopen(self, store: CacheStore) -> CacheStore | None:  # noqa: ARG002  a hook to be overridden
        """Return another store on the same data, None when the data is the store's alone."""
        return None

    def test_an_absent_locator_has_no_variants(self) -> None:
        with closing(self.make()) as store:
            assert dict(store.fetch("absent")) == {}
            assert list(store.locators()) == []
            assert store.discard([("absent", "v")]) == 0

    def test_a_stored_text_comes_back_with_its_variant(self) -> None:
        with closing(self.make()) as store:
            store.store("here", "v", "text")
            assert dict(store.fetch("here")) == {"v": "text"}
            assert dict(store.fetch("her")) == {}
            assert dict(store.fetch("here2")) == {}
            store.store("here", "absent", "added")
            assert dict(store.fetch("here")) == {"v": "text", "absent": "added"}

    def test_storing_again_replaces_the_text_whole(self) -> None:
        with closing(self.make()) as store:
            for text in ("a long text", "short", "", "a longer text than before"):
                store.store("here", "v", text)
                assert dict(store.fetch("here")) == {"v": text}

    def test_what_was_fetched_does_not_change_afterwards(self) -> None:
        with closing(self.make()) as store:
            store.store("here", "v", "before")
            fetched = store.fetch("here")
            store.store("here", "v", "after")
            store.store("here", "w", "new")
            assert dict(fetched) == {"v": "before"}

    def test_a_locator_holds_many_variants_and_is_named_once(self) -> None:
        with closing(self.make()) as store:
            texts = {f"variant {number}": str(number) for number in range(100)}
            for variant, text in texts.items():
                store.store("here", variant, text)
            assert dict(store.fetch("here")) == texts
            assert list(store.locators()) == ["here"]

    def test_many_locators_are_each_named_once(self) -> None:
        with closing(self.make()) as store:
            names = [f"locator {number}" for number in range(200)]
            for name in names:
                store.store(name, "v", name)
            assert sorted(store.locators()) == sorted(names)
            assert store.discard((name, "v") for name in names) == len(names)
            assert list(store.locators()) == []

    def test_any_text_up_to_64_kib_comes_back_as_it_was(self) -> None:
        with closing(self.make()) as store:
            for text in (
                "\r\n\n\r\t",
                "\x00\x1a",
                "é名\U0001f600\ufeff\ufffd\u2028",
                '{"a": 1}',
                "x" * 65536,
                "é" * 32768,
            ):
                store.store("here", "v", text)
                assert store.fetch("here")["v"] == text

    def test_awkward_names_stay_apart_and_come_back_as_they_were(self) -> None:
        with closing(self.make()) as store:
            for name in AWKWARD:
                store.store(name, name, f"at {name}")
                store.store("one", name, name)
            for name in AWKWARD:
                assert dict(store.fetch(name)) == {name: f"at {name}"}
            assert dict(store.fetch("one")) == {name: name for name in AWKWARD}
            assert sorted(store.locators()) == sorted({*AWKWARD, "one"})
            assert store.discard((name, name) for name in AWKWARD) == len(AWKWARD)
            assert list(store.locators()) == ["one"]

    def test_an_impossible_name_is_a_value_error(self) -> None:
        with closing(self.make()) as store:
            for name in IMPOSSIBLE:
                must_raise(ValueError, partial(store.fetch, name))
                must_raise(ValueError, partial(store.store, name, "v", "text"))
                must_raise(ValueError, partial(store.store, "here", name, "text"))
            assert list(store.locators()) == []

    def test_discard_removes_and_counts_what_was_there(self) -> None:
        with closing(self.make()) as store:
            for locator, variant in product("ab", "vw"):
                store.store(locator, variant, "text")
            assert store.discard([("a", "v"), ("a", "v"), ("a", "z"), ("z", "v"), ("b", "v"), ("b", "w")]) == 3
            assert dict(store.fetch("a")) == {"w": "text"}
            assert list(store.locators()) == ["a"]
            assert store.discard([]) == 0
            store.store("b", "v", "again")
            assert dict(store.fetch("b")) == {"v": "again"}

    def test_discard_takes_addresses_lazily_even_from_the_store_itself(self) -> None:
        with closing(self.make()) as store:
            for number in range(600):
                store.store(f"locator {number}", "v", "text")

            def everything() -> Iterator[tuple[str, str]]:
                for locator in store.locators():
                    for variant in store.fetch(locator):
                        yield locator, variant

            assert store.discard(everything()) == 600
            assert list(store.locators()) == []

    def test_a_failure_among_the_addresses_comes_out_and_the_rest_stays(self) -> None:
        with closing(self.make()) as store:
            store.store("a", "v", "text")
            store.store("z", "v", "text")

            def failing() -> Iterator[tuple[str, str]]:
                yield "a", "v"
                raise KeyError("no more")

            must_raise(KeyError, lambda: store.discard(failing()))
            assert dict(store.fetch("z")) == {"v": "text"}

    def test_storing_and_discarding_while_locators_are_read_disturbs_nobody(self) -> None:
        with closing(self.make()) as store:
            names = {f"locator {number}" for number in range(1100)}
            for name in names:
                store.store(name, "v", "text")
            seen = []
            for number, name in enumerate(store.locators()):
                seen.append(name)
                if name in names and number % 10 == 0:
                    store.store(f"new {number}", "v", "text")
                    assert store.discard([(name, "v")]) == 1
            assert len(seen) == len(set(seen))
            assert names <= set(seen)

    def test_closing_twice_does_no_harm_and_a_later_call_opens_anew(self) -> None:
        store = self.make()
        store.close()
        store.store("here", "v", "text")
        store.close()
        store.close()
        with closing(store):
            assert dict(store.fetch("here")) == {"v": "text"}
            assert store.discard([("here", "v")]) == 1

    def test_another_store_on_the_same_data_sees_the_same(self) -> None:
        with closing(self.make()) as store:
            other = self.reopen(store)
            if other is None:
                return
            with closing(other):
                store.store("here", "v", "text")
                assert dict(other.fetch("here")) == {"v": "text"}
                other.store("here", "v", "other")
                assert dict(store.fetch("here")) == {"v": "other"}
                assert other.discard([("here", "v")]) == 1
                assert dict(store.fetch("here")) == {}

    def test_two_new_stores_share_nothing(self) -> None:
        with closing(self.make()) as store, closing(self.make()) as other:
            store.store("here", "v", "text")
            assert dict(other.fetch("here")) == {}

    def test_threads_share_a_store(self) -> None:
        with closing(self.make()) as store:
            faults: list[object] = []

            def work(number: int) -> None:
                try:
                    faults.extend(mixed_operations(store, seed=number, operations=200).torn)
                except Exception as error:  # noqa: BLE001  raised in a thread it would go unseen
                    faults.append(error)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert faults == []
