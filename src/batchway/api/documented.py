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
from batchway.api.overrides import METADATA_HEADER, OVERRIDE_HEADERS, PROVIDER_HEADER

_REQUESTS: Final = (
    schemas.CreateBatchRequest,
    schemas.CreateUploadRequest,
    schemas.CompleteUploadRequest,
)
_ANSWERS: Final = (
    schemas.ErrorEnvelope,
    schemas.BatchObject,
    schemas.BatchPage,
    schemas.FileObject,
    schemas.FilePage,
    schemas.DeletedFile,
    schemas.UploadObject,
    schemas.UploadPartObject,
    schemas.ModelObject,
    schemas.ModelList,
    schemas.Health,
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
    429: "The provider is busy",
    500: "A mistake in Batchway",
    502: "The provider cannot be reached, or does not take Batchway's credentials",
    503: "Storage does not work at the moment",
    504: "The provider does not answer",
    507: "No space left",
}
_IDS: Final[dict[str, dict[str, Any]]] = {
    "batch_id": {
        "schema": {"type": "string", "minLength": 1},
        "description": "`batch_` and 32 hex digits; or a provider's own id, URL-encoded.",
    },
    "file_id": {
        "schema": {"type": "string", "minLength": 1},
        "description": "`file-` and 22 letters and digits; or a provider's own id, URL-encoded.",
    },
    "model": {
        "schema": {"type": "string", "minLength": 1},
        "description": "A name of the list, or `provider/model`.",
    },
    "upload_id": {"schema": {"type": "string", "pattern": "^upload_[0-9a-f]{32}$"}},
}
# What every route that knows its caller may answer.
_ALWAYS: Final = (401, 405, 500, 503)

Responses = dict[int | str, dict[str, Any]]


def answers(model: type[BaseModel], *errors: int, always: Sequence[int] = _ALWAYS) -> Responses:
    """Success with a model, and the errors that a route may answer besides the usual ones."""
    return {200: _answer(model, "Success"), **failures(*errors, always=always)}


def failures(*errors: int, always: Sequence[int] = _ALWAYS) -> Responses:
    """Errors in the envelope."""
    return {
        status: _answer(schemas.ErrorEnvelope, _ERRORS[status])
        for status in sorted({*errors, *always})
    }


def _answer(model: type[BaseModel], description: str) -> dict[str, Any]:
    # By name: handed the model itself, FastAPI builds validators for every route, 80 ms a start.
    return {"description": description, "content": _json(model)}


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON request body."""
    return {"required": True, "content": _json(model)}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"application/json": {"schema": reference}}


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


# What asking a provider may draw, besides the usual.
ELSEWHERE: Final = (429, 502, 504)
RUN_BY: Final = "The configured provider that runs the batch. Remembered with it."
LOOKED_UP_AT: Final = (
    "The provider that knows the id, when it is not one of Batchway's: then it is looked up there, "
    "live. Not needed, and not read, for what Batchway made."
)
NOT_READ: Final = "Accepted, and not needed here."
KEPT: Final = "A JSON object of strings, kept with the batch."


def tfy_headers(provider: str, metadata: str = NOT_READ) -> list[dict[str, Any]]:
    """TrueFoundry's headers, with what a route does with the provider's name."""
    return [
        header(PROVIDER_HEADER, provider),
        header(METADATA_HEADER, metadata),
        *(
            header(
                each.name,
                each.sets if provider != NOT_READ else NOT_READ,
                {"type": "string", "pattern": f"^({each.pattern})$"},
            )
            for each in OVERRIDE_HEADERS
        ),
    ]


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
    _, models = models_json_schema(
        [(model, "validation") for model in (*_ANSWERS, *_REQUESTS)],
        ref_template="#/components/schemas/{model}",
    )
    # In place of FastAPI's own error models: its validation never runs, or errors would not be
    # OpenAI's.
    components["schemas"] = models["$defs"]
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in cast("dict[str, dict[str, Any]]", document["paths"]).items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter.update(_IDS[parameter["name"]])
            if path.startswith("/v1/"):
                operation["security"] = [{"key": []}]
    return document
