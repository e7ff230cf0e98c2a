"""A cache store in a Redis or Valkey server: a hash a locator, a field a variant."""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from redis.exceptions import ResponseError

from amorsize.plugins import TEXT_BYTES, CacheError, check_name, is_name, text_bytes
from amorsize_redis.line import Line, LineError
from amorsize_redis.options import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from amorsize_redis.options import RedisOptions

    Command = tuple[str | bytes | int, ...]
    Use = Literal["read", "write"]

_BATCH: Final = 100
"""Addresses that are removed by one message: our choice, some KiB."""
_PAGE: Final = 1000
"""Keys that a step of SCAN looks at: our choice, about a millisecond of the server."""
_MOST_PAGES: Final = 1_000_000
"""Steps after which listing ends, whatever a server says: a billion keys."""
_MOST_MEANWHILE: Final = 256
"""Texts that are kept while the server does not answer: our choice, at most 16 MiB."""
_MOST_IDLE: Final = 8
"""Connections that are kept open for the next use: our choice."""
_LOOK_AGAIN_SECONDS: Final = 0.005
"""Pause before a process looks again for what another one is measuring: our choice."""
_MEASURED: Final = "func:"  # what only a measurement gives: for anything else nothing is waited for
_CLAIM: Final = "\n"  # no name has one, so that a claim's key is never a locator's
_GLOB: Final = str.maketrans({character: f"\\{character}" for character in "*?[]^\\"})


class RedisCache:
    """Keeps each text as the field of a hash; the server forgets a hash some time after the last write to it.

    A server that fails is left alone for the cooling-off time: the call that finds out raises CacheError, the look-ups
    after it find what this process has stored since, and that is handed over when the server is back. One that refuses
    only writes, because it is full, is read on. Connections are shared by threads and never by processes.

    Args:
        options: where and how.
        monotonic: seconds that never go back, by which the cooling-off time is counted.
    """

    expires = True
    """The server forgets by itself, so that nobody looks through all of it for old entries."""

    def __init__(self, options: RedisOptions, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._monotonic = monotonic
        self._idle: list[Line] = []
        self._rests: dict[Use, tuple[float, str]] = {"read": (0.0, ""), "write": (0.0, "")}
        self._meanwhile: dict[tuple[str, str], str] = {}

    def __repr__(self) -> str:
        return f"RedisCache({self._place()})"

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants under a locator; see the port.

        Bytes that are no UTF-8 come as replacement characters, and of an overlong text only the beginning.
        """
        check_name("locator", locator)
        if self._resting("read"):
            return self._kept(locator)
        texts = self._read(locator)
        if not texts and locator.startswith(_MEASURED) and self._options.wait_seconds and not self._resting("write"):
            texts = self._waited(locator)
        if self._meanwhile:
            texts |= self._kept(locator)
            self._hand_over()
        return texts

    def store(self, locator: str, variant: str, text: str) -> None:
        """Keep text; see the port."""
        check_name("locator", locator)
        check_name("variant", variant)
        text_bytes(text)
        if not self._resting("write"):
            try:
                self._write([(locator, variant, text)])
            except CacheError:
                self._keep(locator, variant, text)
                raise
            self._meanwhile.pop((locator, variant), None)
        else:
            self._keep(locator, variant, text)

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        """Remove pairs, 100 an exchange; see the port."""
        addresses = iter(addresses)
        removed = 0
        while batch := list(islice(addresses, _BATCH)):
            for locator, variant in batch:
                check_name("locator", locator)
                check_name("variant", variant)
            self._refuse_if_resting("write")
            for address in batch:
                self._meanwhile.pop(address, None)
            replies = self._ask("write", [("HDEL", self._key(locator), variant) for locator, variant in batch])
            removed += sum(self._number(reply) for reply in replies)
        return removed

    def locators(self) -> Iterator[str]:
        """Yield each locator; see the port. The names are kept while it lasts: the server may say one twice."""
        prefix = self._options.prefix.encode()
        pattern = f"{self._options.prefix.translate(_GLOB)}*"
        seen: set[bytes] = set()
        cursor = b"0"
        for _ in range(_MOST_PAGES):
            self._refuse_if_resting("read")
            (reply,) = self._ask("read", [("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)])
            cursor, keys = self._page(reply)
            for key in keys:
                name = key.removeprefix(prefix).decode("ascii", "replace")
                if key.startswith(prefix) and key not in seen and is_name(name):
                    seen.add(key)
                    yield name
            if cursor == b"0":
                return
        raise self._failed("the server's list of keys has no end", "read")

    def close(self) -> None:
        """Close the connections that no thread is using; see the port."""
        idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    def _key(self, locator: str) -> str:
        return self._options.prefix + locator

    def _read(self, locator: str) -> dict[str, str]:
        """Return what the server has under a locator; nothing when another kind of value lies there."""
        (reply,) = self._ask("read", [("HGETALL", self._key(locator))], passing="WRONGTYPE")
        if isinstance(reply, ResponseError):
            return {}
        if type(reply) is not list or len(reply) % 2 or not all(type(part) is bytes for part in reply):
            raise self._failed("the server must answer with fields and texts, got something else", "read")
        names = [name.decode("ascii", "replace") for name in reply[::2]]
        found = zip(names, reply[1::2], strict=True)
        return {name: body[:TEXT_BYTES].decode("utf-8", "replace") for name, body in found if is_name(name)}

    def _write(self, records: Sequence[tuple[str, str, str]]) -> None:
        """Store texts and put off the end of their locators, all or nothing."""
        commands: list[Command] = [("MULTI",)]
        for locator, variant, text in records:
            commands.append(("HSET", self._key(locator), variant, text))
            commands.append(("EXPIRE", self._key(locator), self._options.ttl_seconds))
        replies = self._ask("write", [*commands, ("EXEC",)])
        if type(replies[-1]) is not list:
            raise self._failed("the server must answer that it stored, got something else", "write")
        for reply in replies[-1]:
            if isinstance(reply, ResponseError):
                raise self._failed(f"the server answered {reply}", "write")

    def _waited(self, locator: str) -> dict[str, str]:
        """Return what another process stores under a locator that it was the first to miss; nothing if that is us."""
        options = self._options
        claim = self._key(locator) + _CLAIM
        own = f"{os.getpid()}.{id(self)}".encode()
        until = time.monotonic() + options.wait_seconds
        while True:
            (taken, holder) = self._ask(
                "write", [("SET", claim, own, "NX", "PX", int(options.wait_seconds * 1000) or 1), ("GET", claim)]
            )
            if taken is not None or holder in (None, own) or time.monotonic() >= until:
                return {}
            time.sleep(_LOOK_AGAIN_SECONDS)
            if texts := self._read(locator):
                return texts

    def _ask(self, use: Use, commands: Sequence[Command], passing: str = "never") -> list[Any]:
        """Return the replies; CacheError, and the beginning of a rest, when the server fails or answers an error.

        An error with the code ``passing`` is a reply like any other.
        """
        fault = ""
        replies: list[Any] = []
        try:
            replies = self._exchange(commands)
        except LineError as error:
            fault = str(error)
        if fault:  # raised out here, so that the error has no context that might tell more
            raise self._failed(fault, "read", "write")
        for reply in replies:
            if isinstance(reply, ResponseError) and str(reply) != passing:
                raise self._failed(f"the server answered {reply}", use)
        return replies

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Ask over an idle connection or a new one; an idle one that turns out to be closed is replaced once."""
        until = time.monotonic() + self._options.read_timeout_seconds
        line = self._take()
        if line is not None:
            try:
                return self._answered(line, commands, until)
            except LineError as error:
                if not error.is_lost:
                    raise
        line = Line(self._options)
        began = time.monotonic()
        line.open(self._options.connect_timeout_seconds)
        return self._answered(line, commands, until + time.monotonic() - began)

    def _answered(self, line: Line, commands: Sequence[Command], until: float) -> list[Any]:
        try:
            replies = line.ask(commands, until)
        except BaseException:
            line.close()  # what is still to come would be taken for the next answer
            raise
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(line)
        else:
            line.close()
        return replies

    def _take(self) -> Line | None:
        """Return an idle connection of this process; what a child of a fork has inherited is let go of."""
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                return None
            if line.is_own():
                return line
            line.close()

    def _resting(self, use: Use) -> bool:
        return self._monotonic() < self._rests[use][0]

    def _refuse_if_resting(self, use: Use) -> None:
        if self._resting(use):
            raise CacheError(f"{self._rests[use][1]}; it is left alone for a while")

    def _failed(self, fault: str, *uses: Use) -> CacheError:
        """Leave the server alone for the cooling-off time, as far as these uses go, and return what to raise."""
        message = f"caches.redis: {self._place()}: {fault}"
        for use in uses:
            self._rests[use] = (self._monotonic() + self._options.cooling_off_seconds, message)
        return CacheError(message)

    def _place(self) -> str:
        parts = parts_of(self._options.url)
        return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"

    def _kept(self, locator: str) -> dict[str, str]:
        return {name: text for (where, name), text in list(self._meanwhile.items()) if where == locator}

    def _keep(self, locator: str, variant: str, text: str) -> None:
        self._meanwhile[locator, variant] = text
        if len(self._meanwhile) > _MOST_MEANWHILE:
            self._meanwhile.pop(next(iter(self._meanwhile)), None)

    def _hand_over(self) -> None:
        """Store what was kept while the server could not be written to, if it can be now."""
        if self._resting("write"):
            return
        records = [(locator, variant, text) for (locator, variant), text in list(self._meanwhile.items())]
        try:
            self._write(records)
        except CacheError:  # it was said when it began
            return
        for locator, variant, text in records:
            if self._meanwhile.get((locator, variant)) == text:
                self._meanwhile.pop((locator, variant), None)

    def _number(self, reply: object) -> int:
        if type(reply) is not int:
            raise self._failed("the server must answer with a number, got something else", "write")
        return reply

    def _page(self, reply: object) -> tuple[bytes, list[bytes]]:
        if type(reply) is list and len(reply) == 2:  # noqa: PLR2004  a cursor and keys
            cursor, keys = reply
            if type(cursor) is bytes and cursor.isdigit() and type(keys) is list:
                return cursor, [key for key in keys if type(key) is bytes]
        raise self._failed("the server must answer with a cursor and keys, got something else", "read")
