"""Numerical libraries are found by their files, and their threads are limited by variables and by functions."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import types

import pytest
import threadpoolctl

from amorsize.processes import blas
from amorsize.processes.blas import OPENMP, PARTICULAR, VARIABLES, limit_threads


@pytest.fixture(autouse=True)
def no_thread_settings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_every_variable_is_set():
    limit_threads(3)
    assert {os.environ[name] for name in VARIABLES} == {"3"}
    assert {"BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"} <= set(VARIABLES)


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    limit_threads(3)
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("libscipy_openblas64_-ff651d7f.so", "openblas"),
        ("libopenblasp-r0.3.20.so", "openblas"),
        ("libmkl_rt.so.2", "mkl"),
        ("libblis.so.4", "blis"),
        ("libgomp.so.1", "openmp"),
        ("libiomp5.so", "openmp"),
        ("libm.so.6", None),
    ],
)
def test_a_library_is_known_by_the_name_of_its_file(file, name):
    found = [library.name for library in (*PARTICULAR, OPENMP) if library.is_in(file)]
    assert found == ([] if name is None else [name])


def test_a_loaded_library_is_limited_by_the_first_of_its_functions_that_exists(monkeypatch):
    called = []

    class Loaded:
        def __init__(self, file):
            self.file = file

        def bli_thread_set_num_threads(self, threads):
            called.append((os.path.basename(self.file), threads))  # noqa: PTH119

        def openblas_set_num_threads(self, threads):
            called.append((os.path.basename(self.file), threads))  # noqa: PTH119

    maps = "7f00 r-xp 08:01 1 /usr/lib/{}\n"
    files = ["libblis.so.4", "libopenblas.so.0", "libc.so.6"]
    monkeypatch.setattr(ctypes, "CDLL", Loaded)
    monkeypatch.setattr(blas, "mapped_files", lambda: "".join(map(maps.format, files)))
    limit_threads(2)
    assert sorted(called) == [("libblis.so.4", 2), ("libopenblas.so.0", 2)]


AFTER_A_FORK = """
import os
import numpy
from threadpoolctl import threadpool_info
from amorsize.processes.blas import limit_threads, setters

matrix = numpy.ones((600, 600))
matrix @ matrix
limits = setters()
if os.fork() == 0:
    limit_threads(1, limits)
    hides = not any(limit.__name__ == "cap" for limit in limits)  # then only the setter is left
    alone = hides or len(os.listdir("/proc/self/task"))
    used = {pool["num_threads"] for pool in threadpool_info()}
    product = (matrix @ matrix)[0, 0]
    print(int(alone), used, product, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks workers")
@pytest.mark.skipif(not threadpoolctl.threadpool_info(), reason="threadpoolctl knows nothing of this numpy's")
def test_after_a_fork_openblas_is_limited_without_a_thread_that_polls():
    done = subprocess.run([sys.executable, "-c", AFTER_A_FORK], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1 {1} 600.0\n", "")


def test_what_threadpoolctl_says_is_believed_and_the_more_particular_library_is_named(monkeypatch):
    reported = types.ModuleType("threadpoolctl")
    reported.threadpool_info = lambda: [{"internal_api": "openmp"}, {"internal_api": "mkl"}]
    monkeypatch.setitem(sys.modules, "threadpoolctl", reported)
    assert blas.threads_variable() == "MKL_NUM_THREADS"


def test_what_cannot_be_read_names_no_variable(monkeypatch):
    broken = types.ModuleType("threadpoolctl")
    broken.threadpool_info = lambda: 1 / 0
    monkeypatch.setitem(sys.modules, "threadpoolctl", broken)
    assert blas.threads_variable() is None


def test_without_a_known_library_no_variable_is_named(monkeypatch):
    monkeypatch.setattr(blas, "_listed", set)
    monkeypatch.setattr(blas, "_mapped", set)
    assert blas.threads_variable() is None
