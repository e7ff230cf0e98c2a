"""The picture of the packages is that of the import graph."""

from __future__ import annotations

from pathlib import Path

from docs.packages import picture

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "structure.md"


def test_the_picture_of_the_packages_is_that_of_the_import_graph():
    assert f"```mermaid\n{picture()}\n```\n" in PAGE.read_text(encoding="utf-8")
