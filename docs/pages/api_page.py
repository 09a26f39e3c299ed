"""The page of every path and object of the HTTP API."""

from collections.abc import Iterator
from typing import Any, cast

from batchway.api.app import create_app
from pages.markdown import code, page, table


def openapi() -> dict[str, Any]:
    """The app's own OpenAPI document; nothing behind the routes is needed for it."""
    nothing = cast(Any, None)
    return create_app(
        files=nothing,
        batches=nothing,
        uploads=nothing,
        remote=nothing,
        models=nothing,
        auth=nothing,
        ids=nothing,
        clock=nothing,
        limits=nothing,
        health=nothing,
        metrics=nothing,
    ).openapi()


def api_page() -> str:
    """Every path and every object."""
    document = openapi()
    blocks = [
        str(document["info"]["description"]),
        "The OpenAPI document itself is served at `/openapi.json`, a page of it at `/docs`.",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            blocks += _operation(method, path, operation)
    blocks.append("## Objects")
    for name, schema in sorted(document["components"]["schemas"].items()):
        blocks += _object(name, schema)
    return page("HTTP API", *blocks)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## `{method.upper()} {path}`"
    text = f"{operation['summary']}."
    described = " ".join(str(operation.get("description", "")).split())
    yield f"{text} {described}".strip()
    parameters = [
        [
            code(p["name"]),
            str(p["in"]) + (", required" if p.get("required") else ""),
            _schema(p.get("schema", {})),
            str(p.get("description", "")),
        ]
        for p in operation.get("parameters", [])
    ]
    if parameters:
        yield table(["Parameter", "In", "Type", "Meaning"], parameters)
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{content_type}`, {_schema(content['schema'])}"
        if "properties" in content["schema"]:
            yield _fields(content["schema"])
    rows: list[list[str]] = []
    for status, answer in operation["responses"].items():
        kinds = [_schema(c.get("schema", {})) for c in answer.get("content", {}).values()]
        rows.append([status, ", ".join(kinds), str(answer["description"])])
    yield table(["Status", "Body", "When"], rows)


def _object(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    if schema.get("description"):
        yield " ".join(str(schema["description"]).split())
    if "enum" in schema:
        yield "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."
    elif "properties" in schema:
        yield _fields(schema)


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    return table(
        ["Field", "Type", "Required", "Meaning"],
        [
            [
                code(name),
                _schema(field),
                "yes" if name in required else "",
                str(field.get("description", "")),
            ]
            for name, field in schema["properties"].items()
        ],
    )


def _schema(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(_schema(each) for each in schema[choice])
    if schema.get("type") == "array":
        return "list of " + _schema(schema.get("items", {}))
    kinds = schema.get("type", "any")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
