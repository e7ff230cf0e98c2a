"""Tasks of the tests of integrations, in a module that workers can import."""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from pathlib import Path

from joblib import Parallel, delayed

BOX = None
FILE = None
CACHE = {}
GENERATOR = random.Random(7)


class Drawer:
    """Keeps what its class has opened."""

    file = None


def square(number):
    return number * number


def marked(folder, number):
    """Leave a mark for each time that it runs."""
    Path(folder, f"{number}-{time.perf_counter_ns()}-{os.getpid()}").touch()
    return number


def failing(number):
    if number == 3:
        raise LookupError("the third", number)
    return number


def dying(number, parent):
    if number == 5 and os.getpid() != parent:
        os._exit(7)
    return number


def place(_):
    time.sleep(0.001)
    return os.getpid(), threading.get_ident()


def nested(number, backend=None):
    """Return what a call inside a task returns, and the name of its backend."""
    inner = Parallel(n_jobs=2, backend=backend)
    results = inner(delayed(square)(each) for each in range(number))
    return results, type(inner._backend).__name__


def total(array):
    return type(array).__name__, float(array.sum())


def sleeping(seconds):
    time.sleep(seconds)
    return seconds


class Refusing:
    """Cannot be pickled."""

    def __reduce__(self):
        raise TypeError("not this one")


def refusing(number):
    return Refusing() if number == 11 else number


def begin(folder):
    Path(folder, f"worker-{os.getpid()}").touch()


def was_begun(folder):
    return Path(folder, f"worker-{os.getpid()}").exists()


def boxed(number):
    """Keep a number in a global while other threads have time to take the next task."""
    global BOX  # noqa: PLW0603  this is what it is for
    BOX = number
    time.sleep(0.02)
    return BOX, (os.getpid(), threading.get_ident())


def cached(number):
    """Keep a number in a dict of this module while other threads have time to take the next task."""
    CACHE["number"] = number
    time.sleep(0.02)
    return CACHE["number"], (os.getpid(), threading.get_ident())


def drawn(_):
    """Draw from the generator of this module while other threads have time to take the next task."""
    time.sleep(0.02)
    return GENERATOR.random(), (os.getpid(), threading.get_ident())


def written(number):
    """Write to a file that the first call in a process opens, and read it again."""
    global FILE  # noqa: PLW0603  as above
    if FILE is None:
        FILE = tempfile.TemporaryFile("w+")  # noqa: SIM115  it is kept open
    return _written_to(FILE, number)


def written_to_class(number):
    """Do so with a file that a class keeps."""
    if Drawer.file is None:
        Drawer.file = tempfile.TemporaryFile("w+")  # noqa: SIM115  it is kept open
    return _written_to(Drawer.file, number)


def _written_to(file, number):
    for text in (str(number), ""):
        file.seek(0)
        if text:
            file.truncate()
            file.write(text)
            file.flush()
            time.sleep(0.01)
    return int(file.read()), os.getpid()


def numbered(item):
    """Assign an attribute."""
    item.number += 1
    time.sleep(0.001)
    return item.number


def patient(number):
    """Wait, and keep nothing."""
    time.sleep(0.02)
    return number, (os.getpid(), threading.get_ident())
