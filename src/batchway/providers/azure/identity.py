"""Authorization of an Azure OpenAI resource: a key, or tokens of Microsoft Entra ID.

Both are an `AzureCredential`, of which the online provider and the batches of a resource have one
each. Tokens come from the `azure-identity` package (the `azure` extra), are asked for in a thread
of their own, kept, and renewed before they end.
Source: learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Clock
from batchway.providers.http.addresses import checked_headers

_log: Final = logging.getLogger(__name__)

SCOPE: Final = "https://cognitiveservices.azure.com/.default"

# A token must outlive the request that it is sent with; renewing earlier costs nothing.
_RENEW_SECONDS: Final = 300
_LAST_SECONDS: Final = 30
# A failed renewal is not repeated for every request of a busy provider.
_PAUSE_SECONDS: Final = 5.0

MISSING_EXTRA: Final = (
    "Entra ID tokens need the package azure-identity: install `batchway[azure]`, or configure an "
    "api_key."
)


class AzureCredential(Protocol):
    """What makes the authorization headers of a resource."""

    async def headers(self) -> Mapping[str, str]:
        """Headers with authorization. Cheap; raises `RemoteError` when there is no token."""
        ...


class Token(Protocol):
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

    def __init__(self, *, provider: str, token: Callable[[], Token], clock: Clock) -> None:
        self._provider = provider
        self._token = token
        self._clock = clock
        self._headers: Mapping[str, str] = {}
        self._until = 0.0
        self._refused: tuple[float, RemoteError] | None = None
        self._renewing = threading.Lock()
        # Of its own: a thousand lines that wait for a token would take every thread of the loop's
        # pool, and whoever writes results waits for one of those.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batchway-entra")

    async def headers(self) -> Mapping[str, str]:
        """A token as a header; a new one is asked for five minutes before it ends."""
        left = self._until - self._clock.now()
        # While one caller renews, the others go on with the old token: none waits in a thread.
        if left > _RENEW_SECONDS or (left > _LAST_SECONDS and self._renewing.locked()):
            return self._headers
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._renewed)

    def _renewed(self) -> Mapping[str, str]:
        with self._renewing:
            left = self._until - self._clock.now()
            if left > _RENEW_SECONDS:
                return self._headers
            if self._refused is None or self._clock.monotonic() >= self._refused[0]:
                self._renew()
            if self._refused is not None and left <= 0:
                raise self._refused[1]
            return self._headers

    def _renew(self) -> None:
        try:
            made = self._token()
            headers = checked_headers(self._provider, {"authorization": f"Bearer {made.token}"})
        except Exception as error:  # noqa: BLE001 - azure-identity's own, its HTTP client's, msal's
            message = (
                f"No Entra ID token for the provider '{self._provider}' "
                f"({type(error).__name__}); the server's log says why."
            )
            # A network that is down must not fail a batch as a wrong secret does.
            trouble = Trouble.UNREACHABLE if isinstance(error, OSError) else Trouble.DENIED
            self._refused = self._clock.monotonic() + _PAUSE_SECONDS, RemoteError(trouble, message)
            _log.warning("no Entra ID token for provider %s: %.500s", self._provider, error)
            return
        self._refused = None
        self._headers, self._until = headers, float(made.expires_on)


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

    def token() -> Token:
        try:
            return credential.get_token(SCOPE)
        except (ServiceRequestError, ServiceResponseError) as error:
            raise ConnectionError(str(error)) from error

    return EntraTokens(provider=provider, token=token, clock=clock)
