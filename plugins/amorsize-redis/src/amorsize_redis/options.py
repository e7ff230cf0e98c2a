"""What can be set under ``[caches.redis]``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
from attrs.validators import and_, ge, le

from amorsize.plugins import REACHES_OUT

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_FORMS = "redis://host:port/db, rediss://host:port/db or unix:///path"
_seconds = and_(ge(0.001), le(3600.0))


def parts_of(url: str) -> SplitResult:
    """Return the parts of a server's URL; a ValueError never repeats the URL, which may hold a password."""
    try:
        parts = urlsplit(url)
        sound = parts.port != 0
    except ValueError:
        raise ValueError(f"url must be {_FORMS}, got something else") from None
    if parts.password is not None or parts.query or parts.fragment:
        raise ValueError(
            "url must hold no password and no query, got one that does: "
            "the password is read from the environment variable that password_variable names"
        )
    if parts.scheme == "unix":
        sound = parts.path.startswith("/") and not parts.hostname
    elif parts.scheme in ("redis", "rediss"):
        database = parts.path.strip("/")
        sound = sound and bool(parts.hostname) and (not database or (database.isascii() and database.isdigit()))
    else:
        sound = False
    if not sound:
        raise ValueError(f"url must be {_FORMS}, got something else")
    return parts


def _is_variable(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value):  # what was given may be the password itself
        raise ValueError(f"{attribute.name} must be the name of an environment variable, got something else")


def _is_prefix(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    if not re.fullmatch(r"[!-~]{1,80}", value):
        raise ValueError(f"{attribute.name} must be 1 to 80 visible ASCII characters, got {value!r:.100}")


def _is_url(_: object, __: attrs.Attribute[Any], value: str) -> None:
    parts_of(value)


@attrs.frozen
class RedisOptions:
    """Options of the ``redis`` cache.

    ``url`` names the server and, if need be, a user; ``rediss`` is TLS, checked against the system's authorities or
    those in ``ca_file``. The password is what the environment variable ``password_variable`` holds. ``prefix`` begins
    each key. The server forgets a function ``ttl_seconds`` after the last write to it.

    ``connect_timeout_seconds`` bounds connecting, from looking up the name to logging in, and ``read_timeout_seconds``
    what is asked after that. When either passes or the server fails otherwise, it is left alone for
    ``cooling_off_seconds``. A reply of more than ``max_reply_bytes`` is a failure.

    The first four reach out: a config that was found by searching decides on them only once it is trusted, and until
    then the server on this machine is asked.

    Who finds that another process has just missed the same function waits for what that one measures, for
    ``wait_seconds`` at the most; 0 waits for nobody, and each measures for itself.
    """

    url: str = attrs.field(default="redis://localhost:6379/0", validator=_is_url, metadata=REACHES_OUT)
    password_variable: str = attrs.field(
        default="AMORSIZE_REDIS_PASSWORD", validator=_is_variable, metadata=REACHES_OUT
    )
    ca_file: str | None = attrs.field(default=None, metadata=REACHES_OUT)
    prefix: str = attrs.field(default="amorsize:", validator=_is_prefix, metadata=REACHES_OUT)
    ttl_seconds: int = attrs.field(default=604_800, validator=and_(ge(1), le(10**9)))
    connect_timeout_seconds: float = attrs.field(default=0.05, validator=_seconds)
    read_timeout_seconds: float = attrs.field(default=0.05, validator=_seconds)
    cooling_off_seconds: float = attrs.field(default=30.0, validator=and_(ge(0.0), le(86_400.0)))
    max_reply_bytes: int = attrs.field(default=4 << 20, validator=and_(ge(1 << 10), le(1 << 30)))
    wait_seconds: float = attrs.field(default=0.2, validator=and_(ge(0.0), le(60.0)))
