"""`ports.BatchAccount` for an Azure OpenAI resource, in both of its address families.

    api_version 2024-10-21, ...   {endpoint}/openai/batches?api-version=
    api_version v1, preview       {endpoint}/openai/v1/batches

Owns addresses and authorization; the calls are `providers.openai`'s, what differs is data
(`catalog.openai_family.AZURE`). Source: learn.microsoft.com/azure/ai-foundry/openai/how-to/batch
"""

from batchway.catalog.openai_family import AZURE, Quirks
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.ports import Archive, Clock, Jobs
from batchway.providers.azure.addresses import AzureAddresses
from batchway.providers.azure.identity import AzureCredential
from batchway.providers.http.session import TIMEOUTS, RemoteHttp, Timeouts
from batchway.providers.openai.batches import BatchApi
from batchway.providers.openai.refusal import read_refusal


class AzureBatchesProvider:
    """The batch API of a resource at `endpoint`; models are names of batch deployments.

    `credential` makes the authorization headers; it is not closed here, since the online provider
    of the resource may share it. Belongs to the event loop it is first used on.

    Raises:
        ValueError: the address cannot be used.
    """

    def __init__(
        self,
        *,
        name: str,
        endpoint: str,
        credential: AzureCredential,
        api_version: str,
        clock: Clock,
        traits: NativeTraits = AZURE.traits,
        quirks: Quirks = AZURE.quirks,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._version = api_version
        AzureAddresses(provider=name, endpoint=endpoint, api_version=api_version)
        http = RemoteHttp(
            provider=name,
            headers=credential.headers,
            read_error=read_refusal,
            clock=clock,
            timeouts=timeouts,
        )
        self._api = BatchApi(provider=name, http=http, traits=traits, quirks=quirks, clock=clock)

    def __repr__(self) -> str:
        return f"AzureBatchesProvider({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def jobs(self, call: Call) -> Jobs:
        """Its jobs, at the version that the call's override names or else the configured one."""
        return self._api.jobs(call, self._addresses(call.overrides).batches)

    def archive(self, overrides: Overrides) -> Archive:
        """What lies there, at that version."""
        return self._api.archive(self._addresses(overrides).batches)

    async def close(self) -> None:
        """Close connections."""
        await self._api.close()

    def _addresses(self, overrides: Overrides) -> AzureAddresses:
        version = (overrides.azure_api_version or "").strip() or self._version
        return AzureAddresses(provider=self._name, endpoint=self._endpoint, api_version=version)
