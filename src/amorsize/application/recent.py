"""What one process remembers between calls: recent answers, samples of its own runs, and confirmed items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.question import Answer, Question, WorkloadKey
    from amorsize.domain.values import Sample

_ANSWER_SECONDS: Final = 1.0
"""How long an answer is repeated without reading the store or the machine: no fact about them changes much sooner."""
_MOST_REMEMBERED: Final = 4096
"""Answers, samples and confirmed locators that are remembered: some megabytes at most."""


class Recent:
    """The answers of the last second, and the samples of runs in this process, by workload.

    Args:
        monotonic: returns seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._answers: dict[WorkloadKey, tuple[float, float, Answer]] = {}
        self._samples: dict[WorkloadKey, Sample] = {}

    def answer(self, key: WorkloadKey) -> tuple[Answer, float] | None:
        """Return the answer of the last second with the seconds that it saves, None when there is none."""
        known = self._answers.get(key)
        return (known[2], known[1]) if known is not None and self._monotonic() < known[0] else None

    def keep(self, question: Question, answer: Answer, saved_seconds: float) -> None:
        """Remember an answer, unless it depends on where the caller is or on chosen executors."""
        if question.blocked_reason is not None or question.chosen is not None:
            return
        if len(self._answers) >= _MOST_REMEMBERED:
            self._answers.clear()
        if answer.cache != "hit":
            answer = answer._replace(cache="hit", cache_reason="fresh, answered a moment ago", candidates=())
        answer = answer._replace(sampled_in="", sampled_why="")
        self._answers[question.key] = (self._monotonic() + _ANSWER_SECONDS, saved_seconds, answer)

    def sample(self, key: WorkloadKey) -> Sample | None:
        """Return what runs in this process showed, None when there was none."""
        return self._samples.get(key)

    def learn(self, key: WorkloadKey, sample: Sample) -> None:
        """Remember what a run in this process showed."""
        if len(self._samples) >= _MOST_REMEMBERED:
            self._samples.clear()
        self._samples[key] = sample

    def forget(self, key: WorkloadKey) -> None:
        """Forget the answer and the sample for a workload, so that the next call reads the store."""
        self._answers.pop(key, None)
        self._samples.pop(key, None)


class Confirmed:
    """The items that last confirmed an entry whose item kind does not show their size, by locator.

    Only the very same objects count as the same items, and they are not kept alive. Items that allow no weak
    reference, such as numbers and lists, always count as other items.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Callable[[], Any], ...]] = {}

    def add(self, locator: str, data: object) -> None:
        """Note that the entry is right for these items."""
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        try:
            self._known[locator] = tuple(map(ref, _witnesses(data)))
        except TypeError:  # an item allows no weak reference
            self._known.pop(locator, None)

    def holds(self, locator: str, data: object) -> bool:
        """Tell whether these very items were the last to confirm the entry."""
        known = self._known.get(locator, ())
        witnesses = _witnesses(data) if known else ()
        if not known or len(known) != len(witnesses):
            return False
        return all(referent() is item for referent, item in zip(known, witnesses, strict=True))


def _witnesses(data: Any) -> tuple[Any, ...]:
    """Return the objects that stand for data: the first, middle and last item of a plain sequence, else data itself."""
    if type(data) is list or type(data) is tuple:
        return (data[0], data[len(data) >> 1], data[-1]) if data else ()
    return (data,)
