"""With a stated machine, stated costs and a stated time for items, advice is the same everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import attrs
import pytest
from api_jobs import double
from hypothesis import given, settings
from hypothesis import strategies as st

import amorsize
from amorsize.adapters.probes.fixed import FixedOptions, FixedProbe
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source

CONFIG = {
    "inspector": "fixed",
    "probe": "fixed",
    "inspectors": {"fixed": {"physical_cores": 4}},
    "probes": {"fixed": {"seconds_per_item": 0.01}},
}


def slow(x):
    time.sleep(0.02)
    return 2 * x


def stated(**changes):
    return {**CONFIG, "probes": {"fixed": {"seconds_per_item": 0.01, **changes}}}


def asked(func, items, config, **options):
    result = amorsize.optimize(func, range(items), config=config, use_cache=False, **options)
    return attrs.evolve(result.plan, reason="")


@settings(max_examples=20)
@given(
    items=st.integers(2, 100_000),
    seconds=st.sampled_from([0.0, 1e-6, 1e-4, 0.003, 0.5]),
    cpu=st.sampled_from([0.0, 0.05, 0.6, 1.0, 2.0]),
    method=st.sampled_from(["fork", "spawn", "forkserver"]),
)
def test_a_quick_and_a_slow_function_get_the_same_advice(items, seconds, cpu, method):
    config = stated(seconds_per_item=seconds, cpu_fraction=cpu, start_method=method)
    assert asked(double, items, config) == asked(slow, items, config)


PROGRAM = """
import os, sys, threading
import amorsize
from thumbs import digest

if __name__ == "__main__":
    if "narrow" in sys.argv:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        for _ in range(2):  # other threads that want the one CPU too
            threading.Thread(target=lambda: [sum(range(10**5)) for _ in range(10**5)], daemon=True).start()
    r = amorsize.optimize(digest, [f"name {number}" for number in range(700)])
    print(r.plan, flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to a CPU")
def test_a_busy_machine_with_one_cpu_gives_the_same_advice_as_an_idle_one(tmp_path):
    (tmp_path / "amorsize.toml").write_text(
        'inspector = "fixed"\nprobe = "fixed"\n[inspectors.fixed]\nphysical_cores = 4\n'
        "[probes.fixed]\nseconds_per_item = 0.01\n"
    )
    (tmp_path / "thumbs.py").write_text(
        "import hashlib\ndef digest(x):\n    return hashlib.sha256(x.encode()).digest()\n"
    )
    (tmp_path / "program.py").write_text(PROGRAM)
    plans = set()
    for number, arguments in enumerate([[], ["narrow"]]):
        environment = {**os.environ, "AMORSIZE_CACHE_DIR": str(tmp_path / f"cache {number}")}
        done = subprocess.run(
            [sys.executable, "program.py", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        plans.add(done.stdout)
    assert len(plans) == 1
    assert "executor='process', n_jobs=4" in plans.pop()


def test_the_advice_follows_from_what_is_stated():
    assert asked(double, 1000, CONFIG).n_jobs == 4
    assert asked(double, 1000, stated(start_worker_seconds=10.0)).executor == "serial"
    assert asked(double, 1000, stated(cpu_fraction=0.01)).executor == "thread"
    assert asked(double, 1000, CONFIG).serial_seconds == 10.0


def test_an_answer_to_one_statement_is_none_to_another():
    for config, found in ((CONFIG, "miss"), (CONFIG, "hit"), (stated(chunk_seconds=1.0), "miss"), (CONFIG, "hit")):
        assert amorsize.optimize(double, range(1000), config=config).cache == found
    assert amorsize.optimize(double, range(1000), config={"inspector": "fixed"}).cache == "miss"


def test_short_jobs_are_answered_the_same_before_and_after_long_ones():
    config = stated(seconds_per_item=0.00001, start_worker_seconds=1e-5, boot_seconds=0.0, end_seconds=0.0)
    config["probes"]["fixed"] |= {"chunk_seconds": 0.0}
    before = asked(double, 3000, config)
    asked(double, 1_000_000, config)
    assert asked(double, 3000, config) == before
    assert before.n_jobs > 1


def test_two_items_run_where_their_seconds_are_stated():
    ran = []
    sample = FixedProbe(FixedOptions(seconds_per_item=3.0)).sample(
        ran.append, Source(range(100)), Budget(where="caller")
    )
    assert len(ran) == sample.count == 2
    assert (sample.seconds_per_item, sample.first_call_seconds, sample.spread_seconds) == (3.0, 3.0, 0.0)


def test_items_are_timed_where_their_seconds_are_not_stated():
    sample = FixedProbe(FixedOptions()).sample(time.sleep, Source([0.001] * 1000), Budget(min_seconds=0.2))
    assert sample.seconds_per_item >= 0.001
    assert sample.count > 2


def test_what_an_item_raises_and_what_cannot_be_pickled_are_still_found():
    with pytest.raises(ZeroDivisionError):
        amorsize.optimize(lambda x: 1 / 0, [1, 2], config=CONFIG)
    assert asked(lambda x: x, 1000, CONFIG).executor == "serial"


def test_what_is_stated_can_be_run_too():
    assert amorsize.execute(double, range(200), config=stated(start_method="fork")) == [2 * x for x in range(200)]
