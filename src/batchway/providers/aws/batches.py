"""`ports.BatchAccount` for AWS Bedrock in a region: which dialect and place a call has.

Owns what all jobs of the account share: connections, keys, what is known of buckets. The calls are
`jobs` and `archive`; which model speaks what is data (`catalog.bedrock_models`).
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from batchway.catalog.bedrock_models import BedrockDialect
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.ports import Archive, Clock, Jobs
from batchway.providers.aws.advice import Called
from batchway.providers.aws.archive import BedrockArchive
from batchway.providers.aws.credentials import Credentials
from batchway.providers.aws.dialects import dialect_of
from batchway.providers.aws.framing import BedrockFraming
from batchway.providers.aws.job_calls import JobCalls
from batchway.providers.aws.jobs import BedrockJobs, Invoked, Terms, layout_at
from batchway.providers.aws.models import read_model
from batchway.providers.aws.place import Place
from batchway.providers.aws.refusal import reader
from batchway.providers.aws.row_refusal import row_refusals_of
from batchway.providers.aws.signing import Authorization
from batchway.providers.aws.storage import S3Objects, S3Storage, reaches, storage_refusals_at
from batchway.providers.buckets.calls import Calls, Stores
from batchway.providers.buckets.job_files import JobFiles
from batchway.providers.buckets.known_buckets import KnownBuckets
from batchway.providers.buckets.transfer import Transfer
from batchway.providers.http.advising import AdvisingDialect
from batchway.providers.http.secrecy import DiscreetDialect, DiscreetFraming
from batchway.providers.http.session import TIMEOUTS, RemoteHttp, Timeouts

_NONE: Final[Mapping[str, BedrockDialect]] = MappingProxyType({})


class BedrockBatches:
    """The batch API at a place; `models` are dialects over what the catalog says.

    Jobs are called with `authorization`, S3 with `credentials`: neither is closed here, since the
    account's online calls share them. Belongs to the event loop it is first used on.

    Raises:
        ValueError: the packages of the `aws` extra are not installed.
    """

    def __init__(
        self,
        *,
        name: str,
        place: Place,
        terms: Terms,
        authorization: Authorization,
        credentials: Credentials,
        clock: Clock,
        models: Mapping[str, BedrockDialect] = _NONE,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._name = name
        self.place = place
        self.terms = terms
        self._authorization = authorization
        self._credentials = credentials
        self._models = models
        self._http = RemoteHttp(
            provider=name,
            headers=_no_headers,
            read_error=reader(Called(place=place)),
            clock=clock,
            timeouts=timeouts,
        )
        self._storage = S3Storage(
            place=place, credentials=credentials, clock=clock, timeouts=timeouts
        )
        self._stores = Stores(self._storage)
        self._buckets = KnownBuckets(provider=name, clock=clock, reaches=reaches)

    def __repr__(self) -> str:
        return f"BedrockBatches({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def jobs(self, call: Call) -> Jobs | None:
        """Jobs of a model, with the bucket that the batch names.

        Raises:
            ValueError: nothing is known of a model of that name, or it is one of another region.
        """
        model = read_model(call.model, self.place.with_(call.overrides), self._models)
        spoken, traits = model.family.jobs, model.family.traits
        dialect = dialect_of(model, call.endpoint, batch=True)
        if spoken is None or traits is None or dialect is None:
            return None
        called = Called(place=model.place, model=model.base)
        return BedrockJobs(
            calls=self._calls(model.place),
            files=self._files(model.place),
            invoked=Invoked(
                model=model.name, base=model.base, converse=spoken is BedrockDialect.CONVERSE
            ),
            terms=self.terms,
            traits=traits,
            framing=DiscreetFraming(BedrockFraming(), secrets=self._secrets),
            dialect=DiscreetDialect(
                AdvisingDialect(dialect, read=row_refusals_of(called)), secrets=self._secrets
            ),
        )

    def archive(self, overrides: Overrides) -> Archive:
        """What lies there."""
        place = self.place.with_(overrides)
        return BedrockArchive(
            calls=self._calls(place),
            files=self._files(place),
            models=self._models,
            secrets=self._secrets,
        )

    async def close(self) -> None:
        """Close connections. Harmless twice."""
        self._stores.close()
        await self._http.close()

    def _calls(self, place: Place) -> JobCalls:
        return JobCalls(
            provider=self._name,
            http=self._http,
            authorization=self._authorization,
            place=place,
            secrets=self._secrets,
        )

    def _files(self, place: Place) -> JobFiles:
        calls = Calls(
            provider=self._name,
            stores=self._stores,
            read=storage_refusals_at(place, ended=self._credentials.doubt),
        )
        objects = S3Objects(calls, http=self._http, credentials=self._credentials, place=place)
        return JobFiles(
            provider=self._name,
            layout=layout_at(place),
            objects=objects,
            transfer=Transfer(calls=calls, objects=objects),
            buckets=self._buckets,
        )

    def _secrets(self) -> Collection[str]:
        return (*self._http.secrets(), *self._storage.secrets())


async def _no_headers() -> Mapping[str, str]:
    """Every request has its own: signatures are over what is sent."""
    return {}
