"""Functions that set what all threads of a process share are recognized by their code."""

import contextlib
import functools
import io
import os
import random
import signal
import struct
import sys
import textwrap
import threading
import time
import types
import warnings

import numpy as np
import pytest

from amorsize.domain import process_state
from amorsize.processes.distributions import loaded


def sets_process_state(func, **kinds):
    return process_state.sets_process_state(func, loaded(), **kinds)


COUNT = 0
CACHE = {}
FOUND = []


def sets_a_global(item):
    global COUNT  # noqa: PLW0603  that is what is tested
    COUNT = item


def calls_one_that_sets_a_global(item):
    return sets_a_global(item)


def changes_folder(item):
    os.chdir(item)


def sets_the_environment(item):
    os.environ["ITEM"] = item


def signals_itself(_):
    os.kill(os.getpid(), signal.SIGTERM)


def raises_a_signal(_):
    signal.raise_signal(signal.SIGTERM)


def signals_another(pid):
    os.kill(pid, signal.SIGTERM)


def forks(_):
    return os.fork()


def seeds(item):
    random.seed(item)


def takes_output(item):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        sys.stdout.write(f"{item}\n")
    return out.getvalue()


def catches_warnings(item):
    with warnings.catch_warnings(record=True):
        return item


class Model:
    last = None

    def run(self, item):
        self.last = item
        return self.last

    def __call__(self, item):
        return self.run(item)

    def read(self, item):
        return self.last, item


class Settable:
    @property
    def last(self):
        return self._last

    @last.setter
    def last(self, item):
        self._last = item


SETTABLE = Settable()


class Setting:
    def __call__(self, item):
        self.item = item


class Store:
    def __init__(self):
        self.found = {}

    def keep(self, item):
        self.found[item] = item

    def __getitem__(self, item):
        return item


MODEL, STORE = Model(), Store()


def names_an_object(item):
    return MODEL.run(item)


def decorated(func):
    def inner(item):
        return func(item)

    return inner


def inside(item):
    def set_it():
        global COUNT  # noqa: PLW0603  that is what is tested
        COUNT = item

    set_it()


def sets_an_item(item):
    CACHE["last"] = item


def removes_an_item(item):
    return CACHE.pop(item)


def adds_and_reads(item):
    if not FOUND:
        FOUND.append(item)
    return FOUND[0]


def sets_an_item_of_a_default(item, cache={}):  # noqa: B006  that is what is tested
    cache["last"] = item


def sets_an_item_of_an_attribute(item):
    STORE.found["last"] = item


def has_a_method_set_it(item):
    STORE.keep(item)


class Reader:
    @property
    def next(self):
        return sets_a_global(self)

    @functools.lru_cache  # noqa: B019  that is what is tested
    def cached(self, item):
        return sets_a_global(item)


READER = Reader()
cached = functools.lru_cache(sets_a_global)
with_argument = functools.partial(sets_a_global, 1)


def with_closure(kind):
    last, found = None, {}

    def sets_a_variable(item):
        nonlocal last
        last = item
        return last

    def sets_an_item_of_a_variable(item):
        found["last"] = item

    def sets_it_inside(item):
        def inner():
            found["last"] = item

        inner()

    return {"variable": sets_a_variable, "item": sets_an_item_of_a_variable, "inside": sets_it_inside}[kind]


SETTING = {
    "an item of a global": sets_an_item,
    "an item of a global, by a method": removes_an_item,
    "an item of a global that is added once": adds_and_reads,
    "an item of a default": sets_an_item_of_a_default,
    "an item of an attribute of an object of the module": sets_an_item_of_an_attribute,
    "an item of an object of the module, in its method": has_a_method_set_it,
    "an item of a bound object": Store().keep,
    "a variable of an enclosing function": with_closure("variable"),
    "an item of a variable of an enclosing function": with_closure("item"),
    "the same inside a function inside": with_closure("inside"),
    "a global": sets_a_global,
    "a global, in a function of the module": calls_one_that_sets_a_global,
    "a global, in a cached function of the module": lambda item: cached(item),  # noqa: PLW0108  it is the name that counts
    "a global, in a partial of the module": lambda _: with_argument(),
    "a global, in a default": lambda item, act=sets_a_global: act(item),
    "a global, in a property": lambda _: READER.next,
    "a global, in a cached method": lambda item: READER.cached(item),  # noqa: PLW0108  as above
    "the folder": changes_folder,
    "the environment": sets_the_environment,
    "the generator": seeds,
    "a fork": forks,
    "a signal to itself": signals_itself,
    "a signal that it raises": raises_a_signal,
    "standard output": takes_output,
    "warnings": catches_warnings,
    "an attribute of a bound object": Model().run,
    "an attribute of a callable object": Setting(),
    "an attribute, in another method": Model(),
    "an attribute of an object of the module": names_an_object,
    "in a decorated function": decorated(changes_folder),
    "inside a function inside": inside,
    "in a partial": functools.partial(changes_folder),
}


class Estimator:
    """Stands for one of an installed package: its code is not looked at."""

    __module__ = "sklearn.fake"

    def predict(self):
        pass

    fit = partial_fit = predict


class Distribution:
    __module__ = "scipy.fake"

    def fit(self):
        pass


class Network:
    """One of the user's own."""

    def run(self, item):
        self.state = item
        return self.state


ARRAY, RAW, TEXT, BYTES = np.zeros(4), bytearray(8), io.StringIO(), io.BytesIO()
ESTIMATOR, DISTRIBUTION, ESTIMATORS = Estimator(), Distribution(), {"a": Estimator()}
HOLDER = types.SimpleNamespace(array=ARRAY, name="a")
OF_THREAD = threading.local()
OF_THREAD.array = ARRAY


@functools.cache
def estimator():
    return Estimator()


@functools.cache
def network():
    return Network()


@functools.lru_cache(maxsize=2)
def array():
    return np.zeros(4)


class OfAll:
    array = ARRAY


HOLDERS = {"a": HOLDER}


def fills_what_an_inner_function_is_given(item):
    def fill(value, out):
        out.fill(value)
        return out

    return fill(item, np.zeros(4))


class Holding:
    def __init__(self):
        self.array, self.estimator = np.zeros(4), Estimator()

    @functools.cache  # noqa: B019  that is what is tested
    def kept(self):
        return np.zeros(4)

    def fits(self, item):
        return self.estimator.fit(item)

    def writes(self, item):
        return np.add(item, 0, out=self.array)

    def fills_kept(self, item):
        return self.kept().fill(item)


def fills_one_that_it_names(item):
    array = ARRAY
    array[0] = item
    return array[0]


def writes_text(item):
    TEXT.write(item)
    return TEXT.getvalue()


IN_PLACE = {
    "an array that it fills": lambda item: ARRAY.fill(item),  # noqa: PLW0108  it is the name that counts
    "an array that it copies to": lambda item: np.copyto(ARRAY, item),
    "an array for results": lambda item: np.add(item, 0, out=ARRAY),
    "an array in an attribute": lambda item: np.add(item, 0, out=HOLDER.array),
    "an array of a class": lambda item: OfAll.array.fill(item),  # noqa: PLW0108  it is the name that counts
    "an array of an object in a dict": lambda item: HOLDERS["a"].array.fill(item),  # noqa: PLW0108  likewise
    "an array that it puts into": lambda item: ARRAY.put(0, item),
    "an array that it adds to": lambda item: np.add.at(ARRAY, 0, item),
    "an array of a default": lambda item, out=ARRAY: np.copyto(out, item),
    "memory that it packs into": lambda item: struct.pack_into("q", RAW, 0, item),
    "memory that it reads into": lambda item: item.readinto(RAW),
    "memory that it receives into": lambda item: item.recv_into(memoryview(RAW)) or item.recv_into(RAW),
    "a stream that it seeks": lambda item: TEXT.seek(item),  # noqa: PLW0108  it is the name that counts
    "a stream that it truncates": lambda item: BYTES.truncate(item),  # noqa: PLW0108  it is the name that counts
    "a stream that it reads": lambda item: TEXT.read(item),  # noqa: PLW0108  it is the name that counts
    "a stream that it writes and asks for": writes_text,
    "an estimator": lambda item: ESTIMATOR.fit(item),  # noqa: PLW0108  it is the name that counts
    "an estimator in a dict": lambda item: ESTIMATORS["a"].partial_fit(item, item + 1),
    "an estimator in an attribute": Holding().fits,
    "an array of the object": Holding().writes,
    "an estimator that a cached function returns": lambda item: estimator().fit(item).predict(),
    "an array that a cached function returns": lambda item: np.copyto(array(), item),
    "what a cached method returns": Holding().fills_kept,
    "an array by another name": fills_one_that_it_names,
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_changes_a_kept_object_in_place_is_recognized(name):
    for cached in (estimator, array):
        cached.cache_clear()
    assert sets_process_state(IN_PLACE[name]).startswith("what ")
    (estimator(), array())
    assert sets_process_state(IN_PLACE[name]).startswith("what ")


def test_of_an_object_of_ones_own_that_a_cached_function_keeps_the_methods_are_looked_at():
    def runs(item):
        return network().run(item)

    network()
    assert sets_process_state(runs) == "globals or attributes"


def adds_to_an_array_of_its_own(item):
    out = np.zeros(4)
    out.fill(item)
    return np.add(item, 1, out=out)


def copies(item):
    array, settings = ARRAY.copy(), CACHE.copy()
    array[0] = settings["a"] = item
    return array


def fits_a_new_one(item):
    model = Estimator()
    return model.fit(item), Estimator().fit(item)


def fits_an_item(item, model=None):
    return item.fit(), model.fit()


def only_writes(item):
    TEXT.write(item)
    sys.stdout.write(item)


NO_CHANGE = [
    adds_to_an_array_of_its_own,
    copies,
    fits_a_new_one,
    fits_an_item,
    only_writes,
    lambda item: DISTRIBUTION.fit(item),  # noqa: PLW0108  it is the name that counts
    lambda item: (HOLDER.name.partition(item), HOLDER.resize(item)),
    fills_what_an_inner_function_is_given,
    lambda item: np.copyto(item, ARRAY),
    lambda item: np.add(ARRAY, 1, out=None),
    lambda item: item.fill(textwrap.fill(item)),
    lambda item: (item, ARRAY, TEXT.getvalue(), BYTES.tell()),
    lambda item: np.copyto(OF_THREAD.array, item),
    lambda item: [out.fill(0) for out in item],
    lambda item: np.add(item, 0, out=sys.stdout),
]


@pytest.mark.parametrize("func", NO_CHANGE)
def test_what_changes_nothing_kept_in_place_is_left_alone(func):
    assert sets_process_state(func) == ""


def test_what_lies_in_attributes_does_not_count_where_they_are_left_out():
    for func in (Holding().fits, Holding().writes, IN_PLACE["an array in an attribute"]):
        assert sets_process_state(func, attributes=False) == ""
    assert sets_process_state(IN_PLACE["an array that it fills"], attributes=False) == "what 'ARRAY' holds"


def waits(item):
    time.sleep(0.01)
    return os.environ["HOME"], COUNT, item


def fills_a_dict(item):
    found = {}
    found[item] = item
    return found


@pytest.mark.parametrize("name", SETTING)
def test_what_sets_process_state_is_recognized(name):
    assert sets_process_state(SETTING[name])


def fills_a_dict_inside(item):
    found, count = {}, 0

    def keep(each):
        nonlocal count
        count += 1
        found[each] = each

    keep(item)
    return found


def only_adds(item):
    FOUND.append(item)
    return item


def reads_a_property(_):
    return SETTABLE.last


def fills_an_item(item):
    item["seen"] = True


def removes_a_file(item):
    os.remove(item)  # noqa: PTH107  a function whose name is that of a list's method


NOTHING = [
    waits,
    fills_a_dict,
    fills_a_dict_inside,
    only_adds,
    fills_an_item,
    reads_a_property,
    Store,
    Store().__getitem__,
]


@pytest.mark.parametrize("func", [*NOTHING, removes_a_file, signals_another, Model().read, abs, time.sleep, int])
def test_what_sets_nothing_is_left_alone(func):
    assert sets_process_state(func) == ""


def test_attributes_do_not_count_where_they_are_left_out():
    assert sets_process_state(attribute_of_argument) == "globals or attributes"
    assert sets_process_state(attribute_of_argument, attributes=False) == ""
    assert sets_process_state(sets_a_global, attributes=False) == "globals or attributes"
    assert sets_process_state(sets_an_item_of_an_attribute) == "what 'found' holds"
    assert sets_process_state(sets_an_item_of_an_attribute, attributes=False) == ""
    assert sets_process_state(sets_an_item, attributes=False) == "what 'CACHE' holds"


def attribute_of_argument(item):
    item.seen = True


def test_functions_that_name_one_another_end():
    assert sets_process_state(first) == ""


def first(item):
    return second(item)


def second(item):
    return first(item)


def test_functions_of_other_modules_of_ones_own_are_looked_at_and_installed_ones_are_not(monkeypatch):
    code = "def sets():\n    global COUNT\n    COUNT = 1\n"
    code += "class Model:\n    def run(self): self.last = 1\nmodel = Model()"
    for file, found in (("/home/me/own_state.py", True), ("/usr/lib/python3/dist-packages/own_state.py", False)):
        module = types.ModuleType("own_state")
        module.__file__ = file
        monkeypatch.setitem(sys.modules, "own_state", module)
        exec(code, vars(module))
        space = {"own_state": module, "sets": module.sets, "model": module.model, "__name__": "__main__"}
        for call in ("own_state.sets()", "sets()", "own_state.model.run()", "model.run()", "own_state.Model().run()"):
            assert bool(sets_process_state(eval(f"lambda item: {call}", space))) is found, (file, call)
        exec("def imports(item):\n    from own_state import sets as act\n    return act()", space)
        assert bool(sets_process_state(space["imports"])) is found


def test_a_script_is_ones_own_wherever_its_file_is():
    script = types.ModuleType("__main__")
    script.__file__ = "/usr/local/bin/script"
    exec("def sets():\n    global COUNT\n    COUNT = 1\n", vars(script))
    assert sets_process_state(eval("lambda item: sets()", {"sets": script.sets, "__name__": "own_state"}))


class Refusing:
    def __getattribute__(self, name):
        raise RuntimeError("working outside of a context")


def test_objects_that_refuse_to_be_looked_at_are_passed_over():
    refusing = Refusing()
    assert sets_process_state(lambda item: (refusing, os.chdir(item))) == "chdir"
    assert sets_process_state(functools.partial(waits, refusing)) == ""
    assert sets_process_state(refusing) == ""


def fills_an_argument_of_an_inner_function(item):
    def fill(key, found):
        found[key] = found.get(key, 0) + 1
        return found

    return fill(item, {})


def test_a_collection_that_an_inner_function_is_given_is_not_shared():
    assert not sets_process_state(fills_an_argument_of_an_inner_function)
