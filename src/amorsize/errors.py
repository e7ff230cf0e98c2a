"""What amorsize raises and warns with; everything it raises on purpose is an AmorsizeError."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; typing is more than errors need

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self


class AmorsizeError(Exception):
    """Base of every error amorsize raises on purpose."""


class ConfigError(AmorsizeError, ValueError):
    """A config file or a setting is wrong; the message lists every fault as *where, must be, got*."""


class PluginError(AmorsizeError):
    """A backend is unknown, named twice or cannot be loaded."""


class CacheError(AmorsizeError):
    """A cache cannot be used: wrong owner, wrong kind of file, or contents that are not its own."""


class MeasurementError(AmorsizeError):
    """What workers cost on this machine could not be measured."""


class SamplingError(MeasurementError):
    """A sampled item ended the child process it ran in, ran there for too long, or would have removed a file for good.

    ``subject`` names the item, and ``what`` says how it ended. ``seconds`` is the time that an item takes at least;
    0 is not known.
    """

    def __init__(self, subject: str, what: str, seconds: float) -> None:
        super().__init__(subject, what, seconds)
        self.subject = subject
        self.what = what
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{self.subject} {self.what}"


class AmorsizeWarning(UserWarning):
    """The call was answered, but not quite as you asked; the message says why."""


class ExecutionError(AmorsizeError):
    """A run could not be finished; ``finished`` holds the results that were there by then, by position."""

    def __init__(self, message: str, finished: Mapping[int, Any] | None = None) -> None:
        super().__init__(message, {} if finished is None else finished)

    @property
    def finished(self) -> Mapping[int, Any]:
        """Results by position."""
        return self.args[1]  # type: ignore[no-any-return]  # what __init__ put there

    def __str__(self) -> str:
        return str(self.args[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.args[0]!r})"


class WorkerError(ExecutionError):
    """A worker was killed or ended itself while it ran items."""


class InitializerError(WorkerError):
    """The initializer failed in a worker, which then ran no items."""


class ExecutionTimeout(ExecutionError, TimeoutError):  # noqa: N818  it says what it is
    """The run, or an item of it, took longer than it may."""


class FailedItems(ExceptionGroup[Exception]):
    """What items raised, one exception each; ``positions`` are theirs in the same order."""

    positions: tuple[int, ...]

    def __new__(cls, message: str, errors: Sequence[Exception], positions: Sequence[int]) -> Self:
        """Return the group; errors must not be empty."""
        group = super().__new__(cls, message, errors)
        group.positions = tuple(positions)
        return group

    def __init__(
        self,
        message: str,
        errors: Sequence[Exception],
        positions: Sequence[int],  # noqa: ARG002  as __new__
    ) -> None:
        super().__init__(message, errors)

    def derive(self, errors: Sequence[Exception]) -> FailedItems:  # type: ignore[override]  # as exceptions go here
        """Return a group of some of the exceptions, as ``split`` and ``subgroup`` do."""
        positions = {id(error): position for error, position in zip(self.exceptions, self.positions, strict=True)}
        return FailedItems(self.message, errors, [positions.get(id(error), -1) for error in errors])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, list(self.exceptions), self.positions)
