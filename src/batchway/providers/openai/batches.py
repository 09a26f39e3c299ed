"""`ports.NativeProvider` for OpenAI and every provider of the catalog.

Owns who is called and as whom; the calls are `jobs`, what differs is data
(`catalog.openai_family`).
"""

from collections.abc import Mapping

from batchway.catalog.openai_family import Quirks
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.ports import Clock, RemoteBatches
from batchway.providers.http.addresses import checked_base, checked_headers
from batchway.providers.http.session import TIMEOUTS, RemoteHttp, Timeouts
from batchway.providers.openai.jobs import CompatibleBatches
from batchway.providers.openai.refusal import read_refusal


class OpenAIBatchesProvider:
    """The batch API of an account at `base_url`, which stands for OpenAI's `/v1`.

    `headers` are sent with every request, authorization included. Belongs to the event loop it is
    first used on.

    Raises:
        ValueError: the address or a header cannot be used.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        headers: Mapping[str, str],
        traits: NativeTraits,
        quirks: Quirks,
        clock: Clock,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._name = name
        base = checked_base(name, base_url)
        sent = checked_headers(name, headers)

        async def current() -> Mapping[str, str]:
            return sent

        self._http = RemoteHttp(
            provider=name,
            headers=current,
            read_error=read_refusal,
            clock=clock,
            timeouts=timeouts,
        )
        self._batches = CompatibleBatches(
            provider=name,
            http=self._http,
            address=lambda path: base + path,
            traits=traits,
            quirks=quirks,
            clock=clock,
        )

    def __repr__(self) -> str:
        return f"OpenAIBatchesProvider({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def batches(self, overrides: Overrides) -> RemoteBatches:  # noqa: ARG002 - none apply
        """Its batch API; no override of TrueFoundry's changes anything here."""
        return self._batches

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()
