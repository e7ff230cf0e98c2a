"""The end of a process has words."""

from __future__ import annotations

import pytest

from amorsize.execution.team import end_of
from amorsize.processes.process_info import signal_of


@pytest.mark.parametrize(
    ("exitcode", "said"),
    [
        (None, "has ended"),
        (0, "ended itself with code 0"),
        (3, "ended itself with code 3"),
        (-9, "was killed by SIGKILL (out of memory?)"),
        (-11, "was killed by SIGSEGV"),
        (-99, "was killed by signal 99"),
    ],
)
def test_every_end_has_words(exitcode, said):
    assert end_of(exitcode) == said


def test_only_a_process_that_was_killed_has_a_signal():
    assert [signal_of(code) for code in (None, 0, 3, -15)] == ["", "", "", "SIGTERM"]
