"""Prints what the Redis cache costs: a hit beside a bare GET, many writers, a dead server, processes that start cold.

Run it as ``python plugins/amorsize-redis/benchmarks/latency.py``; it starts ``redis-server`` on a free loopback port.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import attrs
import redis

from amorsize import CacheError, optimize
from amorsize_redis import RedisOptions
from amorsize_redis.cache import RedisCache

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers import Server, free_port

PROCESSES = 8
FUNCTIONS = 50
TEXT = "x" * 1200  # about an entry


def micros(actions, rounds=40, repeats=100):
    """Return the median microseconds of each action, measured in turn."""
    spent = [[] for _ in actions]
    for _ in range(rounds):
        for action, seconds in zip(actions, spent, strict=True):
            began = time.perf_counter()
            for _ in range(repeats):
                action()
            seconds.append((time.perf_counter() - began) / repeats)
    return [median(seconds) * 1e6 for seconds in spent]


def hit(server):
    """Compare a look-up with redis-py's own GET and HGETALL of as long a text."""
    store, client = RedisCache(server.options()), server.client()
    store.store("here", "variant", TEXT)
    client.set("bare", TEXT)
    get, ours, theirs = micros(
        [lambda: client.get("bare"), lambda: store.fetch("here"), lambda: client.hgetall("amorsize:here")]
    )
    print(f"GET by redis-py        {get:7.1f} us")
    print(f"HGETALL by redis-py    {theirs:7.1f} us   {theirs / get:.2f}x")
    print(f"look-up of this cache  {ours:7.1f} us   {ours / get:.2f}x of the GET")
    items = list(range(2000))
    settled = function_of(0)
    optimize(settled, items, cache=store)
    (repeat,) = micros([lambda: optimize(settled, items, cache=store)], 40, 100)
    print(f"repeat in one process  {repeat:7.1f} us   (the server is not asked)")


def function_of(number):
    """Return a function unlike those of other numbers."""

    def work(item, factor=number):
        return sum(range(2000)) + item * factor

    return work


def write(options, number):
    """Store 500 texts of this process's own and 500 under names that all write to."""
    store = RedisCache(options)
    for turn in range(500):
        store.store(f"own {number}.{turn}", "v", TEXT)
        store.store(f"shared {turn}", f"v{number}", TEXT)


def writers(server, context):
    """Count what is there after eight processes have written."""
    with context.Pool(PROCESSES) as pool:
        pool.starmap(write, [(server.options(prefix="writers:"), number) for number in range(PROCESSES)])
    store = RedisCache(server.options(prefix="writers:"))
    there = sum(len(store.fetch(locator)) for locator in store.locators())
    print(f"{PROCESSES} processes wrote {PROCESSES * 1000} texts, {PROCESSES * 1000 - there} are lost")


def dead():
    """Time calls to a server that takes connections and never answers."""
    import socket  # noqa: PLC0415  only here

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        store = RedisCache(RedisOptions(url=f"redis://127.0.0.1:{listener.getsockname()[1]}/0"))
        seconds = []
        for _ in range(1000):
            began = time.perf_counter()
            with contextlib.suppress(CacheError):
                store.fetch("here")
            seconds.append(time.perf_counter() - began)
    print(f"silent server: first call {seconds[0] * 1e3:.1f} ms, the next 999 {sum(seconds[1:]) * 1e3:.1f} ms in all")
    began = time.perf_counter()
    try:
        RedisCache(RedisOptions(url=f"redis://127.0.0.1:{free_port()}/0")).fetch("here")
    except CacheError:
        print(f"nobody listening: first call {(time.perf_counter() - began) * 1e3:.1f} ms")


def take(options, order, barrier):
    """Ask about each function in an order; return how many had to be measured."""
    store = RedisCache(options)
    items = list(range(2000))
    barrier.wait()
    return sum(optimize(function_of(number), items, cache=store).cache == "miss" for number in order)


def run(options, order, barrier, answers):
    """Be one process of a fleet."""
    warnings.simplefilter("error")
    answers.put(take(options, order, barrier))


def fleet(server, context, *, same_order, wait_seconds):
    """Say how often each function is measured when eight processes begin at once with an empty cache."""
    options = server.options(prefix=f"fleet{same_order}{wait_seconds}:", wait_seconds=wait_seconds)
    barrier, answers = context.Barrier(PROCESSES), context.Queue()
    orders = []
    for number in range(PROCESSES):
        order = list(range(1, FUNCTIONS + 1))
        if not same_order:
            random.Random(number).shuffle(order)
        orders.append(order)
    fleet = [context.Process(target=run, args=(options, order, barrier, answers)) for order in orders]
    began = time.perf_counter()
    for process in fleet:
        process.start()
    measured = sum(answers.get() for _ in fleet)
    for process in fleet:
        process.join()
    kind = "same order, " if same_order else "own order,  "
    took = time.perf_counter() - began
    print(f"fleet, {kind} wait_seconds = {wait_seconds}: each measured {measured / FUNCTIONS:.2f} times, {took:.1f} s")


def main():
    """Run all of it on a server of its own."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory).start()
        try:
            print(f"redis-py {redis.__version__}, server {server.client().info()['redis_version']}")
            print(f"defaults: {attrs.asdict(RedisOptions())}")
            hit(server)
            writers(server, context)
            dead()
            for same_order in (False, True):
                for wait_seconds in (0.0, RedisOptions().wait_seconds):
                    fleet(server, context, same_order=same_order, wait_seconds=wait_seconds)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
