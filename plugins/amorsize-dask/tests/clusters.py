"""Clusters to test with, and what a test says of this machine so that a decision is the same everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import attrs

from amorsize.plugins import Machine, Overheads, Sample

MACHINE = Machine(
    physical_cores=1,
    logical_cores=1,
    usable_cpus=1.0,
    available_memory_bytes=8 << 30,
    total_memory_bytes=16 << 30,
    start_method="spawn",
    python_tag="cpython",
    python_version="CPython",
    gil_enabled=True,
    cpu_model="test",
    architecture="test",
)
HERE = Overheads(
    start_method="spawn",
    start_seconds=0.1,
    start_worker_seconds=0.05,
    end_seconds=0.01,
    chunk_parent_seconds=5e-5,
    chunk_worker_seconds=5e-5,
    item_seconds=1e-6,
    byte_seconds=1e-9,
    thread_start_seconds=1e-4,
    thread_chunk_seconds=1e-5,
    worker_bytes=1e6,
)


class Inspector:
    """A machine of so many CPUs."""

    def __init__(self, cpus=1):
        self.machine = attrs.evolve(MACHINE, physical_cores=cpus, logical_cores=cpus, usable_cpus=float(cpus))

    def inspect(self, start_method):
        return self.machine

    def file_bytes(self, path):
        return None


class Probe:
    """Says that items compute for so long, and runs none."""

    start_method = "spawn"

    def __init__(self, seconds_per_item):
        self.seconds = seconds_per_item

    def sample(self, func, source, budget):
        return Sample(
            count=8,
            seconds_per_item=self.seconds,
            spread_seconds=0.0,
            first_call_seconds=self.seconds,
            cpu_fraction=1.0,
            gil_fraction=1.0,
        )

    def overheads(self):
        return HERE

    def blocked_reason(self, func):
        return None


class Cluster:
    """A scheduler and two workers, each a process as ``dask scheduler`` and ``dask worker`` start them."""

    def __init__(self, directory: Path):
        self.file = directory / "scheduler.json"
        self.directory = directory
        self.processes = []

    def start(self):
        common = ["--no-dashboard", "--scheduler-file", str(self.file)]
        self._run("scheduler", "--host", "127.0.0.1", "--port", "0", *common)
        for name in ("one", "two"):
            self._run("worker", "--nthreads", "1", "--no-nanny", "--name", name, *common)
        until = time.monotonic() + 40
        while not self.file.exists():
            assert time.monotonic() < until, "no scheduler"
            time.sleep(0.05)
        return self

    def _run(self, *command):
        paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                cwd=self.directory,
                env={**os.environ, "PYTHONPATH": paths},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    @property
    def address(self):
        return json.loads(self.file.read_text())["address"]

    def kill(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
