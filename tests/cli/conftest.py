"""What tests of the command have in common, and where modules without a file of their own are tested.

- bench: diagnosis/test_bench, test_documents
- crashes, items_left: test_run
- doctor: diagnosis/test_doctor
- load: test_demo
- options, pictures: test_commands
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli.jobs import JOBS


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs the command in a folder with the module ``jobs`` and returns what it prints."""
    # bytecode of a module rewritten within a second, as long as before, would pass for the new one's
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "object.json").write_text('{"items": [1, 2]}')

    def run(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "amorsize", *arguments], capture_output=True, text=True, timeout=120, cwd=tmp_path
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    run.folder = tmp_path
    return run
