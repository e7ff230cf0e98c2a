"""The example and the reference show every option, with its default."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import attrs

from amorsize.config import loader as config
from amorsize.config.settings import CHOSEN, TABLES, Settings, Warm
from amorsize.config.structuring import option_fields
from amorsize.domain.planning.sampling import Budget
from amorsize.plugins.registry import KINDS, Backends

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "amorsize.toml.example"
REFERENCE = ROOT / "docs" / "reference" / "configuration.md"


def uncommented(text):
    """Turn the options that are commented out into options: their lines have no blank after the mark."""
    return re.sub(r"^#(?=[a-z_\[\]{]\S* = |\[)", "", text, flags=re.MULTILINE)


def built_in():
    backends = Backends(list)
    return {(kind, name): backends.backend(kind, name).options for kind in KINDS for name in backends.names(kind)}


def test_the_example_equals_the_defaults():
    text = EXAMPLE.read_text(encoding="utf-8")
    document = tomllib.loads(text)
    settings = config.load(document)
    assert attrs.evolve(settings, backends={}, source="defaults", cache_dir=None) == Settings()
    for (kind, name), options in built_in().items():
        table = document[kind][name]
        assert config._options(options, table, f"{kind}.{name}") == options()


def test_the_example_shows_every_option_and_those_commented_out_are_right_too():
    document = tomllib.loads(uncommented(EXAMPLE.read_text(encoding="utf-8")))
    config.load(document)
    assert set(document) == {*CHOSEN, *TABLES, *KINDS, "warm"}
    for table, (_, _, options) in TABLES.items():
        assert set(document[table]) == set(options)
    for (kind, name), options in built_in().items():
        assert set(document[kind][name]) == set(option_fields(options)), f"{kind}.{name}"
    shown = {key for warm in document["warm"] for key in warm}
    assert shown == set(option_fields(Warm))


def test_every_option_of_the_example_has_a_line_of_why():
    above = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if re.match(r"#?[a-z_]+ = ", line):
            assert above.startswith("# "), line
        above = line


def in_toml(default):
    if default is None:
        return "not set"
    if isinstance(default, bool | str):
        return f"`{json.dumps(default)}`"
    return f"`{default}`"


def test_the_reference_names_every_option_with_its_default():
    text = REFERENCE.read_text(encoding="utf-8")
    classes = {"": (Settings, CHOSEN), **{table: (kind, names) for table, (_, kind, names) in TABLES.items()}}
    classes |= {f"{kind}.{name}": (cls, tuple(option_fields(cls))) for (kind, name), cls in built_in().items()}
    for table, (cls, names) in classes.items():
        section = text.partition(f"## `[{table}]`" if table else "## Choices")[2].partition("\n## ")[0]
        assert section, table
        for name in names:
            default = option_fields(cls)[name].default
            if isinstance(default, attrs.Factory):
                default = default.factory()
            row = rf"^\| `{name}` \| .*\| {re.escape(in_toml(default))} \|"
            assert re.search(row, section, re.MULTILINE), (table, name, default)
    for name in option_fields(Warm):
        assert f"| `{name}` |" in text.partition("## `[[warm]]`")[2]
    for name in ("AMORSIZE_CONFIG", "AMORSIZE_CACHE_DIR", "AMORSIZE_DISABLE", "AMORSIZE_EXPLAIN"):
        assert name in text


def test_the_budgets_own_figures_are_no_options():
    assert {"worker_start_seconds", "most_items", "fork_bytes"} == set(option_fields(Budget)) - set(
        TABLES["sampling"][2]
    )
