"""Where processes can be started from: real scripts, prompts and workers, under every start method."""

from __future__ import annotations

import ctypes.util
import json
import multiprocessing
import subprocess
import sys
import textwrap
from functools import partial
from types import SimpleNamespace

import pytest

from amorsize.adapters.probes import start_conditions

METHODS = [method for method in ("spawn", "forkserver") if method in multiprocessing.get_all_start_methods()]
ASK = "import json\nfrom amorsize.adapters.probes.start_conditions import blocked_reason\n"


def top_level(item):
    return item


def run_script(tmp_path, source, *arguments, **options):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, *(arguments or [str(script)])],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        **options,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("method", METHODS)
class TestUnderAFreshStartMethod:
    def test_a_script_without_a_guard_would_be_run_again(self, tmp_path, method):
        said = run_script(tmp_path, f"{ASK}\nprint(json.dumps(blocked_reason(abs, {method!r})))\n")
        assert said.startswith("script.py calls this on line 4 outside of")

    def test_a_module_that_calls_while_it_is_imported_would_call_again_in_each_worker(self, tmp_path, method):
        job = f"def work(item):\n    return item\n\nsaid = blocked_reason(work, {method!r})\n"
        (tmp_path / "job_module.py").write_text(ASK + job)
        said = run_script(
            tmp_path,
            "import json\nif __name__ == '__main__':\n    import job_module\n    print(json.dumps(job_module.said))\n",
        )
        assert said.startswith("the module 'job_module' calls this while it is imported, so each worker")

    def test_a_main_module_without_a_spec_cannot_be_imported(self, tmp_path, method):
        said = run_script(tmp_path, f"{ASK}\ndel __spec__\nprint(json.dumps(blocked_reason(abs, {method!r})))\n")
        assert said.startswith(f"a worker started by {method} cannot import a main module without __spec__")

    def test_a_script_with_a_guard_can(self, tmp_path, method):
        source = f"{ASK}\ndef main():\n    print(json.dumps(blocked_reason(abs, {method!r})))\n"
        assert run_script(tmp_path, f"{source}\nif __name__ == '__main__':\n    main()\n") is None

    def test_a_guard_written_the_other_way_round_or_with_more_conditions_counts(self, tmp_path, method):
        source = f"{ASK}\nif True and '__main__' == __name__:\n    print(json.dumps(blocked_reason(abs, {method!r})))\n"
        assert run_script(tmp_path, source) is None

    def test_another_comparison_is_no_guard(self, tmp_path, method):
        source = f"{ASK}\nif __name__ != 'x':\n    print(json.dumps(blocked_reason(abs, {method!r})))\n"
        assert "outside of" in run_script(tmp_path, source)

    def test_a_thread_of_an_unguarded_script_is_seen(self, tmp_path, method):
        source = f"""{ASK}
import threading
said = []
thread = threading.Thread(target=lambda: said.append(blocked_reason(abs, {method!r})))
thread.start()
thread.join()
print(json.dumps(said[0]))
"""
        assert "outside of" in run_script(tmp_path, source)

    def test_a_function_given_by_c_cannot_be_found_but_an_imported_one_can(self, tmp_path, method):
        source = f"{ASK}\ndef f(x): return x\nprint(json.dumps([blocked_reason(g, {method!r}) for g in (f, abs)]))"
        own, other = run_script(tmp_path, "", "-c", source)
        assert "cannot find functions typed at a prompt" in own
        assert other is None

    def test_standard_input_is_no_file_to_import(self, tmp_path, method):
        source = f"{ASK}\ndef f(x): return x\nprint(json.dumps(blocked_reason(f, {method!r})))"
        assert run_script(tmp_path, "", "-", input=source) is not None

    def test_a_module_run_by_m_is_read_like_a_script(self, tmp_path, method):
        source = f"{ASK}\nprint(json.dumps(blocked_reason(abs, {method!r})))\n"
        assert "outside of" in run_script(tmp_path, source, "-m", "script", cwd=tmp_path)


def test_fork_needs_no_main_module(tmp_path):
    assert (
        run_script(tmp_path, "", "-c", f"{ASK}\ndef f(x): return x\nprint(json.dumps(blocked_reason(f, 'fork')))")
        is None
    )


def ask(_):
    return start_conditions.blocked_reason(abs, "fork")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="only POSIX forks")
def test_a_daemonic_worker_may_have_no_children():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert "daemonic" in pool.map(ask, [1])[0]


@pytest.mark.parametrize(
    ("func", "home"),
    [
        (top_level, __name__),
        (partial(partial(top_level)), __name__),
        (len, "builtins"),
        ([].append, "builtins"),
        (dict.fromkeys, "builtins"),
        (json.dumps, "json"),
        (int, "builtins"),
    ],
)
def test_the_home_of_a_function_is_where_a_worker_looks_for_it(func, home):
    assert start_conditions.home_of(func) == home


def test_the_home_of_an_instance_is_that_of_its_class():
    class Callable:
        def __call__(self, item):
            return item

    assert start_conditions.home_of(Callable()) == __name__
    assert start_conditions.home_of(Callable().__call__) == __name__


def test_a_callable_that_answers_no_question_has_no_home():
    class Hostile:
        def __call__(self, item):
            return item

        def __getattr__(self, name):
            raise RuntimeError(name)

    assert start_conditions.home_of(Hostile()) == ""


def test_a_main_module_whose_source_cannot_be_read_counts_as_guarded(tmp_path):
    for number, body in enumerate([None, b"(", b"\0"]):
        path = tmp_path / f"main{number}.py"
        if body is not None:
            path.write_bytes(body)
        assert start_conditions._is_guarded(str(path), 1)


@pytest.mark.parametrize(("platform", "method"), [("win32", "spawn"), ("darwin", "spawn")])
def test_before_anything_was_chosen_the_platform_says(monkeypatch, platform, method):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delitem(sys.modules, "multiprocessing.context", raising=False)
    assert start_conditions.start_method_in_use() == (method, "")


@pytest.mark.parametrize("platform", ["emscripten", "wasi"])
def test_a_platform_without_processes_is_a_blocked_reason(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert start_conditions.blocked_reason(abs, "spawn") == "this platform has no processes"


@pytest.mark.parametrize(("mark", "said"), [("daemon", "daemonic"), ("_inheriting", "still being started")])
def test_what_multiprocessing_says_of_this_process_is_believed(monkeypatch, mark, said):
    current = SimpleNamespace(**{"daemon": False, "_inheriting": False, mark: True})
    monkeypatch.setitem(sys.modules, "multiprocessing.process", SimpleNamespace(current_process=lambda: current))
    assert said in start_conditions.blocked_reason(abs, "spawn")


def test_the_main_module_is_never_among_those_to_import():
    names = start_conditions.modules_to_import(top_level)
    assert "__main__" not in names
    assert len(names) <= 64


METHOD = "from amorsize.adapters.probes.start_conditions import start_method_in_use as f; import sys; "


def start_method(code, *arguments):
    done = subprocess.run([sys.executable, *arguments, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.usefixtures("untraced")
def test_the_start_method_in_use_is_fork_on_linux_and_else_the_interpreters_own():
    said = start_method(
        f"{METHOD}a = f(); assert 'multiprocessing' not in sys.modules; import multiprocessing as m; "
        "print(a, f(), m.get_start_method(), f())"
    )
    own = multiprocessing.get_start_method()
    expected = ("fork" if sys.platform == "linux" else own, "")
    assert said == f"{expected} {expected} {own} {expected}"


@pytest.mark.parametrize("method", METHODS)
def test_a_start_method_that_was_set_is_the_one_in_use(method):
    assert start_method(f"import multiprocessing as m; m.set_start_method({method!r}); {METHOD}print(f())") == (
        f"({method!r}, '')"
    )


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely at all")


@linux
def test_threads_of_python_do_not_rule_a_fork_out():
    code = f"import threading, time; threading.Thread(target=time.sleep, args=(1,)).start(); {METHOD}print(f())"
    assert start_method(code, "-W", "error") == "('fork', '')"


@linux
def test_threads_of_openblas_do_not_rule_a_fork_out():
    pytest.importorskip("numpy")
    code = f"import numpy; a = numpy.ones((500, 500)); a @ a; {METHOD}print(f())"
    assert start_method(code) == "('fork', '')"


@linux
@pytest.mark.skipif(ctypes.util.find_library("gomp") is None, reason="no OpenMP library is installed")
def test_threads_of_openmp_rule_a_fork_out_and_are_named():
    code = (
        "import ctypes, ctypes.util; library = ctypes.CDLL(ctypes.util.find_library('gomp')); "
        "work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None); library.GOMP_parallel(work, None, 2, 0); "
        f"{METHOD}print(f())"
    )
    said = start_method(code)
    assert said.startswith("('forkserver', 'an OpenMP library runs threads in this process")
