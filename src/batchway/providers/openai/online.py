"""`ports.Provider` for an OpenAI account.

Owns the address and the headers. Source: platform.openai.com/docs/api-reference/authentication
"""

from collections.abc import Mapping, Sequence

from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.providers.http.addresses import below, checked_base, checked_headers

BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider:
    """An account; `organization` and `project` say who is billed, where the key leaves that open.

    Raises:
        ValueError: the address or a header cannot be used.
    """

    def __init__(
        self,
        *,
        name: str,
        api_key: str,
        base_url: str = BASE_URL,
        organization: str | None = None,
        project: str | None = None,
    ) -> None:
        self._name = name
        self._base = checked_base(name, base_url)
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {api_key.strip()}",
        }
        if organization:
            headers["openai-organization"] = organization
        if project:
            headers["openai-project"] = project
        self._headers = checked_headers(name, headers)

    def __repr__(self) -> str:
        return f"OpenAIProvider({self._name!r})"

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
        return (below(self._base, "/models"),)

    async def headers(self) -> Mapping[str, str]:
        """Headers of a request."""
        return self._headers
