"""`ports.Account` for AWS Bedrock in one region: models of many makers, each in its dialect.

Owns one request's address, and that it is signed over its body. What authorizes it is `signing`'s,
what a refusal means `refusal`'s; which dialect a model speaks is the catalog's
(`catalog.bedrock_models`) or the configuration's.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from batchway.catalog.bedrock_models import BedrockDialect
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.ports import Archive, BatchAccount, Dialect, Jobs, Notes, Request
from batchway.providers.aws.addresses import calls_address, jobs_address, online_address
from batchway.providers.aws.advice import Called
from batchway.providers.aws.dialects import dialect_of
from batchway.providers.aws.models import read_model
from batchway.providers.aws.notes import AwsNotes
from batchway.providers.aws.place import Place
from batchway.providers.aws.signing import Authorization

_NONE: Final[Mapping[str, BedrockDialect]] = MappingProxyType({})


class SignedOnline:
    """`ports.Online`: one address, and an authorization of each body."""

    __slots__ = ("_authorization", "_url", "dialect", "notes")

    def __init__(
        self, *, url: str, authorization: Authorization, dialect: Dialect, notes: Notes
    ) -> None:
        self._url = url
        self._authorization = authorization
        self.dialect = dialect
        self.notes = notes

    async def request(self, body: bytes) -> Request:
        """The request for one body."""
        headers = await self._authorization.headers("POST", self._url, body)
        return Request(self._url, headers, body)


class BedrockAccount:
    """Bedrock at a `place`, called with an authorization.

    `models` are dialects of models by name or pattern, over what the catalog says. `batches` is its
    batch API, `None` to do without: closed with the account.
    """

    def __init__(
        self,
        *,
        name: str,
        place: Place,
        authorization: Authorization,
        models: Mapping[str, BedrockDialect] = _NONE,
        batches: BatchAccount | None = None,
    ) -> None:
        self._name = name
        self._place = place
        self._authorization = authorization
        self._models = models
        self._batches = batches

    def __repr__(self) -> str:
        return f"BedrockAccount({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def online(self, call: Call) -> SignedOnline | None:
        """Calls of a model.

        Raises:
            ValueError: nothing is known of a model of that name, or it is one of another region.
        """
        model = read_model(call.model, self._place.with_(call.overrides), self._models)
        spoken, dialect = model.family.online, dialect_of(model, call.endpoint, batch=False)
        if spoken is None or dialect is None:
            return None
        called = Called(place=model.place, model=model.base)
        return SignedOnline(
            url=online_address(model, spoken),
            authorization=self._authorization,
            dialect=dialect,
            notes=AwsNotes(called=called, authorization=self._authorization),
        )

    def jobs(self, call: Call) -> Jobs | None:
        """Its batch API, for jobs."""
        return None if self._batches is None else self._batches.jobs(call)

    def archive(self, overrides: Overrides) -> Archive | None:
        """Its batch API, to look things up."""
        return None if self._batches is None else self._batches.archive(overrides)

    async def health(self, model: str) -> Sequence[Request]:  # noqa: ARG002 - of the region
        """Lists at the models' own server and at that of jobs: whichever the keys may see."""
        urls = (f"{url(self._place)}?maxResults=1" for url in (calls_address, jobs_address))
        return [Request(url, await self._authorization.headers("GET", url, b"")) for url in urls]

    async def close(self) -> None:
        """Close connections."""
        if self._batches is not None:
            await self._batches.close()
