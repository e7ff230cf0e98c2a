"""What a fingerprint is, what it leaves out, and what it must never do."""

from __future__ import annotations

import functools
import re
import sys
import types

import numpy as np
import pytest
from domain.fingerprint.reading import Local, define, fingerprint, new_memo


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


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (len, "builtins.len"),
        ("abc".count, "builtins.str.count"),
        (str.upper, "builtins.str.upper"),
        (np.sin, "numpy.sin"),
        (functools.partial(functools.partial(len)), "builtins.len"),
        (Local, f"{Local.__module__}.Local"),
        (Local(), f"{Local.__module__}.Local"),
        (Local().run, f"{Local.__module__}.Local.run"),
        (Local.made, f"{Local.__module__}.Local.made"),
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
    "object": Hostile,
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
    memo = new_memo()

    def closed(x):
        return thing, x

    for func in (define("def f(x): return A", A=thing), closed, functools.partial(len, thing)):
        first = memo.of(func)
        assert memo.of(func).hex == first.hex == fingerprint(func).hex


def test_a_hostile_callable_is_harmless():
    thing = Hostile()
    memo = new_memo()
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


def test_compiled_objects_that_refuse_to_answer_are_harmless():
    view = memoryview(b"abc")
    view.release()
    assert fingerprint(define("def f(x): return A", A=view)).shallow == (
        "global A: a memoryview, known by its type only",
    )
    assert fingerprint(define("def f(x): return A", A=re.match("a", "a"))).hex


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
