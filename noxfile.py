"""One command for each check: ``nox -s lint`` runs the session ``lint``, and ``nox --list`` shows them all.

A session makes an environment of its own once, and uses it again. ``nox --no-venv -s lint`` uses the environment that
nox runs in. What stands after ``--`` goes to the session's command.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "imports", "tests"]

PROJECT: Final[dict[str, Any]] = nox.project.load_toml("pyproject.toml")["project"]
PYTHONS: Final = nox.project.python_versions({"project": PROJECT})
"""The Pythons that the classifiers in pyproject.toml name."""

DEVELOPMENT: Final = ("-e", ".[dev]")
"""All that development needs."""

SYSTEMS: Final = ("linux", "win32", "darwin")
"""The systems that mypy checks for, as ``sys.platform`` names them."""

MINIMUM_COVERAGE: Final = "95"
"""Percent of all lines and branches that the tests must run."""


# With --no-venv a session uses the tools that lie beside nox, also where its environment is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def install(session: nox.Session, *requirements: str) -> None:
    """Install requirements in the session's environment; ``nox --no-venv`` expects them to be there."""
    if session.venv_backend != "none":
        session.install("--quiet", *requirements)


def required(name: str) -> str:
    """Return a requirement of the extra ``dev`` by its name, with the versions that pyproject.toml allows."""
    requirements: list[str] = PROJECT["optional-dependencies"]["dev"]
    return next(each for each in requirements if re.split(r"[^\w-]", each)[0] == name)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of all Python files with ruff."""
    install(session, required("ruff"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy, for Linux, Windows and macOS."""
    install(session, *DEVELOPMENT)
    for system in SYSTEMS:
        session.run("mypy", "--platform", system, *session.posargs)


@nox.session
def imports(session: nox.Session) -> None:
    """Check which module may import which, with import-linter."""
    install(session, "-e", ".", required("import-linter"))
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests; ``nox -s tests -- tests/domain`` runs some."""
    install(session, *DEVELOPMENT)
    session.run("python", "-m", "pytest", "-q", *(session.posargs or ("-n", "auto")))


@nox.session(python=PYTHONS)
def portable(session: nox.Session) -> None:
    """Run the quick subset of the tests on each Python that is found."""
    install(session, *DEVELOPMENT)
    session.run("python", "-m", "pytest", "-q", "-m", "portable", "-n", "auto", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run all tests and say which lines and branches of the library they do not run."""
    install(session, *DEVELOPMENT)
    tests_with_coverage = ("coverage", "run", "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider")
    report = ("coverage", "report", "--skip-covered", "--sort=cover")
    session.run("python", "-m", "coverage", "erase")
    session.run("python", "-m", *tests_with_coverage, *session.posargs)
    session.run("python", "-m", "coverage", "combine", "--quiet")
    session.run("python", "-m", *report, f"--fail-under={MINIMUM_COVERAGE}")
    session.run("python", "-m", *report, "--include=*/amorsize/domain/*", "--fail-under=100")


@nox.session
def docs(session: nox.Session) -> None:
    """Check what the docs name and link to, run their examples, and build the site; the last line says where it is."""
    install(session, "-e", ".[dev,docs]")
    session.run("python", "-m", "pytest", "-q", "tests/docs", "tests/peers/test_site.py", *session.posargs)
    site = Path(session.create_tmp(), "site")
    session.run("python", "-m", "sphinx", "-W", "-q", "-c", "docs", ".", str(site))
    session.log(f"the site: {site / 'index.html'}")


@nox.session
def plugins(session: nox.Session) -> None:
    """Test plugins, each from its wheel in an environment of its own; ``-- amorsize-lmdb`` names one (Linux, macOS)."""
    install(session, required("build"), required("mypy"))
    names = session.posargs or sorted(path.parent.name for path in Path("plugins").glob("*/pyproject.toml"))
    with TemporaryDirectory() as work:
        Path(work).chmod(0o755)  # root has an ordinary user run the tests in there
        session.run("python", "-m", "build", "--wheel", "--outdir", work, ".", silent=True)
        for name in names:
            session.run(".ci/plugin", f"plugins/{name}", work, external=True)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Run a benchmark; ``nox -s benchmarks -- latency.py`` runs that one in place of ``decisions.py``."""
    install(session, *DEVELOPMENT)
    script, *arguments = session.posargs or ["decisions.py"]
    session.run("python", str(Path("tests", "benchmarks", script)), *arguments)
