"""Samples in a child that starts empty, as workers of spawn and forkserver do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.adapters.probes.child import ChildSession, NoChildError, sample_as_child, take_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.source import Source
    from amorsize.domain.values import Sample

_LEAVING_SECONDS: Final = 5.0
"""Seconds in which a child that has closed its connection may end: our choice; exit handlers may run."""


def sample_in_process(
    func: Callable[[Any], Any], source: Source, budget: Budget, start_method: str, boot_seconds: float
) -> Sample:
    """Run func on a few items of source in a child process and return what that showed.

    Args:
        func: takes one item.
        source: the items; it does not give again those that ran.
        budget: how much to run; ``item_seconds`` bounds one item.
        start_method: of the child.
        boot_seconds: how long the child may take until it runs its first item.

    Raises:
        ValueError: source has no item.
        NoChildError: the function or an item cannot be brought into a child, or none can be started.
        SamplingError: the child ended without an answer, or was ended when an item took too long.
        Exception: what func raised, with notes that name the item and show the child's traceback.
    """
    import multiprocessing

    context: Any = multiprocessing.get_context(start_method)
    if source.is_empty():
        raise ValueError("sample: source must have an item, got none")
    given = take_first(source, budget)
    mine, its = context.Pipe()
    asked = (its, func, given, budget)
    child = context.Process(target=sample_as_child, args=asked, daemon=True, name="amorsize sampling")
    try:
        child.start()
    except Exception as error:
        mine.close()
        raise NoChildError(f"{type(error).__name__}: {error}", given) from error
    finally:
        its.close()

    def ended() -> int | None:
        child.join(_LEAVING_SECONDS)
        return child.exitcode  # type: ignore[no-any-return]  # as multiprocessing has it

    try:
        talk = ChildSession(mine, source, budget, ended)
        found = talk.found(boot_seconds)
        if found.waits:
            talk.resume()
    finally:
        child.kill()
        child.join()
        mine.close()
    return attrs.evolve(found.taken(), sampled_in="worker")
