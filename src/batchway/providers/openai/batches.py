"""`ports.BatchAccount` for OpenAI and every provider of the catalog.

Owns who is called and as whom, and what all jobs of the account share; the calls are `jobs` and
`archive`, what differs is data (`catalog.openai_family`).
"""

from collections.abc import Callable, Mapping

from batchway.catalog.openai_family import Quirks
from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.framing import OpenAIFraming
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.ports import Archive, Clock, Jobs
from batchway.providers.http.addresses import checked_base, checked_headers
from batchway.providers.http.secrecy import DiscreetDialect, DiscreetFraming
from batchway.providers.http.session import TIMEOUTS, RemoteHttp, Timeouts
from batchway.providers.openai.archive import OpenAIArchive
from batchway.providers.openai.calls import RemoteCalls
from batchway.providers.openai.jobs import OpenAIJobs
from batchway.providers.openai.refusal import read_refusal
from batchway.providers.openai.submitting import Inputs, Submitting


class BatchApi:
    """A batch API of OpenAI's shape, as an account has it: one connection pool, one memory.

    `address`, which each call is given, makes a URL of a path such as `/batches?limit=100`.
    """

    def __init__(
        self, *, provider: str, http: RemoteHttp, traits: NativeTraits, quirks: Quirks, clock: Clock
    ) -> None:
        self._provider = provider
        self._http = http
        self._traits = traits
        self._quirks = quirks
        self._clock = clock
        self._inputs = Inputs(clock=clock)

    def jobs(self, call: Call, address: Callable[[str], str]) -> Jobs:
        """Jobs of one kind of call."""
        calls = self._calls(address)
        framing = OpenAIFraming(
            endpoint=call.endpoint, shape=self._quirks.line, urls=self._quirks.urls
        )
        dialect = OpenAIDialect(endpoint=call.endpoint, model=call.model)
        return OpenAIJobs(
            calls=calls,
            submitting=Submitting(
                calls=calls,
                endpoint=call.endpoint,
                traits=self._traits,
                inputs=self._inputs,
                clock=self._clock,
            ),
            model=call.model,
            traits=self._traits,
            framing=DiscreetFraming(framing, secrets=self._http.secrets),
            dialect=DiscreetDialect(dialect, secrets=self._http.secrets),
            clock=self._clock,
        )

    def archive(self, address: Callable[[str], str]) -> Archive:
        """What lies there."""
        return OpenAIArchive(self._calls(address))

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()

    def _calls(self, address: Callable[[str], str]) -> RemoteCalls:
        return RemoteCalls(
            provider=self._provider, http=self._http, address=address, quirks=self._quirks
        )


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
        self._base = checked_base(name, base_url)
        sent = checked_headers(name, headers)

        async def current() -> Mapping[str, str]:
            return sent

        http = RemoteHttp(
            provider=name,
            headers=current,
            read_error=read_refusal,
            clock=clock,
            timeouts=timeouts,
        )
        self._api = BatchApi(provider=name, http=http, traits=traits, quirks=quirks, clock=clock)

    def __repr__(self) -> str:
        return f"OpenAIBatchesProvider({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def jobs(self, call: Call) -> Jobs:
        """Its jobs; no override changes anything here."""
        return self._api.jobs(call, self._address)

    def archive(self, overrides: Overrides) -> Archive:  # noqa: ARG002 - none apply
        """What lies there; no override changes anything here."""
        return self._api.archive(self._address)

    async def close(self) -> None:
        """Close connections."""
        await self._api.close()

    def _address(self, path: str) -> str:
        return self._base + path
