"""Models: what lines may name, by the rights of a key. No provider is asked.

Source of the shape: platform.openai.com/docs/api-reference/models.
"""

from dataclasses import dataclass
from typing import Final

from batchway.domain.errors import ApiError, ApiText
from batchway.domain.keys import Principal
from batchway.domain.routing import Named, RoutingTable

_OURS: Final = "batchway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name that lines may give; `owner` is its provider, or Batchway for a route."""

    id: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Everything a caller may name: of a provider, other models too, as `provider/model`.

    `patterns` say what these are like, where that is known.
    """

    models: tuple[Model, ...]
    providers: tuple[str, ...]
    patterns: tuple[str, ...] = ()


class ModelService:
    """Use cases of Models."""

    def __init__(self, *, routing: RoutingTable) -> None:
        self._routing = routing

    def list(self, principal: Principal) -> Models:
        """What the caller may name."""
        return Models(
            models=tuple(_model(named) for named in self._routing.named(principal.providers)),
            providers=self._routing.usable(principal.providers),
            patterns=self._routing.patterns(principal.providers),
        )

    def get(self, principal: Principal, name: str) -> Model:
        """One name: a listed one, or any model of a provider, written `provider/model`.

        Raises `ApiError`.
        """
        found = self.list(principal)
        for model in found.models:
            if model.id == name:
                return model
        provider, _, rest = name.partition("/")
        if rest and provider in found.providers:
            return Model(id=name, owner=provider)
        raise ApiError(ApiText.UNKNOWN_MODEL, model=name)


def _model(named: Named) -> Model:
    return Model(id=named.name, owner=named.provider or _OURS)
