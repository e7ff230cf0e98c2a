"""Items that set what all threads of a process share give the results that a loop gives."""

import contextlib
import io
import socket
import subprocess
import sys
import time

import pytest

import amorsize

LAST = None
CACHE = {}


def keeps_a_global(item):
    global LAST  # noqa: PLW0603  that is what is tested
    LAST = item
    time.sleep(0.02)
    return LAST


def keeps_an_item_of_a_global(item):
    CACHE["last"] = item
    time.sleep(0.02)
    return CACHE["last"]


def keeps_a_variable():
    last = None

    def keeps(item):
        nonlocal last
        last = item
        time.sleep(0.02)
        return last

    return keeps


def writes_to_standard_output(item):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        sys.stdout.write(f"{item}\n")
        time.sleep(0.02)
        sys.stdout.write(f"{item}\n")
    return out.getvalue()


class Model:
    def run(self, item):
        self.last = item
        time.sleep(0.02)
        return self.last


@pytest.mark.parametrize(
    "func",
    [keeps_a_global, keeps_an_item_of_a_global, keeps_a_variable(), writes_to_standard_output, Model().run],
    ids=["global", "item", "variable", "out", "self"],
)
def test_items_that_wait_and_set_state_are_not_mixed_up(func):
    serial = [func(item) for item in range(40)]
    before = sys.stdout
    assert amorsize.execute(lambda item: func(int(item)), range(40)) == serial
    assert amorsize.execute(func, range(40)) == serial
    assert sys.stdout is before


def test_items_that_share_an_open_file_or_a_connection_run_in_order(tmp_path):
    one, other = socket.socketpair()
    with (tmp_path / "file").open("w") as file, one, other:

        def asks(item):
            one.sendall(b"%08d" % item)
            time.sleep(0.01)
            return int(other.recv(8))

        def writes(item):
            time.sleep(0.01)
            return file.write(f"{item}\n")

        amorsize.execute(writes, range(40))
        assert amorsize.execute(asks, range(40)) == list(range(40))
        with pytest.warns(amorsize.AmorsizeWarning, match="Open it inside the function"):
            amorsize.execute(writes, range(40, 50), executor="process")
    assert (tmp_path / "file").read_text().split() == [str(number) for number in range(50)]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_a_worker_that_is_ended_late_takes_its_programs_with_it():
    def waits(item):
        if item == 1:
            subprocess.run(["sleep", "611"], check=False)
        return item

    with pytest.raises(TimeoutError):
        amorsize.execute(waits, range(3), item_timeout=0.5)
    until = time.monotonic() + 20
    while running("611") and time.monotonic() < until:
        time.sleep(0.05)
    assert not running("611")


def running(seconds):
    listed = subprocess.run(["pgrep", "-f", f"sleep {seconds}$"], capture_output=True, text=True, check=False).stdout
    return {int(pid) for pid in listed.split()}
