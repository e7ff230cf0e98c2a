"""Numerical libraries are found by their files, and their threads are limited by variables and by functions."""

from __future__ import annotations

import ctypes
import os

import pytest

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
            called.append((os.path.basename(self.file), threads.value))  # noqa: PTH119

        def openblas_set_num_threads(self, threads):
            called.append((os.path.basename(self.file), threads.value))  # noqa: PTH119

    maps = "7f00 r-xp 08:01 1 /usr/lib/{}\n"
    files = ["libblis.so.4", "libopenblas.so.0", "libc.so.6"]
    monkeypatch.setattr(ctypes, "CDLL", Loaded)
    monkeypatch.setattr(blas, "mapped_files", lambda: "".join(map(maps.format, files)))
    limit_threads(2)
    assert sorted(called) == [("libblis.so.4", 2), ("libopenblas.so.0", 2)]
