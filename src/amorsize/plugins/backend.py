"""What a hook returns: an adapter under the name by which it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

API: Final = 1
"""Version of the hooks and ports that this amorsize offers to plugins; docs/reference/hooks.md says when it changes."""

OLDEST_API: Final = 1
"""The oldest version of them that this amorsize still works with."""

REACHES_OUT: Final[Mapping[str, Any]] = {"amorsize_reaches_out": True}  # attrs keeps a copy
"""Metadata of an option that leads out of the project: ``attrs.field(default=..., metadata=REACHES_OUT)``.

Hosts, addresses and credentials are such options. From a config that amorsize found by searching it uses their values
only after ``amorsize config trust``; until then it uses the default.
"""


@attrs.frozen(eq=False, repr=False)
class Backend(Value):
    """An adapter under the name by which config files and arguments choose it.

    Args:
        name: lower-case letters, digits, ``-`` and ``_``, beginning with a letter.
        options: an attrs class. amorsize fills it strictly from the backend's TOML table. When an option ``directory``
            is None, it gets the directory of amorsize's cache; a directory outside the project reaches out.
        build: takes an instance of options and returns the adapter.
        api: version of the hooks and ports that the plugin was written for; 1 unless the plugin states another.
    """

    name: str
    options: type
    build: Callable[[Any], Any]
    api: int = 1
