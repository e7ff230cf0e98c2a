"""The contracts run in unittest as they do in pytest."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

CASES = """
    import tempfile
    import unittest
    from functools import partial
    from pathlib import Path

    from amorsize.adapters.caches.json import JsonCache, JsonOptions
    from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
    from amorsize.adapters.executors.thread import ThreadExecutors, ThreadOptions
    from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions
    from amorsize.testing import (
        CacheContract, DamagedCacheContract, ExecutorsContract, FaultyMediumContract, ForkedCacheContract,
        InspectorContract, SharedCacheContract,
    )


    def at(directory):
        return JsonCache(JsonOptions(directory=directory))


    class Memory(CacheContract, unittest.TestCase):
        def make(self):
            return MemoryCache(MemoryOptions())


    class Shared(SharedCacheContract, unittest.TestCase):
        processes, operations, kills = 2, 50, 2

        def shared(self):
            place = tempfile.TemporaryDirectory()
            self.addCleanup(place.cleanup)
            return partial(at, str(Path(place.name, "cache")))


    class Faulty(FaultyMediumContract, DamagedCacheContract, unittest.TestCase):
        damages = 20
        at = staticmethod(at)


    class Forked(ForkedCacheContract, unittest.TestCase):
        shared = False

        def make(self):
            return MemoryCache(MemoryOptions())


    class Psutil(InspectorContract, unittest.TestCase):
        def make(self):
            return PsutilInspector(PsutilOptions())


    class Threads(ExecutorsContract, unittest.TestCase):
        ends_workers = False

        def make(self):
            return ThreadExecutors(ThreadOptions())


    class Forgets(CacheContract, unittest.TestCase):
        def make(self):
            store = MemoryCache(MemoryOptions())
            store.store = lambda *_: None
            return store


    if __name__ == "__main__":
        unittest.main()
"""


def run(tmp_path, *names):
    (tmp_path / "cases.py").write_text(dedent(CASES))
    command = [sys.executable, "-m", "unittest", "-v", *(f"cases.{name}" for name in names)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)


def test_sound_adapters_pass_in_unittest(tmp_path):
    done = run(tmp_path, "Memory", "Shared", "Faulty", "Forked", "Psutil", "Threads")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("... ok") + done.stderr.count("... skipped") >= 25
    assert "... ok" in done.stderr


def test_a_store_that_forgets_fails_in_unittest(tmp_path):
    done = run(tmp_path, "Forgets")
    assert done.returncode == 1
    assert "FAIL: test_a_stored_text_comes_back_with_its_variant" in done.stderr
