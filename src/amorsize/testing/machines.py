"""The contracts of every probe and every inspector."""

# a contract asserts, its method names are its sentences, and its numbers are its examples
# ruff: noqa: S101, D102, PLR2004

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import attrs

from amorsize.domain.overheads import Overheads
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source
from amorsize.domain.values import START_METHODS, Machine, Sample
from amorsize.testing.raising import must_raise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amorsize.application.ports import Probe, SystemInspector


class ProbeContract:
    """What every probe must do; see ``amorsize.application.ports.Probe``."""

    def make(self) -> Probe:
        """Return a probe."""
        raise NotImplementedError

    def test_each_item_runs_at_most_once_and_none_is_lost(self) -> None:
        inputs: tuple[Iterable[int], ...] = (list(range(100)), range(3), {1, 2, 3}, iter(range(100)), iter([7]))
        for data in inputs:
            with TemporaryDirectory() as folder:
                log = Path(folder, "log")
                source = Source(data)
                sample = self.make().sample(partial(_write_down, log), source, Budget())
                calls = _written_down(log)
                assert isinstance(sample, Sample)
                assert 1 <= sample.count == len(calls) == len(set(calls))
                assert len(set(sample.positions)) == len(sample.positions) <= sample.count
                assert set(calls) <= set(source.data(data))

    def test_sampling_the_same_source_again_takes_other_items(self) -> None:
        with TemporaryDirectory() as folder:
            log = Path(folder, "log")
            source, probe = Source(range(100_000)), self.make()
            for _ in range(3):
                probe.sample(partial(_write_down, log), source, Budget(most_items=1))
            calls = _written_down(log)
            assert len(calls) == len(set(calls)) == 3

    def test_an_empty_source_is_a_value_error(self) -> None:
        empty: tuple[Iterable[int], ...] = ([], iter(()))
        for data in empty:
            must_raise(ValueError, partial(self.make().sample, abs, Source(data), Budget()))

    def test_what_the_function_raises_comes_out_with_a_note_of_the_position(self) -> None:
        for failure in (ZeroDivisionError("mine"), KeyboardInterrupt("mine")):

            def fail(_: object, failure: BaseException = failure) -> None:
                raise failure

            raised = must_raise(type(failure), partial(self.make().sample, fail, Source(["only"]), Budget()))
            assert raised.args == ("mine",)
            assert any("position 0" in note for note in raised.__notes__)

    def test_overheads_are_those_of_its_start_method(self) -> None:
        probe = self.make()
        overheads = probe.overheads()
        assert isinstance(overheads, Overheads)
        assert overheads.start_method == probe.start_method or probe.start_method not in START_METHODS

    def test_a_blocked_reason_is_words_or_none_and_never_an_exception(self) -> None:
        probe = self.make()
        for func in (len, partial(int, base=2), lambda item: item, probe.blocked_reason, _Odd()):
            for _ in range(2):
                answer = probe.blocked_reason(func)
                assert answer is None or (isinstance(answer, str) and answer)


def _write_down(log: Path, item: object) -> None:
    """Add an item to a file, which shows that the item ran, in whichever process."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{item}\n")


def _written_down(log: Path) -> list[int]:
    return [int(line) for line in log.read_text(encoding="utf-8").split()]


class _Odd:
    """A callable that answers no question about itself."""

    def __call__(self, item: object) -> object:
        return item

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class InspectorContract:
    """What every inspector must do; see ``amorsize.application.ports.SystemInspector``."""

    def make(self) -> SystemInspector:
        """Return an inspector."""
        raise NotImplementedError

    def test_a_machine_has_the_start_method_asked_about_and_possible_numbers(self) -> None:
        for start_method in ("fork", "spawn", "forkserver"):
            machine = self.make().inspect(start_method)
            assert isinstance(machine, Machine)
            assert machine.start_method == start_method
            assert machine.usable_cpus > 0
            assert machine.available_memory_bytes <= machine.total_memory_bytes

    def test_asked_again_all_but_the_free_memory_and_the_load_is_the_same(self) -> None:
        inspector = self.make()
        first, again = (attrs.evolve(inspector.inspect("spawn"), available_memory_bytes=0, load=0.0) for _ in range(2))
        assert first == again

    def test_a_file_has_its_size_and_nothing_has_none(self) -> None:
        inspector = self.make()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(b"abc")
            assert inspector.file_bytes(str(path)) in {3, None}
            assert inspector.file_bytes(f"{path}-not") in {0, None}
            assert inspector.file_bytes(folder) is None

    def test_any_text_may_be_asked_for_as_a_file(self) -> None:
        inspector = self.make()
        for path in ("", "\0", "a" * 100_000, "\ud800", "/" * 5000, "a\nb"):
            size = inspector.file_bytes(path)
            assert size is None or size >= 0
