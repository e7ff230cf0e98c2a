"""Whatever a fresh fingerprint sees, the one that is remembered sees too, and no call ever reads without bound."""

from __future__ import annotations

import argparse
import collections
import configparser
import contextvars
import enum
import functools
import os
import queue
import sys
import types
import warnings
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from domain.fingerprint.reading import define, fingerprint, loaded, new_memo
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.domain.fingerprint.reader import read
from amorsize.domain.fingerprint.reading import MOST_ELEMENTS

SOURCE = """
import functools
class Base:
    level = 1
    def go(self, x): return self.level
class Child(Base): pass
class Slotted:
    __slots__ = ("n", "m", "__weakref__")
class Table(dict):
    def __missing__(self, key): return 0
def g(x, n=1): return x + n + g.n
@functools.singledispatch
def d(x): return 0
def make(n):
    def inner(x): return n
    return inner
c = make([1])
def f(x, table=None):
    a = child.go(x), base.level, slots.n, slots.m, d(x), g(x), c(x), helpers.N, helpers.late, spaces.n, spaces.late
    b = short, long, empty, filled, none, seen, queue, numbers, buffer, view, pairs, arguments, options, table_, args
    return a, b, late
"""


def world():
    """Return a function with one of everything around it."""
    helpers = types.ModuleType("a_module")
    helpers.N = 1
    config = configparser.ConfigParser()
    config.read_string("[a]\nn = 1\n")
    func = define(
        SOURCE,
        helpers=helpers,
        spaces=types.SimpleNamespace(n=1),
        short=[1, 2],
        long=list(range(100)),
        empty=[],
        filled={"a": [1]},
        none={},
        seen={1, 2},
        queue=collections.deque([1]),
        numbers=array("d", [1.0]),
        buffer=bytearray(b"ab"),
        pairs=[({"a": 1}, [2])],
        options=config,
        arguments=argparse.Namespace(sizes=[1], deep=types.SimpleNamespace(n=[1])),
        args=np.zeros(4),
    )
    space = func.__globals__
    space["child"], space["base"] = space["Child"](), space["Base"]()
    space["slots"] = space["Slotted"]()
    space["slots"].n = 1
    space["table_"] = space["Table"](a=1)
    space["view"] = types.MappingProxyType(space["filled"])
    return func, space


def setting(name, attribute, value):
    return lambda space: setattr(space[name], attribute, value)


def reshape(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        values.shape = (2, 2) if values.ndim == 1 else (4,)


CHANGES = {
    "an attribute over a class's default": setting("child", "level", 7),
    "an attribute over a default of the same class": setting("base", "level", 7),
    "a member over an inherited one": lambda space: setattr(space["Child"], "level", 7),
    "a method over an inherited one": lambda space: setattr(space["Child"], "go", lambda self, x: 7),
    "a special method": lambda space: setattr(space["Child"], "__getattr__", lambda self, name: 7),
    "a member that is gone": lambda space: delattr(space["Base"], "level") if "level" in vars(space["Base"]) else None,
    "another base": lambda space: setattr(
        space["Child"], "__bases__", (type("Other", (space["Base"],), {"level": 9, "__module__": "a_script"}),)
    ),
    "another class": lambda space: setattr(space["base"], "__class__", space["Child"]),
    "a slot that was empty": setting("slots", "m", 1),
    "a slot": setting("slots", "n", 2),
    "an element": lambda space: space["short"].__setitem__(0, 9),
    "a list that grows": lambda space: space["short"].append(3),
    "a list that grows long": lambda space: space["short"].extend(range(100)),
    "a long list that grows": lambda space: space["long"].extend(range(3000)),
    "a long list that gets short": lambda space: space["long"].__delitem__(slice(2, None)),
    "an empty list that is filled": lambda space: space["empty"].append(1),
    "an empty dict that is filled": lambda space: space["none"].update(n=1),
    "a dict that is emptied": lambda space: space["filled"].clear(),
    "a list in a dict": lambda space: space["filled"].setdefault("a", []).append(2),
    "a key": lambda space: space["filled"].update({("b", 2): 1}),
    "a set": lambda space: space["seen"].add(9),
    "a deque": lambda space: space["queue"].append(9),
    "an array's number": lambda space: space["numbers"].__setitem__(0, 9.0) if space["numbers"] else None,
    "an array that grows": lambda space: space["numbers"].extend([1.0] * 20_000),
    "a bytearray": lambda space: space["buffer"].extend(b"c"),
    "a long bytearray": lambda space: space["buffer"].extend(bytes(100_000)),
    "a dict in a tuple in a list": lambda space: space["pairs"][0][0].update(a=space["pairs"][0][0]["a"] + 1),
    "a dict of one's own class": lambda space: space["table_"].update(b=1),
    "what such a dict does": lambda space: setattr(space["Table"], "__missing__", lambda self, key: 1),
    "an attribute of such a dict": setting("table_", "extra", 1),
    "a namespace": setting("spaces", "n", 2),
    "a name that is new in a namespace": setting("spaces", "late", 2),
    "a list of a program's arguments": lambda space: space["arguments"].sizes.append(1),
    "what lies deep in arguments": lambda space: space["arguments"].deep.n.append(1),
    "an option": lambda space: space["options"].set("a", "n", str(len(space["options"].get("a", "n")) + 1) * 2),
    "an option that is new": lambda space: space["options"].set("a", "m", "1"),
    "what a cell holds": lambda space: space["c"].__closure__[0].cell_contents.append(1),
    "a module's name that was not there": setting("helpers", "late", 1),
    "a global that was not there": lambda space: space.update(late=2),
    "a default": lambda space: setattr(space["g"], "__defaults__", (2,)),
    "an attribute of a function": lambda space: setattr(space["g"], "n", 1),
    "an end of a long list": lambda space: space["long"].__setitem__(-1, "x" * 300),
    "what a function wraps": lambda space: setattr(space["g"], "__wrapped__", space["f"]),
    "what a function says of itself": lambda space: setattr(space["g"], "__amorsize_fingerprint__", lambda: "2"),
    "another implementation": lambda space: space["d"].register(int)(lambda x: 1),
    "one more implementation": lambda space: space["d"].register(str)(lambda x: 1),
    "an array's shape": lambda space: reshape(space["args"]),
    "nothing": lambda space: None,
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_that_a_fresh_fingerprint_sees_is_seen(what):
    func, space = world()
    memo = new_memo()
    before = memo.of(func)
    assert before == fingerprint(func)
    CHANGES[what](space)
    after = fingerprint(func)
    assert (after.hex != before.hex) == (what != "nothing")
    assert memo.of(func).hex == after.hex


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=12))
def test_no_run_of_changes_leaves_the_memo_behind(changes):
    func, space = world()
    memo = new_memo()
    for what in changes:
        memo.of(func)
        CHANGES[what](space)
        assert memo.of(func).hex == fingerprint(func).hex


def test_an_environment_variable_that_is_set_later_is_seen(monkeypatch):
    monkeypatch.delenv("AMORSIZE_N", raising=False)
    func = define("import os\ndef f(x): return os.environ.get('AMORSIZE_N')")
    memo = new_memo()
    found = {memo.of(func).hex}
    for value in ("1", "2"):
        monkeypatch.setenv("AMORSIZE_N", value)
        assert memo.of(func).hex == fingerprint(func).hex
        found.add(memo.of(func).hex)
    assert len(found) == 3
    monkeypatch.setenv("AMORSIZE_OTHER", "1")
    assert memo.of(func) is memo.of(func)


def test_variables_in_a_table_that_stands_for_the_environment_are_seen(monkeypatch):
    func = define("import os\ndef f(x): return os.getenv('AMORSIZE_N')")
    found = set()
    for value in ("1", "2"):
        monkeypatch.setattr(os, "environ", {"AMORSIZE_N": value})
        found.add(fingerprint(func).hex)
    assert len(found) == 2


@pytest.mark.parametrize("column", ["DataFrame", "Series"])
def test_a_frame_is_known_by_its_shape_as_long_as_it_keeps_it(package, column):
    library = package(
        "pandas", f"class {column}:\n def __init__(s, rows): s.rows = rows\n shape = property(lambda s: (s.rows,))"
    )
    func = define("def f(x): return D", D=getattr(library, column)(3))
    memo = new_memo()
    before = memo.of(func)
    assert before.shallow == (f"global D: a pandas.{column}, known by its type and shape only",)
    assert memo.of(func) is before
    func.__globals__["D"].rows = 4
    assert memo.of(func).hex == fingerprint(func).hex != before.hex


def test_an_object_of_many_attributes_is_known_by_their_number():
    thing = types.SimpleNamespace(**{f"a{number}": number for number in range(300)})
    func = define("def f(x): return N", N=thing)
    memo = new_memo()
    before = memo.of(func)
    assert before.shallow == ("global N: a types.SimpleNamespace of 300 attributes, known by their number only",)
    vars(thing).update({f"b{number}": number for number in range(300)})
    assert memo.of(func).hex == fingerprint(func).hex != before.hex


def test_a_property_of_a_class_is_watched():
    func = define("class A:\n @property\n def n(s): return 1\na = A()\ndef f(x): return a.n")
    memo = new_memo()
    before = memo.of(func)
    func.__globals__["A"].n = property(lambda s: 2)
    assert memo.of(func).hex == fingerprint(func).hex != before.hex


def test_a_module_inside_an_object_of_an_installed_class_is_noted():
    thing = types.SimpleNamespace(module=types.ModuleType("acme"))
    assert fingerprint(define("def f(x): return N", N=thing)).shallow == (
        "global N: the module acme, held in another object",
    )
    table = collections.UserDict()
    table.home = types.ModuleType("acme")
    assert fingerprint(define("def f(x): return N", N=table)).shallow == (
        "global N: a UserDict, known in part, not by its home",
    )


def test_a_context_variable_that_is_set_later_is_seen():
    variable = contextvars.ContextVar("variable")
    func = define("def f(x): return V.get()", V=variable)
    memo = new_memo()
    found = {memo.of(func).hex}
    variable.set(1)
    found.add(memo.of(func).hex)
    assert len(found) == 2
    assert memo.of(func).hex == fingerprint(func).hex


COUNTERS = {
    "calls": "class A:\n def __init__(s): s.n = 0; s.k = 1\n def __call__(s, x): s.n += 1; return s.k\nf = A()",
    "known": "class A:\n def __init__(s): s.n = {}; s.k = 1\n def __call__(s, x): s.n[x] = x; return s.k\nf = A()",
}


@pytest.mark.parametrize("which", COUNTERS)
def test_what_a_callable_counts_in_is_left_out_said_and_costs_no_reading(which):
    func = define(COUNTERS[which])
    memo = new_memo()
    before = memo.of(func)
    assert before.shallow == ("n, which its own code changes, is left out",)
    for number in range(100):
        func(number)
    assert memo.of(func) is before
    assert fingerprint(func).hex == before.hex
    func.k = 2
    assert memo.of(func).hex == fingerprint(func).hex != before.hex


def test_a_global_that_is_filled_is_left_out_and_said():
    func = define("T = {}\nN = 0\ndef f(x):\n global N\n N += 1\n T[x] = x")
    assert set(fingerprint(func).shallow) == {
        "global T: a dict, which its own code changes, known by its type only",
        "global N, which its own code changes, is left out",
    }


@pytest.fixture
def package(monkeypatch):
    """Return a way to put an installed module into sys.modules until the test ends."""

    def put(name, source):
        module = types.ModuleType(name)
        module.__file__ = f"/usr/lib/python3/site-packages/{name}/__init__.py"
        module.__version__ = "1.0"
        monkeypatch.setitem(sys.modules, name, module)
        exec(source, module.__dict__)
        return module

    return put


class Deep:
    def __init__(self, inside):
        self.inside = inside


def nested(kind, width, depth, leaf):
    """Return collections in collections: so many in each, so deep, all of them objects of their own."""
    if not depth:
        return leaf()
    inner = (nested(kind, width, depth - 1, leaf) for _ in range(width))
    return dict(enumerate(inner)) if kind is dict else kind(inner)


def chain(make, count):
    thing = 1
    for _ in range(count):
        thing = make(thing)
    return thing


class Many(enum.Enum):
    A = 1


HUGE = {
    "tuples": lambda: nested(tuple, 60, 3, lambda: 1),
    "small tuples": lambda: nested(tuple, 30, 3, lambda: 1),
    "tuples of tuples of functions": lambda: nested(tuple, 30, 3, lambda: len),
    "documents": lambda: nested(tuple, 60, 2, lambda: "x" * 60_000),
    "documents in lists": lambda: nested(list, 30, 2, lambda: "x" * 60_000),
    "dicts": lambda: nested(dict, 30, 3, lambda: 1),
    "lists of sets": lambda: nested(list, 30, 2, lambda: set(range(30))),
    "lists of frozensets": lambda: nested(list, 30, 2, lambda: frozenset(range(30))),
    "lists of byte arrays": lambda: nested(list, 30, 2, lambda: bytearray(60_000)),
    "keys that are tuples": lambda: dict.fromkeys((("x" * 1000,) * 30, number) for number in range(30)),
    "objects": lambda: nested(list, 30, 2, lambda: Deep(1)),
    "objects of many attributes": lambda: nested(
        list, 30, 1, lambda: types.SimpleNamespace(**{f"a{n}": n for n in range(999)})
    ),
    "namespaces": lambda: chain(lambda inside: types.SimpleNamespace(a=inside, b=[inside, inside]), 300),
    "a chain of objects": lambda: chain(Deep, 3000),
    "a chain of lists": lambda: chain(lambda inside: [inside], 3000),
    "a chain of dicts": lambda: chain(lambda inside: {"a": inside}, 3000),
    "a chain of partials in tuples": lambda: chain(lambda inside: (functools.partial(print, inside),), 3000),
    "a long list": lambda: list(range(1_000_000)),
    "a long int": lambda: 1 << 10_000_000,
    "a long text": lambda: "x" * 50_000_000,
    "a wide object": lambda: types.SimpleNamespace(**{f"a{number}": number for number in range(100_000)}),
    "an array of objects": lambda: np.empty(1_000_000, object),
}


_READ_WHOLE = {"a chain of objects", "objects", "keys that are tuples"}


def work_of(func):
    """Return how many Python calls reading a function takes, the bytes it encodes and the identities it watches."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        reading = read(func, loaded())
    finally:
        sys.setprofile(None)
    watched = sum(len(look(thing)) for thing, look in reading.looks)
    return calls, sum(map(len, reading.out)), watched, reading


@pytest.mark.parametrize("what", HUGE)
@pytest.mark.parametrize("many", [1, 20])
def test_no_value_takes_more_work_than_a_bound(what, many):
    thing = HUGE[what]()
    names = [f"A{number}" for number in range(many)]
    func = define(f"def f(x): return {', '.join(names)}", **dict.fromkeys(names[1:], thing), A0=thing)
    calls, size, watched, reading = work_of(func)
    assert reading.budget >= 0
    assert calls < 120_000
    assert size < 1 << 20
    assert watched < 4 * MOST_ELEMENTS
    assert reading.origins.notes or what in _READ_WHOLE


def test_a_large_first_global_leaves_a_budget_for_the_next():
    source = "def f(x): return A, B"
    huge = nested(dict, 30, 3, lambda: 1)
    found = {fingerprint(define(source, A=huge, B={"n": number})).hex for number in (1, 2)}
    assert len(found) == 2


def test_code_is_read_however_much_data_comes_before_it():
    source = "A = {n: {m: {k: 1 for k in range(30)} for m in range(30)} for n in range(30)}\n"
    source += "def g(x): return {0}\ndef f(x): return A, g(x)"
    assert fingerprint(define(source.replace("{0}", "1"))).hex != fingerprint(define(source.replace("{0}", "2"))).hex


def test_variables_whose_names_do_not_stand_in_the_code_are_noted():
    assert fingerprint(define("import os\ndef f(x): return os.environ[x]")).shallow == (
        "os.environ, whose names do not stand in the code",
    )
    assert fingerprint(define("import os\ndef f(x): return os.environ[x + 'AMORSIZE_']")).shallow
    assert fingerprint(define("import os\ndef f(x): return os.environ.get('AMORSIZE_N')")).shallow == ()
    assert fingerprint(define("def f(x): return x.environ['wsgi.input']")).shallow != ()
    assert fingerprint(define("def f(x): return E", E=os.environ)).shallow != ()


def test_what_is_skipped_of_an_installed_object_is_noted():
    with ThreadPoolExecutor(1) as pool:
        found = fingerprint(define("def f(x): return pool.submit(x)", pool=pool))
    assert found.shallow == ("global pool: a ThreadPoolExecutor, known in part, not by its _work_queue",)


def test_an_object_inside_one_of_an_installed_class_is_known_by_what_it_was_made_of():
    def holding(size):
        return types.SimpleNamespace(queue=queue.Queue(size))

    func = define("def f(x): return N.queue", N=holding(3))
    before = fingerprint(func).hex
    func.__globals__["N"].queue.put(1)
    assert fingerprint(func).hex == before
    assert fingerprint(define("def f(x): return N.queue", N=holding(4))).hex != before


def test_what_an_object_of_an_installed_class_keeps_for_later_is_passed_over():
    def table(**held):
        made = collections.UserDict(a=1)
        vars(made).update(held)
        return fingerprint(define("def f(x): return T", T=made))

    plain = table()
    assert table(_cache=[1]).hex == table(_cache=None).hex == table(_CacheSize=3).hex == plain.hex
    assert table(_cache=[1]).shallow == ()
    assert table(depth=1).hex != plain.hex
    assert table(made_at=1.7e9).hex == table(score_=0.5).hex == plain.hex


def test_a_variable_that_inner_code_names_is_seen(monkeypatch):
    func = define("import os\ndef f(x): return [(lambda: os.environ['AMORSIZE_N'])() for _ in x]")
    found = set()
    for value in ("1", "2"):
        monkeypatch.setenv("AMORSIZE_N", value)
        found.add(fingerprint(func).hex)
    assert len(found) == 2


def test_a_path_of_ones_own_class_is_its_text_and_its_class():
    source = (
        "import pathlib\nclass P(type(pathlib.Path())):\n def go(s): return {0}\np = P('{1}')\ndef f(x): return p.go()"
    )
    found = {fingerprint(define(source.replace("{0}", n).replace("{1}", p))).hex for n in "12" for p in "ab"}
    assert len(found) == 4


def test_dates_in_a_zone_of_ones_own_run_none_of_its_code():
    source = (
        "import datetime\nclass Z(datetime.tzinfo):\n def utcoffset(s, d): raise AssertionError\n"
        " __repr__ = utcoffset\nD = datetime.datetime(2026, 1, {0}, tzinfo=Z())\ndef f(x): return D"
    )
    assert len({fingerprint(define(source.replace("{0}", day))).hex for day in "12"}) == 2


def test_a_script_under_a_path_is_read_alike_however_the_path_was_made():
    for one, other in ((Path("a") / "b", Path("a/b")), (Path("/a"), Path("/") / "a"), (Path(), Path())):
        assert len({fingerprint(define("def f(x): return P", P=path)).hex for path in (one, other)}) == 1
