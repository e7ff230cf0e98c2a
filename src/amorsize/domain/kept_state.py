"""Tells whether a function may keep what one item has made for the items after it."""

from __future__ import annotations

from collections import defaultdict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.encoding import names_of
from amorsize.domain.fingerprint.objects import STANDARD, is_thread_local, top_of, unwrapped
from amorsize.domain.followed_code import CACHED, FollowedCode, what_runs
from amorsize.domain.iterables import plain
from amorsize.domain.own_code import Own
from amorsize.domain.process_state import sets_process_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from amorsize.domain.fingerprint.loaded import Loaded

_KEEPERS: Final = (CACHED, ContextVar, defaultdict)
"""Classes whose objects keep what is made at the first look at them."""

_NAMES: Final = frozenset({"globals", "vars", "setattr", "exec", "eval", "__dict__", "__setattr__"})
"""Names by which code may keep a thing where no instruction shows it."""


def may_keep_state(func: Callable[..., Any], loaded: Loaded) -> bool:
    """Return whether a function may keep what one item has made, such as a random generator or a temporary folder.

    A process that is forked after that item would share it. Looked at is the same code as for ``sets_process_state``.
    Kept are globals and attributes that it assigns, results of cached functions, values of the thread or the context,
    and modules that it imports first.
    """
    if sets_process_state(func, loaded):
        return True
    followed = FollowedCode(Own(func, loaded))
    followed.follow(*what_runs(unwrapped(plain(func), methods=False)))
    for called in followed.calls():
        if any(_keeps(value) for _, value in called.reads) or any(_hides(code, loaded) for code in called.codes):
            return True
    return False


def _keeps(value: object) -> bool:
    kind = type(value)
    return issubclass(kind, _KEEPERS) or is_thread_local(kind)


def _hides(code: CodeType, loaded: Loaded) -> bool:
    """Return whether code keeps things in a way that no instruction shows, or imports a module that is not loaded."""
    if not _NAMES.isdisjoint(code.co_names):
        return True
    imports = names_of(code, code.co_code)[2]
    return any(top_of(name) not in STANDARD and name not in loaded.modules for name in imports if name)
