"""Measures the figures of the docs, one benchmark after another, and writes docs/explanation/measured-figures.md.

Each section of the page is what one command prints. ``--only "loops.py regret"`` measures again what begins like that.
A benchmark that fails leaves its section as it is, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import amorsize
from amorsize.plugins.registry import Backends

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "explanation" / "measured-figures.md"
SECTIONS = {
    "Plans for real jobs": ("decisions.py", "--rounds", "5", "--seconds", "4"),
    "Runs of real jobs": ("execute.py", "--rounds", "3", "--seconds", "2"),
    "A cached answer": ("latency.py",),
    "Overheads of workers": ("overheads.py",),
    "Forks": ("forks.py",),
    "Programs that use joblib": ("joblib_programs.py", "--rounds", "5"),
    "Frames of pandas": ("frames.py", "--rounds", "3"),
    "Simulated pools against real ones": ("simulation.py", "real"),
    "Plans for simulated machines": ("simulation.py", "regret"),
    "The simulated run loop against the real one": ("loops.py", "real"),
    "The simulated run loop on many CPUs": ("loops.py", "regret"),
    "A caller that is busy, on many CPUs": ("loops.py", "caller"),
}
"""The command of each section, by the section's heading."""

START = """# Measured figures

This page shows what the benchmarks of amorsize print on one machine. You can compare the figures with those of your
own machine: `python tests/benchmarks/measured.py` runs the benchmarks one after another and writes this page. Let
nothing else run on the machine meanwhile.

[How good the decisions are](decision-quality.md), [How it runs](execute.md) and [The cache](cache.md) say what the
figures mean. The figures on those pages come from other runs.
"""


def sections_of(page):
    """Return the sections of a page by their headings."""
    return dict(re.findall(r"^## ([^\n]+)\n\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE))


def page_of(sections):
    """Return a page with these sections, in the order of the commands."""
    known = [heading for heading in SECTIONS if heading in sections]
    return "\n".join([START, *(f"## {heading}\n\n{sections[heading].strip()}\n" for heading in known)])


def shown(printed):
    """Return what a command printed as Markdown: its tables as they are, all else as text."""
    parts = []
    for is_table, lines in groupby(printed.strip().splitlines(), lambda line: line.startswith("|")):
        text = "\n".join(lines).strip("\n")
        if text.strip():
            parts.append(text if is_table else f"```text\n{text}\n```")
    return "\n\n".join(parts)


def surroundings():
    """Return what the figures depend on, in words."""
    backend = Backends().backend("inspectors", "psutil")
    machine = backend.build(backend.options()).inspect("fork")
    memory = round(machine.total_memory_bytes / 2**30)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, amorsize {amorsize.__version__}, Python {platform.python_version()}, "
        f"{platform.system()}, {machine.usable_cpus:g} CPUs ({machine.cpu_model}), {memory} GiB"
    )


def measured(command):
    """Return the section that a command makes: what is measured where, and what it printed."""
    where, start = surroundings(), time.perf_counter()
    done = subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {done.returncode}")
    took = f"{time.perf_counter() - start:.0f} s"
    return f"`python tests/benchmarks/{' '.join(command)}` ({where}; it took {took}):\n\n{shown(done.stdout)}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="COMMAND", help="those whose command begins like this")
    only = parser.parse_args().only
    chosen = {heading: command for heading, command in SECTIONS.items() if " ".join(command).startswith(only)}
    if not chosen:
        parser.error(f"no command begins with {only!r}: {', '.join(' '.join(each) for each in SECTIONS.values())}")
    failed = False
    for heading, command in chosen.items():
        print("==", *command, flush=True)
        try:
            section = measured(command)
        except RuntimeError as error:
            print(f"{error}; its section stays as it is", file=sys.stderr)
            failed = True
            continue
        there = sections_of(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        PAGE.write_text(page_of(there | {heading: section}), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
