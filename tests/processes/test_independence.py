"""A forked child draws numbers of its own, limits the threads of libraries, and cuts its parent's connections."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest

from amorsize.processes.blas import VARIABLES
from amorsize.processes.independence import become_independent


def in_child(look):
    """Return what a look in a forked child finds, as text."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(write, repr(look()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        found = file.read().decode()
    os.waitpid(pid, 0)
    return found


def test_a_child_does_not_repeat_the_numbers_of_its_parent_or_of_another_child():
    def draw():
        become_independent(1)
        return np.random.random()  # noqa: NPY002  the global generator is what it is about

    before = np.random.get_state()  # noqa: NPY002  as above
    drawn = {in_child(draw), in_child(draw), repr(np.random.random())}  # noqa: NPY002  as above
    np.random.set_state(before)  # noqa: NPY002  as above
    assert len(drawn) == 3


def test_libraries_are_limited_by_the_functions_that_were_found_in_the_parent(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    called = []

    def look():
        become_independent(3, limits=[called.append])
        return called, {os.environ[name] for name in VARIABLES}

    assert in_child(look) == repr(([3], {"3"}))


@pytest.mark.parametrize("is_ours", [False, True])
def test_a_connection_is_cut_unless_it_is_ours(is_ours):
    one, other = socket.socketpair()
    with one, other:
        ours = frozenset({one.fileno(), other.fileno()} if is_ours else ())
        assert in_child(lambda: become_independent(1, ours)) == repr(not is_ours)
