"""Workers are forked on Linux only; elsewhere there is nothing here to test.

Where modules without a file of their own are tested:

- explaining: test_explain
"""

from __future__ import annotations

import sys

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]
