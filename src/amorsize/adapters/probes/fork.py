"""The probe for workers that are forked from the caller: quick, warm, and unsafe beside threads."""

from __future__ import annotations

from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe


class ForkOptions(ProbeOptions):
    """Options of the ``fork`` probe: ``timeout_seconds`` ends a measurement of overheads that hangs."""


class ForkProbe(StartMethodProbe):
    """Measures for the ``fork`` start method."""

    def __init__(self, options: ForkOptions) -> None:
        super().__init__(options, "fork")
