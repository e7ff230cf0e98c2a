"""The hooks a plugin implements, one for each port; each returns a list of Backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.plugins.backend import Backend

hookspec: Final = pluggy.HookspecMarker("amorsize")
hookimpl: Final = pluggy.HookimplMarker("amorsize")


@hookspec
def amorsize_caches() -> Sequence[Backend]:  # type: ignore[empty-body]  # a specification has no body
    """Return cache backends; ``build(options)`` returns a CacheStore. Configured under ``[caches.<name>]``."""


@hookspec
def amorsize_probes() -> Sequence[Backend]:  # type: ignore[empty-body]  # a specification has no body
    """Return probe backends; ``build(options)`` returns a Probe. Configured under ``[probes.<name>]``."""


@hookspec
def amorsize_inspectors() -> Sequence[Backend]:  # type: ignore[empty-body]  # a specification has no body
    """Return inspector backends; ``build(options)`` returns a SystemInspector. Table: ``[inspectors.<name>]``."""


@hookspec
def amorsize_executors() -> Sequence[Backend]:  # type: ignore[empty-body]  # a specification has no body
    """Return executor backends; ``build(options)`` returns an Executors. Configured under ``[executors.<name>]``."""


HOOKS: Final = tuple(
    hook.__name__ for hook in (amorsize_caches, amorsize_probes, amorsize_inspectors, amorsize_executors)
)
"""The names of all hooks."""
