"""The page of a verification: one file, no scripts, nothing from elsewhere, and all text escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import attrs
import pytest
from fakes import Desk

from amorsize.pictures.page import page
from amorsize.pictures.timeline import Span, Timeline

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> & \x1b[2J"
TIMELINE = Timeline(2.0, (Span(0, 0.1, 1.9, 9), Span(1, 0.2, 1.8, 9)))


class Parsed(HTMLParser):
    """Collects tags, attributes and text, and checks that each tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def made(timeline=TIMELINE, **changes):
    given = {
        "title": "jobs:work over 9 items",
        "lines": ["the plan", "why: a reason", "cache: miss", "one", "two"],
        "chart": Desk().ask().chart("--report"),
        "head": ["", "way"],
        "rows": [["*", "serial"]],
        "verdict": "it is the best",
        "footer": "amorsize",
    }
    return Parsed(page(**{**given, **changes}, timeline=timeline))


def test_it_says_the_decision_its_reasons_the_verdict_and_what_workers_did():
    parsed = made()
    said = "\n".join(parsed.words)
    for words in ("jobs:work over 9 items", "the plan", "why: a reason", "one", "two", "it is the best", "worker 2"):
        assert words in said
    assert "2 workers ran items for 85% of the time" in said
    assert parsed.tags.count("svg") == 2
    assert parsed.open == []


def test_nothing_comes_from_elsewhere_and_nothing_runs():
    parsed = made()
    assert not {"script", "link", "img", "iframe", "object", "use", "image"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name in {"href", "src"}]
    assert [value for _, value in parsed.attributes if "http" in (value or "").lower()] == [
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/2000/svg",
    ]
    assert not re.search(r"url\(|@import", "".join(parsed.words))


@pytest.mark.parametrize("name", ["title", "verdict", "footer"])
def test_text_cannot_become_markup(name):
    parsed = made(**{name: HOSTILE})
    assert not {"script", "img"} & set(parsed.tags)
    assert "".join(parsed.words).count("<script>") == 1 + (name == "title")
    assert "\x1b" not in "".join(parsed.words)


def test_reasons_tables_and_names_of_executors_cannot_become_markup():
    chart = Desk().ask().chart("--report")
    hostile = attrs.evolve(chart, bars=(attrs.evolve(chart.bars[0], executor=HOSTILE), *chart.bars[1:]))
    parsed = made(lines=[HOSTILE] * 5, rows=[[HOSTILE] * 2], head=[HOSTILE] * 2, chart=hostile)
    assert not {"script", "img"} & set(parsed.tags)


def test_where_workers_are_not_known_or_many_chunks_are_one_bar_it_says_so():
    assert "executors of a plugin" in "".join(made(timeline=None).words)
    few = Timeline(2.0, (Span(0, 0.1, 1.9, 9, chunks=3),))
    said = "".join(made(timeline=few).words)
    assert "one bar where there are too many to draw" in said
    assert "1 worker ran items" in said
