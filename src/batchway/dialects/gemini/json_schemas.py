"""A schema of the subset as the JSON schema that says the same, where the subset cannot say it all.

    parameters         --> parametersJsonSchema
    responseSchema     --> responseJsonSchema

Vertex AI takes either of each, and refuses a part without a type in the first: "schema didn't
specify the schema type field". A part that may be of any type is an empty schema in the second.
Sources: https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/FunctionDeclaration and
.../v1/GenerationConfig; https://github.com/googleapis/python-genai/issues/1807,
https://github.com/google-gemini/gemini-cli/pull/9574. Pure.
"""

from collections.abc import Iterator
from typing import Any, cast

from batchway.dialects.gemini.schemas import is_typed

_Node = dict[str, Any]


def all_typed(node: _Node) -> bool:
    """Whether every part of a schema in the subset has a type."""
    return is_typed(node) and all(all_typed(each) for each in _parts(node))


def as_json_schema(node: _Node) -> _Node:
    """The JSON schema of one in the subset; a part without a type lets everything through."""
    rest = {key: value for key, value in node.items() if key not in ("type", "nullable")}
    nullable = node.get("nullable") is True
    written: _Node = {}
    if "type" in node:
        kind = cast("str", node["type"]).lower()
        written["type"] = [kind, "null"] if nullable else kind
    written |= rest
    if nullable and "enum" in rest:
        written["enum"] = [*rest["enum"], None]
    if "anyOf" in rest:
        written["anyOf"] = [as_json_schema(each) for each in rest["anyOf"]]
    if "properties" in rest:
        properties = cast("_Node", rest["properties"])
        written["properties"] = {name: as_json_schema(each) for name, each in properties.items()}
    for key in ("items", "additionalProperties"):
        if key in rest:
            written[key] = as_json_schema(rest[key])
    if written.get("items") == {}:
        del written["items"]  # the same, in fewer words
    return written


def _parts(node: _Node) -> Iterator[_Node]:
    yield from node.get("properties", {}).values()
    yield from node.get("anyOf", ())
    for key in ("items", "additionalProperties"):
        if key in node:
            yield node[key]
