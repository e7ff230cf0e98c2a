"""What tests of execution in other processes have in common, and where modules without a file of their own are tested.

- blocks: test_stream, test_block_queues
- initializing: test_initializer
- loop, resources, run, supervision, worker_team: test_execute, test_edges, test_random_runs
- run_pool, workers/pools, workers/warm, workers/external: test_execute, test_fresh_workers, application/test_overheads
- workers/board, workers/forked: test_fresh_workers, test_shared_state, test_random_runs
- workers/threads: test_shared_state, test_execute
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def started(own_place, monkeypatch):
    """Return a function that starts a program, which may import what these tests share, its output piped."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)

    def start(code, **options):
        path = own_place / "work" / "program.py"
        path.write_text(code)
        return subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True, **options)

    return start


@pytest.fixture
def runs_quietly(started):
    """Return a function that runs a program, which must end well and say nothing on standard error."""

    def run(code):
        process = started(code, stderr=subprocess.PIPE)
        _, said = process.communicate()
        assert (process.returncode, said) == (0, "")

    return run
