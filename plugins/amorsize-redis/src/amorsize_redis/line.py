"""A connection to a server that may be slow, gone or hostile: bounded in time and in what it takes in."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.exceptions import RedisError, ResponseError

from amorsize_redis.options import parts_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from amorsize_redis.options import RedisOptions

_CHUNK_BYTES: Final = 1 << 16
"""Bytes that are read from the socket at once: our choice."""
_LONGEST_LINE: Final = 1 << 12
"""Bytes of the longest line of a reply: the length of a text, or an error."""
_DEEPEST: Final = 3
"""Levels of lists in a reply: those that our commands give."""
_WORTH_SETTING_SECONDS: Final = 0.001
"""Change of a time limit from which on the socket is set anew: setting is a system call."""


class LineError(Exception):
    """The server could not be asked; the message has no text of the server's and no secret.

    ``is_lost`` tells that the connection had ended, which an idle one may have done long before.
    """

    def __init__(self, message: str, *, is_lost: bool = False) -> None:
        super().__init__(message)
        self.is_lost = is_lost


class Reader:
    """Reads replies of Redis' second protocol up to a deadline and a number of bytes; redis-py takes it as a parser.

    Whatever the server sends, reading ends: with a reply of bytes, ints, None, ResponseErrors and lists of these, or
    with LineError.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._sock: socket.socket | None = None
        self._buffer = bytearray()
        self._at = 0
        self._taken = 0
        self._until = 0.0
        self._seconds = 0.0

    def on_connect(self, connection: Any) -> None:
        """Take over the socket; called by redis-py."""
        self._sock = connection._sock  # noqa: SLF001  the only way a parser is given it, redis-py's own included
        self._buffer.clear()
        self._at = 0

    def on_disconnect(self) -> None:
        """Let go of the socket; called by redis-py."""
        self._sock = None

    def begin(self, until: float) -> None:
        """Begin an exchange that ends at a monotonic time."""
        self._until = until
        self._taken = 0
        self._set_timeout()

    def is_clean(self) -> bool:
        """Tell whether nothing is left over that was not asked for."""
        return self._at == len(self._buffer)

    def read_response(self, *_: object, **__: object) -> Any:
        """Return the next reply; called by redis-py. An error of the server's is returned, not raised."""
        return self._reply(0)

    def can_read(self, *_: object) -> bool:
        """Tell whether a reply has begun to arrive; called by redis-py."""
        return not self.is_clean()

    def _reply(self, depth: int) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            length = _count(rest)
            return None if length < 0 else self._bytes(length)
        if kind == b"*":
            length = _count(rest)
            if depth == _DEEPEST:
                raise LineError("the server's reply must be flatter")
            return None if length < 0 else [self._reply(depth + 1) for _ in range(length)]
        if kind == b":":
            return _count(rest)
        if kind == b"+":
            return rest
        if kind == b"-":
            return ResponseError(_code(rest))
        raise LineError("the server must speak Redis' protocol, got something else")

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._at)) < 0:
            if len(self._buffer) - self._at > _LONGEST_LINE:
                raise LineError("the server must speak Redis' protocol, got an endless line")
            self._receive()
        line = bytes(self._buffer[self._at : end])
        self._move(end + 2)
        return line

    def _bytes(self, length: int) -> bytes:
        if length > self._most:
            raise LineError(f"the server's reply must be at most {self._most} bytes, got more")
        end = self._at + length
        while len(self._buffer) < end + 2:
            self._receive()
        body = bytes(self._buffer[self._at : end])
        if self._buffer[end : end + 2] != b"\r\n":
            raise LineError("the server must speak Redis' protocol, got something else")
        self._move(end + 2)
        return body

    def _move(self, at: int) -> None:
        self._at = at
        if at == len(self._buffer):
            self._buffer.clear()
            self._at = 0

    def _receive(self) -> None:
        if self._sock is None:
            raise LineError("the connection is closed", is_lost=True)
        self._set_timeout()
        try:
            received = self._sock.recv(_CHUNK_BYTES)
        except TimeoutError:
            raise LineError("the server did not answer in time") from None
        except OSError as error:
            raise LineError(f"the connection broke ({_words(error)})", is_lost=True) from None
        if not received:
            raise LineError("the server closed the connection", is_lost=True)
        self._taken += len(received)
        if self._taken > self._most:
            raise LineError(f"the server's reply must be at most {self._most} bytes, got more")
        self._buffer += received

    def _set_timeout(self) -> None:
        """Hand what is left to the socket, unless that is what it was handed last, but for next to nothing."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise LineError("the server did not answer in time")
        if self._sock is not None and not 0 <= self._seconds - left < _WORTH_SETTING_SECONDS:
            self._sock.settimeout(left)
            self._seconds = left


class Line:
    """One connection of one process, used by one thread at a time."""

    def __init__(self, options: RedisOptions) -> None:
        self._reader = Reader(options.max_reply_bytes)
        self._connection = _connection(options, self._reader)
        self._pid = os.getpid()

    def is_own(self) -> bool:
        """Tell whether this very process has opened it."""
        return self._pid == os.getpid()

    def open(self, seconds: float) -> None:
        """Connect and log in; LineError when that fails or takes longer.

        A thread does it, because neither a name's look-up nor a handshake in many small steps knows a deadline.
        """
        ended, given_up = threading.Event(), threading.Event()
        faults: list[str] = []

        def connect() -> None:
            try:
                self._reader.begin(time.monotonic() + seconds)
                self._connection.connect()
            except Exception as error:  # noqa: BLE001  whatever it is, the server cannot be asked
                faults.append(_words(error))
            finally:
                ended.set()
                if given_up.is_set():
                    self.close()

        threading.Thread(target=connect, name="amorsize-redis", daemon=True).start()
        if not ended.wait(seconds):
            given_up.set()
            if ended.is_set():
                self.close()
            raise LineError("connecting took too long")
        if faults:
            raise LineError(f"connecting failed ({faults[0]})")

    def ask(self, commands: Sequence[tuple[str | bytes | int, ...]], until: float) -> list[Any]:
        """Send commands at once and return their replies, in which errors of the server's are ResponseErrors."""
        self._reader.begin(until)
        fault = ""
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        except redis.TimeoutError:
            fault = "the server did not take what was sent in time"
        except (RedisError, OSError) as error:
            fault = f"the connection broke ({_words(error)})"
        if fault:
            raise LineError(fault, is_lost="in time" not in fault)
        replies = [self._reader.read_response() for _ in commands]
        if not self._reader.is_clean():
            raise LineError("the server must answer what it is asked, got more")
        return replies

    def close(self) -> None:
        """Close the connection; in a child the parent's stays open."""
        self._connection.disconnect()


def _connection(options: RedisOptions, reader: Reader) -> Any:
    """Return a connection of redis-py's that is not open yet."""
    parts = parts_of(options.url)
    given: dict[str, Any] = {
        "username": parts.username or None,
        "password": os.environ.get(options.password_variable) or None,
        "socket_timeout": options.read_timeout_seconds,
        "socket_connect_timeout": options.connect_timeout_seconds,
        "protocol": 2,
        "parser_class": lambda **_: reader,
    }
    kind: Any
    if parts.scheme == "unix":
        kind = redis.UnixDomainSocketConnection
        return kind(path=parts.path, **given)
    kind = redis.Connection
    if parts.scheme == "rediss":
        kind = redis.SSLConnection
        given |= {"ssl_ca_certs": options.ca_file, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
    return kind(host=parts.hostname, port=parts.port or 6379, db=int(parts.path.strip("/") or 0), **given)


def _count(digits: bytes) -> int:
    if not digits.removeprefix(b"-").isdigit() or len(digits) > 20:  # noqa: PLR2004  digits of 64 bits and a sign
        raise LineError("the server must speak Redis' protocol, got something else")
    return int(digits)


def _code(message: bytes) -> str:
    """Return the code that begins an error's message; the rest may repeat what was sent, a password too."""
    code = message.split(b" ", 1)[0].decode("ascii", "replace")
    return code if code.isascii() and code.isalpha() and code.isupper() and len(code) <= 20 else "ERR"  # noqa: PLR2004


def _words(error: BaseException) -> str:
    """Name an error without what it says, which may repeat what was sent; ours say nothing of that."""
    if isinstance(error, LineError | ResponseError):
        return str(error)
    inner = error.__cause__ or error.__context__
    if type(error).__module__.startswith("redis") and isinstance(inner, LineError | OSError):
        return _words(inner)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__
