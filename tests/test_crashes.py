"""A test's child that crashes on purpose does so in silence."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, faulthandler, multiprocessing, runpy, signal, sys
faulthandler.enable()  # as pytest does
runpy.run_path(sys.argv[1])
child = multiprocessing.get_context("fork").Process(target=ctypes.string_at, args=(0,))
child.start()
child.join()
assert child.exitcode == -signal.SIGSEGV
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_child_prints_no_stack_when_it_crashes():
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).with_name("conftest.py"))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
