"""HTML and SVG as text: what comes from outside is escaped."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from amorsize.pictures.markup import element, joined, table


def test_an_element_has_attributes_and_children():
    made = element("p", "one ", element("b", "two"), class_="a", stroke_width=1.50, x=2.0)
    assert made == '<p class="a" stroke-width="1.5" x="2">one <b>two</b></p>'


@given(st.text())
def test_text_and_attributes_cannot_become_markup(text):
    made = element("p", text, title=text)
    parsed = ET.fromstring(made)
    assert list(parsed) == []
    assert set(parsed.attrib) == {"title"}
    assert "<" not in joined([text])


def test_a_table_has_a_head_and_rows():
    made = ET.fromstring(table(["a", "<b>"], [["1", "2"], ["3", "4"]]))
    assert [cell.text for cell in made.iter("th")] == ["a", "<b>"]
    assert [[cell.text for cell in row] for row in made.find("tbody")] == [["1", "2"], ["3", "4"]]
