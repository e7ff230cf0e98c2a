"""An exception that comes from a worker is the one that was raised there, or its words."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import threading
import urllib.error

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.processes.failures import LostError, note_item, pack, renumber, unpack


class TwoArgumentsError(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.first = first
        self.second = second


class KeywordOnlyError(Exception):
    def __init__(self, *, code):
        super().__init__()
        self.code = code

    def __str__(self):
        return f"code {self.code}"


class NoSuperError(ValueError):
    def __init__(self, value):
        self.value = value


class AttributesError(KeyError):
    pass


class Grouped(ExceptionGroup):
    def derive(self, excs):
        return Grouped(self.message, excs)


def attributed():
    error = AttributesError("key")
    error.more = {"a": [1, 2]}
    return error


class TwoError(Exception):
    """Takes other arguments than it keeps."""

    def __init__(self, code, detail):
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class WordyError(Exception):
    """Says more than it was given each time that it is made."""

    def __init__(self, what):
        super().__init__(f"wrong: {what}")


class BareError(Exception):
    """Keeps nothing for its base class."""

    def __init__(self, *, value):
        super().__init__()
        self.value = value

    def __str__(self):
        return f"value {self.value}"


class SystemLikeError(OSError):
    """An OSError of one's own."""


class PlaceError(OSError):
    """An OSError that is made of something else."""

    def __init__(self, where, *, why):
        super().__init__(f"{where}: {why}")
        self.errno = 7
        self.filename = where
        self.why = why


class ModuleLikeError(ImportError):
    def __init__(self, module):
        super().__init__(f"no {module}", name=module, path=f"/{module}.py")


class TextError(UnicodeDecodeError):
    def __init__(self, line):
        super().__init__("utf-8", b"abc", 1, 2, f"line {line}")
        self.line = line


class SlotsError(Exception):
    __slots__ = ("_why", "code", "unset")

    def __init__(self, code, why):
        super().__init__(f"code {code}")
        self.code = code
        self._why = why


class SlotsBelowError(SlotsError):
    __slots__ = ("more",)

    def __init__(self):
        super().__init__(3, None)
        self.more = [1]


class OtherNewError(Exception):
    def __new__(cls, first, second):
        made = super().__new__(cls, first)
        made.second = second
        return made

    def __init__(self, first, second):
        """Keep what ``__new__`` has made."""


class PropertyError(OSError):
    """Has a property where its base class has a field."""

    errno = property(lambda self: 5)  # type: ignore[assignment]


class CodedGroup(ExceptionGroup):
    def __new__(cls, errors, code):
        made = super().__new__(cls, "coded", errors)
        made.code = code
        return made

    def __init__(self, errors, code):
        """Keep what ``__new__`` has made."""


def changed(error, **fields):
    """Return an exception that has been given other fields after it was made."""
    for name, value in fields.items():
        setattr(error, name, value)
    return error


def caught(code):
    """Return what a piece of Python raises."""
    try:
        exec(code)
    except BaseException as error:  # noqa: BLE001
        return error.with_traceback(None)


def decoding():
    try:
        b"\xff".decode()
    except UnicodeDecodeError as error:
        return error


FAMILY = {
    "plain": lambda: ValueError("no", 3),
    "of the system": lambda: FileNotFoundError(2, "No such file", "name"),
    "of the system with two names": lambda: OSError(18, "Cross-device", "one", None, "two"),
    "of unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    "of json": lambda: json.JSONDecodeError("Expecting", "{", 1),
    "of a process": lambda: subprocess.CalledProcessError(3, ["no"], b"out", b"err"),
    "of the end": lambda: SystemExit(7),
    "of an iterator": lambda: StopIteration(5),
    "of syntax": lambda: SyntaxError("bad", ("file", 1, 2, "text", 1, 3)),
    "two arguments": lambda: TwoArgumentsError(1, 2),
    "keyword only": lambda: KeywordOnlyError(code=5),
    "no super": lambda: NoSuperError(9),
    "attributes": attributed,
    "a group": lambda: ExceptionGroup("all", [ValueError(1), TwoArgumentsError(1, 2)]),
    "a group in a group": lambda: Grouped("all", [ExceptionGroup("in", [KeywordOnlyError(code=1)]), OSError(2, "no")]),
    "a url": lambda: urllib.error.URLError("no host"),
    "one text": lambda: ValueError("plain"),
    "a key": lambda: KeyError("key"),
    "no key": KeyError,
    "code and detail": lambda: TwoError(3, "three"),
    "wordy": lambda: WordyError("this"),
    "bare": lambda: BareError(value=5),
    "of the system once more": lambda: OSError(2, "No such file", "name"),
    "no file": lambda: FileNotFoundError(2, "No such file", "name"),
    "like the system's": lambda: SystemLikeError(13, "Denied"),
    "decoding": decoding,
    "the end of an iterator": lambda: StopIteration(7),
    "the end with a code": lambda: SystemExit(3),
    "Ctrl-C": lambda: KeyboardInterrupt("now"),
    "a group of two kinds": lambda: ExceptionGroup("both", [ValueError(1), TwoError(1, "a")]),
    "no arguments": AssertionError,
    "of pickle": lambda: pickle.PicklingError("no"),
    "of a module": lambda: caught("from os import nothing_of_that_name"),
    "of a name": lambda: caught("nothing_of_that_name"),
    "of an attribute": lambda: caught("(1).nothing_of_that_name"),
    "of a line": lambda: caught("compile('if x:\\n  a b', 'file', 'exec')"),
    "of a module with a name and a path": lambda: ModuleLikeError("thing"),
    "of the system, made of something else": lambda: PlaceError("place", why="reason"),
    "of unicode, made of something else": lambda: TextError(4),
    "slots": lambda: SlotsError(1, "reason"),
    "slots below slots": SlotsBelowError,
    "another __new__": lambda: OtherNewError(1, 2),
    "a property over a field": lambda: PropertyError(2, "No such file"),
    "a group with a code": lambda: CodedGroup([ValueError(1)], 7),
    "a code that is set later": lambda: changed(SystemExit(3), code=4),
    "a value that is set later": lambda: changed(StopIteration(1), value=5),
    "a name that is set later": lambda: changed(OSError("only"), filename="one", filename2="two"),
    "a reason that is set later": lambda: changed(decoding(), reason="other", start=0),
    "a count that is set later": lambda: changed(BlockingIOError(11, "again"), characters_written=3),
    "a line that is set later": lambda: changed(SyntaxError("bad"), lineno=4, text="x"),
}

FIELDS = (
    *(
        "errno",
        "strerror",
        "filename",
        "filename2",
        "characters_written",
        "returncode",
        "code",
        "value",
        "name",
        "path",
    ),
    *("msg", "lineno", "offset", "text", "end_lineno", "encoding", "object", "start", "end", "reason", "message"),
    *("_why", "unset", "more", "first", "second", "line", "why"),
)


def raised(error, cause=None, context=None, *, quiet=False):
    """Return an exception as it comes out of code that raises it."""
    try:
        if context is not None:
            try:
                raise context  # noqa: TRY301
            except BaseException:  # noqa: BLE001
                raise error  # noqa: B904
        if cause is not None or quiet:
            raise error from cause  # noqa: TRY301
        raise error  # noqa: TRY301
    except BaseException as caught:  # noqa: BLE001
        return caught


def attributes(error):
    return {name: value for name, value in vars(error).items() if name not in {"__notes__", "exceptions"}}


@pytest.mark.parametrize("kind", sorted(FAMILY))
def test_an_exception_keeps_type_arguments_attributes_fields_and_text(kind):
    error = raised(FAMILY[kind]())
    error.add_note("a note")
    back = unpack(pickle.loads(pickle.dumps(pack(error))))
    assert type(back) is type(error)
    assert (repr(back.args), str(back)) == (repr(error.args), str(error))
    assert attributes(back) == attributes(error)
    for name in FIELDS:
        assert getattr(back, name, "not set") == getattr(error, name, "not set")
    assert back.__notes__[0] == "a note"
    assert "in the worker:\n" in back.__notes__[-1]
    assert "Traceback" in back.__notes__[-1]
    if isinstance(error, ExceptionGroup):
        assert [type(each) for each in back.exceptions] == [type(each) for each in error.exceptions]
        assert [str(each) for each in back.exceptions] == [str(each) for each in error.exceptions]


@given(
    names=st.lists(st.sampled_from(sorted(FAMILY)), min_size=2, max_size=5), how=st.sampled_from(["cause", "context"])
)
def test_causes_and_contexts_come_along(names, how):
    error = raised(FAMILY[names[0]]())
    for name in names[1:]:
        error = raised(FAMILY[name](), **{how: error})
    back = unpack(pack(error))
    while error is not None:
        assert type(back) is type(error)
        assert back.__suppress_context__ == error.__suppress_context__
        error, back = getattr(error, f"__{how}__"), getattr(back, f"__{how}__")
    assert back is None


def test_from_none_stays_from_none():
    back = unpack(pack(raised(ValueError(1), quiet=True)))
    assert (back.__cause__, back.__context__, back.__suppress_context__) == (None, None, True)


class RefusingError(Exception):
    def __reduce__(self):
        raise TypeError("not this one")


def local():
    class LocalError(Exception):
        pass

    return LocalError(1)


@pytest.mark.parametrize("error", [AttributesError(lambda: 0), local()], ids=["a lambda", "a local class"])
def test_what_does_not_pickle_is_lost_with_its_words(error):
    back = unpack(pack(raised(error)))
    assert isinstance(back, LostError)
    assert "Traceback" in str(back)
    assert type(error).__name__ in str(back)


def test_an_exception_that_refuses_to_be_pickled_is_made_of_its_parts():
    back = unpack(pack(raised(RefusingError(4))))
    assert (type(back), back.args) == (RefusingError, (4,))


@pytest.mark.parametrize("name", sorted(FAMILY))
def test_an_exception_comes_back_as_it_was(name):
    error = FAMILY[name]()
    error.mark = ["mine"]
    error.add_note("a note")
    error.__cause__ = WordyError("before")
    error.__cause__.__cause__ = TwoError(1, "first")
    back = unpack(pack(error))
    assert type(back) is type(error)
    assert (str(back), back.__notes__[:-1], back.mark) == (str(error), ["a note"], ["mine"])
    assert len(back.args) == len(error.args)
    assert attributes(back) == attributes(error)
    assert getattr(back, "errno", None) == getattr(error, "errno", None)
    assert (type(back.__cause__), str(back.__cause__)) == (WordyError, "wrong: before")
    assert str(back.__cause__.__cause__) == "1: first"
    assert back.__suppress_context__ is True
    assert unpack(pack(ValueError())).__suppress_context__ is False


@given(st.lists(st.integers() | st.text() | st.none()))
def test_arguments_come_back(args):
    assert unpack(pack(LookupError(*args))).args == tuple(args)


def test_what_cannot_be_brought_anywhere_is_none():
    class LocalError(Exception):
        pass

    assert pack(LocalError()).pickled is None
    assert pack(ValueError(threading.Lock())).pickled is None
    error = ValueError()
    error.held = threading.Lock()
    assert pack(error).pickled is None


def test_a_cause_that_cannot_be_brought_is_left_behind():
    error = ValueError("mine")
    error.__cause__ = ValueError(threading.Lock())
    assert unpack(pack(error)).__cause__ is None


def test_a_cause_that_is_its_own_comes_to_an_end():
    error = ValueError("mine")
    error.__cause__ = error
    assert str(unpack(pack(error))) == "mine"


def test_an_exception_that_another_one_holds_keeps_its_attributes_and_what_it_comes_from():
    inner = raised(TwoError(1, "in"), cause=SlotsError(4, "inside"))
    for outer in (ExceptionGroup("all", [inner, ValueError(2)]), changed(ValueError("out"), held=[inner])):
        back = unpack(pack(outer))
        inner_back = back.exceptions[0] if isinstance(back, ExceptionGroup) else back.held[0]
        assert (type(inner_back), str(inner_back), inner_back.detail) == (TwoError, "1: in", "in")
        assert (type(inner_back.__cause__), inner_back.__cause__.code) == (SlotsError, 4)


def test_a_group_whose_member_comes_from_it_comes_to_an_end():
    member = ValueError(1)
    group = ExceptionGroup("all", [member])
    member.__cause__ = group
    assert unpack(pack(group)).exceptions[0].__cause__.message == "all"


def test_arguments_that_compare_by_identity_come_along():
    back = unpack(pack(ValueError(object())))
    assert (type(back), type(back.args[0])) == (ValueError, object)


class HostileError(Exception):
    """Runs when it is pickled."""

    def __reduce__(self):
        os.environ["NEVER"]


def test_a_hostile_exception_does_no_harm():
    assert type(unpack(pack(HostileError()))) is HostileError


def test_the_position_that_is_noted_can_be_that_of_other_data():
    error = LookupError("x")
    error.add_note("of its own: amorsize was running the item at position 3")
    note_item(error, 3, "at position 3")
    renumber(error, 512)
    assert error.__notes__[0].endswith("position 3")
    assert error.__notes__[1] == "amorsize was running the item at position 512: 'at position 3'"
    renumber(LookupError("without a note"), 1)
