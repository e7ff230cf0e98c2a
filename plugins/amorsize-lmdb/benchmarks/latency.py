"""Prints what a look-up in the LMDB cache costs beside a bare read of the same text, and beside the built-in caches.

Run it as ``python plugins/amorsize-lmdb/benchmarks/latency.py``.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import lmdb

from amorsize.testing import build_backend
from amorsize_lmdb import LmdbOptions
from amorsize_lmdb.cache import LmdbCache

TEXT = "x" * 1200  # about an entry


def main():
    """Fill each with 1,000 texts and look them up in turn."""
    with tempfile.TemporaryDirectory() as above:
        config = {"caches": {name: {"directory": f"{above}/{name}"} for name in ("json", "sqlite")}}
        stores = {name: build_backend("caches", name, config) for name in ("json", "sqlite")}
        stores["lmdb"] = LmdbCache(LmdbOptions(directory=f"{above}/lmdb"))
        for store in stores.values():
            for number in range(1000):
                store.store(f"locator {number}", "v", TEXT)
        Path(above, "bare").mkdir()
        bare = lmdb.open(f"{above}/bare", map_size=1 << 22)
        with bare.begin(write=True) as transaction:
            transaction.put(b"key", TEXT.encode())

        def read():
            with bare.begin() as transaction:
                return transaction.get(b"key")

        actions = {"bare read": read}
        actions |= {name: lambda store=store: store.fetch("locator 500") for name, store in stores.items()}
        spent = {name: [] for name in actions}
        for _ in range(40):
            for name, action in actions.items():
                began = time.perf_counter()
                for _ in range(200):
                    action()
                spent[name].append((time.perf_counter() - began) / 200)
        for name, seconds in spent.items():
            print(f"{name:10} {median(seconds) * 1e6:6.1f} us   {median(seconds) / median(spent['bare read']):5.2f}x")


if __name__ == "__main__":
    main()
