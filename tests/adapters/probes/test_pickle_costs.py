"""What pickling costs is measured per object, and what cannot be pickled is named."""

from __future__ import annotations

import threading

from amorsize.adapters.probes.pickle_costs import pickle_costs


def test_seconds_and_bytes_are_those_of_one_object():
    put, get, size, fault = pickle_costs([bytes([number]) * 1000 for number in range(8)])
    assert put > 0
    assert get > 0
    assert 1000 <= size < 1100
    assert fault is None


def test_large_objects_are_pickled_one_by_one_until_enough_is_known():
    pickled = []

    class Large:
        def __reduce__(self):
            pickled.append(1)
            return bytes, (bytes(1 << 20),)

    _, _, size, _ = pickle_costs([Large() for _ in range(1000)])
    assert size > 1 << 20
    assert len(pickled) < 1000


def test_an_object_that_cannot_be_pickled_costs_nothing_and_says_why():
    put, get, size, fault = pickle_costs([threading.Lock()])
    assert (put, get, size) == (0.0, 0.0, 0.0)
    assert "cannot pickle" in fault


def test_an_object_that_takes_long_at_first_is_pickled_again(monkeypatch):
    pickled, now = [], [0.0]
    monkeypatch.setattr("amorsize.adapters.probes.pickle_costs.perf_counter", lambda: now[0])

    class Cold:
        def __reduce__(self):
            pickled.append(1)
            now[0] += 0.001 if len(pickled) == 1 else 0.00001
            return bytes, (b"",)

    pickle_costs([Cold()])
    assert len(pickled) > 1
