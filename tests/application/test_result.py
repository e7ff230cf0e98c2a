"""Results in words: three lines, or everything there is to say."""

from __future__ import annotations

import io
import pickle

import attrs
import pytest
from fakes import FREE, MACHINE, OVERHEADS, SAMPLE

from amorsize.application import result as report
from amorsize.application.result import OptimizationResult
from amorsize.domain.overheads import prior
from amorsize.domain.planning.planner import Profile, decide, serial_plan
from amorsize.domain.planning.situation import Situation
from amorsize.domain.values import Constraints

SITUATION = Situation(2000, SAMPLE, MACHINE, Constraints())
DECISION = decide(SITUATION, OVERHEADS)


def result(plan=DECISION.plan, **changes):
    return OptimizationResult(plan, range(2000), "miss", "nothing was known", **changes)


def explained(**profile):
    full = Profile(SAMPLE, MACHINE, OVERHEADS, DECISION.candidates)
    return "\n".join(report.explanation(result(profile=attrs.evolve(full, **profile))))


def test_a_summary_is_the_plan_the_reason_and_the_cache():
    plan, why, cache = report.summary(result())
    assert plan.startswith(f"4 processes, chunks of {DECISION.plan.chunksize}: ")
    assert f"predicted, {DECISION.plan.speedup:.2f}x (" in plan
    assert why == f"why: {DECISION.plan.reason}"
    assert cache == "cache: miss (nothing was known)"


def test_a_serial_plan_boasts_of_no_gain():
    plan, _, _ = report.summary(result(serial_plan(SITUATION, "one item only")))
    assert plan == "serial: 10 s predicted"


def test_threads_are_called_so():
    waiting = attrs.evolve(SAMPLE, cpu_fraction=0.01, gil_fraction=0.01)
    plan = decide(attrs.evolve(SITUATION, sample=waiting), OVERHEADS).plan
    assert next(iter(report.summary(result(plan)))).startswith(f"{plan.n_jobs} threads, chunks of")


def test_without_a_profile_the_interval_and_the_warnings_are_reported():
    said = list(report.explanation(result(warnings=("the first", "the second"))))
    assert len(said) == 7
    assert said[3] == "serial would take: 10 s"
    assert said[4].startswith("between (90 %): ")
    assert said[5:] == ["warning: the first", "warning: the second"]


def test_threads_are_said_to_meet_a_server_all_at_once_and_how_to_cap_them():
    waiting = attrs.evolve(SAMPLE, cpu_fraction=0.01, gil_fraction=0.01)
    plan = decide(attrs.evolve(SITUATION, sample=waiting), OVERHEADS).plan
    (said,) = (line for line in report.explanation(result(plan)) if "server" in line)
    assert said.startswith(f"at the same time: {plan.n_jobs} items; ")
    assert said.endswith("max_workers caps them")
    for other in (serial_plan(SITUATION, ""), attrs.evolve(plan, executor="process"), attrs.evolve(plan, n_jobs=1)):
        assert not any("server" in line for line in report.explanation(result(other)))


def test_what_holds_a_plan_back_is_said_with_what_to_change():
    few = attrs.evolve(SITUATION, constraints=Constraints(max_workers=2))
    said = list(report.explanation(result(basis=lambda: (few, OVERHEADS))))
    assert said[5] == "held back by the limits given: without max_workers=2 another plan is better (up to 2.0x faster)"
    nothing = attrs.evolve(SITUATION, sample=attrs.evolve(SAMPLE, seconds_per_item=0.0, spread_seconds=0.0))
    assert list(report.explanation(result(basis=lambda: (nothing, FREE)))) == list(report.explanation(result()))


def test_a_pickled_result_leaves_behind_what_finds_advice():
    first = result(basis=lambda: None, warnings=("one",), profile=Profile(SAMPLE, MACHINE, None, ()))
    again = pickle.loads(pickle.dumps(first))
    assert again.basis is None
    assert again.advice() is None
    assert (again.plan, again.data, again.cache, again.cache_reason) == (
        (first.plan, first.data, first.cache, first.cache_reason)
    )
    assert (again.warnings, again.profile) == (first.warnings, first.profile)


def test_a_profile_shows_sample_machine_overheads_and_the_best_candidates():
    said = explained()
    assert "sampled 5 items: 5 ms each, spread 100 us, first call 5 ms" in said
    once = attrs.evolve(SAMPLE, count=1)
    assert "sampled 1 item: " in "\n".join(report.explanation(result(profile=Profile(once, MACHINE, None, ()))))
    assert "computing 100% of the time, GIL held: not measured" in said
    assert "machine: test, 4 usable CPUs of 4 (4 cores), 8 GiB free of 16 GiB, CPython 3.11.7" in said
    assert "overheads (measured on this machine): a pool of p processes starts in 5 ms + p x 3 ms" in said
    for best in DECISION.candidates[:8]:
        assert f"{best.n_jobs} {'processes' if best.executor == 'process' else 'threads'}, chunks of" in said


def test_overheads_that_nobody_measured_are_reported_as_such():
    assert "overheads (assumed of this machine):" in explained(overheads=prior(MACHINE))
    seen = prior(MACHINE).calibrated(0.01)
    assert "overheads (assumed, and calibrated by what ran):" in explained(overheads=seen)


def test_candidates_beyond_eight_are_counted_only():
    many = DECISION.candidates * 10
    said = explained(candidates=many)
    assert said.count("| workers") == 8
    assert said.endswith(f"  and {len(many) - 8} more")
    assert "more" not in explained(candidates=many[:8])


@pytest.mark.parametrize(
    ("left_out", "gone"), [("sample", "sampled"), ("overheads", "overheads ("), ("candidates", "compared:")]
)
def test_what_was_not_needed_is_not_shown(left_out, gone):
    assert gone in explained()
    assert gone not in explained(**{left_out: () if left_out == "candidates" else None})


def test_what_only_some_machines_and_functions_have_is_shown_where_it_is():
    assert "importing" not in explained()
    assert "threads set" not in explained()
    sample = attrs.evolve(SAMPLE, worker_import_seconds=0.25, gil_fraction=0.5)
    machine = attrs.evolve(MACHINE, blas_threads="OMP_NUM_THREADS=2", cpu_model="")
    said = explained(sample=sample, machine=machine)
    assert "a fresh worker spends 250 ms importing" in said
    assert "GIL held: 50%" in said
    assert "threads set: OMP_NUM_THREADS=2" in said
    assert "machine: x86_64, 4 usable CPUs" in said


def test_an_explanation_goes_where_it_is_sent(capsys):
    file = io.StringIO()
    result().explain(file)
    assert file.getvalue().splitlines() == list(report.explanation(result()))
    assert capsys.readouterr().out == ""
    result().explain()
    assert capsys.readouterr().out == file.getvalue()
