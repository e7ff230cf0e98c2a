"""Functions that tests of the public functions hand over."""

from __future__ import annotations

JOBS = """
def work(x):
    return sum(range(2500)) + int(x)
"""
"""A module with such a function, for programs that a test starts."""


def double(x):
    return x * 2


def spin(x):
    return sum(range(20_000)) + int(x)


def fresh(name, value):
    """Return a function that no other test has cached."""
    scope = {"__name__": "fresh_jobs"}
    exec(f"def {name}(x):\n    return sum(range({value}))", scope)
    return scope[name]
