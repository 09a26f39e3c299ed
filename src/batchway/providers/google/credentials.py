"""Authorization of an account: access tokens of Google, kept and renewed before they end.

    a file        a service account's key, a federation of workload identities, a user's login, an
                  impersonation: whatever Google's own tools write
    no file       what google-auth finds: GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, the
                  metadata server of a machine of Google's

Tokens come from google-auth (the `google` extra). A file is read when the account is made; nobody
is asked before the first token. Owns no refresh (`providers.http.tokens`).
Source: googleapis.dev/python/google-auth, docs.cloud.google.com/docs/authentication
"""

import importlib
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, cast

from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Clock
from batchway.providers.http.addresses import checked_headers
from batchway.providers.http.tokens import KeptTokens, Token

_log: Final = logging.getLogger(__name__)

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"

MISSING_EXTRA: Final = (
    "Google's access tokens need the package google-auth: install `batchway[google]`"
)

# The metadata server gives the same token again until four minutes before it ends: asking earlier
# is in vain there. (google-auth's own REFRESH_THRESHOLD.)
_RENEW_SECONDS: Final = 225.0
_ASK_SECONDS: Final = 20
_UNSAID_SECONDS: Final = 300.0  # a token that does not say when it ends
_MENDED: Final = (
    "Check `credentials_file`, or what the environment gives in its place, and that it was not "
    "disabled at Google."
)
_NO_USE: Final = "cannot be used: what it holds has not the form that its `type` asks for"
_MOST_FILE: Final = 1 << 20
_AWS: Final = "urn:ietf:params:aws:token-type:aws4_request"

# What each kind of file must hold, besides its `type`.
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "service_account": ("client_email", "private_key", "token_uri"),
    "external_account": ("audience", "subject_token_type", "token_url"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
    "impersonated_service_account": ("service_account_impersonation_url", "source_credentials"),
}
# What Google's token endpoint says, by what it means to whoever configured the account.
_REFUSALS: Final = (
    ("Invalid JWT Signature", "Google does not know this key (any more): make a new one"),
    ("account not found", "the service account does not exist (any more)"),
    ("disabled", "the service account is disabled"),
    ("short-lived token", "the clock of this machine is off"),
    ("invalid_rapt", "the login has ended: run `gcloud auth application-default login`"),
    ("expired or revoked", "the login has ended: run `gcloud auth application-default login`"),
    ("iam.serviceAccounts.getAccessToken", "the role Service Account Token Creator is missing"),
)


class Tokens(Protocol):
    """Access tokens of an account. Usable from several event loops and threads."""

    async def authorization(self) -> str:
        """`Bearer ...`, for a header. Cheap; raises `RemoteError` when there is no token."""
        ...

    def token(self) -> Token:
        """The same token, for a thread that may wait. Raises `RemoteError` as well."""
        ...


class Credentials(Protocol):
    """As google-auth has them: `expiry` is a UTC time that does not say so."""

    token: str | None
    expiry: Any

    def refresh(self, request: Any) -> None: ...


class GoogleTokens:
    """`Tokens` of credentials. `find` gets them when a token is wanted first; both may block."""

    def __init__(self, *, provider: str, find: Callable[[], Credentials], clock: Clock) -> None:
        self._provider = provider
        self._find = find
        self._clock = clock
        self._credentials: Credentials | None = None
        self._kept = KeptTokens(fetch=self._fetched, clock=clock, renew=_RENEW_SECONDS)
        self._header: tuple[Token, str] | None = None

    def __repr__(self) -> str:
        return f"GoogleTokens({self._provider!r})"

    async def authorization(self) -> str:
        """See `Tokens`."""
        token = await self._kept.current()
        made = self._header
        if made is None or made[0] is not token:
            made = self._header = token, f"Bearer {token.value}"
        return made[1]

    def token(self) -> Token:
        """See `Tokens`."""
        return self._kept.wait()

    def _fetched(self) -> Token:
        try:
            if self._credentials is None:
                self._credentials = self._find()
            credentials = self._credentials
            credentials.refresh(_request())
            value = str(credentials.token)
            checked_headers(self._provider, {"authorization": f"Bearer {value}"})
        except Exception as error:
            raise self._refusal(error) from error
        expiry = credentials.expiry
        if expiry is None:
            return Token(value=value, until=self._clock.now() + _UNSAID_SECONDS)
        return Token(value=value, until=expiry.replace(tzinfo=UTC).timestamp())

    def _refusal(self, error: Exception) -> RemoteError:
        from google.auth import exceptions  # noqa: PLC0415 - an extra

        why = _reason(error)
        # Their text may hold what an endpoint of somebody else's has answered: it stays out.
        _log.warning(
            "no access token of Google for provider %s: %s (%s)",
            self._provider,
            why,
            type(error).__name__,
        )
        passing = isinstance(error, OSError | exceptions.TransportError) or (
            isinstance(error, exceptions.GoogleAuthError) and error.retryable
        )
        message = f"No access token of Google for the provider '{self._provider}': {why}."
        # A network that is down must not fail a batch as a wrong key does.
        if passing:
            return RemoteError(Trouble.UNREACHABLE, message)
        return RemoteError(Trouble.DENIED, f"{message} {_MENDED}", advised=True)


def google_tokens(
    *, provider: str, clock: Clock, file: Path | None = None, token_url: str | None = None
) -> GoogleTokens:
    """Tokens of the credentials in a file, else of what google-auth finds.

    `token_url` is asked for them in place of the address that the credentials name. Reads the file.

    Raises:
        ValueError: google-auth is not installed, or the file holds no credentials; the message says
            what to do, and repeats nothing of the file.
    """
    try:
        # An extra, and slow to import; with what it needs to ask for tokens.
        for module in ("google.auth", "google.auth.transport.requests"):
            importlib.import_module(module)
    except ImportError as error:
        raise ValueError(MISSING_EXTRA) from error
    if file is None:
        return GoogleTokens(provider=provider, find=partial(_found, token_url), clock=clock)
    credentials = _asking_at(token_url, _made(_read(file), file))
    return GoogleTokens(provider=provider, find=lambda: credentials, clock=clock)


def _request() -> Callable[..., Any]:
    from google.auth.transport.requests import Request  # noqa: PLC0415 - an extra

    return partial(Request(), timeout=_ASK_SECONDS)


def _found(token_url: str | None) -> Credentials:
    """Application-default credentials. Asks the network, where it may be a machine of Google's."""
    import google.auth  # noqa: PLC0415 - an extra

    found, _ = google.auth.default(scopes=[SCOPE])
    return _asking_at(token_url, found)


def _asking_at(token_url: str | None, credentials: Any) -> Credentials:
    """The credentials, asking elsewhere for their tokens where they ask a token endpoint at all."""
    if token_url is None or not hasattr(credentials, "with_token_uri"):
        return credentials
    return credentials.with_token_uri(token_url)


def _read(file: Path) -> dict[str, Any]:
    shown = f"the file of its credentials ({file})"
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_FILE)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ValueError(f"{shown} cannot be read: {reason}") from error
    try:
        info: object = json.loads(data)
    except (ValueError, RecursionError):
        # Without its cause, which quotes the file.
        raise ValueError(f"{shown} holds no JSON: it is no key file of Google's") from None
    if not isinstance(info, dict):
        raise ValueError(f"{shown} holds no JSON object: it is no key file of Google's")  # noqa: TRY004 - as `open_accounts` expects
    fields = cast("dict[str, Any]", info)
    if "installed" in fields or "web" in fields:
        raise ValueError(
            f"{shown} names an OAuth client, which cannot call by itself: make a key of a service "
            "account"
        )
    kind = fields.get("type")
    needed = _KINDS.get(kind) if isinstance(kind, str) else None
    if needed is None:
        kinds = ", ".join(_KINDS)
        raise ValueError(f"{shown} says no `type` that is known: one of {kinds}")
    lacking = [name for name in needed if not fields.get(name)]
    if lacking:
        raise ValueError(f"{shown} is of type {kind} and lacks {', '.join(lacking)}")
    return fields


def _made(info: dict[str, Any], file: Path) -> Credentials:
    try:
        return _of_kind(info)
    except Exception as error:  # noqa: BLE001 - google-auth's own, cryptography's, pyasn1's
        # Without its cause: it may quote the key. Its class is for whoever looks into that.
        _log.warning("credentials of Google cannot be used: %s", type(error).__name__)
        what = _no_key(info.get("private_key")) if "private_key" in info else _NO_USE
        raise ValueError(f"the file of its credentials ({file}) {what}") from None


def _no_key(key: object) -> str:
    """What is wrong with a private key that cannot be read. Repeats nothing of it."""
    if not isinstance(key, str):
        return "has a `private_key` that is no text: download the key again"
    text = key.strip()
    if not text.startswith("-----BEGIN"):
        return (
            "has a `private_key` that is no PEM text: it must begin with '-----BEGIN PRIVATE "
            "KEY-----'"
        )
    if "\\n" in text:
        return (
            "has a `private_key` whose line ends are spelled out: in JSON each is one \\n, not "
            "\\\\n"
        )
    if "-----END" not in text:
        return "has a `private_key` that is cut short: its '-----END PRIVATE KEY-----' is missing"
    return "has a `private_key` that is damaged: download the key again, or make a new one"


def _of_kind(info: dict[str, Any]) -> Credentials:
    from google.auth import aws, identity_pool, impersonated_credentials, pluggable  # noqa: PLC0415
    from google.oauth2 import credentials, service_account  # noqa: PLC0415 - an extra

    scopes = [SCOPE]
    match info["type"]:
        case "service_account":
            made: Any = service_account.Credentials.from_service_account_info(info, scopes=scopes)
        case "authorized_user":
            made = credentials.Credentials.from_authorized_user_info(info, scopes=scopes)
        case "impersonated_service_account":
            made = impersonated_credentials.Credentials.from_impersonated_service_account_info(
                info, scopes=scopes
            )
        case _:
            source: Any = info.get("credential_source") or {}
            if info["subject_token_type"] == _AWS:
                made = aws.Credentials.from_info(info, scopes=scopes)
            elif "executable" in source:
                made = pluggable.Credentials.from_info(info, scopes=scopes)
            else:
                made = identity_pool.Credentials.from_info(info, scopes=scopes)
    return cast("Credentials", made)


def _reason(error: Exception) -> str:
    """Why there is no token, in words of our own."""
    from google.auth import exceptions  # noqa: PLC0415 - an extra

    said = str(error)
    for words, meaning in _REFUSALS:
        if words.lower() in said.lower():
            return meaning
    if isinstance(error, exceptions.DefaultCredentialsError):
        return (
            "there are no credentials: set `credentials_file`, or the variable "
            "GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`"
        )
    if isinstance(error, OSError | exceptions.TransportError):
        return "the token endpoint cannot be reached"
    return f"the token endpoint refuses these credentials ({type(error).__name__})"
