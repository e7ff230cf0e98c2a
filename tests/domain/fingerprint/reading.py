"""Fingerprints as this interpreter takes them, with the modules that it has loaded."""

from __future__ import annotations

import sys

from amorsize.domain.fingerprint import fingerprint as module
from amorsize.domain.fingerprint.loaded import Loaded, unknown_version


def loaded(version_of=unknown_version):
    """Return the modules that are loaded."""
    return Loaded(sys.modules, version_of)


def fingerprint(func, version_of=unknown_version):
    """Return the fingerprint of a function, read afresh."""
    return module.fingerprint(func, loaded(version_of))


def new_memo(version_of=unknown_version):
    """Return a memo that has seen no function."""
    return module.Fingerprints(loaded(version_of))


def define(source, name="f", module="a_script", **given_names):
    """Run source as a module of its own and return what it calls name."""
    space = {"__name__": module, **given_names}
    exec(compile(source, "<somewhere>", "exec"), space)
    return space[name]


class Local:
    """A class of the user's own, whose objects can be called."""

    @classmethod
    def made(cls, x):
        return cls, x

    def run(self, x):
        return x

    def __call__(self, x):
        return x
