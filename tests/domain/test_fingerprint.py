from __future__ import annotations

import functools
import gc
import re
import subprocess
import sys
import threading
import tracemalloc
import types
import weakref
from collections import OrderedDict, deque

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.encoding import constant, encode
from amorsize.domain.fingerprint import Fingerprint, Fingerprints, changes, fingerprint


def define(source, name="f", module="a_script", **given_names):
    """Run source as a module of its own and return what it calls name."""
    space = {"__name__": module, **given_names}
    exec(compile(source, "<somewhere>", "exec"), space)
    return space[name]


def changed(before, after):
    return changes(fingerprint(define(before)).outline, fingerprint(define(after)).outline)


# What it is.


def test_it_is_sixteen_hex_digits_and_a_name():
    found = fingerprint(define("def f(x): return x"))
    assert re.fullmatch("[0-9a-f]{16}", str(found))
    assert str(found) == found.hex
    assert found.name == "a_script.f"
    assert found.shallow == ()


@pytest.mark.parametrize("module", ["__main__", "__mp_main__"])
def test_a_script_and_its_spawned_workers_are_one_place(module):
    source = "class A: pass\ndef f(x): return A, __name__"
    found = fingerprint(define(source, module=module))
    assert found == fingerprint(define(source, module="__main__"))
    assert found.name == "__main__.f"


def test_a_long_name_is_cropped_and_stays_its_own():
    names = [fingerprint(define(f"def {'a' * 200}{end}(x): pass", "a" * 200 + end)).name for end in "bc"]
    assert [len(name) for name in names] == [120, 120]
    assert names[0] != names[1]


class Local:
    @classmethod
    def made(cls, x):
        return cls, x

    def run(self, x):
        return x

    def __call__(self, x):
        return x


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (len, "builtins.len"),
        ("abc".count, "builtins.str.count"),
        (str.upper, "builtins.str.upper"),
        (np.sin, "numpy.sin"),
        (functools.partial(functools.partial(len)), "builtins.len"),
        (Local, f"{__name__}.Local"),
        (Local(), f"{__name__}.Local"),
        (Local().run, f"{__name__}.Local.run"),
        (Local.made, f"{__name__}.Local.made"),
        (types.MethodType(len, []), "list.?"),
        (functools.lru_cache(define("def f(x): pass")), "a_script.f"),
        (define("f = lambda x: x"), "a_script.<lambda>"),
    ],
)
def test_every_callable_has_a_name(func, name):
    assert fingerprint(func).name == name


def test_a_function_of_no_module_has_a_name_too():
    func = define("def f(x): return x")
    del func.__globals__["__name__"]
    func.__module__ = None
    assert fingerprint(func).name == "builtins.f"
    assert fingerprint(func).hex == fingerprint(define("def f(x): return x")).hex


# What does not matter.


def test_running_tracing_and_profiling_change_nothing():
    func = define("def g(x): return x + 1\ndef f(x):\n return sum(g(y) for y in range(x)) * 1.5 if x else x")
    before = fingerprint(func)
    for _ in range(5000):
        func(3)
    assert fingerprint(func) == before
    was = sys.gettrace()
    sys.settrace(lambda *_: lambda *_: None)
    try:
        func(3)
        traced = fingerprint(func)
    finally:
        sys.settrace(was)
    assert traced == before


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
def test_monitoring_changes_nothing():
    func = define("def f(x):\n return [y + 1 for y in range(x)]")
    before = fingerprint(func)
    tool = sys.monitoring.PROFILER_ID
    sys.monitoring.use_tool_id(tool, "test")
    try:
        sys.monitoring.set_events(tool, sys.monitoring.events.LINE | sys.monitoring.events.CALL)
        func(3)
        assert fingerprint(func) == before
    finally:
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.free_tool_id(tool)


def test_a_class_body_is_read_without_its_place():
    source = "def f(x):\n class A:\n  __firstlineno__ = {0}\n  __qualname__ = 'a{0}'\n  n = 7\n return A"
    assert fingerprint(define(source.format(1001))).hex == fingerprint(define(source.format(1002))).hex


def test_a_class_body_keeps_a_constant_that_only_looks_like_its_place():
    source = "def f(x):\n class A:\n  __firstlineno__ = {0}\n  n = {0}\n return A"
    assert fingerprint(define(source.format(1001))).hex != fingerprint(define(source.format(1002))).hex


def test_a_class_body_too_long_for_short_arguments_is_read_in_full():
    many = "".join(f"  a{number} = {number + 5000}.5\n" for number in range(300))
    source = f"def f(x):\n class A:\n{many}  __qualname__ = '{{}}'\n  __doc__ = x\n return A"
    assert fingerprint(define(source.format("one"))).hex != fingerprint(define(source.format("two"))).hex


def test_long_code_finds_its_globals():
    names = [f"g{number}" for number in range(400)]
    source = f"def f(x): return {', '.join(names)}"
    one = define(source, **dict.fromkeys(names, 1))
    other = define(source, **{**dict.fromkeys(names, 1), "g399": 2})
    assert fingerprint(one).hex != fingerprint(other).hex


# Objects that bite.


class Hostile:
    def __init__(self):
        self.deep = {"a": self}

    def _bite(self, *_args):
        raise AssertionError("user code ran")

    __eq__ = __hash__ = __repr__ = __str__ = __len__ = __bool__ = __getattr__ = __getattribute__ = _bite
    __iter__ = __contains__ = __index__ = __int__ = __float__ = __format__ = __dir__ = __reduce__ = _bite


class HostileType(type):
    def _bite(cls, *_args):
        raise AssertionError("code of a metaclass ran")

    __eq__ = __hash__ = __repr__ = __getattribute__ = __subclasscheck__ = __instancecheck__ = __bool__ = _bite


class HostileList(list):
    __len__ = __iter__ = __getitem__ = __eq__ = __repr__ = __bool__ = Hostile._bite
    __hash__ = None


class HostileDict(dict):
    __len__ = __iter__ = __getitem__ = items = keys = values = get = __repr__ = __bool__ = Hostile._bite


class HostileInt(int):
    __index__ = __int__ = __eq__ = __hash__ = __repr__ = __pos__ = __bool__ = Hostile._bite


class HostileText(str):
    __slots__ = ()
    __len__ = __getitem__ = __eq__ = __hash__ = __repr__ = encode = __str__ = Hostile._bite


def hostile_class():
    return HostileType.__new__(HostileType, "HostileMade", (), {"__module__": __name__})


HOSTILE = {
    "object": lambda: Hostile(),
    "class": hostile_class,
    "its instance": lambda: object.__new__(hostile_class()),
    "list": lambda: HostileList([1, 2]),
    "dict": lambda: HostileDict(a=1),
    "int": lambda: HostileInt(3),
    "text": lambda: HostileText("abc"),
    "long text": lambda: HostileText("abc" * 50_000),
}


@pytest.mark.parametrize("which", HOSTILE)
def test_hostile_objects_are_harmless_wherever_they_are(which):
    thing = HOSTILE[which]()
    memo = Fingerprints()

    def closed(x):
        return thing, x

    for func in (define("def f(x): return A", A=thing), closed, functools.partial(len, thing)):
        first = memo.of(func)
        assert memo.of(func).hex == first.hex == fingerprint(func).hex


def test_a_hostile_callable_is_harmless():
    thing = Hostile()
    memo = Fingerprints()
    assert memo.of(thing) is memo.of(thing)
    assert memo.of(thing).name == f"{__name__}.Hostile"


def test_a_property_called_dict_does_not_run():
    source = "class A:\n @property\n def __dict__(self): raise AssertionError\n def __call__(self, x): pass\nf = A()"
    assert fingerprint(define(source)).shallow == ()


def test_things_that_contain_themselves_end():
    loop: list = []
    loop.append(loop)
    table: dict = {}
    table["self"] = table
    assert fingerprint(define("def f(x): return A, B", A=loop, B=table)).hex
    circle = functools.partial(len)
    circle.__setstate__((circle, (), {}, {}))
    assert fingerprint(circle).hex


def test_very_deep_things_end_and_are_noted():
    deep: object = 1
    nest: object = [len]
    func = define("def f(x): return x")
    for _ in range(5000):
        deep = (deep,)
        nest = [nest]
        func = functools.partial(func, 1)
        func.extra = 1  # an attribute keeps partials from being flattened
    assert fingerprint(define("def f(x): return A", A=deep)).shallow
    assert fingerprint(define("def f(x): return A", A=nest)).shallow
    assert "deep" in fingerprint(func).shallow[0]


def test_a_hundred_thousand_callees_are_read_up_to_a_bound():
    lines = [f"def g{number}(x): return g{number + 1}(x), h{number}(x)" for number in range(3000)]
    lines += [f"def h{number}(x): return {number}" for number in range(3000)]
    func = define("\n".join([*lines, f"def f(x): return {', '.join(f'g{n}' for n in range(3000))}"]))
    assert "400 parts" in fingerprint(func).shallow[0]


def test_wrappers_around_wrappers_end():
    func = define("def f(x): return x")
    for _ in range(3000):
        outer = define("def f(x): return x")
        outer.__wrapped__ = func
        func = outer
    assert fingerprint(func).shallow


def test_huge_constants_and_values_are_read():
    huge = "x" * 10_000_000
    assert (
        fingerprint(define(f"def f(x): return {huge!r}")).hex
        != fingerprint(define(f"def f(x): return {huge + 'y'!r}")).hex
    )
    found = fingerprint(define("def f(x): return A", A=huge))
    assert found.shallow == ("global A: a str of 10000000, known by its length and its ends only",)
    assert found.hex != fingerprint(define("def f(x): return A", A=huge[:-1] + "y")).hex


def test_code_made_by_hand_is_read():
    func = define("def f(x): return 'it'")
    for made in ([1], (1, [2]), (1,) * 3):
        consts = tuple(made if value == "it" else value for value in func.__code__.co_consts)
        assert fingerprint(types.FunctionType(func.__code__.replace(co_consts=consts), {})).hex
    bare = func.__code__.replace(co_consts=())
    assert fingerprint(types.FunctionType(bare, {})).hex


def test_odd_attributes_of_functions_and_keys_are_passed_over():
    func = define("class A:\n def __call__(s, x): pass\nf = A()")
    func.__dict__[3] = 4
    assert fingerprint(func).hex == fingerprint(define("class A:\n def __call__(s, x): pass\nf = A()")).hex
    cell = define("def f():\n def g(): return late\n if 0: late = 1\n return g", "f")()
    assert fingerprint(cell).hex


def test_attributes_that_are_not_set_are_passed_over():
    thing = define("class A:\n __slots__ = ('n', 'm')\n def __call__(s, x): return s.n\nf = A()")
    before = fingerprint(thing).hex
    thing.m = 1
    assert fingerprint(thing).hex != before


# Objects that speak.


def test_an_object_speaks_for_itself_and_is_asked_each_time():
    said = iter("aab")
    func = define("def f(x): return x")
    func.__amorsize_fingerprint__ = lambda: next(said)
    memo = Fingerprints()
    assert memo.of(func).hex == memo.of(func).hex != memo.of(func).hex


@pytest.mark.parametrize(
    "how", ["def __amorsize_fingerprint__(self)", "@staticmethod\n def __amorsize_fingerprint__()"]
)
def test_a_global_speaks_for_itself(how):
    source = f"class A:\n {how}: return VERSION\na = A()\ndef f(x): return a"
    one = fingerprint(define(source, VERSION="1"))
    assert one.hex != fingerprint(define(source, VERSION="2")).hex
    assert one.hex == fingerprint(define(source + "\nA.n = 1", VERSION="1")).hex


def test_an_object_that_has_nothing_to_say_is_read():
    source = "class A:\n __amorsize_fingerprint__ = None\n def __call__(s, x): return {}\nf = A()"
    assert fingerprint(define(source.format(1))).hex != fingerprint(define(source.format(2))).hex


def test_saying_anything_but_text_is_an_error_that_tells_where():
    func = define("def f(x): return x")
    func.__amorsize_fingerprint__ = lambda: 3
    with pytest.raises(
        TypeError, match=r"^__amorsize_fingerprint__\(\) of a_script.f must return str or bytes, got int$"
    ):
        fingerprint(func)


def test_what_an_object_raises_when_asked_comes_out():
    source = "class A:\n def __amorsize_fingerprint__(s): raise KeyError('a')\n def __call__(s, x): pass\nf = A()"
    with pytest.raises(KeyError):
        fingerprint(define(source))


# Packages.


@pytest.fixture
def package(monkeypatch):
    """Return a way to put a module into sys.modules until the test ends."""

    def put(name, source="", file=None, **given_names):
        module = types.ModuleType(name)
        if file is not None:
            module.__file__ = file
        module.__dict__.update(given_names)
        monkeypatch.setitem(sys.modules, name, module)
        exec(source, module.__dict__)
        return module

    return put


INSTALLED = "/usr/lib/python3/site-packages/acme/__init__.py"


def test_an_installed_package_is_known_by_its_version(package):
    found = set()
    for version, number in (("1.0", 1), ("1.0", 2), ("1.1", 1)):
        acme = package("acme", f"def g(x): return {number}", INSTALLED, __version__=version)
        by_module = fingerprint(define("def f(x): return acme.g(x)", acme=acme))
        by_name = fingerprint(define("def f(x): return g(x)", g=acme.g))
        assert by_module.shallow == by_name.shallow == ()
        found |= {by_module.hex, by_name.hex}
        assert ("global acme", f"acme {version}") in by_module.outline
    assert len(found) == 4


def test_a_package_under_development_is_looked_into_whatever_its_version(package):
    found = set()
    for number in (1, 2):
        acme = package("acme", f"def g(x): return {number}", "/home/me/acme/__init__.py", __version__="1.0")
        found.add(fingerprint(define("def f(x): return acme.g(x)", acme=acme)).hex)
        found.add(fingerprint(define("def f(x): return g(x)", g=acme.g)).hex)
    assert len(found) == 4


def test_a_version_that_is_not_stated_is_asked_for_and_else_noted(package):
    acme = package("acme", "def g(x): return 1", INSTALLED)
    func = define("def f(x): return g(x)", g=acme.g)
    assert fingerprint(func).shallow == ("calls g: the version of acme is not known",) or fingerprint(func).shallow == (
        "global g: the version of acme is not known",
    )
    known = fingerprint(func, {"acme": "2.0"}.get)
    assert known.shallow == ()
    assert Fingerprints({"acme": "2.0"}.get).of(func) == known
    assert known.hex != fingerprint(func, {"acme": "2.1"}.get).hex


def test_ones_own_package_is_followed_even_where_it_is_installed(package):
    found = set()
    for number in (1, 2):
        acme = package("acme", f"def h(x): return {number}\ndef f(x): return h(x)", INSTALLED, __version__="1.0")
        found.add(fingerprint(acme.f).hex)
    assert len(found) == 2


def test_bounds_are_not_noted_where_a_version_stands_for_the_rest(package):
    lines = [f"def g{number}(x): return g{number + 1}(x)" for number in range(20)]
    acme = package("acme", "\n".join(lines), INSTALLED, __version__="1.0")
    assert fingerprint(acme.g0).shallow == ()


def test_a_function_wrapped_by_a_library_is_seen_through_it(package):
    found = set()
    acme = package("acme", "def d(g, n=0):\n def w(x): return g(x)\n return w", INSTALLED, __version__="1.0")
    for number in (1, 2):
        inner = define(f"def g(x): return {number}", "g")
        found.add(fingerprint(define("def f(x): return g(x)", g=acme.d(inner))).hex)
    assert len(found) == 2
    empty = define("def f():\n def g(): return late\n if 0: late = 1\n return g", "f", "acme")()
    assert fingerprint(define("def f(x): return g(x)", g=empty)).shallow == ()


def test_modules_that_hold_each_other_end(package):
    one, other = package("one"), package("other")
    one.other, other.one, one.__file__ = other, one, None
    assert fingerprint(define("def f(x): return one.other.one.other.g", one=one)).hex


def test_a_module_inside_something_else_is_noted_if_it_is_ones_own(package):
    acme = package("acme")
    assert fingerprint(define("def f(x): return T", T=[acme])).shallow == (
        "global T: the module acme, held in another object",
    )
    assert fingerprint(define("def f(x): return T", T=[re])).shallow == ()


def test_what_is_imported_when_it_runs_is_noted_unless_python_brings_it():
    assert fingerprint(define("def f(x):\n import os.path\n return os")).shallow == ()
    assert fingerprint(define("def f(x):\n import numpy.linalg")).shallow == (
        "numpy.linalg, which is imported when it runs",
    )
    assert fingerprint(define("def f(x):\n from . import a")).shallow == (
        "its package, which is imported when it runs",
    )


def test_what_runs_through_exec_is_noted_unless_exec_is_ones_own():
    assert fingerprint(define("def f(x): return eval(x)")).shallow == ("what it runs through eval or exec",)
    assert fingerprint(define("def f(x): return eval(x)", eval=len)).shallow == ()


# What can only be known from outside.


@pytest.mark.parametrize(
    ("thing", "note"),
    [
        (deque([1]), "a collections.deque, known by its type only"),
        (np.zeros(3), "a numpy.ndarray, known by its type and shape only"),
        ([0] * 100, "a list of 100, known by its length only"),
        ({len}, "a set of 1, known by its length only"),
        ({len: 1}, "a dict of 1, known by its length only"),
        (frozenset(range(100)), "a frozenset of 100, known by its length only"),
        (np.frompyfunc(len, 1, 1), "a Python function inside a numpy ufunc"),
    ],
    ids=["deque", "array", "list", "set", "dict", "frozenset", "ufunc"],
)
def test_what_is_known_from_outside_only_is_noted(thing, note):
    found = fingerprint(define("def f(x): return A", A=thing))
    assert [words.partition(": ")[2] for words in found.shallow] == [note]


@pytest.mark.parametrize(
    "thing",
    [threading.Lock(), np.sin, [], OrderedDict(a=1), bytearray(b"abc"), re.compile("a"), [len], (len, 1), {"a", "b"}],
    ids=["lock", "ufunc", "empty", "ordered", "bytes", "pattern", "functions", "tuple", "set"],
)
def test_what_is_known_well_enough_is_not_noted(thing):
    assert fingerprint(define("def f(x): return A", A=thing)).shallow == ()


def test_an_object_of_very_many_attributes_counts_in_part():
    thing = define("class A:\n def __call__(s, x): pass\nf = A()")
    thing.__dict__.update({f"a{number:03}": number for number in range(100)})
    assert fingerprint(thing).shallow == ("a a_script.A of 100 attributes, of which 32 count",)


def test_notes_are_few_and_short():
    names = [f"{'A' * 200}{number}" for number in range(50)]
    found = fingerprint(define(f"def f(x): return {', '.join(names)}", **{name: [0] * 99 for name in names}))
    assert len(found.shallow) == 4
    assert max(map(len, found.shallow)) <= 100


# The memo.


def test_a_repeat_is_the_very_same_object():
    memo = Fingerprints()
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
    memo = Fingerprints()
    before = memo.of(func)
    assert memo.of(func) is before
    REBINDINGS[what](func.__globals__)
    after = memo.of(func)
    assert after.hex != before.hex
    assert after == fingerprint(func)
    assert memo.of(func) is after


def test_the_memo_sees_an_object_replaced_at_the_same_place():
    func = define("class A: pass\ndef f(x): return a")
    memo = Fingerprints()
    space = func.__globals__
    for number in range(50):
        space["a"] = space["A"]()
        space["a"].n = number
        assert memo.of(func) == fingerprint(func)


def test_what_the_function_counts_in_does_not_wear_the_memo_out():
    func = define(
        "N = 1000\ndef make(n):\n def f(x):\n  global N\n  nonlocal n\n  N += 1; n += 1\n return f\nf = make(1000)"
    )
    memo = Fingerprints()
    before = memo.of(func)
    func(1)
    assert memo.of(func) is before
    assert fingerprint(func) == before


def test_a_dict_that_changes_while_it_is_compared_only_costs_the_memo():
    func = define("T = {'a': 1}\ndef f(x): return T")
    memo = Fingerprints()
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
    memo = Fingerprints()
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
    memo = Fingerprints()
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

    memo = Fingerprints()
    func = make()
    watched = weakref.ref(func)
    memo.of(func)
    del func
    gc.collect()
    assert watched() is None
    assert len(memo._known) == 0


def test_a_hundred_thousand_short_lived_functions_leave_no_memory_behind():
    memo = Fingerprints()

    def make(n):
        return lambda x: x + n

    def run(count):
        for number in range(count):
            memo.of(make(number))

    run(2000)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    run(98_000)
    assert len(memo._known) == 0
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    run(5000)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000


def test_long_lived_functions_and_things_without_weak_references_are_held_within_bounds():
    memo = Fingerprints()
    funcs = [define(f"def f(x): return {number}") for number in range(10)] * 1000
    kept = [functools.partial(func, 1) for func in funcs]
    for func in kept:
        memo.of(func)
    assert len(memo._known) <= 4096
    for number in range(200):
        memo.of(np.frompyfunc(define(f"def f(x): return {number}"), 1, 1))
    assert len(memo._held) == 64


def test_a_later_watch_is_not_thrown_away_by_an_earlier_one():
    memo = Fingerprints()
    func = define("def g(x): return 1\ndef f(x): return g(x)")
    memo.of(func)
    old = func.__globals__["g"]
    func.__globals__["g"] = len
    found = memo.of(func)
    del old
    gc.collect()
    assert memo.of(func) is found


# Outlines and words.


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


def test_constants_that_come_and_go_are_told_apart_from_those_that_move():
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


# The encoding.


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.just(...)
    | st.builds(range, st.integers()),
    lambda inner: st.tuples(inner, inner) | st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=8,
)


def _same(one, other):
    if type(one) is not type(other):
        return False
    if type(one) is tuple:
        return len(one) == len(other) and all(map(_same, one, other))
    if type(one) is frozenset:
        return sorted(map(constant, one)) == sorted(map(constant, other))
    if type(one) in (float, complex):
        return repr(one) == repr(other)
    if type(one) is range:
        return (one.start, one.stop, one.step) == (other.start, other.stop, other.step)
    return one == other


@given(plain, plain)
def test_plain_values_share_an_encoding_exactly_if_they_are_the_same(one, other):
    assert (constant(one) == constant(other)) == _same(one, other)


@given(plain)
def test_what_is_small_is_encoded_as_a_constant_is(value):
    assert encode(value) in {None, constant(value)}


def test_two_nans_of_different_bits_differ():
    import struct  # noqa: PLC0415  one test's tool

    quiet, other = (struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in (0x7FF8 << 48, (0x7FF8 << 48) + 1))
    assert constant(quiet) != constant(other)


@attrs.frozen
class Point:
    x: int


def test_values_of_other_types_have_no_encoding():
    for value in ([], {}, Point(1), (Point(1),), ((1, [2]),), HostileInt(3), range):
        assert encode(value) is None
        assert constant(value) is None
    assert constant(slice(1, None)) != constant(slice(1, 2))


def test_reading_imports_nothing_that_a_hit_does_without():
    code = (
        "import sys; before = set(sys.modules); import amorsize.domain.fingerprint as m; m.fingerprint(m.fingerprint);"
        "print({'importlib.metadata', 'cattrs', 'pickle', 'multiprocessing', 'psutil'} & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
