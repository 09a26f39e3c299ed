"""Routes of `/models`."""

from enum import Enum
from functools import partial
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from batchway.api import documented as doc
from batchway.api.asked import path_id
from batchway.api.caller import Caller
from batchway.api.envelope import json_response
from batchway.api.objects import model_object, models_object
from batchway.api.schemas import ModelList, ModelObject
from batchway.service.models import ModelService

_TAGS: Final[list[str | Enum]] = ["Models"]


class ModelRoutes:
    """HTTP for `ModelService`."""

    def __init__(self, *, models: ModelService, caller: Caller) -> None:
        self._models = models
        self._caller = caller

    def install(self, app: FastAPI, *, prefix: str, documented: bool) -> None:
        """Add the routes below a prefix."""
        add = partial(app.add_api_route, tags=_TAGS, include_in_schema=documented)
        add(
            prefix + "/models",
            self.list,
            methods=["GET"],
            summary="List what lines may name as their model",
            responses=doc.answers(ModelList),
            openapi_extra={"parameters": doc.tfy_headers(doc.NOT_READ)},
        )
        add(
            prefix + "/models/{model:path}",
            self.retrieve,
            methods=["GET"],
            summary="Whether lines may name this model",
            responses=doc.answers(ModelObject, 404),
            openapi_extra={"parameters": doc.tfy_headers(doc.NOT_READ)},
        )

    async def list(self, request: Request) -> Response:
        """Routes, and the models of providers that the configuration mentions.

        Of a provider in `providers` any other model may be named as well, as `provider/model`;
        `patterns` say what such names are like, where that is known.
        No provider is asked.
        """
        principal = await self._caller.of(request)
        return json_response(models_object(self._models.list(principal)))

    async def retrieve(self, request: Request, model: str) -> Response:
        """A listed model, or any of a provider that the key may use, as `provider/model`."""
        principal = await self._caller.of(request)
        return json_response(model_object(self._models.get(principal, path_id(model))))
