"""`ports.Account` for OpenAI and for everything that speaks its API: the catalog, vLLM, Ollama.

Owns addresses and headers of its requests. Which batch API it has is handed in. The key never
shows in `repr` or in errors. Source: platform.openai.com/docs/api-reference/authentication
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.notes import OPENAI_NOTES
from batchway.domain.call import Call
from batchway.domain.overrides import Overrides
from batchway.ports import Archive, BatchAccount, Dialect, Jobs, Request
from batchway.providers.http.addresses import below, checked_base, checked_headers

BASE_URL: Final = "https://api.openai.com/v1"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class OpenAIAccount:
    """An account below `base_url`; `api_key` is sent as a bearer token if there is one.

    `headers` are sent with every request and win over the account's own. `engine` is whether it may
    be a server that tells its health below its root (vLLM, SGLang, llama.cpp). `batches` is its
    batch API, `None` where it has none: closed with the account.

    Raises:
        ValueError: the address or a header cannot be used.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str = BASE_URL,
        api_key: str | None = None,
        headers: Mapping[str, str] = _NONE,
        engine: bool = False,
        batches: BatchAccount | None = None,
    ) -> None:
        self._name = name
        self._base = checked_base(name, base_url)
        own = {"content-type": "application/json"}
        if api_key:
            own["authorization"] = f"Bearer {api_key.strip()}"
        self._headers = checked_headers(name, own) | checked_headers(name, headers)
        self._engine = engine
        self._batches = batches

    def __repr__(self) -> str:
        return f"OpenAIAccount({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def online(self, call: Call) -> "OpenAIOnline":
        """One address for each endpoint; no override changes anything here."""
        return OpenAIOnline(
            url=below(self._base, call.endpoint),
            headers=self._headers,
            dialect=OpenAIDialect(endpoint=call.endpoint, model=call.model),
        )

    def jobs(self, call: Call) -> Jobs | None:
        """Its batch API, for jobs."""
        return None if self._batches is None else self._batches.jobs(call)

    def archive(self, overrides: Overrides) -> Archive | None:
        """Its batch API, to look things up."""
        return None if self._batches is None else self._batches.archive(overrides)

    async def health(self, model: str) -> Sequence[Request]:  # noqa: ARG002 - one server has all
        """The list of models, which every such server has; before it an engine's own word."""
        models = Request(below(self._base, "/models"), self._headers)
        if not self._engine:
            return (models,)
        return Request(self._base.removesuffix("/v1") + "/health", self._headers), models

    async def close(self) -> None:
        """Close connections."""
        if self._batches is not None:
            await self._batches.close()


class OpenAIOnline:
    """`ports.Online`: the same address and headers for every body."""

    __slots__ = ("_headers", "_url", "dialect")

    notes = OPENAI_NOTES

    def __init__(self, *, url: str, headers: Mapping[str, str], dialect: Dialect) -> None:
        self._url = url
        self._headers = headers
        self.dialect = dialect

    async def request(self, body: bytes) -> Request:
        """The request for one body."""
        return Request(self._url, self._headers, body)
