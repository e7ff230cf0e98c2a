"""What a notebook shows of results."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import attrs
import pytest
from fakes import SAMPLE, Desk
from IPython.core.formatters import HTMLFormatter

from amorsize import Verification
from amorsize.domain.planning.neighbours import Neighbour
from amorsize.execution.verification import Trial, comparison

HOSTILE = "<script>alert('x')</script> & \x1b[2J"


def shown(value):
    """Return the HTML that IPython shows of a value, parsed."""
    return ET.fromstring(HTMLFormatter()(value))


def text_of(parsed):
    return "\n".join(parsed.itertext())


def test_a_result_shows_its_lines_and_a_bar_for_serial_and_the_plan():
    result = Desk().ask()
    parsed = shown(result)
    for line in str(result).splitlines():
        assert line in text_of(parsed)
    serial, plan = (float(bar.get("style").partition("width: ")[2].partition("em")[0]) for bar in parsed.iter("span"))
    assert serial / plan == pytest.approx(result.estimated_speedup, rel=0.02)


def test_a_serial_result_shows_no_bars():
    result = Desk(sample=attrs.evolve(SAMPLE, seconds_per_item=1e-6, spread_seconds=0.0)).ask()
    assert result.executor == "serial"
    assert not list(shown(result).iter("span"))


def test_a_verification_shows_its_table_and_its_verdict():
    trials = (Trial(Neighbour("thread", 2, 3, 1.0), 1.5), Trial(Neighbour("serial", 1, 9), 1.0))
    found = Verification(Desk().ask(), trials)
    parsed = shown(found)
    assert list(comparison(found))[-1] in text_of(parsed)
    assert [cell.text for cell in parsed.find(".//tbody/tr")] == ["*", "2 threads, chunks of 3", "1 s", "1.5 s", "0.67"]


def test_names_and_reasons_cannot_become_markup_or_steer_a_terminal():
    result = Desk().ask()
    plan = attrs.evolve(result.plan, reason=HOSTILE, executor="far")
    hostile = attrs.evolve(result, plan=plan, cache_reason=HOSTILE, warnings=(HOSTILE,))
    for value in (hostile, Verification(hostile, (Trial(Neighbour(HOSTILE, 2, 3), 1.0),))):
        html = HTMLFormatter()(value)
        assert {each.tag for each in ET.fromstring(html).iter()}.isdisjoint({"script"})
        assert "\x1b" not in html
    assert text_of(shown(hostile)).count("<script>") == 3


def test_what_is_shown_is_small_and_takes_the_colours_of_the_notebook():
    html = Desk().ask()._repr_html_()
    assert len(html) < 3000
    assert "currentColor" in html
    for word in ("script", "http", "color: black", "color: white", "<style"):
        assert word not in html
