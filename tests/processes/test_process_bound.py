"""What ties items to one process is found wherever a function reads it; what processes can share is not."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextvars
import csv
import dataclasses
import functools
import importlib
import io
import logging
import mmap
import queue
import random
import socket
import sqlite3
import sys
import threading
import types
import weakref
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.own_code import Own
from amorsize.processes import process_bound
from amorsize.processes.process_bound import find_process_bound, has_other_threads, is_installed

OWN = random.Random(1)
NUMPY = np.random.default_rng(1)
OLD = np.random.RandomState(1)
SYSTEM = random.SystemRandom()


class Holder:
    def __init__(self, generator):
        self.generator = generator

    def draw(self, item):
        return self.generator

    def __call__(self, item):
        return self.generator


class Reading:
    def draw(self):
        return OWN.random()


def calling(held):
    return lambda item: held.draw()


def closing(generator):
    return lambda item: generator


def with_default(item, generator=OWN):
    return generator


def nested(item):
    return [draw() for draw in [lambda: NUMPY.random()]]  # noqa: PLW0108


READING = {
    "a global": lambda item: OWN.random(),
    "a global of numpy": lambda item: NUMPY.random(),
    "an old one of numpy": lambda item: OLD.rand(),
    "a closure": closing(NUMPY),
    "a default": with_default,
    "a bound argument": partial(lambda generator, item: item, OWN),
    "a bound keyword": partial(lambda item, generator: item, generator=OLD),
    "a method": Holder(NUMPY).draw,
    "a method of an object in a closure": calling(Reading()),
    "an object that is called": Holder(OWN),
    "a method of a generator": partial(Holder(NUMPY).draw),
    "a function inside": nested,
    "a function of the module": lambda item: nested(item),  # noqa: PLW0108  it is the name that counts
}


@pytest.mark.parametrize("name", sorted(READING))
def test_a_generator_of_ones_own_is_found(name):
    assert find_process_bound(READING[name])[1] == "generator"


@pytest.mark.parametrize(
    "func",
    [
        abs,
        random.gauss,
        random.random,
        np.random.rand,
        lambda item: random.random(),
        lambda item: np.random.rand(),  # noqa: NPY002
        lambda item: SYSTEM.random(),
        Holder(3),
        closing(4),
        int,
    ],
)
def test_shared_generators_and_none_are_not(func):
    assert find_process_bound(func) is None


def test_a_bound_method_of_a_generator_is_found():
    assert find_process_bound(lambda item: OWN.random()) == ("OWN", "generator")
    for bound in (OWN.gauss, OWN.random, NUMPY.normal, OLD.rand, partial(OWN.gauss, 0)):
        assert find_process_bound(bound)[1] == "generator"


@pytest.mark.parametrize("cache", [functools.cache, functools.lru_cache(maxsize=2)])
def test_a_generator_that_a_cached_function_has_made_is_found(cache):
    @cache
    def generator(name):
        return random.Random(name)

    def draws(item):
        return generator("a").random() + item

    assert find_process_bound(draws) is None
    generator("a")
    assert find_process_bound(draws) == ("generator", "generator")


def test_of_very_many_layers_the_outer_ones_are_looked_at():
    deep = abs
    for _ in range(9):
        deep = functools.lru_cache(functools.partial(deep))
    assert find_process_bound(lambda item: deep(item)) is None  # noqa: PLW0108  it is the closure that counts


def test_a_generator_of_this_thread_is_found():
    held = threading.local()

    def draws(item):
        return held.generator.random() + item

    assert find_process_bound(draws) is None
    held.generator = random.Random(1)
    assert find_process_bound(draws) == ("held", "generator")


def test_an_open_file_and_what_holds_one_are_found(tmp_path):
    with (tmp_path / "file").open("w", encoding="utf-8") as file:
        for held in (file, Holder(file), csv.writer(file), csv.DictWriter(file, ["a"])):
            assert find_process_bound(closing(held))[1] in {"open file", "connection"}
    assert find_process_bound(closing(file)) is None
    for shared in (sys.__stdout__, sys.__stderr__, io.StringIO(), io.BytesIO(), sys):
        assert find_process_bound(closing(shared)) is None


def test_standard_input_is_found_whatever_it_is_called(monkeypatch):
    assert find_process_bound(lambda _: input()) == ("input()", "standard input")
    with io.StringIO() as replaced:
        monkeypatch.setattr(sys, "stdin", replaced)
        assert find_process_bound(closing(replaced))[1] == "standard input"
        assert find_process_bound(closing(Holder(replaced)))[1] == "standard input"


def asks(item):
    return input(item)


def calls_one_that_asks(item):
    return [asks(each) for each in item]


def reads_lines(_):
    return sys.stdin.readline()


def reads_lines_of_its_own_import(_):
    from sys import stdin  # noqa: PLC0415  that is what is tested

    return next(stdin)


def stops(item):
    breakpoint()  # noqa: T100  it never runs
    return item


class Asking:
    def __call__(self, item):
        return input(item)

    def ask(self, item):
        return input(item)


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (asks, "input()"),
        (calls_one_that_asks, "input()"),
        (partial(asks), "input()"),
        (lambda _: input(), "input()"),
        (Asking(), "input()"),
        (Asking().ask, "input()"),
        (reads_lines, "sys.stdin"),
        (reads_lines_of_its_own_import, "sys.stdin"),
        (stops, "breakpoint()"),
    ],
)
def test_a_function_that_reads_standard_input_is_recognized(func, name):
    assert find_process_bound(func) == (name, "standard input")


def uses_attributes_of_these_names(item):
    item.process.stdin.write(item.layer.input)
    return item.breakpoint


def has_a_variable_of_that_name(item):
    for input in item:  # noqa: A001  that is what is tested
        item += input
    return item


@pytest.mark.parametrize("func", [uses_attributes_of_these_names, has_a_variable_of_that_name])
def test_attributes_and_variables_of_these_names_are_no_standard_input(func):
    assert find_process_bound(func) is None


def test_a_connection_and_what_holds_one_are_found():
    one, other = socket.socketpair()
    with one, other:
        assert find_process_bound(closing(one)) == ("generator", "connection")
        assert find_process_bound(closing(Holder(other)))[1] == "connection"
    database = sqlite3.connect(":memory:")
    assert find_process_bound(closing(database))[1] == find_process_bound(closing(database.cursor()))[1] == "connection"
    database.close()


class Deep:
    def __init__(self, held):
        self.inner = [{"a": Holder(held)}]


def test_generators_and_connections_are_found_deep_in_collections_and_own_objects():
    one, other = socket.socketpair()
    with one, other:
        for held in (one, queue.Queue(), queue.SimpleQueue()):
            for holding in ({"a": [held]}, Deep(held), (types.SimpleNamespace(inner=Deep(held)),)):
                assert find_process_bound(closing(holding))[1] == "connection"
    for holding in ({"a": [OWN]}, Deep(OWN), {1: Deep(NUMPY)}):
        assert find_process_bound(closing(holding))[1] == "generator"


class Pair(NamedTuple):
    held: object
    size: int


class Row(list):
    pass


class Table(dict):
    def values(self):
        raise RuntimeError("code of the user's runs")


class Slots:
    __slots__ = ("__dict__", "held", "unset")

    def __init__(self, held):
        self.held = held

    def __getattr__(self, name):
        raise RuntimeError("code of the user's runs")


@dataclasses.dataclass(slots=True)
class Data:
    held: object


class DerivedSlots(Data):
    __slots__ = ()

    def __call__(self, item):
        return self.held


def with_attribute(held):
    def func(item):
        return item

    func.held = held
    return func


def with_variable(held):
    context = contextvars.ContextVar("context")
    context.set(held)
    return context


def started(held):
    def numbers():
        kept = held
        while True:
            yield kept

    generator = numbers()
    next(generator)
    return generator


KEY = Holder(1)

HOLDING = {
    "a named tuple": lambda held: Pair(held, 1),
    "a list of one's own": lambda held: Row([held]),
    "a dict of one's own": lambda held: Table(a=held),
    "an OrderedDict": lambda held: collections.OrderedDict(a=held),
    "a defaultdict": lambda held: collections.defaultdict(list, a=held),
    "a deque": lambda held: collections.deque([held]),
    "a UserDict": lambda held: collections.UserDict(a=held),
    "a WeakKeyDictionary": lambda held: weakref.WeakKeyDictionary({KEY: held}),
    "slots": Slots,
    "slots of a dataclass": Data,
    "slots of a base": DerivedSlots,
    "an attribute of a function": with_attribute,
    "a closure": closing,
    "a default": lambda held: eval("lambda item, held=held: held", {"held": held, "__name__": __name__}),
    "a partial": lambda held: partial(print, held),
    "a method": lambda held: Holder(held).draw,
    "a context variable": with_variable,
    "a generator": started,
}


@pytest.mark.parametrize("holder", HOLDING)
def test_what_lies_in_any_kind_of_holder_is_found(holder):
    with mmap.mmap(-1, 8) as mapped:
        for held, kind in ((OWN, "generator"), (mapped, "connection")):
            for holding in (HOLDING[holder](held), {"a": [HOLDING[holder](held)]}):
                assert find_process_bound(closing(holding))[1] == kind
                assert find_process_bound(Slots(holding).__init__)[1] == kind
                assert find_process_bound(DerivedSlots(holding))[1] == kind
        assert find_process_bound(closing(HOLDING[holder](1))) is None


@pytest.mark.parametrize("method", [OWN.gauss, NUMPY.normal, OLD.rand, np.random.PCG64(1).random_raw])
def test_a_method_of_a_generator_in_a_collection_is_found(method):
    assert find_process_bound(closing({"draw": method}))[1] == "generator"
    shared = {"a": random.gauss, "b": np.random.rand, "c": print, "d": len}
    assert find_process_bound(closing(shared)) is None


def test_what_a_function_that_a_cached_function_has_made_is_bound_to_is_found():
    @functools.cache
    def sampler():
        generator = random.Random()
        return lambda: generator.random()  # noqa: PLW0108  it is the closure that counts

    def draws(item):
        return sampler()() + item

    assert find_process_bound(draws) is None
    sampler()
    assert find_process_bound(draws)[1] == "generator"


def test_what_a_cached_function_keeps_is_followed():
    @functools.cache
    def kept(held):
        return held

    def draws(item):
        return kept(item).draw()

    for held in (nested, Reading()):
        kept.cache_clear()
        assert find_process_bound(draws) is None
        kept(held)
        assert find_process_bound(draws)[1] == "generator"


def test_a_cached_function_that_keeps_itself_is_looked_at_once():
    @functools.cache
    def itself(item):
        return itself

    itself(1)
    assert find_process_bound(lambda item: itself(item)) is None  # noqa: PLW0108  it is the name that counts


def test_arrays_in_memory_that_processes_share_are_found_unless_they_are_only_read():
    with mmap.mmap(-1, 64) as mapped:
        array = np.frombuffer(mapped, dtype=np.int64)
        for held in (array, array[2:], memoryview(mapped)):
            assert find_process_bound(closing(held))[1] == "connection"
        array.flags.writeable = False
        assert find_process_bound(closing(array)) is None
        del array, held
    assert find_process_bound(closing(np.zeros(8)[1:])) is None
    assert find_process_bound(closing(memoryview(bytearray(8)))) is None


def test_what_libraries_hold_deep_inside_does_not_count(tmp_path):
    logger = logging.getLogger("amorsize-test")
    handler = logging.FileHandler(tmp_path / "log")
    logger.addHandler(handler)
    try:
        assert find_process_bound(closing(logger)) is None
        assert find_process_bound(logger.info) is None
        assert find_process_bound(closing({"say": logger.info})) is None
        assert find_process_bound(closing(collections.Counter(a=logger))) is None
    finally:
        logger.removeHandler(handler)
        handler.close()
    uniform = types.new_class("Estimator", (), {}, lambda space: space.update(__module__="sklearn.linear_model"))()
    uniform.random_state = NUMPY
    assert find_process_bound(closing(uniform)) is None


def test_of_a_value_with_very_many_parts_few_are_looked_at():
    large = {number: [number] * 100 for number in range(1000)}
    assert sum(1 for _ in process_bound._parts([large] * 1000, Own(closing, Loaded({})))) < 100


def test_memory_that_processes_share_is_found_unless_it_is_only_read(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"content")
    with mmap.mmap(-1, 8) as written:
        assert find_process_bound(closing(written)) == ("generator", "connection")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as read:
        assert find_process_bound(closing(read)) is None


@pytest.mark.parametrize("func", [csv.DictReader, np.linalg.norm, partial(np.linalg.norm, ord=1)])
def test_functions_of_python_and_of_packages_are_installed(func):
    assert is_installed(func)


def test_functions_of_ones_own_are_not_installed():
    assert not is_installed(partial(test_functions_of_ones_own_are_not_installed))


OWN_MODULE = """
import functools, random, sys, threading
import numpy as np

rng, late, lock = np.random.default_rng(1), random.Random(5), threading.Lock()
held = open(__file__, "rb")
draw_late, partly = late.random, functools.partial(lambda generator, item: item, late)

def draw(): return rng.random()
def reads(item): held.seek(item); return held.read(1)
def computes(item): return item + 1
def waits(item):
    while not lock.acquire(blocking=False): pass

class Inner:
    def __init__(self): self.late = random.Random(3)
    def draw(self): return self.late.random()

class Noise:
    def __init__(self): self.inner = Inner()
    def get(self): return self.inner.draw()

class Plain:
    shared = random.Random(4)
    def get(self): return draw()
    def computes(self): return 1
    @property
    def drawn(self): return draw()

class Drawing:
    def __init__(self, item): self.noise = rng.random()

noise, plain = Noise(), Plain()
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A package of the user's own with the module ``inner``, which is its attribute ``sub`` too."""
    (tmp_path / "bound_own").mkdir()
    (tmp_path / "bound_own" / "inner.py").write_text(OWN_MODULE)
    (tmp_path / "bound_own" / "__init__.py").write_text("from bound_own import inner as sub\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("bound_own.inner")
    yield module
    module.held.close()
    for name in ("bound_own", "bound_own.inner"):
        del sys.modules[name]


DRAWING = {
    "a function": "inner.draw()",
    "a generator": "inner.rng.random()",
    "an object that holds one deep inside": "inner.noise.get()",
    "a method that reads a global of its module": "inner.plain.get()",
    "a method of a class": "inner.Plain().get()",
    "a property": "inner.plain.drawn",
    "an attribute of a class": "inner.Plain.shared.random()",
    "a class that draws when it makes an object": "inner.Drawing(item)",
    "a method of a generator that has a name": "inner.draw_late()",
    "a partial": "inner.partly(item)",
    "a module in a package": "bound_own.sub.draw()",
    "a function by its own name": "draw()",
    "a method of an object by its own name": "plain.get()",
    "a class by its own name": "Drawing(item)",
}


@pytest.mark.parametrize("name", DRAWING)
def test_what_modules_of_ones_own_hold_is_found(own_module, name):
    package = importlib.import_module("bound_own")
    space = {"inner": own_module, "bound_own": package, "__name__": "__main__"}
    space |= {"draw": own_module.draw, "plain": own_module.plain, "Drawing": own_module.Drawing}
    assert find_process_bound(eval(f"lambda item: {DRAWING[name]}", space))[1] == "generator"


def test_a_file_that_a_module_of_ones_own_holds_is_found(own_module):
    space = {"inner": own_module, "__name__": "__main__"}
    assert find_process_bound(eval("lambda item: inner.reads(item)", space)) == ("held", "open file")


def test_a_module_of_ones_own_that_the_function_imports_itself_is_followed(own_module):
    def imports(item):
        from bound_own.inner import draw  # noqa: PLC0415  that is what is tested

        return draw()

    assert find_process_bound(imports)[1] == "generator"


def test_what_code_does_not_name_of_a_module_of_ones_own_does_not_count(own_module):
    space = {"inner": own_module, "__name__": "__main__", "OWN": OWN}
    for code in ("inner.computes(item)", "item.OWN", "inner.plain.computes()", "inner", "inner.missing"):
        assert find_process_bound(eval(f"lambda item: {code}", space)) is None


def test_installed_modules_are_not_followed():
    fake = types.ModuleType("bound_installed")
    fake.__file__ = "/usr/lib/python3/dist-packages/bound_installed.py"
    exec("import random\nrng = random.Random(1)\ndef draw(): return rng.random()", vars(fake))
    space = {"fake": fake, "draw": fake.draw, "logging": logging, "__name__": "__main__"}
    for code in ("fake.draw()", "fake.rng.random()", "draw()", "logging.info(item)"):
        assert find_process_bound(eval(f"lambda item: {code}", space)) is None


def test_functions_in_closures_arguments_and_attributes_are_followed():
    def wrapping(func):
        return lambda item: func()

    def draws():
        return OWN.random()

    for func in (wrapping(draws), partial(lambda call, item: call(), draws), functools.lru_cache(draws), Holder(draws)):
        assert find_process_bound(func)[1] == "generator"


class _Refusing:
    def __getattribute__(self, name):
        raise RuntimeError("working outside of a context")


def test_objects_that_refuse_to_be_looked_at_are_passed_over():
    refusing = _Refusing()
    assert find_process_bound(lambda item: (refusing, OWN.random()))[1] == "generator"
    assert find_process_bound(partial(lambda *items: OWN, refusing))[1] == "generator"
    assert find_process_bound(refusing) is None


@pytest.fixture
def other_thread():
    """A thread that runs beside the test."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="other")
    thread.start()
    yield thread
    ended.set()
    thread.join()


OF_THREADS = {
    "lock": threading.Lock,
    "another lock": threading.RLock,
    "condition": threading.Condition,
    "event": threading.Event,
    "semaphore": threading.BoundedSemaphore,
    "barrier": lambda: threading.Barrier(2),
    "thread": threading.Thread,
    "future": concurrent.futures.Future,
    "executor": concurrent.futures.ThreadPoolExecutor,
    "event loop": asyncio.new_event_loop,
}


@pytest.mark.usefixtures("other_thread")
@pytest.mark.parametrize("word", OF_THREADS)
def test_what_threads_wait_for_is_found_while_others_run(word, own_module):
    held = OF_THREADS[word]()
    word = word.removeprefix("another ")
    for func in (closing(held), Holder(held), closing(Holder(held)), Holder([held]).draw, partial(closing(1), held)):
        assert find_process_bound(func)[1] == word
    assert find_process_bound(eval("lambda _: inner.waits(_)", {"inner": own_module}))[1] == "lock"
    if word == "event loop":
        held.close()


@pytest.mark.usefixtures("other_thread")
def test_locks_in_what_is_installed_do_not_count():
    logger = logging.getLogger("amorsize-test")
    found = [closing(logger), logger.info, logging.info, partial(logging.info, "a"), closing(logging.NullHandler())]
    assert {find_process_bound(func) for func in found} == {None}


def test_without_other_threads_a_lock_binds_nothing(monkeypatch):
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread()])
    assert not has_other_threads()
    for word, make in OF_THREADS.items():
        if word not in {"event loop", "executor", "thread"}:  # they hold a socket, a queue and an open file
            assert find_process_bound(closing(make())) is None


def test_threads_of_amorsize_are_no_other_threads(monkeypatch):
    ours = threading.Thread(name="amorsize_0")
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread(), ours])
    assert not has_other_threads()
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread(), threading.Thread()])
    assert has_other_threads()
