"""Servers for tests: Redis itself, and a listener that answers whatever a test tells it to."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time

import redis

from amorsize_redis import RedisOptions

PATIENT_SECONDS = 20.0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server:
    """Redis on a loopback port, in a directory of its own."""

    def __init__(self, directory, *settings):
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise RuntimeError("redis-server must be installed, got none: apt-get install redis-server")
        self.port = free_port()
        self.directory = directory
        self._command = [program, "--save", "", "--dir", str(directory), *settings]
        self._process = None

    def start(self):
        command = [*self._command, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, "redis-server ended at once"
                assert time.monotonic() < until, "redis-server did not start"
                time.sleep(0.01)
            else:
                return self

    def kill(self):
        self._process.kill()
        self._process.wait()

    def options(self, **options):
        """Return options for this server that wait long, so that a busy machine fails no test."""
        given = {
            "url": f"redis://127.0.0.1:{self.port}/0",
            "connect_timeout_seconds": PATIENT_SECONDS,
            "read_timeout_seconds": PATIENT_SECONDS,
            "wait_seconds": 0.0,
        }
        return RedisOptions(**{**given, **options})

    def client(self, **options):
        return redis.Redis(port=self.port, **options)


class Listener:
    """A real TCP server that hands each connection to a function of the socket, counting them."""

    def __init__(self, talk):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self.ended = threading.Event()
        self._talk = talk
        self._socks = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self.ended.is_set():
                sock.close()
                return
            self.connections += 1
            self._socks.append(sock)
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock):
        with sock, contextlib.suppress(OSError):
            self._talk(sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        self._listener.close()
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


class Clock:
    """Monotonic seconds that stand still until moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now
