"""Shows how far a run is: tqdm's bar, or whatever the caller gives."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    OnProgress = Callable[[int, int | None], None]


@contextmanager
def shown(progress: bool | OnProgress, where: str) -> Iterator[OnProgress | None]:
    """Yield what is called with the items done and their number (None: not known); None when progress is off.

    Raises ImportError when the bar is asked for and tqdm is not there, TypeError for what is neither flag nor callable.
    """
    if progress is False or progress is None:
        yield None
        return
    if progress is not True:
        if not callable(progress):
            raise TypeError(f"{where}: progress must be true, false or callable, got {type(progress).__name__}")
        yield progress
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(f"{where}: progress=True needs tqdm: pip install 'amorsize[progress]'") from error
    with tqdm(unit="item") as bar:

        def on_progress(done: int, total: int | None) -> None:
            if total is not None and bar.total != total:
                bar.total = total
                bar.refresh()
            bar.update(done - bar.n)

        yield on_progress
