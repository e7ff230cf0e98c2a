"""Prints the JSON Schema of what the command says with ``--json``: docs/reference/command.schema.json."""

from __future__ import annotations

import json
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from amorsize.cli.documents import DOCUMENTS, SCHEMA
from amorsize.domain.planning.cost import Parts

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema():
    """Return the schema: a document is that of one of the commands."""
    parts: dict[str, Any] = {}
    documents = []
    for command, kind in DOCUMENTS.items():
        fixed = {"schema": {"const": SCHEMA}, "command": {"const": command}}
        documents.append(described(kind, parts, fixed))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What amorsize says with --json",
        "anyOf": documents,
        "$defs": dict(sorted(parts.items())),
    }


def described(kind, parts, fixed=None):
    """Return the schema of a class with named fields; those of its parts are added to ``parts``."""
    hints = get_type_hints(kind, localns={"Parts": Parts})  # which the planner imports for type checkers only
    fields = dict(fixed or {}) | {name: of(each, parts) for name, each in hints.items() if named(kind, name)}
    first = (kind.__doc__ or "").partition("\n")[0]
    return {"type": "object", "description": first, "properties": fields, "required": list(fields)}


def named(kind, name):
    return name in (attrs.fields_dict(kind) if attrs.has(kind) else kind._fields)


def of(kind, parts):  # noqa: PLR0911  one for each kind of type
    """Return the schema of a type."""
    if kind is Any or kind is object:
        return {}
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    origin, members = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [of(member, parts) for member in members]}
    if origin is tuple and members[-1] is not Ellipsis:
        size = {"minItems": len(members), "maxItems": len(members)}
        return {"type": "array", "prefixItems": [of(member, parts) for member in members], **size}
    if origin is tuple:
        return {"type": "array", "items": of(members[0], parts)}
    if origin is dict:
        return {"type": "object", "additionalProperties": of(members[1], parts)}
    if kind.__name__ not in parts:
        parts[kind.__name__] = {}
        parts[kind.__name__] = described(kind, parts)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def text():
    """Return the file."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
