"""What the system counts of this process."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest
from busy import a_thread_that_computes

from amorsize.adapters.probes import counters


def test_the_share_of_computing_is_bounded_whatever_the_clocks_say():
    assert counters.cpu_share(1.0, 0.0) == 1.0
    assert counters.cpu_share(-1.0, 1.0) == 0.0
    assert counters.cpu_share(0.5, 1.0) == 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell")
def test_a_thread_that_computes_beside_is_seen_and_one_that_waits_is_not():
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait)
    thread.start()
    try:
        while counters.others_running():  # until it waits
            time.sleep(0.001)
        with a_thread_that_computes():
            assert sum(counters.others_running() for _ in range(100)) > 50
    finally:
        waiting.set()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is asked")
def test_a_system_that_does_not_tell_about_threads_is_no_harm(monkeypatch):
    def refuse(path):
        raise PermissionError(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert counters.others_running() == 0
    monkeypatch.setattr(os, "listdir", lambda _: ["0", "none"])
    assert counters.others_running() == 0
