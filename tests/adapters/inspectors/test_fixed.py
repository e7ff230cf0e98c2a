"""The inspector of a stated machine says what was stated, and what follows from it."""

from __future__ import annotations

import sys
from math import nan

import pytest

from amorsize.adapters.inspectors.fixed import FixedInspector, FixedOptions
from amorsize.application.ports import SystemInspector


def inspect(start_method="fork", **options):
    return FixedInspector(FixedOptions(**options)).inspect(start_method)


def test_what_is_stated_is_said():
    stated = {
        "physical_cores": 8,
        "logical_cores": 16,
        "usable_cpus": 2.5,
        "total_memory_bytes": 100,
        "available_memory_bytes": 60,
        "cpu_model": "mine",
        "architecture": "riscv64",
        "blas_threads": "OMP_NUM_THREADS=1",
        "gil_enabled": False,
    }
    machine = inspect("spawn", **stated)
    assert {name: getattr(machine, name) for name in stated} == stated
    assert machine.start_method == "spawn"


def test_what_is_not_stated_follows_from_the_rest():
    machine = inspect(physical_cores=6, total_memory_bytes=1000)
    assert (machine.logical_cores, machine.usable_cpus, machine.available_memory_bytes) == (6, 6.0, 1000)
    assert inspect(physical_cores=6, logical_cores=12).usable_cpus == 12.0


def test_the_python_is_the_running_one():
    machine = inspect()
    assert machine.python_tag == sys.implementation.cache_tag
    assert machine.python_version.endswith(sys.version.split()[0])
    assert machine.gil_enabled is getattr(sys, "_is_gil_enabled", lambda: True)()


def test_the_same_options_give_the_same_machine():
    assert inspect() == inspect()
    assert isinstance(FixedInspector(FixedOptions()), SystemInspector)


@pytest.mark.parametrize(
    "fault",
    [
        {"physical_cores": 0},
        {"physical_cores": None},
        {"logical_cores": 1.0},
        {"usable_cpus": nan},
        {"usable_cpus": 0},
        {"total_memory_bytes": -1},
        {"available_memory_bytes": "8 GB"},
        {"cpu_model": 5},
        {"gil_enabled": 1},
    ],
    ids=str,
)
def test_a_machine_that_cannot_be_is_refused(fault):
    with pytest.raises(ValueError, match=f"{next(iter(fault))} must be"):
        FixedOptions(**fault)
