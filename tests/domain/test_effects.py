"""What code changes outside itself is reported from its bytecode, and what of it runs when a callable is called."""

from __future__ import annotations

import ast
import functools
import inspect
import random
import sys
import types

import pytest

from amorsize.domain.effects import effects_of
from amorsize.domain.fingerprint.changing import Changes
from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.fingerprint.origins import Origins, own_package


def code_of(body, name="f"):
    """Return the code of a function with a body."""
    space: dict = {}
    exec(f"def outer():\n n = m = {{}}\n def {name}(self, x, y=None):\n  {body}\n  return n\n return {name}", space)
    return space["outer"]().__code__


@pytest.mark.parametrize(
    ("body", "assigned"),
    [
        ("self.a = x", {"first.a"}),
        ("self.a += x", {"first.a"}),
        ("self.a, self.b = x, 1", {"first.a", "first.b"}),
        ("del self.a", {"first.a"}),
        ("G.a = x", {"global.a"}),
        ("n.a = x", {"free.a"}),
        ("self.b.a -= 1", {"within.a"}),
        ("G.b.c.a = 1", {"attr.a"}),
        ("self.a = x if y else self.b", {"first.a"}),
        ("for self.a in x: pass", {"first.a"}),
        ("with self.lock: self.a = x", {"first.a"}),
        ("self.a = [y for y in x]", {"first.a"}),
        ("self.t[x].a = 1", {"within.a"}),
        ("x.a = 1", {"argument.a"}),
        ("x.b.a = 1", set()),
        ("z = self.b; z.a = 1", set()),
        ("x().a = 1", set()),
        ("y = self.a", set()),
    ],
)
def test_attributes_that_code_assigns_are_reported(body, assigned):
    assert {f"{origin[0]}.{name}" for origin, name in effects_of(code_of(body)).assigned} == assigned


@pytest.mark.parametrize(
    ("body", "filled"),
    [
        ("self.a[x] = 1", {"within.a"}),
        ("self.a[x, 1] = y or x", {"within.a"}),
        ("self.a[x + 1] += 1", {"within.a"}),
        ("self.a[1:x] = y", {"within.a"}),
        ("del self.a[x]", {"within.a"}),
        ("self[x] = 1", {"first."}),
        ("G[x] = 1", {"global.G"}),
        ("n[x] = 1", {"free.n"}),
        ("G[x][y] = 1", {"global.G"}),
        ("G[x].append(1)", {"global.G"}),
        ("self.a.append(x)", {"within.a"}),
        ("self.b.a.update(x=1)", {"within.a"}),
        ("self.a.setdefault(x, []).append(1)", {"within.a"}),
        ("if x not in self.a: self.a[x] = 1\n  y = self.a[x]", {"within.a"}),
        ("G[f(x)] = [y for y in x]", {"global.G"}),
        ("G[x] = lambda: 1", {"global.G"}),
        ("x[1] = 2", {"argument.x"}),
        ("x.append(1)", {"argument.x"}),
        ("G.a[x] = 1", {"attr.a"}),
        ("x.b[1] = 1", set()),
        ("z = {}; z[1] = self.a", set()),
        ("y = self.a[x]", set()),
        ("self.a.get(x)", set()),
        ("return self.a(x)[1]", set()),
    ],
)
def test_collections_that_code_changes_are_reported(body, filled):
    assert {".".join(origin) for origin in effects_of(code_of(body)).filled} == filled


@pytest.mark.parametrize(
    ("body", "replaced"),
    [
        ("G[x] = 1", {"global.G"}),
        ("del G[x]", {"global.G"}),
        ("G.pop()", {"global.G"}),
        ("self.a.update(x=1)", {"within.a"}),
        ("G.append(x)", set()),
        ("G[x].add(1)", set()),
    ],
)
def test_collections_that_code_only_adds_to_are_distinguished(body, replaced):
    assert {".".join(origin) for origin in effects_of(code_of(body)).replaced} == replaced


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ("G.fill(x)", {"global.G fill"}),
        ("n.fit(x)", {"free.n fit"}),
        ("self.a.seek(0)", {"first..a seek"}),
        ("G.a[x].fill(0)", {"global.G.a.[] fill"}),
        ("G().fit(x, y)", {"global.G.() fit"}),
        ("G()[x] = 1", {"global.G.() []"}),
        ("G().a.pop()", {"global.G.().a pop"}),
        ("G.copyto(n, x)", {"free.n copyto"}),
        ("copyto(self.a, x)", {"first..a copyto"}),
        ("G.pack_into('q', n, 0, x)", {"free.n pack_into"}),
        ("G.pack_into(n, 0, x)", {"free.n pack_into"}),
        ("with open(x) as file: file.readinto(n)", {"free.n readinto"}),
        ("x.readinto(n[1])", {"free.n.[] readinto"}),
        ("G.add(x, 1, out=n)", {"free.n out"}),
        ("G.add(x, out=n, where=y)", {"free.n out"}),
        ("G(x, out=G(y, 1, a=n))", {"global.G.() out"}),
        ("z = n; z[1] = x", {"free.n []"}),
        ("z = self.a; z.fill(x)", {"first..a fill"}),
        ("z = G(); w = z; w.fit(x)", {"global.G.() fit"}),
        ("z = n; z = {}; z[1] = x", set()),
        ("z = n[1:]; z[1] = x", set()),
        ("z, w = n; z[1] = w[1] = x", set()),
        ("z = G.a(x).b; z = [z]; z.pop()", set()),
        ("x.a.fill(0)", set()),
        ("z = x.a(); z[1] = 2", set()),
        ("G(x, out=[1], other=n); (n, x)", set()),
        ("G.add(x, 1, n)", set()),
    ],
)
def test_what_code_may_change_in_place_is_reported_by_the_way_to_it(body, changed):
    assert {f"{'.'.join(path)} {change}" for path, change in effects_of(code_of(body)).changed} == changed


def test_a_first_argument_that_inner_code_sees_is_still_the_first():
    space: dict = {}
    exec("def f(self, x):\n self.a = 1\n return lambda: self", space)
    assert effects_of(space["f"].__code__).assigned == {(("first", ""), "a")}


def test_code_of_a_class_body_and_long_code_are_followed():
    space: dict = {}
    names = "\n ".join(f"g{number} = G.a{number}" for number in range(400))
    exec(f"def f():\n class A:\n  G.n = 1\n  G.t[1] = 2\n {names}\n G.last = 1\n", space)
    effects = effects_of(space["f"].__code__)
    assert effects.assigned == {(("global", "G"), "last")}
    body = next(one for one in space["f"].__code__.co_consts if isinstance(one, types.CodeType))
    assert effects_of(body).assigned == {(("global", "G"), "n")}
    assert effects_of(body).filled == {("attr", "t")}
    assert effects_of(code_of("return self.a[x], G[y], n[1], x[0]")).asked == {
        ("within", "a"),
        ("global", "G"),
        ("free", "n"),
        ("argument", "x"),
    }


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


@pytest.mark.parametrize("module", [ast, functools, inspect, random, types])
def test_any_code_can_be_followed(module):
    for code in codes(compile(inspect.getsource(module), "<a module>", "exec")):
        assert effects_of(code)


def changes(source, **given):
    space = {"__name__": "a_script", **given}
    exec(source, space)
    return Changes(space["f"], Origins(own_package(space["f"]), Loaded(sys.modules, lambda _: ""))), space


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n def __call__(s, x): s.n = 1\nf = a = A()",
        "class A:\n def run(s, x): s.count()\n def count(s): s.n = 1\na = A()\nf = a.run",
        "class A:\n def count(s): s.n = 1\na = A()\ndef f(x): a.count()",
        "class A:\n def count(s): s.n = 1\na = A()\ndef g(a): a.count()\ndef f(x): g(a)",
        "class A:\n def count(s): s.n = 1\na = A()\ndef f(x, a=a): a.count()",
        "class A:\n def count(s): s.n = 1\na = A()\nf = (lambda a: lambda x: a.count())(a)",
        "class A:\n def count(s): s.n = 1\na = A()\nL = {'a': [a]}\ndef f(x): L['a'][0].count()",
        "class A:\n def count(s): s.n = 1\nclass B:\n def __call__(s, x): s.a.count()\nf = B(); a = f.a = A()",
        "class A:\n @property\n def m(s): s.n = 1\na = A()\ndef f(x): a.m",
        "class A:\n def __getitem__(s, x): s.n = 1\na = A()\ndef f(x): a[x]",
        "class B:\n def count(s): s.n = 1\nclass A(B): pass\na = A()\ndef f(x): a.count()",
        "import functools\nclass A:\n def count(s): s.n = 1\na = A()\nf = functools.partial(lambda a, x: a.count(), a)",
        "import functools\nclass A:\n def count(s): s.n = 1\na = A()\n@functools.cache\ndef f(x): a.count()",
        "class A: pass\na = A()\ndef f(x): a.n = 1",
        "class A:\n @staticmethod\n def count(s): a.n = 1\na = A()\ndef f(x): A.count(a); a.count(a)",
        "class A: pass\nclass B:\n def __call__(s, x): s.a.n = 1\nf = B(); a = f.a = A()",
    ],
)
def test_attributes_that_running_code_assigns_are_left_out(source):
    found, space = changes(source)
    assert found.leaves_out(type(space["a"]), "n", 1)
    assert not found.leaves_out(type(space["a"]), "m", 1)
    assert not found.leaves_out(type(space["a"]), "n", functools.partial(len))


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n def __init__(s): s.n = 1\n def __call__(s, x): pass\nf = a = A()",
        "class A:\n def __init__(s): s.load()\n def load(s): s.n = 1\n def __call__(s, x): pass\nf = a = A()",
        "class A:\n def set(s, n): s.n = n\n def __call__(s, x): pass\nf = a = A()",
        "class A: pass\na = A()\ndef g(): a.n = 1\ndef f(x): return a",
        "class A: pass\na = A()\ndef f(x): x.n = a",
        "class A:\n def __call__(s, x): return [y for y in x]\nf = a = A()",
        "class A: pass\na = A()\ndef f(x): x.a.n = a",
        "class A: pass\na = A()\ndef f(x, y=None): y.a.n = a",
    ],
)
def test_attributes_that_only_making_or_setting_assigns_stay(source):
    found, space = changes(source)
    assert not found.leaves_out(type(space["a"]), "n", 1)


@pytest.mark.parametrize(
    "source",
    [
        "T = {}\ndef f(x): T[x] = 1",
        "T = {}\ndef g(x): T.update(x)\ndef f(x): g(x)",
        "T = []\nf = (lambda t: lambda x: t.append(x))(T)",
        "class D(dict):\n def __missing__(s, k): s[k] = 1\nT = D()\ndef f(x): return T[x]",
        "import collections\nT = collections.defaultdict(int)\ndef f(x): return T[x]",
        "T = {}\ndef f(x, known=T): known[x] = 1",
        "T = {}\ndef f(x, *, known=T): known[x] = 1",
    ],
)
def test_collections_that_running_code_fills_are_known(source):
    found, space = changes(source)
    assert id(space["T"]) in found.objects


def test_a_counter_that_is_only_asked_is_not_filled():
    found, space = changes("import collections\nT = collections.Counter('aab')\ndef f(x): return T[x]")
    assert id(space["T"]) not in found.objects


def test_an_attribute_that_fills_itself_when_asked_is_left_out():
    source = "import collections\nclass A:\n def __init__(s): s.t = collections.defaultdict(int)\n"
    found, space = changes(source + " def __call__(s, x): return s.t[x]\nf = A()")
    assert found.leaves_out(space["A"], "t", space["f"].t)
    assert not found.leaves_out(space["A"], "t", {})


def test_a_table_of_ones_own_kind_that_is_filled_is_left_out():
    source = "import collections\nclass A:\n def __init__(s): s.t = collections.UserDict()\n"
    found, space = changes(source + " def __call__(s, x): s.t[x] = 1\nf = A()")
    assert found.leaves_out(space["A"], "t", space["f"].t)


def test_a_name_that_stands_for_nothing_yet_is_passed_over():
    found, _ = changes(
        "def make():\n def f(x): late[x] = 1; T[x] = 1; n[x] = 1\n if 0: late = 1\n n = {}\n return f\nf = make()"
    )
    assert len(found.objects) == 1


def test_what_is_gone_through_is_bounded():
    lines = "\n".join(f"def g{number}(x): g{number + 1}(x); T{number}[x] = 1" for number in range(2000))
    found, _ = changes(f"{lines}\ndef f(x): g0(x)", **{f"T{number}": {} for number in range(2000)})
    assert len(found.objects) <= 400
    methods = "\n".join(f" def m{number}(s): s.n{number} = s.m{number + 1}()" for number in range(2000))
    found, space = changes(f"class A:\n{methods}\na = A()\ndef f(x): a.m0()")
    assert not found.leaves_out(space["A"], "n1999", 1)


def test_a_large_table_and_an_object_of_many_attributes_are_not_gone_through():
    source = "class A:\n def count(s): s.n = 1\nclass B: pass\nb = B()\n"
    source += (
        "vars(b).update({f'a{k}': 0 for k in range(300)}, a=A())\nL = [A()] * 100\ndef f(x): b.a.count(), L[0].count()"
    )
    found, space = changes(source)
    assert not found.leaves_out(space["A"], "n", 1)


def test_loggers_and_locks_are_not_gone_through():
    source = "import logging\nlog = logging.getLogger('a')\ndef f(x): log.info(x)"
    found, space = changes(source)
    assert not found.leaves_out(type(space["log"]), "disabled", 1)


def test_of_installed_classes_what_a_method_calls_on_the_same_object_counts():
    found, _ = changes("import random\nr = random.Random()\ndef f(x): return r.gauss(0, 1)")
    assert found.leaves_out(random.Random, "gauss_next", 1.5)
    found, _ = changes("import random\nr = random.Random()\ndef f(x): return r.uniform(0, 1)")
    assert not found.leaves_out(random.Random, "gauss_next", 1.5)
