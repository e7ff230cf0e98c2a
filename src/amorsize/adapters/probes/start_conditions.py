"""Whether process workers can be started from where the caller stands, and what they would have to import."""

from __future__ import annotations

import os
import sys
from functools import cache
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.objects import unwrapped
from amorsize.domain.iterables import plain
from amorsize.domain.values import START_METHODS
from amorsize.processes import process_info

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_MODULES: Final = 64
"""Modules of which the import is measured, at most: our choice; their names go through a pipe."""


def start_method_in_use() -> tuple[str, str]:
    """Return the start method that workers are best started by from here, and why that is not ``fork`` on Linux.

    On Linux that is ``fork``, whatever the interpreter's default, unless the program has set another, or a forked child
    of it would hang; elsewhere the interpreter's default. multiprocessing is not imported before the caller does it.
    """
    default = _default_start_method()
    context = sys.modules.get("multiprocessing.context")
    if context is not None:
        chosen = context._default_context.get_start_method(allow_none=True)  # noqa: SLF001  reading must not fix it
        if chosen in START_METHODS and chosen != default:  # in joblib's own workers it is another
            return str(chosen), ""
    if sys.platform != "linux":
        return default, ""
    danger = _fork_danger()
    return ("forkserver", danger) if danger else ("fork", "")


def _default_start_method() -> str:
    if sys.platform in {"win32", "darwin"}:
        return "spawn"
    return "fork" if sys.version_info < (3, 14) else "forkserver"


def _fork_danger() -> str:
    """Return why a forked child of this process may hang, empty where a fork is safe.

    Threads of C libraries are looked at again after a fork that runs nothing, since OpenBLAS ends its own then.
    """
    danger = process_info.fork_danger()
    if sys.platform == "linux" and danger:
        from amorsize.processes.forks import end_library_threads

        end_library_threads()
        return process_info.fork_danger()
    return danger


def blocked_reason(func: Callable[[Any], Any], start_method: str) -> str | None:
    """Return why no process worker of a start method can be started from here, None when one can."""
    if sys.platform in {"emscripten", "wasi"}:
        return "this platform has no processes"
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        current = process.current_process()
        if current.daemon:
            return "this is a daemonic worker process, which may not have children"
        if getattr(current, "_inheriting", False):
            return "this process is itself still being started as a worker"
    return None if start_method == "fork" else _main_blocked_reason(func, start_method)


def _main_blocked_reason(func: Callable[[Any], Any], start_method: str) -> str | None:
    main, home = sys.modules.get("__main__"), home_of(func)
    if main is None:
        return None
    if missing := _missing(main, home):
        return f"a worker started by {start_method} cannot {missing}"
    if called := _called_at_import(main, home):
        return f"{called}, so each worker started by {start_method} would call it again; call it from a function"
    return None


def _missing(main: ModuleType, home: str) -> str:
    """Return what a fresh worker cannot do with the main module, empty where it can do all that it needs."""
    if "__spec__" not in vars(main):  # multiprocessing asks for it
        return "import a main module without __spec__, as debuggers run it"
    file = _file_of(main)
    if main.__spec__ is not None:
        return ""
    if file is None:
        return "find functions typed at a prompt or given by -c" if home == "__main__" else ""
    is_file = os.path.isfile(file)  # noqa: PTH113  pathlib need not be there
    return "" if is_file else f"import the main module {file!r:.80}, which is no file"


def _called_at_import(main: ModuleType, home: str) -> str:
    """Return which import would call amorsize again, empty where none would."""
    spec = getattr(sys.modules.get(home), "__spec__", None)
    if getattr(spec, "_initializing", False):
        return f"the module {home!r:.80} calls this while it is imported"
    line, file = _unguarded_line(main), _file_of(main)
    if line is None or file is None:
        return ""
    name = os.path.basename(file)  # noqa: PTH119  pathlib need not be there
    return f"{name} calls this on line {line} outside of `if __name__ == '__main__':`"


def home_of(func: object) -> str:
    """Return the name of the module in which a worker would look for a function; empty when it will not say."""
    func = unwrapped(plain(func), methods=False)
    try:
        owner = getattr(func, "__self__", None)
        if owner is not None and not isinstance(owner, ModuleType):
            func = owner if isinstance(owner, type) else type(owner)
        module = getattr(func, "__module__", None)
    except Exception:  # noqa: BLE001  an object's own __getattr__ may raise anything
        return ""
    return module if isinstance(module, str) else type(func).__module__


def _unguarded_line(main: ModuleType) -> int | None:
    """Return the line of the main module's top level that is running now, None when it is guarded or not running."""
    frame = _main_frame(sys._getframe(), main)  # noqa: SLF001  the only way to find the caller
    if frame is None:
        threading = sys.modules.get("threading")
        if threading is not None:
            ident = threading.main_thread().ident
            frame = _main_frame(sys._current_frames().get(ident), main)  # noqa: SLF001  likewise, of the main thread
    if frame is None or _is_guarded(frame.f_code.co_filename, frame.f_lineno):
        return None
    return frame.f_lineno


def _main_frame(frame: FrameType | None, main: ModuleType) -> FrameType | None:
    """Return the frame in which a main module's top level runs, looking outwards."""
    while frame is not None:
        if frame.f_globals is main.__dict__ and frame.f_code.co_name == "<module>":
            return frame
        frame = frame.f_back
    return None


@cache
def _is_guarded(file: str, line: int) -> bool:
    """Return whether a line stands in a block that runs only in the main module; True when the file cannot be read."""
    import ast

    try:
        with open(file, "rb") as source:  # noqa: PTH123  a plain read
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return True
    return any(
        node.lineno <= line <= (node.body[-1].end_lineno or line)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and _asks_for_main(ast, node.test)
    )


def _asks_for_main(ast: ModuleType, test: object) -> bool:
    return any(
        isinstance(part, ast.Compare)
        and len(part.ops) == 1
        and isinstance(part.ops[0], ast.Eq)
        and {getattr(side, "id", getattr(side, "value", None)) for side in (part.left, part.comparators[0])}
        == {"__name__", "__main__"}
        for part in ast.walk(test)
    )


def modules_to_import(func: Callable[[Any], Any]) -> list[str]:
    """Return the modules a fresh worker would import before it can run a function, never the main module itself.

    They are the function's own module and, since a worker imports the main module, those that the main module's names
    come from.
    """
    main = sys.modules.get("__main__")
    names = {home_of(func): None}
    if main is not None and _file_of(main):
        for value in list(main.__dict__.values()):
            if isinstance(value, ModuleType):
                names[value.__name__] = None
            elif isinstance(value, type) or callable(value):
                names[str(getattr(value, "__module__", None))] = None
    main_file = _file_of(main)
    return [
        name
        for name in names
        if name in sys.modules
        and name not in {"__main__", "__mp_main__", "builtins"}
        and not (main_file and _file_of(sys.modules[name]) == main_file)
    ][:_MOST_MODULES]


def _file_of(module: ModuleType | None) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None
