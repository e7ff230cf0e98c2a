"""What one check finds."""

from __future__ import annotations

from typing import Final

import attrs

from amorsize.domain.values import one_of

OK: Final = "ok"
NOTE: Final = "note"
FIX: Final = "fix"


@attrs.frozen
class Finding:
    """What a check saw, its verdict, and what to do about it.

    ``ok`` needs nothing, ``note`` may cost speed, ``fix`` keeps amorsize from working as it should.
    """

    subject: str
    verdict: str = attrs.field(validator=one_of(OK, NOTE, FIX))
    seen: str
    remedy: str = ""
