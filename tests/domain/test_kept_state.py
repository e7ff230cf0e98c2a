"""A function that may keep what an item makes is told from one that keeps nothing."""

from __future__ import annotations

import contextvars
import functools
import json
import re
import sys
import threading
from collections import defaultdict

import pytest

from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.kept_state import may_keep_state

LOCAL = threading.local()
VARIABLE = contextvars.ContextVar("VARIABLE", default=None)
BY_NAME = defaultdict(list)
TABLE = {"a": 1}
NAMES = ("a", "b")
WORD = re.compile("[a-z]+")
made = None


@functools.cache
def cached():
    return object()


def keeps_in_a_global(item):
    global made  # noqa: PLW0603  what the test is about
    made = made or object()
    return made


def keeps_in_a_cache(item):
    return cached(), item


def calls_one_that_keeps(item):
    return keeps_in_a_cache(item)


def keeps_in_an_attribute(item):
    if not hasattr(keeps_in_an_attribute, "made"):
        keeps_in_an_attribute.made = object()
    return keeps_in_an_attribute.made


def keeps_by_thread(item):
    return LOCAL.__dict__.setdefault("made", object())


def keeps_by_context(item):
    return VARIABLE.get() or VARIABLE.set(object())


def keeps_by_name(item):
    return BY_NAME[item]


def keeps_where_no_instruction_shows_it(item):
    return globals().setdefault("made", object())


def imports_a_module(item):
    import not_loaded_yet  # noqa: PLC0415  likewise

    return not_loaded_yet.made


KEEPING = [value for name, value in globals().items() if name.startswith(("keeps", "calls", "imports"))]


def computes(item):
    total = [TABLE["a"] * part for part in range(item)]
    total.append(len(WORD.findall(NAMES[0])))
    return sum(total)


def calls_installed_code(item):
    import json.decoder  # noqa: PLC0415  likewise

    return json.loads(json.dumps(item))


def makes_what_it_needs(item):
    found = defaultdict(list)
    found[item].append(item)
    return dict(found)


@pytest.fixture
def loaded():
    return Loaded(sys.modules)


@pytest.mark.parametrize("func", KEEPING)
def test_a_function_that_may_keep_something_is_found(func, loaded):
    assert may_keep_state(func, loaded)
    assert may_keep_state(functools.partial(func), loaded)


@pytest.mark.parametrize("func", [computes, calls_installed_code, makes_what_it_needs, abs, json.dumps, str.upper])
def test_a_function_that_keeps_nothing_is_not(func, loaded):
    assert not may_keep_state(func, loaded)
