"""Weighs who should run the tasks of one call: looks up what is known, asks the cost model, and keeps what was seen."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cached_property
from time import process_time, thread_time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from amorsize.adapters.probes.start_conditions import start_method_in_use
from amorsize.client.client import default_calls
from amorsize.config.files import is_disabled
from amorsize.domain.iterables import Spread
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation
from amorsize.domain.process_state import sets_process_state
from amorsize.domain.values import Constraints
from amorsize.processes import process_info
from amorsize.processes.leftovers import Leftovers
from amorsize.processes.process_bound import IN_ORDER, find_process_bound, is_installed

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.question import Known
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Machine, Sample

_TASK_SECONDS: Final = 0.001
"""What one more task costs through a pool of processes that start empty: joblib's dispatch and two pickles."""

_START_SECONDS: Final = 0.12
"""What the first worker of such a pool takes to start; each module that the caller has imported adds to it."""

_MODULE_SECONDS: Final = 0.0005
"""What a module takes to import, on average: scikit-learn brings some 1,300 and takes 0.7 s."""

_BATCH_SECONDS: Final = 0.002
"""What a forked batch costs beside the fork: getting ready, ending, and telling."""

_MOST_KEY_ITEMS: Final = 10_000
"""Items from which on the number makes no difference to the key of an entry."""

_LEFT: Final = "tasks have left behind a {} in this process, which a fork would share"
"""Why no process is forked."""

_MOST_FUNCTIONS: Final = 16
"""Functions that are looked at in a call; nearly all have one."""

_OWN_THREADS: Final = 1.3
"""CPU seconds per second from which on a task runs threads of its own, which leaves fewer CPUs to other tasks."""


_WORK_SECONDS: Final = {"trial": 0.002, "serial": 0.02, "thread": 0.01, "process": 0.1, "pool": 0.05}
"""Work in a batch, by who runs it; joblib's own dispatch of one takes 40 us."""

LEAST_FORKED_SECONDS: Final = 0.01
"""Work in a forked batch at the end, where batches become smaller so that all workers end together."""

_TOO_SHORT: Final = "the tasks that are left take less than a worker process costs"
"""Why processes are not compared."""

_FORKS_WORTH: Final = 20
"""Times what a fork takes that a forked batch should hold."""

_COMPUTES: Final = 0.5
"""CPU seconds a second from which on tasks compute; below, they wait, and more threads than CPUs pay."""

_MOSTLY: Final = 0.75
"""Share of the CPUs that tasks keep busy by themselves from which on nobody else fits beside them."""

_IDLE: Final = 0.1
"""Share of its time that a computing thread is idle from which on it waits for the interpreter lock."""

_IN_VAIN: Final = 0.85
"""Share of the time in which only one thread can run from which on more threads gain nothing."""

_LEAST_LEFT_SECONDS: Final = 0.002
"""Work left under which nobody can help: to compare takes 0.3 ms, and to start a thread and share tasks out 0.2 ms."""

_WORTH_TRYING_SECONDS: Final = 0.05
"""Work left from which on it pays to find out by running side by side what threads are worth."""


class Choice(NamedTuple):
    """Who runs the tasks: ``serial``, ``thread``, ``process`` (forked) or ``pool`` (started empty), and how many."""

    kind: str
    workers: int


SERIAL: Final = Choice("serial", 1)


class Judge:
    """Decides for one call.

    Args:
        n_jobs: most workers.
        is_cap: whether the user has set that number; else tasks that wait may have more threads.
        executor: ``auto``, or ``thread`` or ``process`` where the user wants no others.
        is_warm: tells whether a pool of processes that start empty is there already.
        is_alone: tells whether no other call runs tasks in this process.
    """

    def __init__(
        self,
        n_jobs: int,
        *,
        is_cap: bool,
        executor: str,
        is_warm: Callable[[], bool],
        is_alone: Callable[[], bool],
    ) -> None:
        self._optimizer = default_calls.optimizer()
        self._constraints = Constraints(max_workers=n_jobs if is_cap else None, executor=executor)
        self._n_jobs = n_jobs
        self._is_warm = is_warm
        self._is_alone = is_alone
        self._known: Known | None = None
        self._lock_share: float | None = None
        self._met: dict[tuple[int, int], Any] = {}
        self.no_process = ""
        self.no_thread = ""
        self._leaving: Callable[..., Any] | None = None
        self._leftovers: Leftovers | None = None
        self.no_fork = "" if self._machine.start_method == "fork" and process_info.can_fork() else "the settings say so"

    @property
    def _machine(self) -> Machine:
        return self._optimizer.machine()

    @property
    def cpus(self) -> float:
        """The CPUs that this process may use."""
        return self._machine.usable_cpus

    def meet(self, func: Callable[..., Any]) -> bool:
        """Rule out those who must not run a function, by its code and by what it reads; return whether that is news.

        Threads that the user has asked for may run what sets globals. Attributes count in the user's own functions
        only: those of libraries assign them to objects that belong to one task.
        """
        plain = getattr(func, "__wrapped__", func)
        key = (id(getattr(plain, "__self__", None)), id(getattr(plain, "__func__", plain)))
        if key in self._met or len(self._met) >= _MOST_FUNCTIONS:
            return False
        self._met[key] = plain  # kept, as another function could get its number
        known = (self.no_process, self.no_thread)
        is_asked = self._constraints.executor == "thread"
        name, tie = find_process_bound(plain)
        if name:
            self.rule_out(f"the function uses the {tie} {name!r}")
            if not is_asked or tie in IN_ORDER:
                self.no_thread = self.no_process
        blocked = default_calls.resources().blocked_reason(plain, "fork")
        if blocked:
            self.rule_out(blocked)
        if not (is_asked or self.no_thread):
            state = sets_process_state(plain, attributes=not is_installed(plain))
            if state:
                self.no_thread = f"the function sets {state}, which threads share"
                self._watch(plain)
        return (self.no_process, self.no_thread) != known

    def _watch(self, func: Callable[..., Any]) -> None:
        """See from now on whether tasks leave behind in this process what they keep: a fork would share it."""
        if self._leftovers is None:
            self._leaving, self._leftovers = func, Leftovers()
        known = default_calls.resources().left_behind
        with suppress(Exception):  # what has no fingerprint is seen once tasks have run
            if known and (left := known.get(self._optimizer.fingerprint(func).hex)):
                self.rule_out_fork(_LEFT.format(left))

    def _left_behind(self) -> str:
        """Return in a word what tasks that set globals have left behind, and keep it for later calls."""
        if self._leftovers is None or self._leaving is None:
            return ""
        left = self._leftovers.found(alone=self._is_alone())
        if left:
            with suppress(Exception):  # as above
                default_calls.resources().left_behind[self._optimizer.fingerprint(self._leaving).hex] = left
        return left

    def recall(self, func: Callable[..., Any], args: tuple[Any, ...], count: int) -> Sample | None:
        """Return what is known of a function of such arguments, None for nothing; no code of the user's runs.

        It is known by the name under which ``optimize`` and ``execute`` know a call of it over the arguments.
        """
        plain = getattr(func, "__wrapped__", func)
        with suppress(Exception):  # what cannot be named is measured each time
            asked, item = (plain, args[0]) if len(args) == 1 else (Spread(plain, len(args)), args)
            data = [item] * min(count, _MOST_KEY_ITEMS)
            self._known = self._optimizer.recall(asked, data, self._constraints)
            sample = self._known.sample
            if sample is not None:
                self._lock_share = sample.gil_fraction
            return sample
        return None

    def learn(self, sample: Sample) -> None:
        """Keep what the call has shown, for the next one in this process."""
        self._left_behind()
        if self._known is not None:
            self._optimizer.learn(self._known, attrs.evolve(sample, gil_fraction=self._lock_share))

    def rule_out(self, why: str) -> None:
        """Have no processes run tasks of this call."""
        self.no_process = why

    def rule_out_fork(self, why: str) -> None:
        """Have no forked processes run tasks of this call."""
        self.no_fork = why

    def fork_danger(self) -> str:
        """Say why a child that is forked now may hang or mix answers up, empty where nothing speaks against it.

        Tasks that have run here meanwhile may have started the threads of an OpenMP library, or opened a connection.
        """
        left = self._left_behind()
        return _LEFT.format(left) if left else start_method_in_use()[1]

    def saw_together(self, computed: float, idle: float, switches: int, threads: int) -> None:
        """Take note of what a thread did beside others that computed: it computed, was idle, and gave its CPU up.

        A thread that computes is idle only while another one has the interpreter lock. On a busy machine it is woken
        too late to see all of that, but it gives its CPU up each time that it asks for the lock.
        """
        share = idle / (computed + idle)
        waits = share * threads / max(1, threads - 1)
        if share > _IDLE:
            waits = max(waits, switches / computed * sys.getswitchinterval())
        self._lock_share = min(1.0, waits)

    @property
    def threads_are_in_vain(self) -> bool:
        """Whether threads are known to wait for one another nearly all the time."""
        return self._lock_share is not None and self._lock_share > _IN_VAIN

    @property
    def _allowed(self) -> Constraints:
        """The constraints, without threads that must not run the tasks."""
        return attrs.evolve(self._constraints, executor="process") if self.no_thread else self._constraints

    def choose(self, sample: Sample, tasks: int, *, assumed: bool) -> Choice:
        """Return who should run so many tasks that are left."""
        if tasks < 2 or self._n_jobs < 2 or self._fills_machine(sample):  # noqa: PLR2004  one task, or one worker
            return SERIAL
        left_seconds = tasks * sample.seconds_per_item
        if left_seconds < _LEAST_LEFT_SECONDS:
            return SERIAL
        if self.no_thread and self.no_process:
            return SERIAL
        sample = attrs.evolve(sample, gil_fraction=self._lock_share)
        blocked = self.no_process or (_TOO_SHORT if left_seconds < LEAST_FORKED_SECONDS else None)
        situation = Situation(tasks, sample, self._machine, self._allowed, blocked, assumed=assumed)
        overheads = self._optimizer.overheads().running() if blocked else self._pooling
        plan, kind = decide(situation, overheads).plan, "pool"
        if not blocked and not self.no_fork:
            forked = decide(situation, self._forking).plan
            if forked.predicted_seconds <= plan.predicted_seconds:
                plan, kind = forked, "process"
        if plan.executor == "serial":
            return SERIAL
        computes = plan.executor == "process" or sample.cpu_fraction > _COMPUTES
        workers = min(plan.n_jobs, self._n_jobs) if computes else plan.n_jobs
        return Choice(kind if plan.executor == "process" else "thread", workers)

    def _fills_machine(self, sample: Sample) -> bool:
        fills = sample.cpu_fraction >= _MOSTLY * self._machine.usable_cpus
        return sample.cpu_fraction > _OWN_THREADS and fills

    def may_try_threads(self, sample: Sample, tasks: int) -> bool:
        """Return whether it is worth finding out by running side by side what threads are worth."""
        if self._lock_share is not None or self._allowed.executor == "process" or self._n_jobs < 2:  # noqa: PLR2004
            return False
        if self._fills_machine(sample):
            return False
        return tasks * sample.seconds_per_item > _WORTH_TRYING_SECONDS

    @cached_property
    def _forking(self) -> Overheads:
        """Return what it costs to fork a worker for each batch."""
        fork = process_info.fork_seconds()
        known = self._optimizer.overheads()
        costs: dict[str, Any] = {
            "chunk_parent_seconds": fork,
            "chunk_worker_seconds": _BATCH_SECONDS,
            "fork_byte_seconds": 0.0,
        }
        return attrs.evolve(known.running(), first_pool_seconds=0.0, **costs)

    @cached_property
    def _pooling(self) -> Overheads:
        """Return what it costs to have tasks run by a pool whose workers start empty."""
        start = 0.0 if self._is_warm() else _START_SECONDS + _MODULE_SECONDS * len(sys.modules)
        known = self._optimizer.overheads()
        costs: dict[str, Any] = {
            "chunk_parent_seconds": _TASK_SECONDS,
            "boot_seconds": start,
            "first_pool_seconds": 0.0,
        }
        return attrs.evolve(known.running(), **costs)

    def threads_each(self, workers: int) -> int:
        """Return how many threads numerical libraries may use in one of so many workers."""
        return max(1, int(self._machine.usable_cpus / workers))


def runs_serially() -> bool:
    """Return whether everything runs serially here: in a worker, or while amorsize is disabled."""
    return is_disabled() or default_calls.resources().budget.is_worker


def becoming_worker() -> Callable[[], None]:
    """Return what a forked child calls first: what its tasks call runs serially there. All is imported here."""
    return default_calls.resources().budget.become_worker


def batch_seconds(kind: str) -> float:
    """Return how much work a batch should hold: enough to make what it costs small, little enough to share."""
    wanted = _WORK_SECONDS[kind]
    return max(wanted, _FORKS_WORTH * process_info.fork_seconds()) if kind == "process" else wanted


class Clocks(NamedTuple):
    """What this process and this thread have done until now, in seconds.

    ``asked`` is the CPU time that the process has asked for: what its threads have computed, and on Linux what this one
    has waited for a CPU that others had. So a task on a busy machine does not look like one that waits for an answer.
    Ended children count too. ``own`` is the same of this thread, ``computed`` its computing alone, and ``switches`` how
    often it has given its CPU up by itself.
    """

    asked: float
    own: float
    computed: float
    switches: int


def clocks() -> Clocks:
    """Return what this process and this thread have done until now; takes some 15 us."""
    if sys.platform == "win32":
        return Clocks(process_time(), thread_time(), thread_time(), 0)
    import resource

    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = ended.ru_utime + ended.ru_stime
    waited, switches = 0.0, 0
    if sys.platform == "linux":
        with suppress(OSError, ValueError, IndexError), open("/proc/thread-self/schedstat", "rb") as file:  # noqa: PTH123  pathlib would take longer than all the rest
            waited = int(file.read().split()[1]) / 1e9
        switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    computed = thread_time()
    return Clocks(process_time() + children + waited, computed + waited, computed, switches)
