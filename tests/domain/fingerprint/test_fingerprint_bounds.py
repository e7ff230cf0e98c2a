"""What is looked into, what is known by name, and what speaks for itself."""

from __future__ import annotations

import re
import sys
import threading
import types
from collections import OrderedDict

import numpy as np
import pytest
from domain.fingerprint.reading import define, fingerprint, new_memo


def test_an_object_speaks_for_itself_and_is_asked_each_time():
    said = iter("aab")
    func = define("def f(x): return x")
    func.__amorsize_fingerprint__ = lambda: next(said)
    memo = new_memo()
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
    assert new_memo({"acme": "2.0"}.get).of(func) == known
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


def test_what_is_looked_up_through_globals_is_noted():
    assert fingerprint(define("def f(x): return globals()[x]")).shallow == ("what it looks up through globals()",)


def test_what_a_weak_reference_refers_to_is_seen_as_long_as_it_is_there():
    source = "import weakref\nclass A: pass\na = A(); a.n = {0}\nR = weakref.ref(a)\ndef f(x): return R().n"
    found = {fingerprint(define(source.replace("{0}", number))).hex for number in "12"}
    func = define(source.replace("{0}", "1"))
    memo = new_memo()
    assert memo.of(func).hex in found
    del func.__globals__["a"]
    assert memo.of(func).hex == fingerprint(func).hex not in found
    assert len(found) == 2


def test_a_named_tuple_is_known_in_full():
    source = "import collections\nC = collections.namedtuple('C', 'a b')\nc = C(1, [{0}])\ndef f(x): return c.b"
    assert fingerprint(define(source.replace("{0}", "1"))).shallow == ()


@pytest.mark.parametrize(
    ("thing", "note"),
    [
        (iter([1]), "a list_iterator, known by its type only"),
        (np.zeros(3), "a numpy.ndarray, known by its type and shape only"),
        ([0] * 100, "a list of 100, known by its length only"),
        ({object()}, "a set of 1, known by its length only"),
        ({object(): 1}, "a dict of 1, known by its length only"),
        (frozenset(range(100)), "a frozenset of 100, known by its length only"),
        (np.frompyfunc(len, 1, 1), "a Python function inside a numpy ufunc"),
    ],
    ids=["iterator", "array", "list", "set", "dict", "frozenset", "ufunc"],
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


def test_an_object_of_many_attributes_counts_in_full():
    thing = define("class A:\n def __call__(s, x): pass\nf = A()")
    thing.__dict__.update({f"a{number:03}": number for number in range(100)})
    before = fingerprint(thing)
    assert before.shallow == ()
    thing.a099 = 0
    assert fingerprint(thing).hex != before.hex


def test_notes_are_few_and_short():
    names = [f"{'A' * 200}{number}" for number in range(50)]
    found = fingerprint(define(f"def f(x): return {', '.join(names)}", **{name: [0] * 99 for name in names}))
    assert len(found.shallow) == 4
    assert max(map(len, found.shallow)) <= 100
