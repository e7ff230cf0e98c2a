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
