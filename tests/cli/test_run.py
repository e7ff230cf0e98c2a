"""The command run: a line for each item, whatever stops it, and errors that say what to do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from amorsize.cli.commands import amorsize_command
from amorsize.cli.items_left import Known, Lines, checksum
from amorsize.cli.results_file import ResultsFile
from amorsize.config.inputs import function_named

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
OUT = "out.jsonl"
SOURCE = Path(__file__).with_name("run_jobs.py")


@pytest.fixture(autouse=True)
def jobs(own_place, monkeypatch):
    shutil.copy(SOURCE, "run_jobs.py")
    monkeypatch.syspath_prepend(str(own_place / "work"))
    sys.modules.pop("run_jobs", None)
    yield own_place / "work"
    sys.modules.pop("run_jobs", None)


@pytest.fixture
def call(capfd, monkeypatch):
    """Return a function that runs the command in this process, for results that go to a file."""

    def call(function, *arguments, code=0, given=""):
        Path("stdin").write_text(given)
        command = ["run", f"run_jobs:{function}", *map(str, arguments)]
        with Path("stdin").open() as stream:
            monkeypatch.setattr("sys.stdin", stream)
            assert amorsize_command.main(command, prog_name="amorsize", standalone_mode=False) == code
        said, errors = capfd.readouterr()
        assert said == ""
        return errors

    return call


def started(function, *arguments, **options):
    command = [sys.executable, "-m", "amorsize", "run", f"run_jobs:{function}", *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def run(function, *arguments, code=0, given=None):
    """Return what the command prints in a process of its own, and what it says on standard error."""
    with started(function, *arguments) as process:
        said, errors = process.communicate(given, timeout=120)
    assert process.returncode == code, said + errors
    assert "Traceback" not in errors
    return said, errors


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def in_file():
    return lines(Path(OUT).read_text())


def results(rows):
    return {row["position"]: row["result"] for row in rows}


def test_each_result_is_a_line_with_its_position():
    said, errors = run("twice", "--range", 3)
    assert said == "".join(f'{{"position": {x}, "result": {2 * x}}}\n' for x in range(3))
    assert errors == ""


@pytest.mark.parametrize("executor", ["serial", "thread", "process", "auto"])
def test_a_file_has_a_line_for_each_position_in_order(executor, call):
    assert call("twice", "--range", 5000, "--out", OUT, "--executor", executor) == ""
    rows = in_file()
    assert [row["position"] for row in rows] == list(range(5000))
    assert results(rows) == {x: 2 * x for x in range(5000)}
    before = Path(OUT).read_bytes()
    errors = call("twice", "--range", 5000, "--out", OUT)
    assert errors == "amorsize: 5000 of 5000 lines are there already\n"
    assert Path(OUT).read_bytes() == before


@POSIX
def test_a_run_that_is_killed_twenty_times_has_each_line_once():
    ends = driven(f"""
import random
arguments = ["killing", "--range", "100000", "--out", "{OUT}"]
for _ in range(20):
    text = Path("{OUT}").read_text() if Path("{OUT}").exists() else ""
    text = text[: text.rfind("\\n") + 1]
    there = {{json.loads(line)["position"] for line in text.splitlines()}}
    place = [x for x in range(100000) if x not in there][random.randrange(4000)]
    Path("STOP_AT").write_text(str(place))
    print(forked(*arguments), Path("{OUT}").read_text().count('"position": %d,' % place))
Path("STOP_AT").unlink()
print(forked(*arguments))
""")
    assert ends == [f"{-signal.SIGKILL} 0"] * 20 + ["0"]
    rows = in_file()
    assert [row["position"] for row in rows] == list(range(100_000))
    assert all(row["result"] == 2 * row["position"] for row in rows)


def driven(program):
    """Return the lines that a program prints which can run the command in children of its own."""
    code = """
import json, os
from pathlib import Path
import run_jobs
from amorsize.cli.commands import amorsize_command

def forked(*arguments):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    Path("CALLER").write_text(str(os.getpid()))
    arguments = ["run", "run_jobs:" + arguments[0], *arguments[1:]]
    os._exit(amorsize_command.main(arguments, prog_name="amorsize", standalone_mode=False))
"""
    done = subprocess.run([sys.executable, "-c", code + program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("left", [1, 2, 12, 30, 40])
def test_a_line_that_was_cut_short_is_removed_and_its_item_runs_again(left, call):
    call("twice", "--range", 20, "--out", OUT)
    whole = Path(OUT).read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    Path(OUT).write_bytes(whole[: len(whole) - len(last) + min(left, len(last) - 1)])
    errors = call("twice", "--range", 20, "--out", OUT)
    assert "was cut short: its item runs again" in errors
    assert "19 of 20 lines are there already" in errors
    assert Path(OUT).read_bytes() == whole


@POSIX
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "amorsize: interrupted"), (signal.SIGTERM, 143, "the same command goes on")],
)
def test_a_run_that_is_stopped_goes_on_where_it_was(jobs, number, code, said):
    (jobs / "STOP_AT").write_text("60")
    arguments = ["logged", "--range", 100, "--out", OUT, "--executor", "serial"]
    with started(*arguments) as process:
        assert process.stdout.readline() == "there\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"amorsize: stopped: 60 of 100 lines are in {Path(OUT).absolute()}; the same command goes on" in errors
    assert said in errors
    (jobs / "STOP_AT").unlink()
    run(*arguments)
    assert results(in_file()) == {x: x for x in range(100)}
    ran = (jobs / "LOG").read_text().split()
    assert sorted(map(int, ran)) == sorted([*range(100), 60])


@POSIX
def test_a_terminated_run_leaves_no_worker(jobs):
    log = jobs / "LOG"
    (jobs / "STOP_AT").write_text("60")
    with started("logged", "--range", 100, "--out", OUT, "--executor", "process") as process:
        while "60" not in (log.read_text().split() if log.exists() else ""):
            time.sleep(0.02)
        children = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_what_has_changed_is_refused_with_what_to_do(call):
    call("twice", "--range", 20, "--out", OUT)
    before = Path(OUT).read_bytes()
    for arguments, said in (
        (["same", "--range", 20], "the function has changed since the line of position 0 was written"),
        (["twice", "--range", "1:21"], "the item at position 0 has changed since"),
        (["twice", "--range", 19], "there is a line for position 19, and only 19 items"),
    ):
        errors = call(*arguments, "--out", OUT, code=1)
        assert said in errors
        assert "--rerun changed runs what has changed again, --rerun none keeps all lines" in errors
        assert Path(OUT).read_bytes() == before


def test_what_has_changed_can_run_again_or_keep_its_lines(call):
    call("twice", "--range", 20, "--out", OUT)
    call("same", "--range", 22, "--out", OUT, "--rerun", "none")
    assert results(in_file()) == {x: 2 * x if x < 20 else x for x in range(22)}
    call("same", "--range", 21, "--out", OUT, "--rerun", "changed")
    assert results(in_file()) == {x: x for x in range(21)}
    assert [row["position"] for row in in_file()] == list(range(21))
    call("same", "--range", 21, "--out", OUT)


def test_a_line_of_standard_input_that_has_changed_is_refused(call):
    arguments = ["same", "--lines", "-", "--out", OUT]
    call(*arguments, given="a\nb\nc\n")
    assert results(in_file()) == {0: "a", 1: "b", 2: "c"}
    assert "item at position 1 has changed" in call(*arguments, given="a\nx\n", code=1)
    assert "line for position 2, and only 2 items" in call(*arguments, given="a\nb\n", code=1)
    call(*arguments, "--rerun", "changed", given="a\nx\n")
    assert results(in_file()) == {0: "a", 1: "x"}
    assert call(*arguments, given="a\nx\ny\n") == "amorsize: 2 lines are there already\n"
    assert results(in_file()) == {0: "a", 1: "x", 2: "y"}


def test_a_file_that_was_named_and_has_changed_is_noticed(jobs, call):
    for name in "ab":
        (jobs / f"{name}.txt").write_text(name)
    call("same", "--glob", "*.txt", "--out", OUT)
    (jobs / "b.txt").write_text("longer")
    assert "the item at position 1 has changed" in call("same", "--glob", "*.txt", "--out", OUT, code=1)


def test_an_item_that_the_function_changes_counts_as_what_it_was(jobs, call):
    (jobs / "in.json").write_text(json.dumps([{"a": x} for x in range(50)]))
    for executor in ("serial", "process"):
        call("adds_to", "--items", "in.json", "--out", OUT, "--executor", executor)
        assert results(in_file()) == dict.fromkeys(range(50), 2)


def test_failures_are_lines_when_they_are_collected_and_can_run_again(jobs, call):
    errors = call("odd_fails", "--range", 10, "--out", OUT, "--errors", "collect", code=1)
    assert '5 items failed: see "error" in the lines' in errors
    rows = in_file()
    assert [row["position"] for row in rows] == list(range(10))
    assert rows[3]["error"] == {"type": "ValueError", "message": "3 is odd"}
    assert "5 items failed" in call("odd_fails", "--range", 10, "--out", OUT, "--errors", "collect", code=1)
    (jobs / "ALL_IS_WELL").write_text("1")
    call("odd_fails", "--range", 10, "--out", OUT, "--rerun", "failed")
    assert results(in_file()) == {x: x for x in range(10)}
    assert [row["position"] for row in in_file()] == list(range(10))
    call("same", "--range", 10, "--out", OUT, "--rerun", "failed")
    assert "the function has changed since the line of position 0" in call("same", "--range", 10, "--out", OUT, code=1)


@pytest.mark.parametrize("executor", ["serial", "process"])
def test_a_failure_that_is_raised_names_its_position_and_keeps_what_was_done(executor, call):
    def on(items, **expected):
        Path("in.json").write_text(json.dumps(items))
        return call("odd_fails", "--items", "in.json", "--out", OUT, "--executor", executor, **expected)

    on(list(range(0, 80, 2)))
    errors = on([*range(0, 80, 2), 81], code=1)
    assert "amorsize: ValueError: 81 is odd" in errors
    assert "the item at position 40: 81" in errors
    assert "40 of 41 lines are in" in errors
    assert f'{Path("run_jobs.py").absolute()}", line' in errors
    on([*range(0, 80, 2), 82])
    assert len(in_file()) == 41


def test_a_result_that_is_not_json_is_named_with_what_to_do():
    said, errors = run("no_json", "--range", 9, code=1)
    assert len(lines(said)) == 1
    assert "the result at position 1 is not JSON (ValueError" in errors
    assert "return text, numbers, True, False, None, or lists and dicts of these" in errors
    said, _ = run("no_json", "--range", 5, "--errors", "collect", code=1)
    rows = lines(said)
    assert ["error" in row for row in rows] == [False, True, True, True, False]
    assert "is not JSON" in rows[2]["error"]["message"]


def test_what_an_item_prints_stays_out_of_the_lines():
    said, errors = run("talks", "--range", 3)
    assert results(lines(said)) == {0: 0, 1: 1, 2: 2}
    assert errors.splitlines() == ["printed 0", "printed 1", "printed 2"]


def test_what_the_module_prints_stays_out_of_the_lines(jobs):
    (jobs / "prints.py").write_text("print('imported')\ndef f(x):\n    return x\n")
    command = [sys.executable, "-m", "amorsize", "run", "prints:f", "--range", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert results(lines(done.stdout)) == {0: 0, 1: 1}
    assert done.stderr == "imported\n"


def test_the_file_of_lines_is_no_item(jobs, call):
    (jobs / "our.jsonl").write_text("an item")
    for _ in range(2):
        call("same", "--glob", "*.jsonl", "--out", OUT)
        assert results(in_file()) == {0: "our.jsonl"}


def test_only_lines_that_count_are_counted(jobs, call):
    call("odd_fails", "--range", 10, "--out", OUT, "--errors", "collect", code=1)
    (jobs / "ALL_IS_WELL").write_text("1")
    errors = call("odd_fails", "--range", 10, "--out", OUT, "--rerun", "failed")
    assert errors == "amorsize: 5 of 10 lines are there already\n"
    errors = call("odd_fails", "--range", 2, "--out", OUT, "--rerun", "none")
    assert errors == "amorsize: 2 of 2 lines are there already\n"
    assert call("same", "--range", 10, "--out", OUT, "--rerun", "changed") == ""
    assert call("same", "--range", 1, "--out", "one", "--rerun", "changed") == ""
    assert call("same", "--range", 1, "--out", "one") == "amorsize: 1 of 1 line is there already\n"
    assert "there is a line for position 1, and only 1 item:" in call("same", "--range", 1, "--out", OUT, code=1)
    assert call("same", "--lines", "-", "--out", "two", given="a\n") == ""
    assert call("same", "--lines", "-", "--out", "two", given="a\n") == "amorsize: 1 line is there already\n"


def test_a_refused_run_does_not_say_that_the_same_command_goes_on(call):
    arguments = ["same", "--lines", "-", "--out", OUT]
    call(*arguments, given="a\nb\n")
    errors = call(*arguments, given="x\nb\n", code=1)
    assert "the item at position 0 has changed" in errors
    assert "goes on" not in errors


def test_items_without_a_line_are_not_looked_at_before_the_first_line(call):
    call("same", "--range", 5, "--out", OUT)
    looked = []

    def counted(item):
        looked.append(item)
        return checksum(item)

    with ResultsFile(OUT) as file:
        left = Known(range(100), Lines(file, function_named("run_jobs:same"), None), counted, may_change=False)
    assert looked == list(range(5))
    assert left.data == range(5, 100)
    assert left.done == 5


def test_options_that_would_do_nothing_are_wrong_usage():
    for arguments, said in (
        (["--rerun", "failed"], "--rerun needs --out FILE"),
        (["--out", ""], "--out: must name a file; - is standard output"),
    ):
        assert said in run("same", "--range", 3, *arguments, code=2)[1]


def test_an_item_that_ends_its_worker_gets_a_line_and_the_others_run(call):
    arguments = ["crashes", "--range", 2000, "--out", OUT, "--executor", "process", "--errors", "collect"]
    assert '3 items failed: see "error" in the lines' in call(*arguments, code=1)
    rows = in_file()
    assert [row["position"] for row in rows] == list(range(2000))
    failed = {row["position"]: row["error"] for row in rows if "error" in row}
    assert list(failed) == [7, 8, 1500]
    assert failed[7] == {
        "type": "WorkerError",
        "message": "a worker process ended itself with code 3 while it ran items",
    }
    assert "2000 of 2000 lines are there already" in call(*arguments, code=1)


@pytest.mark.parametrize(
    ("data", "out"),
    [(("--range", 2000), ()), (("--lines", "-"), ()), (("--lines", "-"), ("--out", OUT))],
    ids=["known, to standard output", "lines, to standard output", "lines, to a file"],
)
def test_an_item_that_ends_its_worker_gets_a_line_in_other_ways_too(data, out):
    given = "".join(f"{x}\n" for x in range(2000))
    said, errors = run("crashes", *data, *out, "--executor", "process", "--errors", "collect", code=1, given=given)
    assert '3 items failed: see "error" in the lines' in errors
    rows = in_file() if out else lines(said)
    assert [row["position"] for row in rows] == list(range(2000))
    assert [row["position"] for row in rows if "error" in row] == [7, 8, 1500]
    assert all(int(row["result"]) == row["position"] for row in rows if "error" not in row)


@pytest.mark.parametrize("out", [(), ("--out", OUT)], ids=["to standard output", "to a file"])
@pytest.mark.parametrize("data", [("--range", 20), ("--lines", "-")], ids=["known", "lines"])
def test_an_item_that_ends_its_worker_is_named_with_what_to_do(data, out):
    given = "".join(f"{x}\n" for x in range(20))
    said, errors = run("crashes", *data, *out, "--executor", "process", code=1, given=given)
    assert "amorsize: a worker process ended itself with code 3 while it ran items" in errors
    assert "running the item at position 7: " in errors
    assert "with --errors collect such an item gets a line, and all other items run" in errors
    assert "`finished`" not in errors
    if not out:
        assert [row["position"] for row in lines(said)] == list(range(7))


def test_a_coroutine_function_is_named():
    assert "got the coroutine function 'waits'" in run("waits", "--range", 3, code=1)[1]


@pytest.mark.parametrize("errors", ["raise", "collect"])
def test_an_error_without_a_text_is_named(errors):
    said, shown = run("unspeakable", "--range", 1, "--errors", errors, code=1)
    assert ("NoTextError: <its __str__ raises LookupError>" in shown) == (errors == "raise")
    if errors == "collect":
        assert lines(said)[0]["error"] == {"type": "NoTextError", "message": "<its __str__ raises LookupError>"}


def test_a_function_that_ends_the_program_is_said():
    assert "the function ended the program: it called sys.exit(0)" in run("ends", "--range", 3, code=1)[1]


def test_results_cannot_steer_a_terminal():
    said, _ = run("steers", "--range", 3)
    assert said.replace("\n", "").isascii()
    assert said.replace("\n", "").isprintable()
    assert lines(said)[1]["result"] == "\x1b[2J\x7f\x9b31m\u202e"


@POSIX
def test_who_stops_reading_ends_the_run_quietly():
    with started("twice", "--range", "1e6") as process:
        assert process.stdout.readline() == '{"position": 0, "result": 0}\n'
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == ""


def test_text_that_is_no_utf_8_is_said():
    with started("twice", "--lines", "-") as process:
        os.write(process.stdin.fileno(), b"a\n\xff\n")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "standard input cannot be read as UTF-8 text" in errors


@POSIX
@pytest.mark.parametrize("executor", ["serial", "thread", "process", "auto"])
def test_a_result_waits_for_no_later_line(executor):
    with started("same", "--lines", "-", "--executor", executor) as process:
        late = threading.Timer(60, process.kill)
        late.start()
        for first, count in ((0, 1), (1, 1), (2, 50), (52, 1)):
            process.stdin.write("".join(f"{x}\n" for x in range(first, first + count)))
            process.stdin.flush()
            rows = [json.loads(process.stdout.readline() or "null") for _ in range(count)]
            assert rows == [{"position": x, "result": str(x)} for x in range(first, first + count)]
        process.stdin.write("the last line has no end")
        said, errors = process.communicate(timeout=60)
        late.cancel()
    assert (process.returncode, errors) == (0, "")
    assert lines(said) == [{"position": 53, "result": "the last line has no end"}]


@POSIX
def test_a_line_comes_into_the_file_before_the_next_item_and_done_items_are_passed_over(jobs):
    def has(count):
        end = time.monotonic() + 60
        while len(Path(OUT).read_text().splitlines()) < count and time.monotonic() < end:
            time.sleep(0.01)
        return results(in_file())

    run("same", "--lines", "-", "--out", OUT, given="a\nb\n")
    whole = Path(OUT).read_text().splitlines(keepends=True)
    Path(OUT).write_text(whole[1])
    with started("same", "--lines", "-", "--out", OUT) as process:
        process.stdin.write("a\nb\n")
        process.stdin.flush()
        assert has(2) == {0: "a", 1: "b"}
        process.stdin.write("c\n")
        process.stdin.flush()
        assert has(3) == {0: "a", 1: "b", 2: "c"}
        process.communicate(timeout=60)
    assert process.returncode == 0


@POSIX
def test_two_runs_on_the_same_file_at_once_are_refused(jobs):
    (jobs / "STOP_AT").write_text("2")
    with started("logged", "--range", 5, "--out", OUT, "--executor", "serial") as process:
        assert process.stdout.readline() == "there\n"
        assert "is in use by another run: wait for its end" in run("logged", "--range", 5, "--out", OUT, code=1)[1]
        process.kill()


@POSIX
def test_a_full_disk_leaves_whole_lines():
    import resource  # noqa: PLC0415  not on Windows

    def bounded():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_500, resource.RLIM_INFINITY))

    with started("long", "--range", 100, "--out", OUT, preexec_fn=bounded) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "out.jsonl cannot be written: File too large" in errors
    assert "the same command goes on" in errors
    assert all(row["result"] == "x" * 1000 for row in in_file())
    run("long", "--range", 100, "--out", OUT)
    assert [row["position"] for row in in_file()] == list(range(100))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run_jobs.py", "line 1 is not a line of amorsize run: name another file"),
        ("notes", "line 1 is not a line of amorsize run"),
        ("folder", "cannot be opened"),
        ("nowhere/out", "cannot be opened: No such file or directory"),
    ],
)
def test_a_file_that_is_none_of_a_run_stays_as_it_is(jobs, name, said, call):
    (jobs / "notes").write_text("no end of a line")
    (jobs / "folder").mkdir()
    assert said in call("twice", "--range", 3, "--out", name, code=1)
    assert (jobs / "notes").read_text() == "no end of a line"


def test_nothing_is_measured_or_kept_while_amorsize_is_disabled(monkeypatch, own_place):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    run("odd_fails", "--range", 4, "--out", OUT, "--errors", "collect", code=1)
    assert [list(row)[-1] for row in in_file()] == ["result", "error", "result", "error"]
    assert not list((own_place / "cache").iterdir())
