"""What the tests of inspectors share: they look at the load of other programs itself."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quiet_machine():
    """Leave the load as it is read."""
