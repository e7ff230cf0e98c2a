"""A function whose workers are made ready for it: an initializer runs before the first item of each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from amorsize.domain.wording import brief
from amorsize.errors import InitializerError

if TYPE_CHECKING:
    from collections.abc import Callable


class Initialized:
    """A function that runs an initializer once in each thread that calls it, before its first call there.

    A worker process calls it in one thread. The caller's own process does not call it.

    Args:
        func: takes one item.
        initializer: makes a worker ready.
        initargs: its arguments.
    """

    def __init__(
        self, func: Callable[[Any], Any], initializer: Callable[..., object], initargs: tuple[Any, ...]
    ) -> None:
        self.func = func
        self._initializer = initializer
        self._initargs = initargs
        self._here = threading.local()

    def __call__(self, item: Any) -> Any:
        """Return what the function returns for an item; InitializerError where the initializer fails."""
        here = self._here
        if not hasattr(here, "failure"):
            here.failure = self._begin()
        if here.failure is not None:
            raise here.failure.with_traceback(None)
        return self.func(item)

    def _begin(self) -> InitializerError | None:
        try:
            self._initializer(*self._initargs)
        except BaseException as error:  # noqa: BLE001  whatever it raises, no item may run here
            failure = InitializerError(f"execute: the initializer failed in a worker: {brief(error)}")
            failure.__cause__ = error
            return failure
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        return Initialized, (self.func, self._initializer, self._initargs)
