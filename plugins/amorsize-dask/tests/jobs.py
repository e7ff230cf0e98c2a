"""Functions that a cluster's workers import."""

from __future__ import annotations

import os
import time

FACTOR = 2


def double(item):
    return item * FACTOR


def nap(item):
    time.sleep(0.02)
    return os.getpid(), item


def reported(path, item):
    with open(path, "a") as file:  # noqa: PTH123  a plain append
        file.write(f"{os.getpid()}\n")
    return item


def odd(item):
    if item == 7:
        raise ValueError("seven")
    return item


def spin(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return seconds
