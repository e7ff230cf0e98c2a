"""Keeps what other programs do at the moment out of the answers of a program that a test starts; see quiet_machine."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

MODULE = "amorsize.adapters.inspectors.load"


class Quiet:
    """Finds the module that reads the load, and has it read none."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Return the module's spec, None for all others."""
        if name != MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        run = spec.loader.exec_module

        def run_quietly(module):
            run(module)
            module.OthersLoad.now = lambda _: 0.0

        spec.loader.exec_module = run_quietly
        return spec


sys.meta_path.insert(0, Quiet)
