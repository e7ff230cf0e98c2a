"""Prints what a cached answer costs, beside its floors, all in one run.

Run it as ``python tests/benchmarks/latency.py``; ``--entries`` fills stores of 100,000 and 1,000,000 entries instead,
which takes minutes, and ``--stages`` takes a first hit apart. Everything is interleaved and medians are shown, since
the machine may be noisy.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import attrs

sys.path.append(str(Path(__file__).resolve().parents[1]))  # where fakes are

from advice import items_seconds, optimizer_with, overheads_measured, sample_of, texts_in, warm_up
from children import ask
from fakes import MACHINE as FOUR_CORES
from fakes import OVERHEADS as UNCROWDED
from fakes import SAMPLE as SHORT_ITEMS

from amorsize.application import optimizer as optimizer_module
from amorsize.application.cache import records
from amorsize.composition import Assembly
from amorsize.domain import keys
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import FORMAT, Constraints, Entry
from amorsize.errors import CacheError

ROUNDS = 15
FORKS = 60
MACHINE = attrs.evolve(
    FOUR_CORES,
    physical_cores=64,
    logical_cores=64,
    usable_cpus=64.0,
    available_memory_bytes=64 << 30,
    total_memory_bytes=64 << 30,
)
SAMPLE = attrs.evolve(
    SHORT_ITEMS,
    count=12,
    seconds_per_item=0.00123456,
    spread_seconds=0.000123456,
    first_call_seconds=0.00234567,
    cpu_fraction=0.987654,
    gil_fraction=0.97531,
    pickle_item_seconds=1.23456e-6,
    unpickle_item_seconds=1.23456e-6,
    item_bytes=123.5,
    pickle_result_seconds=2.3456e-6,
    unpickle_result_seconds=2.3456e-6,
    result_bytes=54.25,
    peak_bytes=1234567.0,
    positions=tuple(range(100, 112)),
)
"""With the digits that measured values have: a record of it is as long as one in a store."""

OVERHEADS = attrs.evolve(UNCROWDED, slowdown=1.2)


def micros(action, *, repeats=200):
    """Return the median and the 99th percentile of an action in microseconds."""
    gc.collect()
    gc.disable()
    times = []
    for _ in range(repeats):
        began = time.perf_counter_ns()
        action()
        times.append((time.perf_counter_ns() - began) / 1e3)
    gc.enable()
    times.sort()
    return median(times), times[min(len(times) - 1, int(len(times) * 0.99))]


def row(name, value, floor="", target=""):
    """Print a line of the table."""
    print(f"{name:<58} {value:>24} {floor:>26} {target:>18}")


def shown(pair):
    """Return a median with its 99th percentile in words."""
    return f"{pair[0]:.1f} us (p99 {pair[1]:.0f})"


def functions(count):
    """Return so many different small functions."""
    made = []
    for number in range(count):
        scope = {"__name__": "bench"}
        exec(f"def work(x):\n    return x * {number + 3} + 1", scope)
        made.append(scope["work"])
    return made


def work(_):
    """Take about 50 us, the kind of item for which processes may pay."""
    return sum(range(2500))


def optimizer_in(folder, cache):
    """Return a new process's worth of Optimizer with a store in folder."""
    os.environ["AMORSIZE_CACHE_DIR"] = str(folder)
    assembly = Assembly()
    return assembly.optimizer(assembly.settings(None), cache, None, None)


def repeat_hits(folder):
    """Print the repeat in one process for each store, and the first call beside it."""
    for cache in ("json", "sqlite", "memory"):
        optimizer = optimizer_in(folder / f"repeat-{cache}", cache)
        limits = Constraints()
        data = list(range(2000))
        began = time.perf_counter()
        optimizer.optimize(work, data, limits)
        first = (time.perf_counter() - began) * 1e6
        hit = micros(lambda: optimizer.optimize(work, data, limits), repeats=2000)  # noqa: B023  used at once
        row(
            f"repeat hit in one process, {cache}", shown(hit), f"first call {first / hit[0]:,.0f}x", "<= 10 us, >= 100x"
        )


def first_hits(folder):
    """Print the first hit of a process from JSON and SQLite beside the bare reading of the same record."""
    count = 200
    for cache in ("json", "sqlite"):
        place = folder / f"first-{cache}"
        made = functions(count)
        data = list(range(2000))
        writer = optimizer_in(place, cache)
        for func in made:
            writer.optimize(func, data, Constraints())
        reader = optimizer_in(place, cache)
        reader.optimize(work, data, Constraints())  # the machine is read and the connection open
        rest = iter(made)
        hit = micros(lambda: reader.optimize(next(rest), data, Constraints()), repeats=count)  # noqa: B023
        assert reader.hits == count
        if cache == "json":
            files = [str(path) for path in place.rglob("*") if path.is_file() and "func" in str(path)]
            paths = iter(files)
            floor = micros(lambda: bare_read(next(paths)), repeats=count)  # noqa: B023  used at once
            row("first hit from JSON", shown(hit), f"{hit[0] / floor[0]:.1f}x open+read+loads", "<= 3x, <= 60 us")
        else:
            (file,) = place.rglob("*.sqlite")
            connection = sqlite3.connect(file)
            table, columns = described(connection)
            addresses = iter(connection.execute(f"SELECT {columns[0]} FROM {table}").fetchall() * 2)
            query = f"SELECT * FROM {table} WHERE {columns[0]} = ?"
            floor = micros(lambda: connection.execute(query, next(addresses)).fetchall(), repeats=count)  # noqa: B023
            row("first hit from SQLite", shown(hit), f"{hit[0] / floor[0]:.1f}x bare SELECT", "<= 5x, <= 60 us")


def decided(texts, pages):
    """Return the microseconds that a process's first decision takes beside the items it runs, and the texts it leaves.

    A forked process copies each page of memory at its first write, which ``copied`` has another decision do before.
    """
    if pages == "copied":
        warm_up(texts)
    optimizer = optimizer_with(texts)
    began = time.perf_counter()
    result = optimizer.optimize(work, range(20), Constraints())
    seconds = time.perf_counter() - began
    ran = items_seconds(sample_of(optimizer, result)) if result.cache == "miss" else 0.0
    return (seconds - ran) * 1e6, texts_in(optimizer)


def first_decisions():
    """Print the first decision on a job of a millisecond in a forked process that has amorsize's modules loaded."""
    overheads, _, _ = ask(overheads_measured)
    warm_up(overheads)
    _, entry = ask(decided, overheads, "copied")
    for name, texts, aim in (("cold", overheads, 1000), ("cached", entry, 800)):
        spent = {"copied": [], "shared": []}
        for _ in range(FORKS):
            for pages, times in spent.items():
                times.append(ask(decided, texts, pages)[0])
        copied, shared = (f"{median(times):.0f} us" for times in spent.values())
        row(f"first optimize() in a forked process, {name}", copied, f"{shared} as it copies pages", f"<= {aim} us")


def stages(folder):
    """Print where the time of a first hit goes: each stage timed within the call, those inside another too."""
    for cache in ("json", "sqlite"):
        made, data = functions(200), list(range(2000))
        writer = optimizer_in(folder / cache, cache)
        for func in made:
            writer.optimize(func, data, Constraints())
        reader = optimizer_in(folder / cache, cache)
        reader.optimize(work, data, Constraints())
        spent = {}
        places = (
            (reader, "optimize"),
            (reader._fingerprints, "of"),
            (optimizer_module, "item_kind"),
            (reader, "_question"),
            (reader, "_from_cache"),
            (reader.entries.store, "fetch"),
            (records, "decode_entry"),
            (records, "unseal"),
            (optimizer_module, "judge"),
        )
        before = [(owner, name, vars(owner).get(name)) for owner, name in places]
        for owner, name in places:
            setattr(owner, name, timed(getattr(owner, name), spent.setdefault(name, [])))
        for func in made:
            reader.optimize(func, data, Constraints())
        for owner, name, was in before:
            if was is not None:
                setattr(owner, name, was)
        for name, times in spent.items():
            row(f"first hit, {cache}: {name}", f"{median(times):.1f} us")


def timed(action, times):
    """Return the action, taking down its microseconds."""

    def run(*arguments, **keywords):
        began = time.perf_counter_ns()
        answer = action(*arguments, **keywords)
        times.append((time.perf_counter_ns() - began) / 1e3)
        return answer

    return run


def described(connection):
    """Return the name of the one table and of its columns."""
    ((table,),) = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return table, [column[1] for column in connection.execute(f"PRAGMA table_info({table})")]


def bare_read(path):
    """Read and parse a file with nothing around it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return json.loads(os.read(handle, 4096))
    finally:
        os.close(handle)


def solving():
    """Print solving again for another number of items, on 64 and on 1,024 cores."""
    for cores in (64, 1024):
        machine = attrs.evolve(MACHINE, usable_cpus=float(cores), logical_cores=cores)
        situation = Situation(1500, SAMPLE, machine, Constraints())
        spent = micros(lambda: decide(situation, OVERHEADS))  # noqa: B023  used at once
        row(
            f"other N in a cached bucket, solved for {cores} cores",
            shown(spent),
            "",
            "<= 300 us" if cores == 64 else "",
        )


def fresh_process(folder):
    """Print a whole fresh process with a cached answer beside importing the six dependencies."""
    (folder / "jobs.py").write_text("def work(x):\n    return sum(range(2500))\n")
    answer = "import amorsize, jobs; amorsize.optimize(jobs.work, range(2000))"
    commands = {
        "bare": "pass",
        "import": "import amorsize",
        "six": "import attrs, cattrs, pluggy, platformdirs, psutil, tomli_w",
        "four": "import attrs, json, hashlib, psutil",
        "answer": answer,
    }
    environment = {**os.environ, "AMORSIZE_CACHE_DIR": str(folder / "fresh"), "PYTHONPATH": str(folder)}
    times = {name: [] for name in commands}
    for _ in range(ROUNDS + 2):
        for name, code in commands.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=folder)
            times[name].append(time.perf_counter() - began)
    medians = {name: median(seconds[2:]) for name, seconds in times.items()}
    row("import amorsize", f"{medians['import'] / medians['bare']:.2f}x bare Python", "", "")
    row(
        "fresh process to cached answer",
        f"{medians['answer'] * 1e3:.1f} ms",
        f"{medians['answer'] / medians['six']:.2f}x of six imports",
        "<= 0.85x",
    )
    row(
        "attrs, json, hashlib and psutil alone",
        f"{medians['four'] * 1e3:.1f} ms",
        f"{medians['four'] / medians['six']:.2f}x",
        "",
    )


def entry_of(locator, measured_at):
    """Return an ordinary entry under a locator."""
    situation = Situation(2000, SAMPLE, MACHINE, Constraints())
    return Entry(
        format=FORMAT,
        locator=locator,
        variant=keys.variant(SAMPLE.seconds_per_item, "0123abcd"),
        function="bench.work",
        measured_at=measured_at,
        confirmed_at=measured_at,
        confirmations=0,
        items=2000,
        constraints=Constraints(),
        sample=SAMPLE,
        plan=decide(situation, OVERHEADS).plan,
        machine=MACHINE,
    )


def many_entries(folder):
    """Print a first hit in full stores beside one in stores of 10, and pruning them."""
    for cache, count in (("json", 100_000), ("sqlite", 1_000_000)):
        made, data = functions(10), list(range(2000))
        places = {number: folder / f"{cache}-{number}" for number in (10, count)}
        for number, place in places.items():
            writer = optimizer_in(place, cache)
            for func in made:
                writer.optimize(func, data, Constraints())
            if number > len(made):
                fill(writer.entries.store, cache, place, number - len(made))
        spent = {10: [], count: []}
        for _ in range(40):
            readers = {number: optimizer_in(place, cache) for number, place in places.items()}
            for number, reader in readers.items():
                reader.optimize(work, data, Constraints())
                look_up_others(reader.entries.store, number)
            for func in made:
                for number, reader in readers.items():
                    began = time.perf_counter_ns()
                    assert reader.optimize(func, data, Constraints()).cache == "hit"
                    spent[number].append((time.perf_counter_ns() - began) / 1e3)
        small, large = median(spent[10]), median(spent[count])
        row(f"hit among {count:,} in {cache}", f"{large:.1f} us", f"{large / small:.2f}x of 10", "<= 1.5x")
        prune(writer.entries.store, cache, count - len(made), places[count])


def look_up_others(store, number):
    """Look up some other entries, so that what a store keeps in memory is not just what is asked for next."""
    for turn in range(200):
        store.fetch(f"func:{turn * 7919 % number:016x}_item:int~16^3_size:large")


def fill(store, cache, place, number):
    """Fill a store, SQLite in one transaction of its own since a million commits would take hours."""
    text = records.encode(entry_of("func:x", 1_700_000_000.0))
    template = entry_of("func:x", 1_700_000_000.0)
    locators = [f"func:{index:016x}_item:int~16^3_size:large" for index in range(number)]
    texts = (records.encode(attrs.evolve(template, locator=locator)) for locator in locators[:1000])
    ready = list(texts)
    store.store(locators[0], template.variant, ready[0])
    if cache == "json":
        for index, locator in enumerate(locators):
            store.store(locator, template.variant, ready[index] if index < len(ready) else text)
        return
    (file,) = list(Path(place).rglob("*.sqlite"))
    connection = sqlite3.connect(file)
    table, _ = described(connection)
    rows = ((locator, template.variant, ready[i] if i < len(ready) else text) for i, locator in enumerate(locators))
    with connection:
        connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)
    connection.close()


PRUNE = """
import os, resource, sys, time
from amorsize.config import loader as config
from amorsize.application.cache.maintenance import Cache
store = config.build("caches", sys.argv[1], config.load())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
removed = Cache(store, time.time).prune(86400.0)
print(removed, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def prune(store, cache, count, place):
    """Print what pruning everything costs another process, and the longest a reader waits meanwhile."""
    environment = {**os.environ, "AMORSIZE_CACHE_DIR": str(place)}
    with subprocess.Popen(
        [sys.executable, "-c", PRUNE, cache], env=environment, stdout=subprocess.PIPE, text=True
    ) as pruner:
        longest = 0.0
        turn = given_up = 0
        while pruner.poll() is None:
            turn += 1
            began = time.perf_counter()
            try:
                store.fetch(f"func:{turn * 7919 % count:016x}_item:int~16^3_size:large")
            except CacheError:
                given_up += 1
            longest = max(longest, time.perf_counter() - began)
            time.sleep(0.002)
        removed, seconds, kib = pruner.stdout.read().split()
    row(
        f"prune of {int(removed):,} in {cache}",
        f"{float(seconds):.1f} s",
        f"{int(kib) / 1024:.0f} MiB, {longest * 1e3:.0f} ms, {given_up}/{turn} up",
        "<= 64 MiB, 50 ms",
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--entries", action="store_true", help="fill and prune the large stores instead")
    parser.add_argument("--stages", action="store_true", help="time the stages of a first hit instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        row("path", "median", "beside", "target")
        if arguments.entries:
            many_entries(folder)
            return
        if arguments.stages:
            stages(folder)
            return
        repeat_hits(folder)
        first_hits(folder)
        first_decisions()
        solving()
        fresh_process(folder)


if __name__ == "__main__":
    main()
