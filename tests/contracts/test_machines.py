"""Every probe and inspector keeps its contract, and so do the fakes."""

from __future__ import annotations

import multiprocessing

import pytest
from fakes import FakeInspector, FakeProbe

from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions
from amorsize.adapters.probes.fixed import FixedOptions, FixedProbe
from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
from amorsize.testing import InspectorContract, ProbeContract

forks = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="Windows does not fork")


@forks
class TestForkProbe(ProbeContract):
    def make(self):
        return StartMethodProbe(ProbeOptions(timeout_seconds=600), "fork")


@forks
class TestForkserverProbe(ProbeContract):
    def make(self):
        return StartMethodProbe(ProbeOptions(timeout_seconds=600), "forkserver")


class TestSpawnProbe(ProbeContract):
    def make(self):
        return StartMethodProbe(ProbeOptions(timeout_seconds=600), "spawn")


class TestFixedProbe(ProbeContract):
    def make(self):
        return FixedProbe(FixedOptions())


class TestFixedProbeOfStatedItems(ProbeContract):
    def make(self):
        return FixedProbe(FixedOptions(seconds_per_item=0.01))


class TestFakeProbe(ProbeContract):
    def make(self):
        return FakeProbe()


class TestPsutilInspector(InspectorContract):
    def make(self):
        return PsutilInspector(PsutilOptions())


class TestFakeInspector(InspectorContract):
    def make(self):
        return FakeInspector()
