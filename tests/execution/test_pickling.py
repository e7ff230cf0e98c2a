"""Functions and items travel by name where that is possible, else by value; what refuses says so."""

from __future__ import annotations

import pickle
import sys
import threading
import types

import pytest

from amorsize.execution.pickling import is_sendable, key_of, pickled


@pytest.fixture
def main(monkeypatch):
    """A main module with a function."""
    module = types.ModuleType("__main__")
    exec("def double(x):\n    return 2 * x", module.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def test_what_can_be_imported_goes_by_name():
    assert pickled(abs) == pickle.dumps(abs, pickle.HIGHEST_PROTOCOL)
    assert pickled(abs, elsewhere=True) == pickled(abs)


def test_a_lambda_goes_by_value():
    assert pickle.loads(pickled(lambda x: x + 1))(1) == 2


def test_the_main_modules_function_goes_by_name_to_workers_here_and_by_value_elsewhere(main):
    assert len(pickled(main.double)) < 100
    assert len(pickled(main.double, elsewhere=True)) > 200
    assert pickle.loads(pickled(main.double, elsewhere=True))(2) == 4


def test_without_cloudpickle_the_error_is_that_of_pickle_and_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(Exception, match="pickle") as caught:
        pickled(lambda: 0)
    assert "amorsize[cloudpickle]" in caught.value.__notes__[0]


def test_what_nothing_can_pickle_raises_what_pickle_says():
    with pytest.raises(TypeError, match=r"cannot pickle '_thread.lock' object"):
        pickled(threading.Lock())


def test_a_function_is_sendable_if_it_can_be_pickled():
    assert is_sendable(abs)
    assert is_sendable(lambda: 0)
    assert not is_sendable(threading.Lock().acquire)


def test_a_key_is_short_and_differs_with_the_bytes():
    assert len(key_of(b"a")) == 16
    assert key_of(b"a") == key_of(b"a") != key_of(b"b")
