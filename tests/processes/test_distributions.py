"""Versions of installed packages, by the names they are imported by."""

from __future__ import annotations

from importlib import metadata

import attrs
import pytest

from amorsize import fingerprint
from amorsize.processes.distributions import version_of


def test_a_package_named_like_its_distribution_has_its_version():
    assert version_of("pluggy") == metadata.version("pluggy")


def test_a_package_named_otherwise_is_found_by_what_it_installs():
    assert version_of("_pytest") == f"pytest {metadata.version('pytest')}"


def test_what_nothing_installs_has_none():
    assert version_of("no_such_package") is None


def test_a_function_of_an_installed_package_that_states_no_version_leaves_no_note_on_that():
    assert not any("is not known" in note for note in fingerprint(attrs.make_class).shallow)
    with pytest.raises(TypeError):
        fingerprint(attrs)
