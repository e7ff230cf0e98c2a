"""The contract of a cache store that several processes share: writers at the same keys, and killed ones."""

# a contract asserts, its method names are its sentences, and its numbers are its examples
# ruff: noqa: S101, D102, PLR2004

from __future__ import annotations

import random
import time
from contextlib import closing
from itertools import product
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import attrs

from amorsize.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ProcessPoolExecutor

    from amorsize.application.ports import CacheStore


class SharedCacheContract:
    """What a store must survive when several processes share its data: writers at the same keys, and killed ones.

    ``busy_share`` is the largest share of operations that may be given up with CacheError because others were busy.
    """

    processes = 8
    operations = 5000
    kills = 200
    busy_share = 0.0

    def shared(self) -> Callable[[], CacheStore]:
        """Return a picklable function that opens, in any process, a store on the same data, empty at first."""
        raise NotImplementedError

    def test_processes_at_the_same_keys_see_whole_texts_and_the_last_write_stays(self) -> None:
        opened = self.shared()
        with _spawning(self.processes) as pool:
            running = [pool.submit(_mixed_apart, opened, seed, self.operations) for seed in range(self.processes)]
            tallies = [each.result() for each in running]
        assert [torn for tally in tallies for torn in tally.torn] == []
        given_up = sum(tally.given_up for tally in tallies)
        assert given_up <= self.busy_share * self.processes * self.operations, f"{given_up} operations were given up"
        with closing(opened()) as store:
            for locator, variant in KEYS:
                last = set().union(*(tally.last.get((locator, variant), ()) for tally in tallies))
                assert store.fetch(locator).get(variant) in (last or {None})

    def test_a_writer_killed_at_any_moment_leaves_texts_whole_or_absent(self) -> None:
        with _spawning(1) as pool:
            whole, torn = pool.submit(_kill_writers, self.shared(), self.kills).result()
        assert torn == []
        assert whole >= self.kills


KEYS: Final = tuple(product((f"func:{number:016x}" for number in range(4)), ("time:fast", "time:slow", "time:Slow")))
"""The few addresses at which all of them write."""


@attrs.define
class Tally:
    """What mixed operations saw: torn texts, how many were given up as busy, and what may stand last at each key."""

    torn: list[str] = attrs.field(factory=list)
    given_up: int = 0
    last: dict[tuple[str, str], set[str | None]] = attrs.field(factory=dict)


def mixed_operations(store: CacheStore, *, seed: int, operations: int) -> Tally:
    """Fetch, store, discard and list in a random mix, and check every result."""
    chance = random.Random(seed)  # noqa: S311  chance, not secrecy
    tally = Tally()
    for number in range(operations):
        locator, variant = key = chance.choice(KEYS)
        kind = chance.random()
        text = whole_text(locator, variant, f"{seed}.{number} " + "é" * chance.randrange(2000))
        try:
            if kind < 0.60:
                tally.torn += _torn(store, locator)
            elif kind < 0.85:
                store.store(locator, variant, text)
                tally.last[key] = {text}
            elif kind < 0.95:
                store.discard([key])
                tally.last[key] = {None}
            else:
                tally.torn += sorted(set(store.locators()) - {locator for locator, _ in KEYS})
        except CacheError:
            tally.given_up += 1
            tally.last.setdefault(key, set()).update((text, None))
    return tally


def whole_text(locator: str, variant: str, body: str) -> str:
    """Return a text from which a reader sees whether it is whole and was stored under these names."""
    return f"{crc32(f'{locator} {variant} {body}'.encode()):08x} {body}"


def is_whole(locator: str, variant: str, text: str) -> bool:
    """Return whether a text is the one that whole_text makes for these names."""
    return text == whole_text(locator, variant, text[9:])


def _torn(store: CacheStore, locator: str) -> list[str]:
    found = store.fetch(locator).items()
    return [f"{locator} {variant}: {text:.80}" for variant, text in found if not is_whole(locator, variant, text)]


def _mixed_apart(opened: Callable[[], CacheStore], seed: int, operations: int) -> Tally:
    with closing(opened()) as store:
        return mixed_operations(store, seed=seed, operations=operations)


def _spawning(processes: int) -> ProcessPoolExecutor:
    """Return a pool of clean processes: one forked beside the test runner's threads might hang."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(processes, mp_context=get_context("spawn"))


def _kill_writers(opened: Callable[[], CacheStore], kills: int) -> tuple[int, list[str]]:
    """Start writers and kill each at a random moment; return how many texts were whole, and those that were not."""
    from multiprocessing import get_all_start_methods, get_context

    context: Any = get_context("fork" if "fork" in get_all_start_methods() else "spawn")
    chance = random.Random(kills)  # noqa: S311  chance, not secrecy
    whole, torn = 0, []
    for number in range(kills):
        here, there = context.Pipe(duplex=False)
        writer = context.Process(target=_write_until_killed, args=(opened, number, there))
        writer.start()
        there.close()
        assert here.poll(60), "the writer did not begin"
        time.sleep(chance.uniform(0, 0.01))
        writer.kill()
        writer.join()
        here.close()
        with closing(opened()) as store:
            for locator in store.locators():
                faults = _torn(store, locator)
                whole += len(store.fetch(locator)) - len(faults)
                torn += faults
            store.store(*KEYS[0], whole_text(*KEYS[0], "after the kill"))
    return whole, torn


def _write_until_killed(opened: Callable[[], CacheStore], seed: int, ready: Any) -> None:
    store = opened()
    mixed_operations(store, seed=seed, operations=1)
    ready.send_bytes(b"begun")
    mixed_operations(store, seed=seed, operations=10**9)
