"""`ports.Provider` for anything that speaks OpenAI's API: vLLM, SGLang, Ollama, hosted APIs.

Owns the address and the headers of one account. The key never shows in `repr` or in errors.
"""

from collections.abc import Mapping, Sequence

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.providers.http.addresses import below, checked_base, checked_headers


class OpenAICompatibleProvider:
    """An endpoint below `base_url`; `api_key` is sent as a bearer token if there is one.

    `headers` are sent with every request and win over the provider's own.

    Raises:
        ValueError: the address or a header cannot be used.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._base = checked_base(name, base_url)
        own = {"content-type": "application/json"}
        if api_key:
            own["authorization"] = f"Bearer {api_key.strip()}"
        self._headers = checked_headers(name, own) | checked_headers(name, headers or {})

    def __repr__(self) -> str:
        return f"OpenAICompatibleProvider({self._name!r})"

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def url(
        self,
        endpoint: str,
        model: str,  # noqa: ARG002 - the port's; others need it
        overrides: Overrides = NO_OVERRIDES,  # noqa: ARG002 - same
    ) -> str:
        """The address of an endpoint."""
        return below(self._base, endpoint)

    def health(self, model: str) -> Sequence[str]:  # noqa: ARG002 - the port's
        """Where to see whether the account is served."""
        # vLLM, SGLang and llama.cpp tell it below their root; everybody has the list of models.
        root = self._base.removesuffix("/v1")
        return f"{root}/health", below(self._base, "/models")

    async def headers(self) -> Mapping[str, str]:
        """Headers of a request."""
        return self._headers
