"""The programs that a page shows."""

from __future__ import annotations

import re


def programs(page):
    """Return the Python blocks of a page by the name of the file that each begins with, or by number."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    named = (re.match(r"# (\w+\.py)\n", block) for block in blocks)
    return {name[1] if name else f"{at}.py": block for at, (name, block) in enumerate(zip(named, blocks, strict=True))}
