"""Outlines, and the words made of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from domain.fingerprint.reading import define, fingerprint, new_memo

from amorsize.domain.fingerprint.fingerprint import changes


def changed(before, after):
    return changes(fingerprint(define(before)).outline, fingerprint(define(after)).outline)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("def f(x): return x + 3.5", "def f(x): return x + 4.5", "constant 3.5 → 4.5"),
        ("def f(x): return x + 'a'", "def f(x): return x + 'b'", "constant 'a' → 'b'"),
        ("def f(x, n=1): return x", "def f(x, n=2): return x", "default n 1 → 2"),
        ("def f(x, *, n=1): return x", "def f(x, *, n=2): return x", "default n 1 → 2"),
        ("N = 5\ndef f(x): return N", "N = 6\ndef f(x): return N", "global N 5 → 6"),
        ("def f(x): return x + x", "def f(x): return x * x", "code changed"),
        (
            "def g(): return 1\ndef f(x): return g()",
            "def g(): return 2\ndef f(x): return g()",
            "calls a_script.g changed",
        ),
        ("class A:\n n = 1\ndef f(x): return A.n", "class A:\n n = 2\ndef f(x): return A.n", "methods changed"),
        ("T = [1]\ndef f(x): return T", "T = [2]\ndef f(x): return T", "global T changed"),
        ("def f(x): return lambda: x.a", "def f(x): return lambda: x.b", "inner <lambda> changed"),
        ("f = (lambda n: lambda x: n)(1)", "f = (lambda n: lambda x: n)(2)", "closure n 1 → 2"),
        (
            "import functools\nf = functools.partial(pow, 1)",
            "import functools\nf = functools.partial(pow, 2)",
            "argument 0 1 → 2",
        ),
    ],
)
def test_changes_are_said_in_words(before, after, words):
    assert changed(before, after) == words


def test_constants_that_come_and_go_are_distinguished_from_those_that_move():
    assert changes([("constant 1", "3")], [("constant 1", "7"), ("constant 2", "3")]) == "constant 7 is new"
    assert changes([("constant 1", "7"), ("constant 2", "3")], [("constant 1", "3")]) == "constant 7 is gone"


def test_parts_that_come_and_go_are_named():
    assert changes([("global A", "1")], [("global B", "1")]) == "global A is gone, global B is new"


def test_a_label_that_comes_twice_is_compared_in_order():
    assert changes([("code", "#1"), ("default n", "1")] * 2, [("code", "#1"), ("default n", "1"), ("code", "#1")]) == (
        "default n is gone"
    )


def test_many_changes_are_counted():
    old = [(f"global {number}", "1") for number in range(9)]
    new = [(f"global {number}", "2") for number in range(9)]
    assert changes(old, new).endswith("global 3 1 → 2, and 5 more")


def test_no_visible_change_is_said_so():
    assert changes([("code", "#1")], [["code", "#1"]]) == "something that it calls changed"


def test_an_outline_is_about_a_kilobyte_at_most_and_still_tells_changes():
    def many(last):
        names = [f"name_{number}_{'x' * 60}" for number in range(100)]
        return define(f"def f(x): return {', '.join(names)}", **dict.fromkeys(names, "v" * 99) | {names[-1]: last})

    outlines = [fingerprint(many(last)).outline for last in (1, 2)]
    for outline in outlines:
        assert sum(len(label) + len(words) for label, words in outline) < 1024
        assert max(len(words) for _, words in outline) <= 40
    assert changes(*outlines) == "more changed"


def test_only_who_asks_for_an_outline_gets_one():
    known, func = new_memo(), define("def f(x): return x + 1")
    assert known.of(func) == known.outlined(func)
    assert not known.of(func).outline
    assert ("constant 1", "1") in known.outlined(func).outline


def test_reading_imports_nothing_that_a_hit_does_without():
    code = (
        "import sys; before = set(sys.modules); import amorsize.domain.fingerprint.fingerprint as m; "
        "from amorsize.domain.fingerprint.loaded import Loaded; m.fingerprint(m.fingerprint, Loaded(sys.modules));"
        "print({'importlib.metadata', 'cattrs', 'pickle', 'multiprocessing', 'psutil'} & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
