"""Runs each backend-parametrised test of joblib's own suite with the backend ``amorsize``, and prints counts.

Usage: ``python tests/peers/joblib_suite.py [options of pytest]``. joblib's wheel ships its tests. Each list of backends
in ``joblib/test/test_parallel.py`` gets ours, and each test that has ours among its parameters is run. Those that
cannot apply are listed in EXCLUDED with the reason.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import joblib.test
import pytest

import amorsize.integrations.joblib
from amorsize.integrations.joblib import AmorsizeBackend

EXCLUDED = {
    "test_auto_memmap_on_arrays_from_generator": "each task asserts that its array is mapped from a file, which tasks "
    "that run in the caller, or in a fork of it, have no need of",
    "test_memmapping_leaks": "the same",
    "test_backend_batch_statistics_reset": "reads private counters of joblib's automatic batches, which are not used",
    "test_nested_backend_context_manager": "asserts that calls inside tasks use the class ThreadingBackend; ours share "
    "the CPUs with the call around them",
    "test_nested_parallelism_limit": "the same",
}
"""Tests that cannot apply, with the reason."""

MOST_EXCLUDED = 10

LISTS = {
    'PROCESS_BACKENDS = ["multiprocessing", "loky"]': 'PROCESS_BACKENDS = ["multiprocessing", "loky", "amorsize"]',
    '["loky", "multiprocessing", "threading"]': '["loky", "multiprocessing", "threading", "amorsize"]',
    '["threading", "loky", "multiprocessing", "back_compat_backend"]': '["threading", "loky", "amorsize"]',
    '@parametrize("backend", ["loky", "threading"])': '@parametrize("backend", ["loky", "threading", "amorsize"])',
    'else ["loky", "threading"])': 'else ["loky", "threading", "amorsize"])',
    'else [None, "loky", "threading"]': 'else [None, "loky", "threading", "amorsize"]',
    '([None, "loky"] if mp is not None': '([None, "loky", "amorsize"] if mp is not None',
    '("threading", "loky", True),': '("threading", "loky", True), ("amorsize", "amorsize", False), '
    '("threading", "amorsize", False), ("loky", "amorsize", False),',
    '("threading", False),': '("threading", False), ("amorsize", False),',
    "import joblib\nfrom joblib import dump": "import joblib\n"
    "import amorsize.integrations.joblib\nfrom joblib import dump",
    # programs that a test starts must register the backend too
    "from joblib import Parallel, delayed\n\ndef square": "import amorsize.integrations.joblib\n"
    "from joblib import Parallel, delayed\n\ndef square",
    "from joblib import Parallel, delayed\n\ndef run": "import amorsize.integrations.joblib\n"
    "from joblib import Parallel, delayed\n\ndef run",
}
"""What is replaced in the file, and by what."""


class Ours:
    """Chooses the tests that have our backend among their parameters, and counts how they end."""

    def __init__(self) -> None:
        self.ends: dict[str, int] = {}
        self.excluded: dict[str, int] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep ours, but for those that are excluded."""
        kept = []
        for item in items:
            spec = getattr(item, "callspec", None)
            values = list(spec.params.values()) if spec is not None else []
            if not any(value == "amorsize" or isinstance(value, AmorsizeBackend) for value in values):
                continue
            name = item.name.partition("[")[0]
            if name in EXCLUDED:
                self.excluded[name] = self.excluded.get(name, 0) + 1
            else:
                kept.append(item)
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count an end."""
        if report.when == "call" or (report.when == "setup" and not report.passed):
            end = "xfailed" if hasattr(report, "wasxfail") else report.outcome
            self.ends[end] = self.ends.get(end, 0) + 1


def main() -> int:
    """Run the tests and print the counts; return pytest's exit code."""
    assert len(EXCLUDED) <= MOST_EXCLUDED
    text = (Path(joblib.test.__file__).parent / "test_parallel.py").read_text(encoding="utf-8")
    for before, after in LISTS.items():
        assert before in text, before
        text = text.replace(before, after)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test_parallel_with_amorsize.py"
        path.write_text(text, encoding="utf-8")
        ours = Ours()
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", f"--rootdir={folder}", "-c", "/dev/null"]
        options += ["-W", "ignore::pytest.PytestUnknownMarkWarning", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = pytest.main([*options, *sys.argv[1:], str(path)], plugins=[ours])
    print(f"joblib {joblib.__version__}, backend amorsize {amorsize.__version__}: ", end="")
    print(", ".join(f"{count} {end}" for end, count in sorted(ours.ends.items())) or "nothing ran")
    print(f"excluded: {sum(ours.excluded.values())} tests of {len(ours.excluded)} functions")
    for name in sorted(ours.excluded):
        print(f"  {name} ({ours.excluded[name]}): {re.sub(' +', ' ', EXCLUDED[name])}")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
