"""What holds of the source as a whole."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import amorsize

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
THIRD_PARTY = ("attr", "attrs", "cattrs", "pluggy", "psutil", "platformdirs", "tomli_w", "click", "rich", "numpy")


def loaded_after(code):
    """Return the names of all modules that a fresh interpreter has loaded after some code."""
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_amorsize_loads_no_third_party_module():
    assert not loaded_after("import amorsize").intersection(THIRD_PARTY)


def test_importing_amorsize_loads_next_to_nothing_else():
    bare, ours = loaded_after("import typing"), loaded_after("import amorsize")
    assert {name for name in ours - bare if not name.startswith("__")} <= {"amorsize"}


def test_importing_the_names_for_plugins_loads_no_more_than_they_need():
    assert not loaded_after("import amorsize.plugins").intersection(THIRD_PARTY)
    assert not loaded_after("from amorsize.plugins import Backend, check_name, REACHES_OUT") & {"pluggy", "psutil"}


def test_every_public_name_can_be_had_and_an_unknown_one_is_said():
    for name in amorsize.__all__:
        assert getattr(amorsize, name) is not None
    assert set(amorsize.__all__) <= set(dir(amorsize))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        amorsize.nothing  # noqa: B018


@pytest.mark.usefixtures("untraced")
def test_a_hit_loads_nothing_it_does_not_need(own_place):
    (own_place / "work" / "jobs.py").write_text("def work(x):\n    return sum(range(2500))\n")
    ask = f"import sys; sys.path.insert(0, {str(own_place / 'work')!r}); import amorsize, jobs; "
    ask += "r = amorsize.optimize(jobs.work, range(2000))"
    loaded_after(ask)
    loaded = loaded_after(ask + "; assert r.cache_hit, r.cache_reason")
    unneeded = {"cattrs", "tomli_w", "sqlite3", "multiprocessing", "tomllib", "importlib.metadata", "click", "numpy"}
    assert not loaded & unneeded


@pytest.mark.usefixtures("untraced")
def test_a_run_without_processes_loads_nothing_that_starts_one(own_place):
    (own_place / "work" / "jobs.py").write_text("import time\n\ndef work(x):\n    time.sleep(0.005)\n")
    ask = f"import sys; sys.path.insert(0, {str(own_place / 'work')!r}); import amorsize, jobs; "
    loaded_after(ask + "amorsize.execute(jobs.work, range(40))")
    run = "; assert 'concurrent.futures.process' not in sys.modules; r = amorsize.optimize(jobs.work, range(40))"
    loaded = loaded_after(
        ask + "amorsize.execute(jobs.work, range(40))" + run + "; assert r.plan.executor == 'thread', r"
    )
    assert not loaded & {"multiprocessing.connection", "multiprocessing.pool"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_module_begins_with_one_sentence_and_stays_readable(path):
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    assert docstring.splitlines()[0].endswith(".") or ":" in docstring
    assert len(text.splitlines()) <= 450


def is_numeric(value):
    """Tell whether an expression is a number, is computed from one, or is a collection that has one."""
    if isinstance(value, ast.Constant):
        return type(value.value) in {int, float}
    is_call = isinstance(value, ast.Call) and ast.unparse(value.func) not in {"range", "frozenset"}
    return not is_call and any(map(is_numeric, ast.iter_child_nodes(value)))


def unexplained(text):
    """Return the numeric constants of a module that no docstring follows."""
    body = ast.parse(text).body
    for node, following in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and is_numeric(node.value):
            is_said = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            if not is_said or not isinstance(following.value.value, str):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_numeric_constant_says_what_it_is(path):
    assert not [*unexplained(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "constant", ["A = 2", "A: Final = -1", "A = 1 << 4", "A, B = 1, 2", "A = {'x': 1.5}", "A = range(3)", "A = B * 2"]
)
def test_a_numeric_constant_without_a_docstring_is_seen(constant):
    assert [*unexplained(constant)]
    assert [*unexplained(constant + '\nB = \'text\'\n"""What B is."""')]
    assert not [*unexplained(constant + '\n"""What it is."""')]


@pytest.mark.parametrize("package", ["domain", "pictures", "application"])
def test_a_pure_package_names_no_loaded_module_and_reads_no_environment(package):
    for path in (ROOT / "src" / "amorsize" / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = node.names if isinstance(node, ast.ImportFrom) and node.module == "sys" else ()
            attribute = node.attr if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "sys" else ""
            assert not {attribute, *(each.name for each in named)} & {"modules", "argv", "_getframe"}, path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_function_stays_short(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            length = (node.end_lineno or 0) - node.lineno - len((docstring or "").splitlines())
            assert length <= 45, f"{path.name}: {node.name} has {length} lines"
