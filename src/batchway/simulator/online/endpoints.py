"""The paths the simulator answers, in OpenAI's and in both of Azure's spellings.

Owns the reading of a path. Does not look at methods, keys or bodies.
Azure's spellings: https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs, unquote


class Endpoint(StrEnum):
    """A model endpoint, named by its path without prefix."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    MODERATIONS = "moderations"
    RESPONSES = "responses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A path of a model endpoint; `deployment` is the model when Azure's path names one."""

    endpoint: Endpoint
    deployment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The list of models, or the one that is named."""

    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The liveness probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a model server says of itself to Prometheus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A path under `/_simulator/`: the only ones that no model server has."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nowhere:
    """A path that does not exist; `azure` says in whose words to answer so."""

    azure: bool = False


Route = Call | Models | Health | Metrics | Control | Nowhere

_ENDPOINTS: Final = {endpoint.value: endpoint for endpoint in Endpoint}
_CONTROL: Final = "/_simulator/"
# The spellings that need no further reading, which is nearly all the traffic there is.
_PLAIN: Final[dict[str, Route]] = {
    prefix + name: Call(endpoint=endpoint)
    for name, endpoint in _ENDPOINTS.items()
    for prefix in ("/", "/v1/", "/openai/v1/")
}


def endpoint_named(name: str) -> Endpoint:
    """Read an endpoint from a batch line's `url`: with or without `/v1` and leading slash.

    Raises:
        ValueError: the simulator has no such endpoint.
    """
    return Endpoint(name.strip("/").removeprefix("v1/"))


def read_path(path: str, query: str) -> Route:
    """Say what a request's path asks for."""
    route = _PLAIN.get(path)
    if route is not None:
        return route
    if path == "/healthz":
        return Health()
    if path == "/metrics":
        return Metrics()
    if path.startswith(_CONTROL):
        return Control(name=path.removeprefix(_CONTROL))
    if path.startswith("/openai/") and not path.startswith("/openai/v1/"):
        return _azure(path.removeprefix("/openai/"), query)
    return _models(path.removeprefix("/openai").removeprefix("/v1").removeprefix("/"))


def _azure(path: str, query: str) -> Route:
    # Azure answers a missing version as it does a missing resource.
    if not parse_qs(query).get("api-version"):
        return Nowhere(azure=True)
    parts = path.split("/", 2)
    if parts[0] == "deployments" and len(parts) == 3 and parts[1]:
        endpoint = _ENDPOINTS.get(parts[2])
        if endpoint is not None:
            return Call(endpoint=endpoint, deployment=unquote(parts[1]))
        return Nowhere(azure=True)
    if path in _ENDPOINTS:
        return Call(endpoint=_ENDPOINTS[path])
    route = _models(path)
    return Nowhere(azure=True) if isinstance(route, Nowhere) else route


def _models(path: str) -> Route:
    if path == "models":
        return Models()
    if path.startswith("models/"):
        return Models(model=unquote(path.removeprefix("models/")))
    return Nowhere()
