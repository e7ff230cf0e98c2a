"""The command doctor: what amorsize sees here, and what to fix."""

from __future__ import annotations

import click

from amorsize.cli.documents import Diagnosed, json_option, say_document
from amorsize.cli.options import config_option
from amorsize.cli.terminal import say
from amorsize.config.inputs import function_named


@click.command()
@click.argument("function", metavar="[MODULE:FUNCTION]", required=False, default="")
@config_option
@json_option
def doctor(*, function: str, config: str | None, as_json: bool) -> int:
    """Say what amorsize sees of this machine and its own setup, and what to fix; exit with 1 if anything is.

    With MODULE:FUNCTION its module is imported, and the libraries that it loads are looked at too.
    """
    from amorsize.diagnosis.doctor import diagnosed
    from amorsize.diagnosis.finding import FIX

    if function:
        function_named(function)
    findings = diagnosed(config, function=function)
    fix = sum(finding.verdict == FIX for finding in findings)
    if as_json:
        say_document("doctor", Diagnosed(fix, tuple(findings)))
    else:
        for finding in findings:
            say(finding.verdict, finding.subject, finding.seen, *([finding.remedy] if finding.remedy else []))
        say("nothing needs fixing" if not fix else f"to fix: {fix}")
    return 1 if fix else 0
