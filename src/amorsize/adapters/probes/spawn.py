"""The probe for workers that are fresh interpreters."""

from __future__ import annotations

from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe


class SpawnOptions(ProbeOptions):
    """Options of the ``spawn`` probe: ``timeout_seconds`` ends a measurement of overheads that hangs."""


class SpawnProbe(StartMethodProbe):
    """Measures for the ``spawn`` start method."""

    def __init__(self, options: SpawnOptions) -> None:
        super().__init__(options, "spawn")
