"""A busy machine steers the plan of this call, and what was measured on it is measured again when it is quiet."""

from __future__ import annotations

import attrs
import pytest
from fakes import MACHINE, SAMPLE, Desk
from hypothesis import given
from hypothesis import strategies as st

from amorsize.application import result as report
from amorsize.domain.planning.cost import CostModel
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation, worker_cap
from amorsize.domain.rules import RuleSettings, judge
from amorsize.domain.values import Constraints

BUSY = attrs.evolve(MACHINE, load=7.5)


@pytest.mark.parametrize(
    ("logical", "usable", "load", "free", "busy"),
    [
        (4, 4.0, 0.0, 4.0, False),
        (4, 4.0, 0.5, 3.556, False),
        (4, 4.0, 2.0, 2.667, True),
        (2, 2.0, 1.0, 1.333, True),
        (2, 2.0, 8.0, 1.8, True),  # each of two gets a fifth of a CPU, and one alone two ninths
        (64, 64.0, 70.0, 33.910, True),
        (64, 64.0, 3.0, 61.134, False),
        (64, 2.0, 30.0, 2.0, False),  # a container that may use two of many CPUs, of which enough are idle
        (64, 2.0, 200.0, 1.99, True),
        (2, 0.5, 9.0, 0.5, True),
        (1, 1.0, 3.0, 1.0, True),
        (4, 8.0, 0.0, 8.0, False),  # as an advice may suppose
    ],
)
def test_free_cpus_are_what_workers_get_beside_other_programs(logical, usable, load, free, busy):
    machine = attrs.evolve(MACHINE, logical_cores=logical, usable_cpus=usable, load=load)
    assert machine.free_cpus == pytest.approx(free, abs=1e-3)
    assert machine.is_busy is busy
    assert min(1.0, usable) <= machine.free_cpus <= usable


@given(st.integers(1, 256), st.floats(0.1, 1.0), st.floats(0, 1000))
def test_more_load_never_leaves_more(logical, share, load):
    usable = max(0.01, logical * share)
    one, more = (
        attrs.evolve(MACHINE, physical_cores=1, logical_cores=logical, usable_cpus=usable, load=each)
        for each in (load, load + 1)
    )
    assert more.granted(usable) <= one.granted(usable) <= usable * 1.0001
    assert more.crowding >= one.crowding >= 0
    assert one.free_cpus <= usable * 1.0001


def situation(machine, **sample):
    return Situation(2000, attrs.evolve(SAMPLE, **sample), machine, Constraints())


def test_plans_are_for_the_free_cpus():
    desk = Desk()
    quiet = desk.ask()
    desk.inspector.machine = attrs.evolve(MACHINE, load=4.0)
    desk.anew()
    busy = desk.ask()
    assert busy.cache == "hit"
    assert busy.predicted_seconds > 1.4 * quiet.predicted_seconds
    assert busy.serial_seconds == quiet.serial_seconds
    desk.inspector.machine = MACHINE
    desk.anew()
    assert desk.ask().predicted_seconds == pytest.approx(quiet.predicted_seconds)
    assert desk.probe.asked["sample"] == 1


def test_what_waits_under_load_is_no_reason_for_more_processes_than_cpus():
    crowded = attrs.evolve(MACHINE, logical_cores=2, usable_cpus=2.0, load=8.0)
    quiet = attrs.evolve(crowded, load=0.0)
    for executor, machine, most in (("process", quiet, 5), ("process", crowded, 2), ("thread", crowded, 5)):
        assert worker_cap(executor, situation(machine, cpu_fraction=0.4)) == most


def test_load_widens_what_is_reported_and_moves_no_prediction():
    desk = Desk()
    overheads = desk.probe.known
    quiet = decide(situation(MACHINE), overheads).plan
    some = decide(situation(attrs.evolve(MACHINE, load=1.0)), overheads).plan
    assert (some.seconds_high - some.seconds_low) / some.predicted_seconds > (
        quiet.seconds_high - quiet.seconds_low
    ) / quiet.predicted_seconds
    serial, busy = (decide(situation(machine), None).plan for machine in (MACHINE, BUSY))
    assert serial.predicted_seconds == busy.predicted_seconds
    assert busy.seconds_high > 2 * serial.seconds_high / 1.2
    assert busy.seconds_low < serial.seconds_low
    assert CostModel(2000, SAMPLE, overheads, BUSY).cpus == BUSY.free_cpus < 4


def test_a_busy_machine_is_said():
    desk = Desk()
    desk.inspector.machine = BUSY
    answer = desk.ask(profile=True)
    assert "machine busy: load 7.5 on 4 CPUs; workers get 3 CPUs" in answer.warnings
    text = "\n".join(report.explanation(answer))
    assert "machine busy: load 7.5 on 4 CPUs" in text
    assert "other programs: load 7.5, which leaves workers 3 CPUs" in text
    desk.inspector.machine = attrs.evolve(MACHINE, logical_cores=1, physical_cores=1, usable_cpus=1.0, load=3.0)
    desk.anew()
    assert "machine busy: load 3 on 1 CPU; workers get 1 CPUs" in desk.ask().warnings
    desk.inspector.machine = MACHINE
    desk.anew()
    assert not any("busy" in word for word in desk.ask().warnings)


def entries(desk):
    return [text for where in desk.store.inner.locators() for text in desk.store.inner.fetch(where).values()]


def test_what_was_measured_while_busy_holds_while_busy_and_is_measured_again_when_quiet():
    desk = Desk()
    desk.inspector.machine = BUSY
    desk.ask()
    desk.anew()
    assert desk.ask().cache == "hit"
    assert desk.probe.asked["sample"] == 1
    desk.inspector.machine = MACHINE
    desk.anew()
    again = desk.ask()
    assert (again.cache, again.cache_reason) == (
        "miss",
        "the entry is stale: measured while the machine was busy: load 7.5 on 4 CPUs",
    )
    desk.anew()
    assert desk.ask().cache == "hit"
    desk.inspector.machine = BUSY
    desk.anew()
    assert desk.ask().cache == "hit"
    assert desk.probe.asked["sample"] == 2


def test_an_entry_of_another_speed_that_a_busy_machine_has_left_goes():
    item_seconds = {"now": 0.5}
    desk = Desk(sample=lambda _: attrs.evolve(SAMPLE, seconds_per_item=item_seconds["now"]))
    desk.inspector.machine = BUSY
    desk.ask()
    desk.inspector.machine, item_seconds["now"] = MACHINE, 0.005
    desk.anew()
    assert desk.ask().cache == "miss"
    (locator,) = {where for where in desk.store.inner.locators() if where.startswith("func:")}
    assert [variant.partition("_")[0] for variant in desk.store.inner.fetch(locator)] == ["time:moderate"]


def test_a_replan_keeps_the_doubt():
    desk = Desk()
    desk.inspector.machine = BUSY
    desk.ask()
    desk.inspector.machine = attrs.evolve(BUSY, blas_threads="OMP_NUM_THREADS=1")
    desk.anew()
    assert desk.ask().cache == "replanned"
    desk.inspector.machine = attrs.evolve(MACHINE, blas_threads="OMP_NUM_THREADS=1")
    desk.anew()
    assert desk.ask().cache == "miss"


WAITING = attrs.evolve(SAMPLE, cpu_fraction=0.2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1000))
    return str(path)


def test_waiting_for_files_that_may_not_be_in_memory_is_measured_once_more(file):
    desk = Desk(sample=WAITING)
    data = [file] * 300
    assert desk.ask(data, func=str).cache == "miss"
    desk.anew()
    again = desk.ask(data, func=str)
    assert (again.cache, again.cache_reason) == (
        "miss",
        "the entry is stale: measured while its files may not have been in memory",
    )
    for _ in range(3):
        desk.anew()
        assert desk.ask(data, func=str).cache == "hit"
    assert desk.probe.asked["sample"] == 2


@pytest.mark.parametrize("sample", [SAMPLE, WAITING])
@pytest.mark.parametrize("make", [lambda _: range(300), lambda _: ["apple"] * 300, lambda file: [f"{file}.not"] * 300])
def test_what_computes_or_names_no_file_is_not_doubted(sample, make, file):
    desk = Desk(sample=sample)
    desk.ask(make(file), func=str)
    desk.anew()
    assert desk.ask(make(file), func=str).cache == "hit"


def test_files_that_computing_waits_for_are_not_doubted(file):
    desk = Desk()
    desk.ask([file] * 300, func=str)
    desk.anew()
    assert desk.ask([file] * 300, func=str).cache == "hit"


def test_load_never_makes_an_entry_stale_that_was_measured_on_a_quiet_machine():
    desk = Desk()
    desk.ask()
    (locator,) = {where for where in desk.store.inner.locators() if where.startswith("func:")}
    (entry,) = desk.entries.find(locator, "").values()
    for load in (0.0, 0.5, 3.0, 100.0):
        assert judge(entry, attrs.evolve(MACHINE, load=load), entry.measured_at, RuleSettings()).kind == "fresh"
