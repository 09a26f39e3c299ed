"""`ports.Provider` for an Azure OpenAI resource, in both of its address families.

Owns one request's address and headers; both come from parts that the resource's batches share
(`addresses`, `identity`).
"""

from collections.abc import Mapping, Sequence

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.remote import RemoteError
from batchway.providers.azure.addresses import AzureAddresses
from batchway.providers.azure.identity import ApiKey, AzureCredential


class AzureOpenAIProvider:
    """A resource at `endpoint`; models are names of deployments.

    Authorized by `credential`, else by `api_key`.

    Raises:
        ValueError: the address or the key cannot be used.
    """

    def __init__(
        self,
        *,
        name: str,
        endpoint: str,
        api_version: str,
        api_key: str = "",
        credential: AzureCredential | None = None,
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._addresses = AzureAddresses(provider=name, endpoint=endpoint, api_version=api_version)
        self._credential = credential or ApiKey(provider=name, api_key=api_key)

    def __repr__(self) -> str:
        return f"AzureOpenAIProvider({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def url(self, endpoint: str, model: str, overrides: Overrides = NO_OVERRIDES) -> str:
        """The address of an endpoint for a deployment, in the version that the batch names."""
        version = (overrides.azure_api_version or "").strip()
        if not version:
            return self._addresses.online(endpoint, model)
        return AzureAddresses(
            provider=self._name, endpoint=self._endpoint, api_version=version
        ).online(endpoint, model)

    def health(self, model: str) -> Sequence[str]:  # noqa: ARG002 - the port's
        """Where to see whether the resource is served."""
        return (self._addresses.online("/v1/models", ""),)

    async def headers(self) -> Mapping[str, str]:
        """Headers of a request."""
        try:
            own = await self._credential.headers()
        except RemoteError:
            # Logged where it failed. Sent without a token, the line waits as every line does whose
            # credentials do not do: for the resource's own 401 to end.
            own = {}
        return {"content-type": "application/json", **own}
