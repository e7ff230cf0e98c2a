"""Fingerprints that are remembered: seen to be outdated, and forgotten in time."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import types
import weakref

import numpy as np
import pytest
from domain.fingerprint.reading import Local, define, fingerprint, new_memo

from amorsize.domain.fingerprint.fingerprint import Fingerprint


def test_a_repeat_is_the_very_same_object():
    memo = new_memo()
    func = define("def g(x): return x\ndef f(x): return g(x)")
    thing = Local()
    for one in (func, len, functools.partial(func), functools.lru_cache(func), Local, thing, np.sin, str.upper):
        assert memo.of(one) is memo.of(one)
        assert memo.of(one) == fingerprint(one)
    assert memo.of(thing.run) is memo.of(thing.run)


SOURCE = """
import functools
N = 3
T = {"a": 1}
L = [1, 2]
S = {1, 2}
class A:
    n = 1
    __slots__ = ("m", "__weakref__")
    def __init__(self): self.m = 1
    def go(self): return self.m
    def __call__(self, x): return self.n
class B:
    def __init__(self): self.m = 1
    def __call__(self, x): return x
a = A()
b = B()
def h(x, n=1, *, k=1): return x + n
def g(x): return h(x)
def make(n):
    def inner(x): return x * n
    return inner
c = make(3)
def d(x): return x
w = functools.wraps(d)(lambda x: x)
def f(x): return g(x), N, T, L, S, A, a.go, b, c, w, late, helpers.N
"""

REBINDINGS = {
    "a global": lambda space: space.update(N=4),
    "a global that is gone": lambda space: space.pop("N"),
    "a name that was not there": lambda space: space.update(late=1),
    "a global for a builtin": lambda space: space.update(len=1),
    "code": lambda space: setattr(space["f"], "__code__", space["d"].__code__),
    "a default": lambda space: setattr(space["f"], "__defaults__", (1,)),
    "a keyword default": lambda space: setattr(space["f"], "__kwdefaults__", {"y": 1}),
    "a cell": lambda space: setattr(space["c"].__closure__[0], "cell_contents", 4),
    "an emptied cell": lambda space: delattr(space["c"].__closure__[0], "cell_contents"),
    "a helper": lambda space: space.update(g=space["d"]),
    "a helper's code": lambda space: setattr(space["h"], "__code__", (lambda x, n=1, *, k=2: x - n).__code__),
    "a helper's default": lambda space: setattr(space["h"], "__defaults__", (2,)),
    "a helper's keyword default in place": lambda space: space["h"].__kwdefaults__.update(k=2),
    "a value in a dict": lambda space: space["T"].update(a=2),
    "a key of a dict": lambda space: space["T"].update(b=2),
    "a list": lambda space: space["L"].append(3),
    "a set": lambda space: space["S"].add(3),
    "a class attribute": lambda space: setattr(space["A"], "n", 2),
    "a method": lambda space: setattr(space["A"], "go", lambda self: 3),
    "a method's code": lambda space: setattr(space["A"].go, "__code__", (lambda self: 3).__code__),
    "a slot": lambda space: setattr(space["a"], "m", 2),
    "an attribute": lambda space: setattr(space["b"], "m", 2),
    "what is wrapped": lambda space: setattr(space["w"], "__wrapped__", space["g"]),
    "a module's global": lambda space: setattr(space["helpers"], "N", 2),
}


@pytest.mark.parametrize("what", REBINDINGS)
def test_the_memo_sees_what_is_rebound(what):
    helpers = types.ModuleType("a_module")
    helpers.N = 1
    source = SOURCE.replace("late,", "late, len(T),") if "builtin" in what else SOURCE
    func = define(source, helpers=helpers)
    memo = new_memo()
    before = memo.of(func)
    assert memo.of(func) is before
    REBINDINGS[what](func.__globals__)
    after = memo.of(func)
    assert after.hex != before.hex
    assert after == fingerprint(func)
    assert memo.of(func) is after


def test_the_memo_sees_an_object_replaced_at_the_same_place():
    func = define("class A: pass\ndef f(x): return a")
    memo = new_memo()
    space = func.__globals__
    for number in range(50):
        space["a"] = space["A"]()
        space["a"].n = number
        assert memo.of(func) == fingerprint(func)


def test_what_the_function_counts_in_does_not_wear_the_memo_out():
    func = define(
        "N = 1000\ndef make(n):\n def f(x):\n  global N\n  nonlocal n\n  N += 1; n += 1\n return f\nf = make(1000)"
    )
    memo = new_memo()
    before = memo.of(func)
    func(1)
    assert memo.of(func) is before
    assert fingerprint(func) == before


def test_a_dict_that_changes_while_it_is_compared_only_costs_the_memo():
    func = define("T = {'a': 1}\ndef f(x): return T")
    memo = new_memo()
    stop = threading.Event()

    def change():
        table = func.__globals__["T"]
        while not stop.is_set():
            table["b"] = 1
            table.pop("b")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(2000):
            assert isinstance(memo.of(func), Fingerprint)
    finally:
        stop.set()
        thread.join()


def test_threads_share_a_memo():
    memo = new_memo()
    funcs = [define(f"def f(x): return {number}") for number in range(50)]
    wanted = [fingerprint(func) for func in funcs]
    faults = []

    def read():
        for _ in range(20):
            faults.extend(func for func, right in zip(funcs, wanted, strict=True) if memo.of(func) != right)
            faults.extend(number for number in range(20) if not memo.of(define(f"def f(x): return {number}")).hex)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_the_memo_keeps_nothing_alive():
    memo = new_memo()
    func = define("class A:\n def __call__(s, x): return s\n def run(s, x): return x\nf = A()")
    watched = weakref.ref(func)
    memo.of(func)
    memo.of(func.run)
    del func
    gc.collect()
    assert watched() is None
    assert len(memo._known) == 0


def test_a_function_that_closes_over_itself_can_go():
    def make():
        def count(n):
            return count(n - 1) if n else 0

        return count

    memo = new_memo()
    func = make()
    watched = weakref.ref(func)
    memo.of(func)
    del func
    gc.collect()
    assert watched() is None
    assert len(memo._known) == 0


def test_a_hundred_thousand_short_lived_functions_leave_no_memory_behind():
    memo = new_memo()

    def make(n):
        def count(x):
            return count(x - 1) if x else n

        return count if n % 2 else lambda x: x + n

    def run(count):
        for number in range(count):
            memo.of(make(number))

    run(2000)
    gc.collect()
    before = sys.getallocatedblocks()
    run(100_000)
    gc.collect()
    assert len(memo._known) == 0
    assert sys.getallocatedblocks() - before < 1000


def test_long_lived_functions_and_things_without_weak_references_are_held_within_bounds():
    memo = new_memo()
    funcs = [define(f"def f(x): return {number}") for number in range(10)] * 1000
    kept = [functools.partial(func, 1) for func in funcs]
    for func in kept:
        memo.of(func)
    assert len(memo._known) <= 4096
    for number in range(200):
        memo.of(np.frompyfunc(define(f"def f(x): return {number}"), 1, 1))
    assert len(memo._held) == 64


def test_a_place_in_memory_that_another_object_took_is_not_taken_for_the_first():
    memo = new_memo()
    one, other = define("def f(x): return 1000"), define("def f(x): return 2000")
    memo.of(one)
    memo._known[id(other)] = memo._known[id(one)]
    assert memo.of(other) == fingerprint(other)


def test_a_later_watch_is_not_thrown_away_by_an_earlier_one():
    memo = new_memo()
    func = define("def g(x): return 1\ndef f(x): return g(x)")
    memo.of(func)
    old = func.__globals__["g"]
    func.__globals__["g"] = len
    found = memo.of(func)
    del old
    gc.collect()
    assert memo.of(func) is found
