"""What is known of a call: how many tasks are left, and how large they are when pickled."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
from integrations.joblib import jobs

from amorsize.integrations.joblib.call import _length_hint, pickled_bytes


def test_a_mapping_of_a_generator_tells_how_many_tasks_are_left():
    inner = (n for n in [1, 2, 3])
    assert _length_hint(outer for outer in inner) == 3
    assert _length_hint(x for x in zip(range(5), [1, 2], strict=False)) == 2
    assert _length_hint(x for x in enumerate("abcd")) == 4
    assert _length_hint(iter(lambda: 1, 2)) is None


def test_what_a_function_of_the_main_module_reads_counts_for_loky(monkeypatch):
    space = {"__name__": "__main__", "TABLE": np.ones(100_000)}
    exec("def reads(number):\n return TABLE[number]", space)
    monkeypatch.setattr(sys.modules["__main__"], "reads", space["reads"], raising=False)
    assert pickled_bytes(SimpleNamespace(items=[(space["reads"], (1,), {})]), [1.0])[0] > 800_000
    assert pickled_bytes(SimpleNamespace(items=[(jobs.square, (1,), {})]), [1])[0] < 1000
