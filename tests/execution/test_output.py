"""What items print is recorded by thread, and written in the order of the items."""

from __future__ import annotations

import sys
import threading

import pytest

from amorsize.execution.output import Output, recorded


def test_both_streams_are_recorded_and_nothing_is_written(capsys):
    pieces = []
    with recorded(pieces):
        print("one")  # noqa: T201
        print("two", file=sys.stderr)  # noqa: T201
    assert [(name, text) for name, text in pieces if text.strip()] == [("stdout", "one"), ("stderr", "two")]
    assert capsys.readouterr() == ("", "")


def test_another_thread_writes_to_the_stream_itself(capsys):
    pieces = []
    with recorded(pieces):
        thread = threading.Thread(target=print, args=("other",))
        thread.start()
        thread.join()
    assert pieces == []
    assert capsys.readouterr().out == "other\n"


def test_the_streams_are_put_back_and_one_that_an_item_has_set_stays(monkeypatch, capsys):
    before = sys.stdout
    with recorded([]), recorded([]):
        assert sys.stdout is not before
    assert sys.stdout is before
    mine = object()
    with recorded([]):
        monkeypatch.setattr(sys, "stdout", mine)
    assert sys.stdout is mine


def test_a_recording_within_another_ends_alone():
    outer, inner = [], []
    with recorded(outer):
        sys.stdout.write("a")
        with recorded(inner):
            sys.stdout.write("b")
        sys.stdout.write("c")
    assert (outer, inner) == ([("stdout", "a"), ("stdout", "c")], [("stdout", "b")])


def test_a_text_that_is_none_raises_as_a_stream_does():
    with recorded([]), pytest.raises(TypeError, match="must be str, not int"):
        sys.stdout.write(1)


def test_output_comes_in_the_order_of_the_items(capsys):
    output = Output(0)
    for first, stop in ((4, 6), (2, 4), (0, 2)):
        output.add(first, stop, [("stdout", f"{first} ")])
        assert capsys.readouterr().out == ("" if first else "0 2 4 ")


def test_a_run_that_ends_early_writes_what_there_is_in_order(capsys):
    output = Output(0)
    output.add(8, 9, [("stdout", "8 ")])
    output.add(4, 6, [("stdout", "4 ")])
    output.end()
    assert capsys.readouterr().out == "4 8 "


def test_a_stream_keeps_its_recorder_which_another_thread_may_still_print_to():
    seen = []
    for _ in range(2):
        with recorded([]):
            seen.append(sys.stdout)
    assert seen[0] is seen[1]


def test_ctrl_c_at_the_beginning_of_a_recording_leaves_the_streams_as_they_were(monkeypatch):
    begin, before = recorded.__enter__, sys.stdout

    def interrupted(recording):
        begin(recording)
        raise KeyboardInterrupt

    output = Output(0)
    monkeypatch.setattr(recorded, "__enter__", interrupted)
    with pytest.raises(KeyboardInterrupt), recorded([]):
        pass
    output.end()
    assert sys.stdout is before
