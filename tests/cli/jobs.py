"""A module of functions that tests have the command run."""

from __future__ import annotations

JOBS = """
def slow(x):
    return sum(range(20_000))

def broken(x):
    raise LookupError("no such thing")

async def later(x):
    return x

number = 3
"""
