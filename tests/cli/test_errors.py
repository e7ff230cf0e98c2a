"""An error of the command names the user's own line, wherever it was raised."""

from __future__ import annotations

import json
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from amorsize.cli.errors import brief, full, location_of, said
from amorsize.config.inputs import InputError, function_named
from amorsize.errors import ConfigError

HERE = str(Path(__file__))


def broken(x):
    raise LookupError(f"no {x}")  # this line


def parse(x):
    return json.loads(x)  # this line


def chained(x):
    try:
        parse(x)
    except ValueError as error:
        raise RuntimeError("chained") from error  # this line


def caught(action, *arguments):
    with pytest.raises(Exception) as found:  # noqa: PT011  which one is what the test looks at
        action(*arguments)
    return found.value


def line_in(function):
    lines = Path(__file__).read_text().splitlines()
    at = lines.index(next(line for line in lines if line.startswith(f"def {function.__name__}(")))
    return next(number for number, line in enumerate(lines[at:], at + 1) if line.endswith("# this line"))


@pytest.mark.parametrize("function", [broken, parse, chained])
def test_the_place_is_the_last_line_of_the_users_own(function):
    location = location_of(caught(function, "{"))
    assert location == (HERE, line_in(function), function.__name__)


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_the_place_is_found_too_where_a_worker_raised(executor):
    with executor(1) as pool:
        error = caught(pool.submit(broken, 3).result)
    traces = [one for one in traceback.extract_tb(error.__traceback__) if one.name == "broken"]
    assert bool(traces) == (executor is ThreadPoolExecutor)
    assert location_of(error.with_traceback(None)) is None or executor is ProcessPoolExecutor
    if executor is ProcessPoolExecutor:
        assert location_of(error) == (HERE, line_in(broken), "broken")


def test_the_place_is_found_in_a_note_that_holds_a_workers_traceback():
    try:
        broken(3)
    except LookupError:
        text = traceback.format_exc()
    error = LookupError("no 3")
    error.add_note(f"in a worker:\n{text}")
    error.add_note("item 3")
    assert location_of(error) == (HERE, line_in(broken), "broken")
    assert "  item 3" in brief(error)
    assert not any("Traceback" in line for line in brief(error))


def test_a_module_that_cannot_be_imported_names_its_line(monkeypatch):
    monkeypatch.setattr("sys.path", [])
    Path("syntax.py").write_text("x = 1\ny = = 2\n")
    Path("missing.py").write_text("x = 1\nimport nowhere_at_all\n")
    for name in ("syntax", "missing"):
        error = caught(function_named, f"{name}:f")
        location = location_of(error.with_traceback(error.__traceback__.tb_next))  # without this file's own line
        assert (Path(location.file).name, location.line) == (f"{name}.py", 2)


def test_what_only_compiled_code_and_amorsize_were_part_of_has_no_place():
    assert location_of(ValueError("not raised")) is None
    assert location_of(caught(function_named, "nowhere_at_all:f").with_traceback(None)) is None
    assert list(brief(InputError("KEY must be there"))) == ["amorsize: KEY must be there"]


def test_an_error_in_a_library_alone_names_the_library():
    error = caught(json.loads, "{")
    error = error.with_traceback(error.__traceback__.tb_next.tb_next)  # this file and pytest's are left out
    assert location_of(error).file == json.decoder.__file__


def test_errors_that_cause_each_other_end():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert location_of(one) is None


def test_what_is_said_names_the_kind_of_any_error_but_our_own():
    assert said(LookupError("x")) == "LookupError: x"
    assert said(ConfigError("x must be y")) == "x must be y"


def test_all_of_the_traceback_is_there_when_it_is_asked_for():
    (text,) = full(caught(chained, "{"))
    assert "JSONDecodeError" in text
    assert text.endswith("RuntimeError: chained")
