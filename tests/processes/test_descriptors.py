"""A child does not take what its parent waits for: files have places of their own and connections are cut."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from amorsize.processes.descriptors import isolate, kind_of, left_open, opened


def in_child(check):
    """Run a check in a forked child, which must end well."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("inheritable", [False, True])
def test_a_file_that_is_read_has_an_offset_of_its_own_in_the_child(own_place, inheritable):
    path = own_place / "numbers"
    path.write_bytes(bytes(range(200)))
    with path.open("rb", buffering=0) as file:
        os.set_inheritable(file.fileno(), inheritable)
        assert file.read(3) == b"\0\1\2"

        def check():
            isolate(frozenset())
            return file.read(4) == b"\3\4\5\6" and os.get_inheritable(file.fileno()) == inheritable

        in_child(check)
        assert file.read(4) == b"\3\4\5\6"


def test_a_file_that_is_written_stays_shared_and_what_is_ours_is_left_alone(own_place):
    with (own_place / "log").open("wb", buffering=0) as log, (own_place / "log").open("rb", buffering=0) as ours:
        log.write(b"one")

        def check():
            isolate(frozenset({ours.fileno()}))
            log.write(b"two")
            return ours.read(3) == b"one"

        in_child(check)
        log.write(b"three")
        assert ours.read() == b"twothree"


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET, socket.AF_INET6])
def test_an_inherited_connection_is_cut_in_the_child_and_lives_on_in_the_caller(family):
    if family == socket.AF_UNIX:
        ours, theirs = socket.socketpair()
    else:
        listening = socket.create_server(("127.0.0.1", 0) if family == socket.AF_INET else ("::1", 0), family=family)
        ours = socket.create_connection(listening.getsockname()[:2])
        theirs = listening.accept()[0]
        listening.close()
    with ours, theirs:
        theirs.sendall(b"answer")

        def check():
            cut = isolate(frozenset({theirs.fileno()}))
            return cut == 1 and ours.recv(10) == b"" and stat.S_ISSOCK(os.fstat(ours.fileno()).st_mode)

        in_child(check)
        assert ours.recv(10) == b"answer"
        ours.sendall(b"on")
        assert theirs.recv(10) == b"on"


def test_sockets_that_listen_or_send_datagrams_stay_what_they_are():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        before = [os.fstat(each.fileno()).st_ino for each in (listening, datagrams)]

        def check():
            cut = isolate(frozenset())
            return not cut and before == [os.fstat(each.fileno()).st_ino for each in (listening, datagrams)]

        in_child(check)


def test_what_was_opened_in_between_is_found_by_number_and_inode(own_place):
    (own_place / "file").touch()
    before = opened()
    file = os.open(own_place / "file", os.O_RDONLY)
    ends = os.pipe()
    one, other = socket.socketpair()
    try:
        found = {number: kind_of(number) for number in left_open(before, opened())}
        wanted = {file: "file", **dict.fromkeys(ends, "pipe"), one.fileno(): "socket", other.fileno(): "socket"}
        assert found == wanted
        marked = opened()
        os.dup2(ends[0], file)
        assert left_open(marked, opened()) == [file]
    finally:
        for number in (file, *ends):
            os.close(number)
        one.close()
        other.close()
    assert left_open(before, opened()) == []
    assert kind_of(file) == "file"
