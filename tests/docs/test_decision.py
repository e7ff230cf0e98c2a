"""The picture in README.md is what the code draws today."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from docs.decision import FILE, MACHINE, SAMPLE, picture

from amorsize.domain.wording import seconds


def test_the_picture_in_the_readme_is_what_the_code_draws():
    assert FILE.read_text(encoding="utf-8") == picture(), "run: python tests/docs/decision.py"


def test_it_is_readable_on_white_and_on_black_and_small():
    text = FILE.read_text(encoding="utf-8")
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in text
    assert len(text) < 20_000


def test_the_words_of_the_readme_are_those_of_the_picture():
    readme = (FILE.parents[1] / "README.md").read_text(encoding="utf-8")
    items, each, cpus = re.search(
        r"of (\d+) items of (\S+ \S+) each, by number of workers on (\d+) CPUs", readme
    ).groups()
    said = "\n".join(ET.fromstring(picture()).itertext())
    assert f"; {items} items" in said
    assert (each, float(cpus)) == (seconds(SAMPLE.seconds_per_item), MACHINE.usable_cpus)
