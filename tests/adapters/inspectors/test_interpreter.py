"""What is said of the running Python."""

from __future__ import annotations

import platform
import sys

from amorsize.adapters.inspectors.interpreter import python_facts


def test_name_version_and_tag_are_those_of_the_running_python():
    tag, version, _ = python_facts()
    assert tag == sys.implementation.cache_tag
    assert version == f"{platform.python_implementation()} {platform.python_version()}"


def test_the_interpreter_lock_is_asked_about_each_time(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert python_facts()[2] is False
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    assert python_facts()[2] is True
    monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    assert python_facts()[2] is True
