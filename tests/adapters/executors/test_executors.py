"""What the built-in executors do beyond their contract (tests/contracts/test_executors.py)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from amorsize.adapters.executors.process import ProcessExecutors, ProcessOptions
from amorsize.adapters.executors.serial import SerialExecutors, SerialOptions
from amorsize.adapters.executors.thread import ThreadExecutors, ThreadOptions

ALL = [(SerialExecutors, SerialOptions), (ThreadExecutors, ThreadOptions), (ProcessExecutors, ProcessOptions)]
ASK = "import signal; print(signal.getsignal(signal.SIGINT) is not signal.SIG_IGN)"


def programs_hear_ctrl_c(_):
    return subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True).stdout


@pytest.mark.parametrize(("kind", "options"), ALL)
def test_workers_are_on_this_machine_and_as_many_as_pay(kind, options):
    assert kind(options()).capacity() is None


def test_a_program_that_a_worker_starts_hears_ctrl_c():
    with ProcessExecutors(ProcessOptions()).start(1, "spawn" if os.name == "nt" else "fork") as executor:
        here = programs_hear_ctrl_c(0)  # a test run in the background ignores it, and so do its programs
        assert executor.submit(programs_hear_ctrl_c, 0).result() == here or here == "False\n"
