"""What a hook returns: an adapter under the name by which it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable

API: Final = 1
"""Version of the hooks and ports that this amorsize offers to plugins."""


@attrs.frozen(eq=False, repr=False)
class Backend(Value):
    """An adapter under the name by which config files and arguments choose it.

    ``options`` is an attrs class; amorsize fills it strictly from the backend's own TOML table and hands the instance
    to ``build``, which returns the adapter. An option called ``directory`` that is left None is given the directory
    amorsize keeps its cache in. ``api`` is the version of the hooks that the plugin was written for.
    """

    name: str
    options: type
    build: Callable[[Any], Any]
    api: int = API
