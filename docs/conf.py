"""Sphinx's settings for the site: ``python -m sphinx -W -c docs . FOLDER`` builds it, without a network.

Its source is the whole repository, so that a link between two pages is the same on the site and on the code host.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent / "src")]

import amorsize  # noqa: E402  it is found by the line above

project = "amorsize"
author = "The amorsize developers"
copyright = author  # noqa: A001  Sphinx calls it so
release = version = amorsize.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "flowcharts",
    "generated",
]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "plugins/*/README.md", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = [".*", "**/.*", "build", "dist"]

myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # CHANGELOG.md has headings of the third level below the first

add_module_names = False
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
python_display_short_literal_types = True
python_use_unqualified_type_names = True

html_theme = "furo"
pygments_dark_style = "github-dark"  # the theme's own underlines the names of modules as if they were links
html_title = f"amorsize {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "source_repository": "https://github.com/amorsize/amorsize/",
    "source_branch": "main",
    "source_directory": "",
}
