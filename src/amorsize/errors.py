"""What amorsize raises and warns with; everything it raises on purpose is an AmorsizeError."""


class AmorsizeError(Exception):
    """Base of every error amorsize raises on purpose."""


class ConfigError(AmorsizeError, ValueError):
    """A config file or a setting is wrong; the message lists every fault as *where, must be, got*."""


class PluginError(AmorsizeError):
    """A backend is unknown, named twice or cannot be loaded."""


class CacheError(AmorsizeError):
    """A cache cannot be used: wrong owner, wrong kind of file, or contents that are not its own."""


class MeasurementError(AmorsizeError):
    """This machine's charges for workers could not be measured."""


class WorkerError(MeasurementError):
    """A sampled item ended the child process it ran in, or ran there for longer than allowed.

    ``place`` names the item, ``what`` says how it ended, ``seconds`` is the least an item takes by that (0: not known).
    """

    def __init__(self, place: str, what: str, seconds: float) -> None:
        super().__init__(place, what, seconds)
        self.place = place
        self.what = what
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{self.place} {self.what}"


class AmorsizeWarning(UserWarning):
    """Something was worked around: the call was answered, but not as asked."""
