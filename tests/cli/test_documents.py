"""What the command says with --json has the form that the schema in the reference gives it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from docs.schema import text

import amorsize
from amorsize.cli.commands import amorsize_command
from amorsize.cli.documents import DOCUMENTS, in_json
from amorsize.diagnosis.workloads import WORKLOADS

FILE = Path(__file__).parents[2] / "docs" / "reference" / "command.schema.json"
SCHEMA = json.loads(FILE.read_text(encoding="utf-8"))
KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
FUNCTION = ["math:sqrt", "--range", "2000"]
CALLS = {
    "optimize": [[*FUNCTION], [*FUNCTION, "--profile"]],
    "verify": [[*FUNCTION, "--rounds", "1"]],
    "cache list": [[]],
    "cache show": [["func:"]],
    "cache stats": [[]],
    "cache verify": [[]],
    "cache explain": [FUNCTION],
    "cache prune": [[]],
    "cache clear": [["--yes"]],
    "plugins": [[]],
    "doctor": [[]],
    "bench": [["--seconds", "1"]],
    "config show": [[]],
    "config check": [[], ["wrong.toml"]],
    "config path": [[]],
}


def fits(value, schema):  # noqa: PLR0911  one for each word of a schema
    """Return whether a value has the form that a schema gives it; for the words that ours uses."""
    if "$ref" in schema:
        return fits(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if "const" in schema:
        return value == schema["const"]
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return type(value) is int or (kind == "number" and type(value) is float)
    if kind is not None and type(value) is not KINDS[kind]:
        return False
    if kind == "object":
        named = schema.get("properties", {})
        more = schema.get("additionalProperties", {})
        return set(schema.get("required", ())) <= set(value) and all(
            fits(each, named.get(name, more)) for name, each in value.items()
        )
    if kind == "array":
        first = schema.get("prefixItems", [])
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        return all(fits(each, first[at] if first else schema["items"]) for at, each in enumerate(value))
    return True


def said(command, *arguments):
    """Return the document that a command prints."""
    done = CliRunner().invoke(amorsize_command, [*command.split(), *arguments, "--json"], standalone_mode=False)
    assert done.exception is None, done.output
    return json.loads(done.stdout), done.return_value


def test_the_schema_is_that_of_the_values_that_are_printed():
    assert FILE.read_text(encoding="utf-8") == text()


def test_each_command_is_tried():
    assert set(CALLS) == set(DOCUMENTS)


@pytest.mark.parametrize("command", DOCUMENTS)
def test_what_is_printed_fits_the_schema(command):
    amorsize.optimize(len, ["a"] * 2000)
    Path("wrong.toml").write_text("[limits]\nmax_workers = 0\n")
    for arguments in CALLS[command]:
        document, _ = said(command, *arguments)
        assert document["schema"] == 1
        assert document["command"] == command
        (own,) = [each for each in SCHEMA["anyOf"] if each["properties"]["command"]["const"] == command]
        assert fits(document, own), document
        assert set(document) == set(own["properties"])


def test_a_document_of_another_form_does_not_fit():
    document, _ = said("config path")
    for wrong in ({**document, "path": 3}, {**document, "schema": 2}, {"path": None}, []):
        assert not fits(wrong, SCHEMA)


def test_the_documents_say_what_the_text_says():
    assert said("optimize", *FUNCTION)[0]["cache"] == "miss"
    assert said("optimize", *FUNCTION)[0]["cache"] == "hit"
    assert said("optimize", *FUNCTION)[0]["profile"] is None
    assert said("optimize", *FUNCTION, "--profile")[0]["profile"]["machine"]["logical_cores"] >= 1
    (entry,) = said("cache list")[0]["entries"]
    assert said("cache show", entry["key"])[0]["entries"][0]["function"] == entry["function"]
    assert said("cache clear", "--yes")[0]["removed"] == 1
    assert said("config path") == ({"schema": 1, "command": "config path", "path": None}, 1)
    Path("amorsize.toml").write_text("[limits]\nmax_workers = 0\n[caches.json]\ndirectory = 3\n")
    document, code = said("config check")
    assert (len(document["errors"]), code) == (2, 1)
    assert document["path"] == str(Path("amorsize.toml").absolute())
    Path("amorsize.toml").write_text("[limits]\nmax_workers = 2\n")
    options = {each["name"]: each for each in said("config show")[0]["options"]}
    assert options["limits.max_workers"]["value"] == 2
    assert options["limits.max_workers"]["origin"] == str(Path("amorsize.toml").absolute())


def test_verify_says_what_each_worker_did():
    document, _ = said("verify", *FUNCTION, "--rounds", "1")
    timeline, (planned, *_) = document["timeline"], document["ways"]
    assert sum(span["items"] for span in timeline["spans"]) == 2000
    assert len({span["worker"] for span in timeline["spans"]}) == planned["way"]["n_jobs"]
    assert all(0 <= span["begin"] <= span["end"] <= timeline["seconds"] for span in timeline["spans"])


def test_bench_says_which_jobs_had_no_time():
    document, _ = said("bench", "--seconds", "0")
    assert document["jobs"] == []
    assert document["not_run"] == [workload.name for workload in WORKLOADS]
    assert document["overheads"]["source"] == "measured"


def test_an_untrusted_option_is_said_to_be_one():
    Path("amorsize.toml").write_text('[caches.json]\ndirectory = "/elsewhere"\n')
    with pytest.warns(amorsize.AmorsizeWarning, match="reaches out"):
        options = {each["name"]: each for each in said("config show")[0]["options"]}
    assert options["caches.json.directory"]["untrusted"] == "/elsewhere"
    assert options["caches.json.directory"]["origin"] == "default"


def test_a_document_cannot_steer_a_terminal():
    line = in_json({"\x7f\x1b\x9b": "\u202e"})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"\x7f\x1b\x9b": "\u202e"}


@pytest.mark.parametrize("value", [{1: 2, "1": 3}, [({None: 1, "null": 2},)], {"a": {True: 1, "true": 2}}], ids=str)
def test_keys_that_are_the_same_in_json_are_refused(value):
    with pytest.raises(ValueError, match="are the same in JSON"):
        in_json(value)


def test_keys_that_are_no_text_become_text():
    assert in_json({1: {2.5: [(None, {False: 0})]}}) == '{"1": {"2.5": [[null, {"false": 0}]]}}'


def test_what_contains_itself_is_no_json():
    value = []
    value.append(value)
    with pytest.raises((ValueError, RecursionError)):
        in_json(value)
