"""`/docs`: the OpenAPI document as one HTML page, without scripts or anything from a network."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final, cast

Document = dict[str, Any]

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: 6px; }
details { border: 1px solid #8886; border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .25rem .5rem; text-align: left;
  vertical-align: top; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
"""


def docs_page(document: Document) -> str:
    """The whole page."""
    info = document["info"]
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(info['title'])} API <small>{escape(info['version'])}</small></h1>",
            f"<p>{escape(info.get('description', ''))}</p>",
            '<p>For programs: <a href="openapi.json">openapi.json</a></p>',
            *_operations(document),
            "<h2>Objects</h2>",
            *_objects(document),
            "</body></html>",
        )
    )


def _operations(document: Document) -> Iterator[str]:
    tag = ""
    for path, methods in cast("dict[str, Document]", document["paths"]).items():
        for method, operation in methods.items():
            name = str(operation.get("tags", ["Other"])[0])
            if name != tag:
                tag = name
                yield f"<h2>{escape(tag)}</h2>"
            yield (
                f'<details><summary><span class="method">{escape(method.upper())}</span> '
                f"<code>{escape(path)}</code> {escape(operation.get('summary', ''))}</summary>"
                f"<p>{escape(operation.get('description', ''))}</p>"
            )
            yield from _parameters(operation)
            yield from _body(operation)
            yield from _answers(operation)
            yield "</details>"


def _parameters(operation: Document) -> Iterator[str]:
    parameters = cast("list[Document]", operation.get("parameters", []))
    if not parameters:
        return
    yield "<h4>Parameters</h4><table>"
    for parameter in parameters:
        yield (
            f"<tr><td><code>{escape(parameter['name'])}</code></td>"
            f"<td>{escape(parameter['in'])}</td>"
            f"<td>{escape(parameter.get('description', ''))}</td></tr>"
        )
    yield "</table>"


def _body(operation: Document) -> Iterator[str]:
    body = cast("Document", operation.get("requestBody", {}))
    for kind, content in cast("dict[str, Document]", body.get("content", {})).items():
        yield f"<h4>Body: <code>{escape(kind)}</code></h4>{_schema(content['schema'])}"


def _answers(operation: Document) -> Iterator[str]:
    yield "<h4>Answers</h4><table>"
    for status, answer in cast("dict[str, Document]", operation["responses"]).items():
        contents = cast("dict[str, Document]", answer.get("content", {}))
        shown = ", ".join(_name(content.get("schema", {})) for content in contents.values())
        yield (
            f"<tr><td><code>{escape(status)}</code></td>"
            f"<td>{escape(answer.get('description', ''))}</td><td>{shown}</td></tr>"
        )
    yield "</table>"


def _objects(document: Document) -> Iterator[str]:
    components = cast("Document", document.get("components", {}))
    for name, schema in cast("dict[str, Document]", components.get("schemas", {})).items():
        yield (
            f'<details id="{escape(name)}"><summary><code>{escape(name)}</code> '
            f"{escape(schema.get('description', ''))}</summary>{_schema(schema)}</details>"
        )


def _schema(schema: Document) -> str:
    if "$ref" in schema:
        return f"<p>{_name(schema)}</p>"
    return f"<pre>{escape(json.dumps(schema, indent=2))}</pre>"


def _name(schema: Document) -> str:
    if "$ref" not in schema:
        return ""
    name = escape(str(schema["$ref"]).rsplit("/", 1)[-1])
    return f'<a href="#{name}"><code>{name}</code></a>'
