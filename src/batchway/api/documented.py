"""The OpenAPI document: what FastAPI derives from the routes, and what it cannot know.

Owns the description of request bodies, headers, parameters and security.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from batchway.api import schemas

REQUESTS: Final[tuple[type[BaseModel], ...]] = (
    schemas.CreateBatchRequest,
    schemas.CreateUploadRequest,
    schemas.CompleteUploadRequest,
)
_DESCRIPTION: Final = (
    "One OpenAI-compatible Files + Batches API for every model provider. Every path is also "
    "served without `/v1`."
)
_ERRORS: Final = {
    400: "The request is wrong; the message says where",
    401: "No key, or a wrong one",
    403: "The key may not do this",
    404: "There is no such object, or it is another tenant's",
    405: "No such method on this path",
    408: "The body stopped arriving",
    409: "The object's state does not allow this",
    413: "The body is too large",
    415: "The body is of the wrong type",
    416: "The range is outside of the file",
    500: "A mistake in Batchway",
    503: "Storage does not work at the moment",
    507: "No space left",
}
# What every route that knows its caller may answer.
_ALWAYS: Final = (401, 405, 500, 503)

Responses = dict[int | str, dict[str, Any]]


def answers(model: type[BaseModel], *errors: int) -> Responses:
    """Success with a model, and the errors that a route may answer besides the usual ones."""
    return {200: {"model": model, "description": "Success"}, **failures(*errors)}


def failures(*errors: int, always: Sequence[int] = _ALWAYS) -> Responses:
    """Errors in the envelope."""
    return {
        status: {"model": schemas.ErrorEnvelope, "description": _ERRORS[status]}
        for status in sorted({*errors, *always})
    }


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON request body."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"required": True, "content": {"application/json": {"schema": reference}}}


def form_body(properties: dict[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """A multipart request body."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


def query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A query parameter."""
    return {"name": name, "in": "query", "schema": schema, "description": description}


def header(name: str, description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """A request header."""
    return {
        "name": name,
        "in": "header",
        "schema": schema or {"type": "string"},
        "description": description,
    }


IDEMPOTENCY: Final = header(
    "Idempotency-Key",
    "Batchway's own: a repeated request with this key answers with the object of the first.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$"},
)


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
    )
    components = cast("dict[str, Any]", document.setdefault("components", {}))
    known = cast("dict[str, Any]", components.setdefault("schemas", {}))
    _, requests = models_json_schema(
        [(model, "validation") for model in REQUESTS],
        ref_template="#/components/schemas/{model}",
    )
    known.update(requests["$defs"])
    # FastAPI's own validation never runs: its errors would not be OpenAI's.
    for name in ("HTTPValidationError", "ValidationError"):
        known.pop(name, None)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in cast("dict[str, dict[str, Any]]", document["paths"]).items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if path.startswith("/v1/"):
                operation["security"] = [{"key": []}]
    return document
