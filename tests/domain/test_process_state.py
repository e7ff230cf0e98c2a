"""Functions that set what all threads of a process share are recognized by their code."""

import contextlib
import functools
import io
import os
import random
import sys
import time
import warnings

import pytest

from amorsize.domain.process_state import reads_input, sets_process_state

COUNT = 0


def sets_a_global(item):
    global COUNT  # noqa: PLW0603  that is what is tested
    COUNT = item


def calls_one_that_sets_a_global(item):
    return sets_a_global(item)


def changes_folder(item):
    os.chdir(item)


def sets_the_environment(item):
    os.environ["ITEM"] = item


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


class Setting:
    def __call__(self, item):
        self.item = item


MODEL = Model()


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


SETTING = {
    "a global": sets_a_global,
    "a global, in a function of the module": calls_one_that_sets_a_global,
    "the folder": changes_folder,
    "the environment": sets_the_environment,
    "the generator": seeds,
    "a fork": forks,
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


@pytest.mark.parametrize("func", [waits, fills_a_dict, Model().read, abs, time.sleep, int])
def test_what_sets_nothing_is_left_alone(func):
    assert sets_process_state(func) == ""


def test_attributes_do_not_count_where_they_are_left_out():
    assert sets_process_state(attribute_of_argument) == "globals or attributes"
    assert sets_process_state(attribute_of_argument, attributes=False) == ""
    assert sets_process_state(sets_a_global, attributes=False) == "globals or attributes"


def attribute_of_argument(item):
    item.seen = True


def test_functions_that_name_one_another_end():
    assert sets_process_state(first) == ""


def first(item):
    return second(item)


def second(item):
    return first(item)


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
        (functools.partial(asks), "input()"),
        (lambda _: input(), "input()"),
        (Asking(), "input()"),
        (Asking().ask, "input()"),
        (reads_lines, "sys.stdin"),
        (reads_lines_of_its_own_import, "sys.stdin"),
        (stops, "breakpoint()"),
    ],
)
def test_a_function_that_reads_standard_input_is_recognized(func, name):
    assert reads_input(func) == name


def uses_attributes_of_these_names(item):
    item.process.stdin.write(item.layer.input)
    return item.breakpoint


def has_a_variable_of_that_name(item):
    for input in item:  # noqa: A001  that is what is tested
        item += input
    return item


@pytest.mark.parametrize("func", [uses_attributes_of_these_names, has_a_variable_of_that_name, abs, sets_a_global, int])
def test_attributes_and_variables_of_these_names_are_no_standard_input(func):
    assert reads_input(func) == ""
