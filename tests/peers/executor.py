"""Runs the executor tests of CPython's own test suite with amorsize.Executor; `.ci/peers-executor` starts it.

Prints how many ran, and why the others do not apply.
"""

from __future__ import annotations

import sys
import unittest

import amorsize

if __name__ == "__main__":
    try:
        from test.test_concurrent_futures import executor, test_as_completed, test_init, test_shutdown, test_wait, util
    except ImportError as error:
        print(f"CPython's own executor tests are not here ({error}); skipped")
        sys.exit(0)

    class Thread(util.ExecutorMixin):
        """As the tests of ThreadPoolExecutor: what is submitted shares the test's objects."""

        executor_type = amorsize.Executor

    class Executor(Thread, executor.ExecutorTest, util.BaseTestCase):
        """What every executor does."""

    class AsCompleted(Thread, test_as_completed.AsCompletedTests, util.BaseTestCase):
        """Futures as they are done."""

    class Wait(Thread, test_wait.WaitTests, util.BaseTestCase):
        """Waiting for futures."""

    class Shutdown(Thread, test_shutdown.ExecutorShutdownTest, util.BaseTestCase):
        """Shutting down."""

    class Initializer(test_init.InitializerMixin, Thread, util.BaseTestCase):
        """Initializers in threads."""

    INNER = "its program makes the executor by its name in concurrent.futures"
    NOT_APPLIED = {
        "test_interpreter_shutdown": INNER,
        "test_submit_after_interpreter_shutdown": INNER,
        "test_hang_gh83386": INNER,
        "test_hang_gh94440": "it needs mp_context, which chooses processes",
    }
    suite, skipped = unittest.TestSuite(), []
    for case in (Executor, AsCompleted, Wait, Shutdown, Initializer):
        for name in unittest.defaultTestLoader.getTestCaseNames(case):
            if name in NOT_APPLIED:
                skipped.append(name)
            else:
                suite.addTest(case(name))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for name in skipped:
        print(f"does not apply: {name}: {NOT_APPLIED[name]}")
    for test, why in result.skipped:
        print(f"skipped by itself: {test}: {why}")
    failed = len(result.failures) + len(result.errors)
    version = sys.version.split()[0]
    print(
        f"executor tests of CPython {version}: {result.testsRun - failed} passed, {failed} failed, "
        f"{len(skipped)} left out"
    )
    sys.exit(bool(failed))
