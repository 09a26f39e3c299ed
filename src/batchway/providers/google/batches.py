"""`ports.BatchAccount` for a project on Vertex AI: which framing, dialect and place a call has.

Owns what all jobs of the account share: connections, tokens, what is known of buckets. The calls
are `jobs` and `archive`; which model speaks what is data (`catalog.google_models`).
"""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, assert_never

from batchway.catalog.google_models import GoogleDialect
from batchway.domain.call import Call
from batchway.domain.endpoint import Endpoint
from batchway.domain.overrides import Overrides
from batchway.ports import Archive, Clock, Framing, Jobs
from batchway.providers.buckets.calls import Calls, Stores
from batchway.providers.buckets.job_files import JobFiles
from batchway.providers.buckets.known_buckets import KnownBuckets
from batchway.providers.buckets.transfer import Transfer
from batchway.providers.google.advice import refusals_at
from batchway.providers.google.archive import VertexArchive
from batchway.providers.google.buckets import reaches
from batchway.providers.google.credentials import Tokens
from batchway.providers.google.dialects import dialect_of
from batchway.providers.google.framing import (
    ClaudeFraming,
    EmbeddingsFraming,
    GeminiFraming,
    OpenModelFraming,
    TextEmbeddingsFraming,
)
from batchway.providers.google.job_calls import JobCalls
from batchway.providers.google.jobs import VertexJobs, layout_at
from batchway.providers.google.models import read_model
from batchway.providers.google.objects import CloudObjects
from batchway.providers.google.place import Place
from batchway.providers.google.refusal import reader
from batchway.providers.google.storage import CloudStorage, storage_refusals_at
from batchway.providers.http.advising import AdvisingDialect
from batchway.providers.http.secrecy import DiscreetDialect, DiscreetFraming
from batchway.providers.http.session import TIMEOUTS, RemoteHttp, Timeouts

_NONE: Final[Mapping[str, GoogleDialect]] = MappingProxyType({})


class VertexBatches:
    """The batch API of a project at a place; `models` are dialects over what the catalog says.

    `tokens` are not closed here: the account's online calls share them. Belongs to the event loop
    it is first used on.

    Raises:
        ValueError: the packages of the `google` extra are not installed.
    """

    def __init__(
        self,
        *,
        name: str,
        place: Place,
        tokens: Tokens,
        clock: Clock,
        models: Mapping[str, GoogleDialect] = _NONE,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._name = name
        self.place = place
        self.tokens = tokens
        self._models = models
        self._clock = clock
        self._http = RemoteHttp(
            provider=name,
            headers=self._headers,
            read_error=reader(place),
            clock=clock,
            timeouts=timeouts,
        )
        self._stores = Stores(
            CloudStorage(base=place.storage_url, tokens=tokens, timeouts=timeouts)
        )
        self._buckets = KnownBuckets(provider=name, clock=clock, reaches=reaches)

    def __repr__(self) -> str:
        return f"VertexBatches({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def jobs(self, call: Call) -> Jobs | None:
        """Jobs of a model, in the region and with the bucket that the batch names.

        Raises:
            ValueError: nothing is known of a model of that name, or it leads to another address.
        """
        model = read_model(call.model, self.place.with_(call.overrides), self._models)
        spoken, traits = model.family.jobs, model.family.traits_at(model.place.region)
        dialect = dialect_of(model, call.endpoint, batch=True)
        if spoken is None or traits is None or dialect is None:
            return None
        secrets = self._http.secrets
        return VertexJobs(
            calls=self._calls(model.place),
            files=self._files(model.place),
            model=model.in_jobs,
            traits=traits,
            framing=DiscreetFraming(framing_of(spoken, call.endpoint), secrets=secrets),
            dialect=DiscreetDialect(
                AdvisingDialect(dialect, read=refusals_at(model.place)), secrets=secrets
            ),
            draw=_drawn,
        )

    def archive(self, overrides: Overrides) -> Archive:
        """What lies there, in the region that is named."""
        place = self.place.with_(overrides)
        return VertexArchive(
            calls=self._calls(place),
            files=self._files(place),
            models=self._models,
            secrets=self._http.secrets,
        )

    async def close(self) -> None:
        """Close connections. Harmless twice."""
        self._stores.close()
        await self._http.close()

    def _calls(self, place: Place) -> JobCalls:
        return JobCalls(provider=self._name, http=self._http, place=place)

    def _files(self, place: Place) -> JobFiles:
        objects = CloudObjects(provider=self._name, http=self._http, place=place)
        calls = Calls(provider=self._name, stores=self._stores, read=storage_refusals_at(place))
        return JobFiles(
            provider=self._name,
            layout=layout_at(place),
            objects=objects,
            transfer=Transfer(calls=calls, objects=objects),
            buckets=self._buckets,
        )

    async def _headers(self) -> Mapping[str, str]:
        return {"authorization": await self.tokens.authorization()}


def framing_of(spoken: GoogleDialect, endpoint: str) -> Framing:
    """The envelopes of a family's lines."""
    match spoken:
        case GoogleDialect.GEMINI:
            return GeminiFraming()
        case GoogleDialect.GEMINI_EMBEDDING:
            return EmbeddingsFraming()
        case GoogleDialect.TEXT_EMBEDDING:
            return TextEmbeddingsFraming()
        case GoogleDialect.ANTHROPIC:
            return ClaudeFraming()
        case GoogleDialect.OPENAI:
            # Lines of responses are chat there.
            responses = endpoint == Endpoint.RESPONSES
            return OpenModelFraming(endpoint=Endpoint.CHAT_COMPLETIONS if responses else endpoint)
        case _ as never:
            assert_never(never)


def _drawn() -> str:
    return os.urandom(6).hex()
