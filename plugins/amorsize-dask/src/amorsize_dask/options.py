"""What can be set under ``[executors.dask]``."""

from __future__ import annotations

import attrs
from attrs.validators import and_, ge, le

from amorsize.plugins import REACHES_OUT

_seconds = and_(ge(0.1), le(3600.0))


def _is_address(_: object, attribute: attrs.Attribute[str | None], value: str | None) -> None:
    if value is not None and (not value.strip() or "@" in value):  # Dask knows no passwords in addresses
        raise ValueError(f"{attribute.name} must be a scheduler's, such as 'tcp://host:8786', got something else")


@attrs.frozen
class DaskOptions:
    """Options of the ``dask`` executors.

    ``address`` is the scheduler's. Without one, the client that the program has made is used (``distributed.Client``),
    or else the scheduler that Dask's own configuration names (``scheduler-address``); a cluster is never started. It
    reaches out: a config that was found by searching decides on it only once it is trusted.

    ``connect_timeout_seconds`` bounds connecting, and ``worker_timeout_seconds`` waiting for the first worker of a
    cluster that has none.
    """

    address: str | None = attrs.field(default=None, validator=_is_address, metadata=REACHES_OUT)
    connect_timeout_seconds: float = attrs.field(default=5.0, validator=_seconds)
    worker_timeout_seconds: float = attrs.field(default=10.0, validator=_seconds)
