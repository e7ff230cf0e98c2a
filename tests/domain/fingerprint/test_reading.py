"""The reader has all that those who read a part see of it."""

from __future__ import annotations

import sys

from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.fingerprint.origins import Origins
from amorsize.domain.fingerprint.reader import Reader
from amorsize.domain.fingerprint.reading import Reading


def test_the_reader_has_all_that_its_parts_see():
    reader = Reader(Origins("", Loaded(sys.modules)))
    reader.run(len)
    seen = {*Reading.__annotations__, *(name for name in vars(Reading) if not name.startswith("_"))}
    assert len(seen) > 15
    assert {name for name in seen if not hasattr(reader, name)} == set()
