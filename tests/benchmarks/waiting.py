"""Workloads that wait: for time to pass (as for an answer over a network), for another process, for the system."""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import sys
import time

from computing import documents

TRUE = [shutil.which("true")] if shutil.which("true") else [sys.executable, "-S", "-E", "-c", ""]
PYTHON = [sys.executable, "-S", "-E", "-c", "import sys; sys.exit(sum(range(100_000)) % 7)"]
ROUND_TRIPS = 50


def answer_after(seconds):
    time.sleep(seconds)
    return seconds


def bimodal_delays(count=80):
    chance = random.Random(7)
    return [chance.choice((0.001, 0.012)) for _ in range(count)]


def rare_delays(count=150):
    chance = random.Random(8)
    return [0.1 if chance.random() < 1 / 50 else 0.001 for _ in range(count)]


def fetch_and_read(text):
    time.sleep(0.004)
    return sum(len(record["tags"]) for record in json.loads(json.dumps(json.loads(text))))


def run_true(_):
    return subprocess.run(TRUE, check=False).returncode


def run_python(_):
    return subprocess.run(PYTHON, check=False).returncode


def round_trips(size):
    """Send a datagram to oneself over loopback and wait for it, many times."""
    message = bytes(size)
    received = 0
    kind = socket.AF_INET, socket.SOCK_DGRAM
    with socket.socket(*kind) as there, socket.socket(*kind) as here:
        there.bind(("127.0.0.1", 0))
        here.connect(there.getsockname())
        for _ in range(ROUND_TRIPS):
            here.send(message)
            received += len(there.recv(size))
    return received


ROWS = (
    ("wait for answers", answer_after, lambda: [0.01] * 50, "waits, flat, 10 ms"),
    ("wait for two slow", answer_after, lambda: [1.0, 0.9], "waits, few, 1 s"),
    ("wait two ways", answer_after, bimodal_delays, "waits, bimodal, 5 ms"),
    ("wait for rare slow", answer_after, rare_delays, "waits, one in fifty 100x longer, 1 ms"),
    ("wait for a stream", answer_after, lambda: [0.003] * 120, "waits, generator, 3 ms", {"stream": True}),
    ("wait a moment", answer_after, lambda: [0.0005] * 6, "waits, tiny, 500 us"),
    ("fetch and read", fetch_and_read, lambda: documents(60, 400), "waits and computes, big items, flat, 10 ms"),
    ("run true", run_true, lambda: range(150), "subprocess, flat, 5 ms"),
    ("run python", run_python, lambda: range(16), "subprocess, computes outside, 20 ms"),
    ("round trips", round_trips, lambda: [64 + n % 7 for n in range(400)], "system calls, releases the lock, 500 us"),
)  # fmt: skip
"""As in computing."""
