"""`ports.Account` for an Azure OpenAI resource, in both of its address families.

Owns one request's address and headers; both come from parts that the resource's batches share
(`addresses`, `identity`). Bodies are OpenAI's.
"""

from collections.abc import Sequence

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.notes import OPENAI_NOTES
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.ports import Archive, BatchAccount, Jobs, Request
from batchway.providers.azure.addresses import AzureAddresses
from batchway.providers.azure.identity import AzureCredential
from batchway.providers.http.online import AccountHeaders, AddressedOnline


class AzureAccount:
    """A resource at `endpoint`; models are names of deployments.

    Authorized by `credential`. `batches` is its batch API, `None` to do without: closed with the
    account.

    Raises:
        ValueError: the address cannot be used.
    """

    def __init__(
        self,
        *,
        name: str,
        endpoint: str,
        api_version: str,
        credential: AzureCredential,
        batches: BatchAccount | None = None,
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._addresses = AzureAddresses(provider=name, endpoint=endpoint, api_version=api_version)
        self._headers = AccountHeaders(credential.headers)
        self._batches = batches

    def __repr__(self) -> str:
        return f"AzureAccount({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def online(self, call: Call) -> AddressedOnline:
        """Calls of a deployment, in the version that the batch names or else the configured one.

        Raises:
            ValueError: a deployment of that name would lead to another address.
        """
        addresses = self._addresses
        version = (call.overrides.azure_api_version or "").strip()
        if version:
            addresses = AzureAddresses(
                provider=self._name, endpoint=self._endpoint, api_version=version
            )
        return AddressedOnline(
            url=addresses.online(call.endpoint, call.model),
            headers=self._headers,
            dialect=OpenAIDialect(endpoint=call.endpoint, model=call.model),
            notes=OPENAI_NOTES,
        )

    def jobs(self, call: Call) -> Jobs | None:
        """Its batch API, for jobs."""
        return None if self._batches is None else self._batches.jobs(call)

    def archive(self, overrides: Overrides) -> Archive | None:
        """Its batch API, to look things up."""
        return None if self._batches is None else self._batches.archive(overrides)

    async def health(self, model: str) -> Sequence[Request]:  # noqa: ARG002 - of the resource
        """The resource's list of models."""
        return (Request(self._addresses.online("/v1/models", ""), await self._headers.current()),)

    async def close(self) -> None:
        """Close connections."""
        if self._batches is not None:
            await self._batches.close()
