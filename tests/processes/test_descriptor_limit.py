"""A process that cannot open anything runs items in the caller, or says in one error what is wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from amorsize.processes import descriptor_limit

PROGRAM = """
import os, resource, sys, warnings
from amorsize import AmorsizeError, AmorsizeWarning, execute, iexecute, optimize

def twice(item):
    return 2 * item

WANTED = [2 * x for x in range(50)]
CALLS = {
    "execute": lambda: execute(twice, range(50)),
    "execute, process": lambda: execute(twice, range(50), executor="process", max_workers=2, min_speedup=1.0),
    "execute, time limit": lambda: execute(twice, range(50), timeout=60),
    "execute, collect": lambda: execute(twice, range(50), errors="collect")[0],
    "iexecute": lambda: list(iexecute(twice, iter(range(50)))),
    "optimize": lambda: [twice(item) for item in optimize(twice, range(50)).data],
}
call = CALLS[sys.argv[1]]
if sys.argv[2] == "loaded":
    call()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
opened = []
try:
    while True:
        opened.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    try:
        outcome = "right" if call() == WANTED else "wrong"
    except AmorsizeError as error:
        outcome = str(error)
for descriptor in opened:
    os.close(descriptor)
print(outcome, len(said))
"""

CALLS = ("execute", "execute, process", "execute, time limit", "execute, collect", "iexecute", "optimize")


def outcome(*arguments):
    env = {name: value for name, value in os.environ.items() if name != "AMORSIZE_CONFIG"}
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, env=env)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("call", [call for call in CALLS if call != "optimize"])
def test_items_run_in_the_caller_with_one_warning_where_no_descriptor_is_free(call):
    assert outcome(call, "loaded") == "right 1"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("call", CALLS)
def test_one_error_says_that_no_descriptor_is_free_where_modules_cannot_be_loaded(call):
    where = call.partition(",")[0]
    assert outcome(call, "new") == f"{where}: no file descriptor is free; close files, or raise the limit (ulimit -n) 0"


def test_a_descriptor_is_free_here():
    assert descriptor_limit.has_descriptor()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_what_an_item_or_another_call_raises_is_no_module_that_was_not_loaded(code):
    with pytest.raises(OSError, match="none") as caught:
        raise OSError(code, "none")
    descriptor_limit.refuse_unloaded("execute", caught.value)  # it raises nothing
