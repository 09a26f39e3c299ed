"""`ports.Account` for a project on Vertex AI: Gemini, Claude and open models, each in its dialect.

Owns one request's address and authorization. What a refusal advises is `advice`'s; which dialect a
model speaks is the catalog's (`catalog.google_models`) or the configuration's; jobs are `batches`'.
Tokens are asked for off the path of lines (`credentials`).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from batchway.catalog.google_models import GoogleDialect
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.ports import Archive, BatchAccount, Jobs, Request
from batchway.providers.google.addresses import jobs_address, online_address
from batchway.providers.google.advice import refusals_at
from batchway.providers.google.credentials import Tokens
from batchway.providers.google.dialects import dialect_of
from batchway.providers.google.models import read_model
from batchway.providers.google.notes import GOOGLE_NOTES
from batchway.providers.google.place import Place
from batchway.providers.http.advising import AdvisingDialect
from batchway.providers.http.online import AccountHeaders, AddressedOnline

_NONE: Final[Mapping[str, GoogleDialect]] = MappingProxyType({})


class VertexAccount:
    """A project in a region (`place`), called with `tokens`.

    `models` are dialects of models by name or pattern, over what the catalog says. `batches` is its
    batch API, `None` to do without: closed with the account.
    """

    def __init__(
        self,
        *,
        name: str,
        place: Place,
        tokens: Tokens,
        models: Mapping[str, GoogleDialect] = _NONE,
        batches: BatchAccount | None = None,
    ) -> None:
        self._name = name
        self._place = place
        self._tokens = tokens
        self._headers = AccountHeaders(self._authorization)
        self._models = models
        self._batches = batches

    def __repr__(self) -> str:
        return f"VertexAccount({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def online(self, call: Call) -> AddressedOnline | None:
        """Calls of a model, in the region that the batch names or else the configured one.

        Raises:
            ValueError: nothing is known of a model of that name, or it leads to another address.
        """
        model = read_model(call.model, self._place.with_(call.overrides), self._models)
        spoken, dialect = model.family.online, dialect_of(model, call.endpoint, batch=False)
        if spoken is None or dialect is None:
            return None
        return AddressedOnline(
            url=online_address(model, call.endpoint, spoken),
            headers=self._headers,
            dialect=AdvisingDialect(dialect, read=refusals_at(model.place)),
            notes=GOOGLE_NOTES,
        )

    def jobs(self, call: Call) -> Jobs | None:
        """Its batch API, for jobs."""
        return None if self._batches is None else self._batches.jobs(call)

    def archive(self, overrides: Overrides) -> Archive | None:
        """Its batch API, to look things up."""
        return None if self._batches is None else self._batches.archive(overrides)

    async def health(self, model: str) -> Sequence[Request]:  # noqa: ARG002 - of the project
        """The project's list of jobs."""
        url = jobs_address(self._place) + "?pageSize=1"
        return (Request(url, await self._headers.current()),)

    async def close(self) -> None:
        """Close connections."""
        if self._batches is not None:
            await self._batches.close()

    async def _authorization(self) -> Mapping[str, str]:
        return {"authorization": await self._tokens.authorization()}
