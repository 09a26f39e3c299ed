"""`ports.Provider` for an Azure OpenAI resource, in both of its address families.

    api_version 2024-10-21, ...     {endpoint}/openai/deployments/{model}/embeddings?api-version=
                                    {endpoint}/openai/responses?api-version=     (model in the body)
    api_version v1, preview         {endpoint}/openai/v1/chat/completions        (model in the body)

Source: learn.microsoft.com/azure/ai-foundry/openai/reference and .../api-version-lifecycle; the
addresses are those that the official SDK's `AzureOpenAI` and `OpenAI` clients send.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from batchway.providers.addresses import checked_base, checked_headers

# Endpoints whose deployment stands in the address; all others name it in the body.
_BY_DEPLOYMENT: Final = frozenset(
    {
        "/completions",
        "/chat/completions",
        "/embeddings",
        "/audio/speech",
        "/images/generations",
        "/images/edits",
    }
)

# The v1 family needs no version; `preview` opts into features that are not generally available.
_V1_QUERY: Final = {"v1": "", "preview": "?api-version=preview"}


class AzureOpenAIProvider:
    """A resource at `endpoint`; models are names of deployments.

    Raises:
        ValueError: the address or a header cannot be used.
    """

    def __init__(self, *, name: str, endpoint: str, api_key: str, api_version: str) -> None:
        self._name = name
        base = checked_base(name, endpoint)
        # Portals show the address with and without these.
        self._base = base.removesuffix("/v1").removesuffix("/openai")
        self._version = api_version
        self._headers = checked_headers(
            name, {"content-type": "application/json", "api-key": api_key}
        )

    def __repr__(self) -> str:
        return f"AzureOpenAIProvider({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def url(self, endpoint: str, model: str) -> str:
        """The address of an endpoint for a deployment."""
        path = endpoint.removeprefix("/v1")
        v1_query = _V1_QUERY.get(self._version)
        if v1_query is not None:
            return f"{self._base}/openai/v1{path}{v1_query}"
        if path in _BY_DEPLOYMENT:
            path = f"/deployments/{quote(model, safe='')}{path}"
        return f"{self._base}/openai{path}?api-version={quote(self._version, safe='')}"

    async def headers(self) -> Mapping[str, str]:
        """Headers of a request."""
        return self._headers
