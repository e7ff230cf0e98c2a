"""The site: it builds without a warning and without a network, its links lead somewhere, and its search finds names."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from docs.test_docs import commands, options
from sphinx.errors import ExtensionError

import amorsize
from amorsize import errors
from amorsize.cli.commands import amorsize_command
from amorsize.config.settings import CHOSEN, TABLES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*DOCS.rglob("*.md"), *ROOT.glob("plugins/*/README.md"), *ROOT.glob("*.md")]
COMMAND, CONFIGURATION, PYTHON, API = (
    f"docs/reference/{name}" for name in ("command", "configuration", "python", "api")
)
WITH_DOCSTRINGS = ("amorsize", "amorsize.plugins", "amorsize.testing")
UNREACHABLE = "http://127.0.0.1:9"


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loaded = {""}, set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.anchors.add(named.get("id"))
        loads = tag in {"img", "script", "iframe", "source"} or (tag == "link" and named.get("rel") == "stylesheet")
        target = named.get("src") or named.get("href")
        if target:
            (self.loaded if loads else self.links).add(target)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    before = files_of_the_tree()
    command = [sys.executable, "-B", "-m", "sphinx", "-W", "--keep-going", "-q", "-c", DOCS, ROOT, folder]
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), UNREACHABLE)
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **no_network})
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert files_of_the_tree() == before
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


@pytest.fixture(scope="module")
def extension():
    sys.path.insert(0, str(DOCS / "extensions"))
    yield import_module
    sys.path.remove(str(DOCS / "extensions"))


@pytest.fixture(scope="module")
def index(site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))


@pytest.fixture(scope="module")
def first(index):
    """What the search shows first for an entry of the index: pages, each with an anchor."""
    entries = index["indexentries"].items()
    return {
        entry: {index["docnames"][at] for at, anchor, main in places if main and anchor} for entry, places in entries
    }


@pytest.fixture(scope="module")
def found(index, extension):
    language = extension("generated").SearchNames({})

    def numbers(term):
        there = [index[part].get(term, []) for part in ("terms", "titleterms")]
        return {number for each in there for number in (each if isinstance(each, list) else [each])}

    def found(query):
        words = [word for word in re.findall(r"\w+", query.lower()) if language.word_filter(word)]
        assert words, query
        return {index["docnames"][at] for at in set.intersection(*(numbers(language.stem(word)) for word in words))}

    return found


@pytest.fixture(scope="module")
def flowcharts(extension):
    return extension("flowcharts")


def files_of_the_tree():
    return {
        path for top in ("docs", "src", "plugins") for path in (ROOT / top).rglob("*") if "__pycache__" not in str(path)
    }


def test_every_page_of_the_repository_is_a_page_of_the_site(site):
    for page in PAGES:
        assert (site / page.relative_to(ROOT)).with_suffix(".html").is_file(), page


def test_the_folder_of_the_site_leads_to_the_first_page(pages, site):
    assert pages[site / "index.html"].links == {"docs/index.html"}


def test_every_link_within_the_site_leads_to_a_page_and_to_a_place_in_it(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links | page.loaded:
            to = urlsplit(link)
            target = (path.parent / unquote(to.path)).resolve() if to.path else path
            if to.scheme or (target in pages and unquote(to.fragment) in pages[target].anchors):
                continue
            if to.fragment or not target.is_file():
                broken.append((path.name, link))
    assert broken == []


def test_a_page_loads_nothing_from_elsewhere(pages):
    assert {
        load for page in pages.values() for load in page.loaded if urlsplit(load).scheme or load[:2] == "//"
    } == set()


def test_every_flowchart_is_drawn_into_its_page(site):
    with_charts = {page: count for page in PAGES if (count := page.read_text(encoding="utf-8").count("\n```mermaid\n"))}
    assert with_charts
    for page, count in with_charts.items():
        html = (site / page.relative_to(ROOT)).with_suffix(".html").read_text(encoding="utf-8")
        assert html.count('<div class="flowchart"><svg') == count


def test_a_flowchart_has_its_texts_shapes_and_arrows(flowcharts):
    dot = flowcharts.to_dot(
        'flowchart LR\n a["one<br>two"] -- "yes" --> b{"asks"}\n b -.-> c[("keeps")]\nsubgraph g["here"]\n d\n end'
    )
    assert r'a [label="one\ntwo" shape=box]' in dot
    assert 'b [label="asks" shape=hexagon style=solid]' in dot
    assert 'a -> b [label=" yes "]' in dot
    assert 'b -> c [label="" style=dashed]' in dot
    assert 'subgraph cluster_g { label="here"\nd\n}' in dot


@pytest.mark.parametrize(
    "chart", ["sequenceDiagram\n a->>b: c", "flowchart TD\n a ==> b", "flowchart TD\n a --> b --> c"]
)
def test_a_flowchart_that_cannot_be_read_is_an_error(flowcharts, chart):
    with pytest.raises(ExtensionError, match="flowchart"):
        flowcharts.to_dot(chart)


@pytest.mark.parametrize("module", WITH_DOCSTRINGS)
def test_every_public_name_has_its_docstring_in_the_api(pages, site, module):
    there = set().union(*(page.anchors for path, page in pages.items() if path.name.startswith("api")))
    for name in import_module(module).__all__:
        thing = getattr(import_module(module), name)
        error = isinstance(thing, type) and issubclass(thing, Exception)
        assert f"{'amorsize' if error else module}.{name}" in there, name


@pytest.mark.parametrize("name", [*amorsize.__all__, *(each for each in vars(errors) if each.endswith("Error"))])
def test_the_search_finds_every_public_name_and_error(found, name):
    assert {PYTHON, API} <= found(name)


@pytest.mark.parametrize("command", list(commands(amorsize_command)))
def test_the_search_finds_every_command(found, first, command):
    assert COMMAND in found(command) & first[command]


@pytest.mark.parametrize("option", options(amorsize_command))
def test_the_search_finds_every_option_of_the_command(found, first, option):
    assert COMMAND in found(option) & first[option]


@pytest.mark.parametrize("argument", sorted(inspect.signature(amorsize.execute).parameters))
def test_the_search_finds_every_argument_of_execute(found, argument):
    assert {PYTHON, API} <= found(argument)


def test_the_search_finds_every_option_of_the_example_config(found):
    lines = (ROOT / "amorsize.toml.example").read_text(encoding="utf-8").splitlines()
    example = "\n".join(re.sub(r"^# ?(?=[\w.-]+ = |\[)", "", line) for line in lines)
    named = set(re.findall(r"^([a-z_]+) = ", example, re.MULTILINE))
    assert len(named) > 30
    for option in sorted(named):
        assert CONFIGURATION in found(option), option


def test_the_search_shows_the_reference_first_for_every_setting(first):
    for option in {*CHOSEN, *(option for _, _, table in TABLES.values() for option in table)}:
        assert CONFIGURATION in first[option], option
