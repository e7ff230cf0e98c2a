"""Decides how many workers of which kind a run should have, again and again, from what its items take."""

from __future__ import annotations

from functools import cached_property
from time import process_time
from typing import TYPE_CHECKING

from amorsize.domain.cpus import MOSTLY_WAITS
from amorsize.domain.values import OWN_THREADS, Sample
from amorsize.execution.items import holds_objects
from amorsize.execution.policy import (
    FAULT_SECONDS,
    FAULTS_SHARE,
    FIRST_THREADS,
    JUDGED_ITEMS,
    LOOK_SECONDS,
    MANY_OBJECTS,
    PAGE_ITEM_SECONDS,
    PAYS_SECONDS,
    TAKING_IN_SHARE,
    THREADS_GAIN,
    WORKER_FORKS,
    WORTH_SECONDS,
    few_items,
    takers_in_time,
)
from amorsize.execution.worker_team import WorkerTeam
from amorsize.processes.distributions import loaded
from amorsize.processes.process_bound import find_process_bound
from amorsize.processes.process_info import fork_seconds

if TYPE_CHECKING:
    from amorsize.execution.budget import Budget
    from amorsize.execution.job import Job
    from amorsize.execution.resources import RunConfig
    from amorsize.execution.run import Run


class ScalingTeam(WorkerTeam):
    """The workers of one run, which start and stop by what its items take.

    Args:
        run: whose they are.
        job: what it runs.
        config: what it may use.
        budget: the CPUs that all runs of this process share.
    """

    def __init__(self, run: Run, job: Job, config: RunConfig, budget: Budget) -> None:
        super().__init__(run, job, config, budget)
        self._judged = 0.0
        self._cpu_began = 0.0
        self._faults_before: float | None = None
        self._has_looked_again = False

    def begin(self) -> None:
        """Start workers, if that is right before anything has run."""
        super().begin()
        config, sample = self._config, self._config.sample
        if config.isolated:
            return
        wanted = self._wanted()
        if sample is not None:
            self._begin_as_known(sample, wanted)
        elif self.may_fork:
            if self._run.items_at_most <= few_items(config.usable_cpus) or self._keeps_state:
                self.fork(wanted - 1, most_that_wait=self._most_that_wait(wanted) - 1)
        elif config.kind == "thread" or (self.blocked_reasons and self.may_thread and config.kind == "auto"):
            self.start_threads(wanted - 1, silent=True)

    def _begin_as_known(self, sample: Sample, wanted: int) -> None:
        """Start the workers that pay by what earlier runs have shown."""
        if wanted <= 1 or self._is_short(sample, wanted):
            return
        if self.may_thread and sample.cpu_fraction < MOSTLY_WAITS and not sample.leaves:
            self.start_threads(wanted - 1)
            return
        cheap_results = sample.unpickle_result_seconds <= TAKING_IN_SHARE * sample.seconds_per_item
        if self.may_fork and cheap_results and not self._is_too_short(sample.seconds_per_item):
            seconds = self._run.items_at_most * sample.seconds_per_item
            self.fork(min(wanted, takers_in_time(seconds, fork_seconds())) - 1)
            self.wake()

    @property
    def is_undecided(self) -> bool:
        """Whether too little has run to decide on workers.

        The first items may take longer than others. So workers are forked once the items have taken half of what a
        worker costs: then a wrong guess costs little beside the job. The first item alone must have taken all of it.
        """
        measure = self._run.measure
        if not measure.items or measure.seconds < LOOK_SECONDS:
            return True
        if not self.may_fork or not self.is_alone or measure.waits:
            return False
        return measure.seconds < (self._worker_seconds if measure.items == 1 else self._worker_seconds / 2)

    @cached_property
    def _worker_seconds(self) -> float:
        """What a forked worker costs in all."""
        return WORKER_FORKS * fork_seconds()

    def look(self) -> None:
        """Start or withdraw workers by what the items have taken so far."""
        measure = self._run.measure
        if not self.caller_works or self.is_undecided:
            return
        if self.is_together:
            if self.forked is not None and self.is_awake and self._has_own_threads():
                self._withdraw_for_good()
            self._grow_threads()
            if self.threads is None and self._call_for_threads():
                self._join()
            if measure.seconds - self._judged >= PAYS_SECONDS:
                self._judge(measure.seconds)
                if self.may_fork and self.forked is not None and self.is_awake:
                    self._fork_in_time()
        elif self._run.left_items * measure.seconds_per_item >= self._least_ahead():
            self._join()

    def _withdraw_for_good(self) -> None:
        """Make forked workers take no more chunks, and fork no more."""
        self.may_fork = False
        self.withdraw_forked()

    def _least_ahead(self) -> float:
        """Return the seconds that must be left for workers to pay: they make the first call too."""
        measure = self._run.measure
        return WORTH_SECONDS + max(0.0, measure.first_seconds - measure.seconds_per_item)

    def _join(self) -> None:
        """Start the kind of workers that the items call for."""
        measure, pools = self._run.measure, self._config.pools
        each = measure.seconds_per_item
        if self._faults_before is None:
            self._faults_before = measure.begin_anew()
        if self._call_for_threads():
            self.withdraw_forked()
            self.start_threads(self._threads_wanted())
        elif self.forked is not None:
            if self._is_too_short(each) or self._has_own_threads():
                self.may_fork = not self._has_own_threads()
                self.withdraw_forked()
            else:
                self._fork_in_time()
                self.wake()
        elif self.may_fork and not self._is_too_short(each) and not self._has_own_threads() and not self.left_behind():
            wanted = self._forks_wanted()
            saved = self._run.left_items * each * wanted / (1 + wanted)
            if saved > WORKER_FORKS * fork_seconds() + self._least_ahead():
                self._fork_in_time()
                self.wake()
        elif self.may_pool and pools is not None:
            ahead = each * self._run.left_items
            if ahead > 2 * (pools.start_seconds + self._least_ahead()):
                self.start_pool(self._config.workers or self._forks_wanted() + 1, ahead)

    def _call_for_threads(self) -> bool:
        """Return whether threads should run what is left."""
        return self._run.measure.waits and self.may_thread and not self.left_behind()

    def _threads_wanted(self) -> int:
        """Return how many threads should work beside the caller; after one call only, that is a guess."""
        measure, config = self._run.measure, self._config
        if config.workers is not None:
            return config.workers - 1
        wanted = self._by_cpu(measure.cpu_fraction)
        if measure.items == 1:
            wanted = max(wanted, min(FIRST_THREADS, config.most_workers or FIRST_THREADS))
        return min(wanted - 1, self._run.left_items)

    def _most_that_wait(self, wanted: int) -> int:
        """Return how many may run items that wait, the caller too, where ``wanted`` keep the CPUs busy."""
        config = self._config
        few = min(FIRST_THREADS, config.most_workers or FIRST_THREADS, self._run.items_at_most)
        return wanted if config.workers is not None else max(wanted, few)

    def _grow_threads(self) -> None:
        """Start more threads where items turn out to wait for longer."""
        if self.threads is not None and self.may_thread and self._run.measure.waits:
            more = self._threads_wanted() - len(self.threads)
            if more > 0:
                self.start_threads(more)

    def _forks_wanted(self) -> int:
        """Return how many processes should work beside the caller."""
        measure = self._run.measure
        share = measure.cpu_fraction if measure.waits or measure.cpu_fraction > OWN_THREADS else 1.0
        wanted = self._config.workers or self._by_cpu(share)
        return min(wanted - 1, self._run.left_items)

    def _fork_in_time(self) -> None:
        """Have as many workers forked as what is left gives time for."""
        measure = self._run.measure
        most = takers_in_time(self._run.left_items * measure.seconds_per_item, fork_seconds())
        more = min(self._forks_wanted(), most - 1) - (0 if self.forked is None else len(self.forked))
        if more > 0 and self.forked is not None and self.forked.can_fork:
            wanted = len(self.forked) + more
            lacking = max(0, wanted - self._granted)
            self.forked.call(wanted - lacking + self._grant(lacking))
        elif more > 0 and not self.left_behind() and not self._keeps_state and not self._has_become_bound():
            self.fork(more)

    @cached_property
    def _keeps_state(self) -> bool:
        """Whether no worker may be forked from the caller after an item: items may keep what the fork would share."""
        from amorsize.domain.kept_state import may_keep_state

        return may_keep_state(self._job.own, loaded())

    def _has_become_bound(self) -> bool:
        """Return whether items have made what binds the function to this process, such as a random generator."""
        if not self._has_looked_again:
            self._has_looked_again = True
            bound = find_process_bound(self._job.func)
            if bound is not None:
                self.rule_out_kind(f"items have made {bound.words}, which the function uses")
        return not self.may_fork

    def _has_own_threads(self) -> bool:
        """Return whether a C library runs threads for the items, which keep the CPUs busy by themselves.

        OpenBLAS ends its threads at a fork and starts them when it needs them.
        """
        return self.more_foreign_threads() >= int(self._config.usable_cpus) - 1 > 0

    def _judge(self, spent: float) -> None:
        """End workers that do not pay."""
        self._judged = spent
        measure, run = self._run.measure, self._run
        each = measure.seconds_per_item
        if run.taken_in_items >= JUDGED_ITEMS and self.forked is not None:
            cost = run.taking_in_seconds / run.taken_in_items
            if cost > TAKING_IN_SHARE * each:
                self._withdraw_for_good()
                return
        faults = measure.begin_anew()
        if self.forked is not None and self._has_many_objects():
            more = faults - (self._faults_before or 0.0)
            if more * FAULT_SECONDS > FAULTS_SHARE:
                self._withdraw_for_good()
        if self.threads is not None:
            cpu, began = process_time(), self._cpu_began
            self._cpu_began = cpu
            if began and not measure.waits and cpu - began < THREADS_GAIN * PAYS_SECONDS:
                self.withdraw_threads()

    def _wanted(self) -> int:
        """Return how many should run items, the caller too."""
        config, sample = self._config, self._config.sample
        if config.workers is not None:
            return min(config.workers, self._run.items_at_most)
        share = 1.0 if sample is None else sample.cpu_fraction
        return self._by_cpu(share)

    def _is_short(self, sample: Sample, wanted: int) -> bool:
        """Return whether workers save less than they cost."""
        saved = self._run.items_at_most * sample.seconds_per_item * (wanted - 1) / wanted
        first = max(0.0, sample.first_call_seconds - sample.seconds_per_item)
        return saved < WORTH_SECONDS + WORKER_FORKS * fork_seconds() + first

    def _is_too_short(self, each: float) -> bool:
        """Return whether an item takes so little that processes do not help."""
        return each < self._run.cheap_seconds or (self._has_many_objects() and each < PAGE_ITEM_SECONDS)

    def _has_many_objects(self) -> bool:
        return self._run.items_at_most > MANY_OBJECTS and holds_objects(self._run.data)
