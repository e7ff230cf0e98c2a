"""Every probe and inspector keeps its contract, and so do the fakes."""

from __future__ import annotations

import multiprocessing

import pytest
from fakes import FakeInspector, FakeProbe

from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions
from amorsize.adapters.probes.fork import ForkOptions, ForkProbe
from amorsize.adapters.probes.forkserver import ForkserverOptions, ForkserverProbe
from amorsize.adapters.probes.spawn import SpawnOptions, SpawnProbe
from amorsize.testing import InspectorContract, ProbeContract

forks = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="Windows does not fork")


@forks
class TestForkProbe(ProbeContract):
    def make(self):
        return ForkProbe(ForkOptions())


@forks
class TestForkserverProbe(ProbeContract):
    def make(self):
        return ForkserverProbe(ForkserverOptions())


class TestSpawnProbe(ProbeContract):
    def make(self):
        return SpawnProbe(SpawnOptions())


class TestFakeProbe(ProbeContract):
    def make(self):
        return FakeProbe()


class TestPsutilInspector(InspectorContract):
    def make(self):
        return PsutilInspector(PsutilOptions())


class TestFakeInspector(InspectorContract):
    def make(self):
        return FakeInspector()
