"""Authorization of an Azure OpenAI resource: a key, or tokens of Microsoft Entra ID.

Both are an `AzureCredential`, of which the online provider and the batches of a resource have one
each. Tokens come from the `azure-identity` package (the `azure` extra), are asked for in a thread
of their own, kept, and renewed before they end.
Source: learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Clock
from batchway.providers.http.addresses import checked_headers
from batchway.providers.http.tokens import KeptTokens, Token

_log: Final = logging.getLogger(__name__)

SCOPE: Final = "https://cognitiveservices.azure.com/.default"

MISSING_EXTRA: Final = (
    "Entra ID tokens need the package azure-identity: install `batchway[azure]`, or configure an "
    "api_key."
)


class AzureCredential(Protocol):
    """What makes the authorization headers of a resource."""

    async def headers(self) -> Mapping[str, str]:
        """Headers with authorization. Cheap; raises `RemoteError` when there is no token."""
        ...


class EntraToken(Protocol):
    """An access token: `expires_on` is Unix seconds."""

    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> int: ...


class ApiKey:
    """The key of a resource.

    Raises:
        ValueError: it cannot be sent in a header.
    """

    def __init__(self, *, provider: str, api_key: str) -> None:
        self._headers = checked_headers(provider, {"api-key": api_key})

    async def headers(self) -> Mapping[str, str]:
        """The key as a header."""
        return self._headers


class EntraTokens:
    """Bearer tokens. Usable from several event loops.

    `token` gets a fresh one and may block; it raises `OSError` when nobody could be asked.
    """

    def __init__(self, *, provider: str, token: Callable[[], EntraToken], clock: Clock) -> None:
        self._provider = provider
        self._token = token
        self._kept = KeptTokens(fetch=self._fetched, clock=clock)
        self._headers: tuple[Token, Mapping[str, str]] | None = None

    async def headers(self) -> Mapping[str, str]:
        """A token as a header; a new one is asked for five minutes before it ends."""
        token = await self._kept.current()
        made = self._headers
        if made is None or made[0] is not token:
            made = self._headers = token, {"authorization": f"Bearer {token.value}"}
        return made[1]

    def _fetched(self) -> Token:
        try:
            made = self._token()
            checked_headers(self._provider, {"authorization": f"Bearer {made.token}"})
            return Token(value=made.token, until=float(made.expires_on))
        except Exception as error:
            message = (
                f"No Entra ID token for the provider '{self._provider}' "
                f"({type(error).__name__}); the server's log says why."
            )
            # A network that is down must not fail a batch as a wrong secret does.
            trouble = Trouble.UNREACHABLE if isinstance(error, OSError) else Trouble.DENIED
            _log.warning("no Entra ID token for provider %s: %.500s", self._provider, error)
            raise RemoteError(trouble, message) from error


def entra_tokens(
    *,
    provider: str,
    clock: Clock,
    tenant_id: str | None = None,
    client_id: str | None = None,
    client_secret: str | None = None,
) -> EntraTokens:
    """Tokens of an application's secret when all three are given, else of the environment.

    The environment means what `DefaultAzureCredential` tries: variables, workload and managed
    identities, the Azure command line; `client_id` then names a user-assigned managed identity.

    Raises:
        ValueError: `azure-identity` is not installed; the message says how to get it.
    """
    try:
        from azure.core.exceptions import (  # noqa: PLC0415 - as below
            ServiceRequestError,
            ServiceResponseError,
        )
        from azure.identity import (  # noqa: PLC0415 - an extra, and slow to import
            ClientSecretCredential,
            DefaultAzureCredential,
        )
    except ImportError as error:
        raise ValueError(MISSING_EXTRA) from error
    if tenant_id and client_id and client_secret:
        credential: Any = ClientSecretCredential(
            tenant_id=tenant_id, client_id=client_id, client_secret=client_secret
        )
    elif client_id:
        credential = DefaultAzureCredential(managed_identity_client_id=client_id)
    else:
        credential = DefaultAzureCredential()

    def token() -> EntraToken:
        try:
            return credential.get_token(SCOPE)
        except (ServiceRequestError, ServiceResponseError) as error:
            raise ConnectionError(str(error)) from error

    return EntraTokens(provider=provider, token=token, clock=clock)
