"""Runs and plans on a LocalCluster of two processes, and on a scheduler and two workers started apart."""

from __future__ import annotations

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import warnings
from concurrent.futures import Future
from importlib.metadata import metadata
from pathlib import Path

import dask
import pytest

import jobs
from amorsize import AmorsizeWarning, ConfigError, ExecutionError, execute, iexecute, optimize, verify
from amorsize.testing import build_backend
from amorsize_dask import DaskOptions, build
from clusters import Inspector, Probe

SLOW = {"inspector": Inspector(), "probe": Probe(0.2), "min_speedup": 1.0}
"""With it, any function seems so slow that two CPUs elsewhere must be best."""


def test_items_run_on_the_cluster_and_come_back_in_order(client):
    pairs = execute(jobs.nap, range(200), executor="dask", **SLOW)
    assert [item for _, item in pairs] == list(range(200))
    assert {pid for pid, _ in pairs} == set(client.run(os.getpid).values())


def test_the_program_of_the_readme_runs(local_cluster, capsys):
    (program,) = re.findall(
        r"^```python\n(.*?)^```$", metadata("amorsize-dask").json["description"], re.DOTALL | re.MULTILINE
    )
    names = {"func": jobs.nap, "items": range(20)}
    exec(program.replace("tcp://scheduler:8786", local_cluster.scheduler_address), names)
    assert [item for _, item in names["results"]] == list(range(20))
    assert "why: " in capsys.readouterr().out


def test_a_plan_names_the_cluster_and_says_what_this_machine_would_do(client):
    result = optimize(jobs.nap, range(500), executor="dask", **SLOW)
    assert (result.executor, result.n_jobs) == ("dask", 2)
    assert "2 workers of dask should take" in result.reason
    assert "this machine's own workers would not help" in result.reason or "here should take" in result.reason
    assert str(result).startswith("2 workers of dask, chunks of ")


def test_a_plan_can_be_run(client):
    pairs = optimize(jobs.nap, range(20), executor="dask", **SLOW).run()
    assert [item for _, item in pairs] == list(range(20))
    assert {pid for pid, _ in pairs} <= set(client.run(os.getpid).values())


def test_a_plan_that_is_verified_runs_on_the_cluster(client, tmp_path):
    result = optimize(jobs.nap, range(20), executor="dask", profile=True, **SLOW)
    seen = tmp_path / "seen"
    found = verify(functools.partial(jobs.reported, str(seen)), range(20), result=result, rounds=1)
    assert found.chosen.way.executor == "dask"
    assert {int(pid) for pid in seen.read_text().split()[:20]} <= set(client.run(os.getpid).values())


def test_the_config_can_choose_the_cluster(client, local_cluster):
    config = {"executor": "dask", "executors": {"dask": {"address": local_cluster.scheduler_address}}}
    assert optimize(jobs.nap, range(500), config=config, **SLOW).executor == "dask"


def test_results_can_be_streamed_from_the_cluster(client):
    pairs = list(iexecute(jobs.nap, range(60), executor="dask", in_flight=20, **SLOW))
    assert [item for _, item in pairs] == list(range(60))
    assert {pid for pid, _ in pairs} <= set(client.run(os.getpid).values())


def test_a_job_shorter_than_a_moment_does_not_even_ask_the_cluster():
    config = {"executors": {"dask": {"address": "tcp://127.0.0.1:1"}}}
    assert execute(jobs.double, [1, 2, 3], executor="dask", config=config) == [2, 4, 6]


def test_this_machine_is_preferred_where_it_is_as_good(client):
    result = optimize(jobs.nap, range(500), executor="dask", **SLOW | {"inspector": Inspector(16)})
    assert result.executor == "process"
    assert "; 2 workers of dask should take" in result.reason


def test_plans_for_here_and_for_the_cluster_do_not_mix(client, cache):
    ask = SLOW | {"cache": cache}
    first = optimize(jobs.nap, range(500), executor="dask", **ask)
    here = optimize(jobs.nap, range(500), **ask)
    again = optimize(jobs.nap, range(500), executor="dask", **ask)
    assert (first.executor, here.executor, again.executor) == ("dask", "serial", "dask")
    assert [first.cache, here.cache, again.cache] == ["miss", "hit", "hit"]


def test_what_the_cluster_charges_is_kept(client, cache):
    optimize(jobs.nap, range(500), executor="dask", cache=cache, **SLOW)
    kept = [place for place in cache.locators() if place.startswith("machine:")]
    assert len(kept) == 1  # the cluster's: with one CPU, what processes here cost is of no interest
    reported = {variant: text for place in kept for variant, text in cache.fetch(place).items()}
    assert reported
    optimize(jobs.double, range(500), executor="dask", cache=cache, config={}, **SLOW)
    assert {place for place in cache.locators() if place.startswith("machine:")} == set(kept)
    assert {variant: text for place in kept for variant, text in cache.fetch(place).items()} == reported


def test_a_failing_item_is_raised_here_and_named(client):
    with pytest.raises(ValueError, match="seven") as caught:
        execute(jobs.odd, range(100), executor="dask", **SLOW)
    assert any("position 7" in note for note in caught.value.__notes__)
    results, failures = execute(jobs.odd, range(100), executor="dask", errors="collect", **SLOW)
    assert results[6:9] == [6, None, 8]
    assert failures.positions == (7,)


def test_what_is_defined_in_the_main_module_travels_with_its_code(client, local_cluster, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from dataclasses import dataclass\n"
        "from amorsize import execute\n"
        "from clusters import Inspector, Probe\n"
        "@dataclass\n"
        "class Pair:\n"
        "    item: int\n"
        "    twice: int\n"
        "def pair(one):\n"
        "    return Pair(one.item, 2 * one.item)\n"
        "if __name__ == '__main__':\n"
        f"    config = {{'executors': {{'dask': {{'address': {local_cluster.scheduler_address!r}}}}}}}\n"
        "    found = execute(pair, [Pair(x, 0) for x in range(50)], executor='dask', config=config,\n"
        "        inspector=Inspector(), probe=Probe(0.2), min_speedup=1.0)\n"
        "    assert all(type(one) is Pair for one in found)\n"
        "    print(sum(one.twice for one in found))\n"
    )
    ran = subprocess.run([sys.executable, "-W", "error", script], capture_output=True, text=True, timeout=50)
    assert (ran.stdout, ran.stderr) == ("2450\n", "")


def test_workers_that_know_another_version_of_the_function_run_none_of_it(client, monkeypatch):
    assert execute(jobs.double, range(10), executor="dask", **SLOW) == [2 * x for x in range(10)]
    monkeypatch.setattr(jobs, "FACTOR", 3)
    with pytest.warns(AmorsizeWarning, match="items run in the caller's process: .* know another version of the func"):
        assert execute(jobs.double, range(10), executor="dask", **SLOW) == [3 * x for x in range(10)]


def test_large_items_are_sent_without_advice(client):
    items = [bytes([x]) * (6 << 20) for x in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert execute(len, items, executor="dask", **SLOW) == [6 << 20] * 4
        build(DaskOptions()).start(1, "spawn").submit(len, bytes(12 << 20)).result()


def test_an_executor_is_the_standards(client):
    executor = build(DaskOptions()).start(2, "spawn")
    future = executor.submit(divmod, 7, 2)
    assert isinstance(future, Future)
    assert future.result(20) == (3, 1)
    executor.shutdown(cancel_futures=True)
    executor.shutdown()
    with pytest.raises(RuntimeError):
        executor.submit(divmod, 7, 2)


def test_the_room_is_the_clusters(client, local_cluster):
    capacity = build(DaskOptions()).capacity()
    assert (capacity.workers, capacity.processes, capacity.place) == (2, 2, "LocalCluster")
    assert capacity.memory_bytes > 1 << 20
    with_address = build(DaskOptions(address=local_cluster.scheduler_address)).capacity()
    assert with_address.place == local_cluster.scheduler_address


def test_dasks_own_configuration_names_the_scheduler(local_cluster):
    with dask.config.set({"scheduler-address": local_cluster.scheduler_address}):
        assert build(DaskOptions()).capacity().workers == 2


def test_no_cluster_at_all_is_said():
    with pytest.raises(ExecutionError, match=r"executors.dask.address must be given"):
        optimize(jobs.nap, range(500), executor="dask", **SLOW)


def test_a_scheduler_that_is_not_there_is_said_in_bounded_time():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        options = {"address": address, "connect_timeout_seconds": 0.5}
        with pytest.raises(ExecutionError, match=f"reached within 0.5 s, got {address}"):
            execute(jobs.nap, range(500), executor="dask", config={"executors": {"dask": options}}, **SLOW)


def test_a_wrong_option_is_refused():
    with pytest.raises(ConfigError, match=r"executors.dask.connect_timeout_seconds must be >= 0.1"):
        optimize(jobs.nap, range(500), config={"executors": {"dask": {"connect_timeout_seconds": 0}}})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_makes_a_client_of_its_own(local_cluster):
    script = (
        "import os, warnings; from amorsize_dask import DaskOptions, build\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"  # of forking where there are threads
        f"executors = build(DaskOptions(address={local_cluster.scheduler_address!r}))\n"
        "first = executors.start(1, 'fork').client\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    executor = executors.start(1, 'fork')\n"
        "    fine = executor.client is not first and executor.submit(len, 'abc').result(20) == 3\n"
        "    os._exit(0 if fine else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert executors.start(1, 'fork').submit(len, 'ab').result(20) == 2\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_worker_that_is_killed_loses_nothing(apart):
    config = {"executors": {"dask": {"address": apart.address, "worker_timeout_seconds": 30}}}
    executors = build(DaskOptions(address=apart.address, worker_timeout_seconds=30))
    until = time.monotonic() + 30
    while executors.capacity().workers < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    victim = apart.processes[-1]
    killed = []

    def look(done, total):
        if done >= 20 and not killed:
            killed.append(victim.pid)
            victim.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)

    with pytest.warns(AmorsizeWarning, match=r"chunks? ran again because a worker was lost.*may have run twice"):
        pairs = execute(jobs.nap, range(200), executor="dask", config=config, progress=look, **SLOW)
    assert killed
    assert [item for _, item in pairs] == list(range(200))
    assert {pid for pid, _ in pairs} == {victim.pid, apart.processes[1].pid}


def test_an_address_in_a_config_found_in_a_folder_counts_only_once_it_is_trusted(tmp_path, monkeypatch):
    monkeypatch.delenv("AMORSIZE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "amorsize.toml"
    file.write_text('executor = "dask"\n[executors.dask]\naddress = "tcp://evil.example:8786"\n')
    with pytest.warns(AmorsizeWarning, match="executors.dask.address reaches out of the project"):
        found = build_backend("executors", "dask")
    assert found._options == DaskOptions()
    named = build_backend("executors", "dask", file)
    assert named._options == DaskOptions(address="tcp://evil.example:8786")
