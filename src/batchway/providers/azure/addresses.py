"""Addresses of an Azure OpenAI resource, in both of its families.

    api_version 2024-10-21, ...     {endpoint}/openai/deployments/{model}/embeddings?api-version=
                                    {endpoint}/openai/responses?api-version=     (model in the body)
                                    {endpoint}/openai/batches?api-version=
    api_version v1, preview         {endpoint}/openai/v1/chat/completions        (model in the body)
                                    {endpoint}/openai/v1/batches

Source: learn.microsoft.com/azure/ai-foundry/openai/reference and .../api-version-lifecycle; the
addresses are those that the official SDK's `AzureOpenAI` and `OpenAI` clients send.
"""

from typing import Final
from urllib.parse import quote

from batchway.domain.endpoint import Endpoint
from batchway.providers.http.addresses import checked_base, segment

# Endpoints whose deployment stands in the address; all others name it in the body.
_BY_DEPLOYMENT: Final = frozenset(
    {
        *(Endpoint.COMPLETIONS.path, Endpoint.CHAT_COMPLETIONS.path, Endpoint.EMBEDDINGS.path),
        "/audio/speech",
        "/images/generations",
        "/images/edits",
    }
)

# The v1 family needs no version; `preview` opts into features that are not generally available.
_V1_QUERY: Final = {"v1": "", "preview": "?api-version=preview"}


class AzureAddresses:
    """A resource at `endpoint`, spoken to in one version.

    Raises:
        ValueError: the address cannot be used.
    """

    def __init__(self, *, provider: str, endpoint: str, api_version: str) -> None:
        base = checked_base(provider, endpoint)
        # Portals show the address with and without these.
        base = base.removesuffix("/v1").removesuffix("/openai")
        version = api_version.strip()
        v1 = _V1_QUERY.get(version.lower())
        self._by_deployment = v1 is None
        self._base = f"{base}/openai" if v1 is None else f"{base}/openai/v1"
        self._query = f"?api-version={quote(version, safe='')}" if v1 is None else v1

    def online(self, endpoint: str, deployment: str) -> str:
        """The address of an endpoint such as `/v1/chat/completions` for a deployment.

        Raises:
            ValueError: a deployment of that name would lead to another address.
        """
        path = endpoint.removeprefix("/v1")
        if self._by_deployment and path in _BY_DEPLOYMENT:
            path = f"/deployments/{segment(deployment)}{path}"
        return self._base + path + self._query

    def batches(self, path: str) -> str:
        """The address of a path such as `/files?limit=100`: no deployment stands in these."""
        bare, mark, asked = path.partition("?")
        if not mark:
            return self._base + path + self._query
        return f"{self._base}{bare}{self._query or '?'}{'&' if self._query else ''}{asked}"
