"""The hooks a plugin implements, one for each port, and the Backend that each returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

hookspec: Final = pluggy.HookspecMarker("amorsize")
hookimpl: Final = pluggy.HookimplMarker("amorsize")

API: Final = 1
"""Version of the hooks and ports that this amorsize offers to plugins."""


@attrs.frozen
class Backend:
    """An adapter under the name by which config files and arguments choose it.

    ``options`` is an attrs class; amorsize fills it strictly from the backend's own TOML table and hands the instance
    to ``build``, which returns the adapter. An option called ``directory`` that is left None is given the directory
    amorsize keeps its cache in. ``api`` is the version of the hooks that the plugin was written for.
    """

    name: str
    options: type
    build: Callable[[Any], Any]
    api: int = API


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
