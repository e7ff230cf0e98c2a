"""The tests mirror the source, folder by folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "amorsize"
MODULES = sorted(path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py") if path.stem != "__init__")
CONFTESTS = sorted(path.parent.relative_to(TESTS) for path in TESTS.rglob("conftest.py"))
BESIDE = {"benchmarks", "contracts", "docs", "peers", "quiet", "simulation", "typing"}
"""Folders of tests that mirror no folder of the source."""

LINE = re.compile(r"- ([\w/]+(?:, [\w/]+)*): ([\w/]+(?:, [\w/]+)*)")
"""Modules without a test file of their own, and the test files that test them."""


def lines(folder):
    """Return what the conftest of a folder says: the files that test a module, as it names them, by the module."""
    found = {}
    docstring = ast.get_docstring(ast.parse((TESTS / folder / "conftest.py").read_text(encoding="utf-8"))) or ""
    for line in docstring.splitlines():
        if line.startswith("- "):
            modules, files = LINE.fullmatch(line).groups()
            for module in modules.split(", "):
                assert folder / module not in found, f"{folder}/conftest.py names {module} twice"
                found[folder / module] = files.split(", ")
    return found


SAID = {folder: lines(folder) for folder in CONFTESTS}


def own_file(module):
    """Return the test file that mirrors a module."""
    return TESTS / module.parent / f"test_{module.name}.py"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_has_a_test_file_of_its_own_or_a_line_that_says_where_it_is_tested(module):
    said = [folder for folder, modules in SAID.items() if module in modules]
    own = own_file(module)
    wanted = f"tests need {own.relative_to(TESTS)}, or one line about {module} in a conftest.py, and not both"
    assert own.exists() + len(said) == 1, wanted


@pytest.mark.parametrize("folder", CONFTESTS, ids=str)
def test_the_lines_of_a_conftest_name_modules_and_test_files_that_are_there(folder):
    for module, files in SAID[folder].items():
        assert module in MODULES, f"src/amorsize has no {module}.py"
        for file in files:
            assert Path(file).name.startswith("test_")
            found = [each for each in (TESTS / folder, TESTS) if (each / f"{file}.py").exists()]
            assert found, f"neither {folder} nor tests has {file}.py"


def test_each_folder_of_tests_mirrors_one_of_the_source_or_stands_beside_them():
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("*.py")}
    for folder in folders:
        assert (SOURCE / folder).is_dir() or folder.parts[0] in BESIDE, f"src/amorsize has no {folder}"


def test_each_path_that_tests_conftest_lists_as_portable_is_there():
    tree = ast.parse((TESTS / "conftest.py").read_text(encoding="utf-8"))
    assigned = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    listed = ast.literal_eval(assigned["PORTABLE"])
    assert sorted(set(listed)) == list(listed)
    for one in listed:
        path, _, name = one.partition("::")
        assert (TESTS.parent / path).exists(), path
        assert not name or re.search(rf"^(def|class) {name}\b", (TESTS.parent / path).read_text(), re.MULTILINE), one
