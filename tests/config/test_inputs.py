"""What a command line or a config names is found, or an error says what is wrong with the name."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.config.inputs import InputError, data_named, function_named, whole_number


@pytest.fixture(autouse=True)
def no_trace(monkeypatch):
    """Leave neither modules nor folders behind that a test imports from."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = {*sys.modules}
    yield
    for name in {*sys.modules} - known:
        del sys.modules[name]


class TestFunctions:
    def test_a_function_of_an_installed_module_has_its_dotted_name(self):
        assert function_named("json:loads") is json.loads
        assert function_named("pathlib:Path.read_text") is Path.read_text

    @pytest.mark.parametrize("name", ["job.py:twice", "./job.py:twice", "{}/job.py:twice", "~/../work/job.py:twice"])
    def test_a_function_in_a_file_has_the_name_of_the_file(self, name):
        Path("job.py").write_text("def twice(x):\n    return 2 * x\n")
        twice = function_named(name.format(Path.cwd()))
        assert twice(4) == 8
        assert twice.__module__ == "job"

    def test_a_file_in_a_package_is_imported_as_part_of_it(self):
        folder = Path("outer/inner")
        folder.mkdir(parents=True)
        for each in (folder, folder.parent):
            (each / "__init__.py").write_text("")
        (folder / "numbers.py").write_text("FACTOR = 3\n")
        (folder / "job.py").write_text("from .numbers import FACTOR\n\ndef times(x):\n    return FACTOR * x\n")
        (folder / "__init__.py").write_text("def whole(x):\n    return x\n")
        times = function_named("outer/inner/job.py:times")
        assert times(2) == 6
        assert times.__module__ == "outer.inner.job"
        assert function_named("outer/inner/__init__.py:whole").__module__ == "outer.inner"

    def test_a_file_whose_name_is_no_identifier_is_found_too(self):
        Path("my-job.py").write_text("def one(x):\n    return x\n")
        assert function_named("./my-job.py:one")(1) == 1

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("json", "must be module:function or file.py:function, got 'json'"),
            (":loads", "must be module:function"),
            ("json:", "must be module:function"),
            ("nowhere.py:f", "there is no file"),
            ("./:f", "there is no file"),
            ("a.b.py:f", "has a dot in it, rename the file"),
            ("json.py:f", "json.py has the name of another module, "),
            ("sys.py:f", "another module, a built-in module: rename the file"),
            ("nowhere:f", "module 'nowhere' cannot be imported"),
            ("json:f", "'json' has no function 'f'"),
            ("json:__name__", "must be callable, got str"),
        ],
    )
    def test_what_is_no_function_is_refused(self, name, said):
        for file in ("a.b.py", "json.py", "sys.py"):
            Path(file).write_text("def f(x):\n    return x\n")
        with pytest.raises(InputError, match=said):
            function_named(name)

    def test_a_module_that_fails_while_it_is_imported_fails_as_it_does(self):
        Path("bad.py").write_text("1 / 0\n")
        with pytest.raises(ZeroDivisionError):
            function_named("bad:f")


class TestNumbers:
    @given(st.integers(-(10**18), 10**18))
    def test_a_whole_number_is_what_it_says_in_any_way_to_write_it(self, number):
        for text in (f"{number}", f" {number} ", f"{number:_}", f"{number}e0", f"{number}.0", f"{number}0e-1"):
            assert whole_number(text) == number

    @given(st.integers(0, 15), st.integers(0, 99))
    def test_an_exponent_counts_zeros(self, zeros, number):
        assert whole_number(f"{number}e{zeros}") == whole_number(f"{number}E+{zeros}") == number * 10**zeros

    @pytest.mark.parametrize("text", ["", "x", "1.5", "15e-1", "nan", "inf", "1e999999999", "1e19", "0x10", "1 2"])
    def test_what_is_no_whole_number_is_refused(self, text):
        with pytest.raises(ValueError, match="is no"):
            whole_number(text)


class TestData:
    @pytest.mark.parametrize(
        ("numbers", "found"),
        [("1e3", range(1000)), ("1e1:2e1", range(10, 20)), ("10:0:-3", range(10, 0, -3)), ([2, 5], range(2, 5))],
    )
    def test_numbers_are_a_range(self, numbers, found):
        assert data_named(numbers=numbers) == found

    @pytest.mark.parametrize("numbers", ["", "x", "1:2:3:4", "1:2:0", "1.5", "1e99"])
    def test_what_is_no_range_is_refused(self, numbers):
        with pytest.raises(InputError, match="range must be STOP"):
            data_named(numbers=numbers)

    @given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)))
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_lines_end_where_an_editor_ends_them(self, tmp_path_factory, end, lines):
        path = tmp_path_factory.mktemp("lines") / "lines.txt"
        path.write_bytes("".join(line + end for line in lines).encode())
        expected = [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []
        assert data_named(lines=str(path)) == expected

    @pytest.mark.parametrize(
        ("body", "lines"),
        [
            (b"", []),
            (b"a", ["a"]),
            (b"\n", [""]),
            (b"a\n\nb", ["a", "", "b"]),
            (b"\xef\xbb\xbfa\n", ["a"]),
            ("one \u2028 line\x0c\n".encode(), ["one \u2028 line\x0c"]),
        ],
    )
    def test_only_an_end_of_line_ends_a_line(self, body, lines):
        Path("lines.txt").write_bytes(body)
        assert data_named(lines="lines.txt") == lines

    def test_standard_input_is_called_by_a_hyphen(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\u00e4\nb\n".encode())))
        assert data_named(lines="-") == ["\u00e4", "b"]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[1, 2]")))
        assert data_named(document="-") == [1, 2]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
        with pytest.raises(InputError, match="standard input cannot be read as UTF-8 text"):
            data_named(lines="-")

    def test_standard_input_is_named_in_an_error(self, monkeypatch):
        for body, said in ((b"{}", "must hold a JSON list, got dict"), (b"[", "is not valid JSON")):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
            with pytest.raises(InputError, match=f"^standard input {said}"):
                data_named(document="-")

    def test_patterns_give_sorted_paths_one_pattern_after_the_other_and_each_path_once(self):
        for name in ("b.csv", "a.csv", "a.txt"):
            Path(name).touch()
        assert data_named(pattern="*.csv") == ["a.csv", "b.csv"]
        assert data_named(pattern=["*.txt", "a.*", "*.csv"]) == ["a.txt", "a.csv", "b.csv"]
        with pytest.raises(InputError, match=r"glob '\*\.png' matches no path"):
            data_named(pattern=["*.csv", "*.png"])

    def test_a_tilde_is_the_users_home(self):
        (Path.home() / "x.lines").write_text("a\n")
        (Path.home() / "x.json").write_text("[1]")
        assert data_named(lines="~/x.lines") == ["a"]
        assert data_named(document="~/x.json") == [1]
        assert data_named(pattern="~/x.*") == [str(Path.home() / name) for name in ("x.json", "x.lines")]

    @pytest.mark.parametrize("ways", [{}, {"pattern": ()}, {"numbers": "3", "pattern": ["*"]}])
    def test_one_way_must_be_given_and_no_more(self, ways):
        with pytest.raises(InputError, match="data must be named by one of range, lines, glob and items"):
            data_named(**ways)
