"""Keeps what other programs do at the moment out of the answers of a program that a test starts; see quiet_machine."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder


def no_load(module):
    """Let the machine seem idle."""
    module.OthersLoad.now = lambda _: 0.0


def no_slow_look(module):
    """Let no look at a file seem slow."""
    module._SLOW_SECONDS = 60.0


MODULES = {"amorsize.adapters.inspectors.load": no_load, "amorsize.adapters.inspectors.files": no_slow_look}


class Quiet:
    """Finds the modules that a busy machine disturbs, and changes them once they are imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Return the spec of one of these modules, None for all others."""
        if name not in MODULES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        run = spec.loader.exec_module

        def run_quietly(module):
            run(module)
            MODULES[name](module)

        spec.loader.exec_module = run_quietly
        return spec


sys.meta_path.insert(0, Quiet)
