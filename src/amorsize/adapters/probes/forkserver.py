"""The probe for workers that are forked from a clean server process."""

from __future__ import annotations

from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe


class ForkserverOptions(ProbeOptions):
    """Options of the ``forkserver`` probe: ``timeout_seconds`` ends a measurement of overheads that hangs."""


class ForkserverProbe(StartMethodProbe):
    """Measures for the ``forkserver`` start method."""

    def __init__(self, options: ForkserverOptions) -> None:
        super().__init__(options, "forkserver")
