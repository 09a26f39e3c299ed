"""Credentials of an account: access keys of AWS, found, kept and renewed before they end.

    given           `access_key_id` and `secret_access_key`
    a profile       of AWS's own configuration files: keys, a role, a login (SSO), a process
    none of these   what botocore finds: the variables AWS_..., files, a web identity (EKS), the
                    role of a container (ECS) or of a machine (EC2)
    a role          `assume_role_arn`, assumed with any of them

botocore (the `aws` extra) finds them and asks for roles: in the thread of `providers.http.tokens`,
which also imports it, since that takes a third of a second. Source:
docs.aws.amazon.com/boto3/latest/guide/credentials.html
"""

import importlib
import importlib.util
import logging
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Clock
from batchway.providers.http.tokens import KeptTokens

_log: Final = logging.getLogger(__name__)

MISSING_EXTRA: Final = "AWS's signatures need the package botocore: install `batchway[aws]`"

# Renewed when five minutes are left (`KeptTokens`). botocore renews what it can by itself and is
# asked every minute; files are read again as often, since others write new keys into them.
_FOUND_SECONDS: Final = 360.0
_ASK_SECONDS: Final = 20
# What signs needs these, on the path of lines; they are slow to import.
_SIGNERS: Final = ("botocore.auth", "botocore.awsrequest", "botocore.credentials")
_SESSION: Final = "batchway"
_MENDED: Final = (
    "Check `access_key_id`, `secret_access_key` and `profile`, or what the environment gives in "
    "their place."
)

_FOR_S3: Final = " to use S3 with, which takes no `api_key`"

_LOGIN: Final = "the login has ended: run `aws sso login`, or `aws login`"
_NONE: Final = (
    "there are no credentials: set `access_key_id` and `secret_access_key`, or `profile`, or the "
    "variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
)
# What botocore's errors mean to whoever configured the account, by their classes' names.
_ERRORS: Final = {
    "NoCredentialsError": _NONE,
    "PartialCredentialsError": "of the access key and its secret only one is given",
    "ProfileNotFound": "AWS's configuration files have no profile of that name (`profile`)",
    "ConfigParseError": "AWS's configuration files cannot be read",
    "CredentialRetrievalError": "the process or endpoint that gives credentials has given none",
    "SSOTokenLoadError": _LOGIN,
    "UnauthorizedSSOTokenError": _LOGIN,
    "TokenRetrievalError": _LOGIN,
    "LoginRefreshRequired": _LOGIN,
    "LoginTokenLoadError": _LOGIN,
}
# What STS says, likewise, by its codes.
_CODES: Final = {
    "AccessDenied": (
        "these credentials may not assume the role `assume_role_arn`: allow them sts:AssumeRole on "
        "it, and let its trust policy name them, with the `external_id` where it asks for one"
    ),
    "ExpiredToken": "the session of these credentials has ended",
    "InvalidClientTokenId": "AWS does not know this access key (any more)",
    "SignatureDoesNotMatch": "the secret access key is not that of the access key, or the clock of "
    "this machine is off",
    "ValidationError": "`assume_role_arn` is no ARN of a role",
    "InvalidIdentityToken": "AWS does not accept the token of this web identity",
    "ExpiredTokenException": "the token of this web identity has ended",
    "RegionDisabledException": "STS is not activated in this region",
}
_PASSING_CODES: Final = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """An access key, good `until` a Unix second; `token` is that of a session."""

    access_key: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    until: float = float("inf")


class Credentials(Protocol):
    """Keys of an account. Usable from several event loops and threads."""

    async def current(self) -> Keys:
        """Those to sign with. Cheap; raises `RemoteError` when there are none."""
        ...

    def wait(self) -> Keys:
        """The same, for a thread that may wait."""
        ...

    def doubt(self) -> None:
        """They were refused as ended: others are to be found."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """As whom an account calls; with none of the fields, as whom the environment says."""

    keys: Keys | None = None
    profile: str | None = None
    role: str | None = None
    external_id: str | None = None
    sts_url: str | None = None


class BotoCredentials:
    """`Credentials` of an identity; with `s3_alone` an API key is for everything else.

    Raises:
        ValueError: botocore is not installed; the message says how to get it. With `s3_alone` that
            is told when they are first used: lines that are sent online need none.
    """

    def __init__(
        self,
        *,
        provider: str,
        identity: Identity,
        region: str,
        clock: Clock,
        s3_alone: bool = False,
    ) -> None:
        if not s3_alone and not _has_botocore():
            raise ValueError(MISSING_EXTRA)
        self._provider = provider
        self._identity = identity
        self._region = region
        self._what_for = _FOR_S3 if s3_alone else ""
        self._clock = clock
        self._found: Any = None  # botocore's own, while it renews them by itself
        self._kept: KeptTokens[Keys] = KeptTokens(fetch=self._fetched, clock=clock)

    def __repr__(self) -> str:
        return f"BotoCredentials({self._provider!r})"

    async def current(self) -> Keys:
        """See `Credentials`."""
        return await self._kept.current()

    def wait(self) -> Keys:
        """See `Credentials`."""
        return self._kept.wait()

    def doubt(self) -> None:
        """See `Credentials`."""
        if self._kept.doubt():
            self._found = None

    def _fetched(self) -> Keys:
        if not _has_botocore():
            raise RemoteError(Trouble.DENIED, f"{MISSING_EXTRA}.", advised=True)
        try:
            for module in _SIGNERS:
                importlib.import_module(module)
            if self._identity.role is not None:
                return self._assumed(self._identity.role)
            if self._identity.keys is not None:
                return self._identity.keys
            return self._of_environment()
        except Exception as error:
            raise self._refusal(error) from error

    def _of_environment(self) -> Keys:
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - an extra

        found = self._found
        if found is None:
            found = self._session().get_credentials()
            if found is None:
                raise NoCredentialsError
        # Of those that it cannot renew there may be others the next time.
        self._found = found if hasattr(found, "refresh_needed") else None
        frozen = found.get_frozen_credentials()
        # Renewed ones say when they end nowhere else.
        ends: Any = getattr(found, "_expiry_time", None)
        until = self._clock.now() + _FOUND_SECONDS
        return Keys(
            access_key=frozen.access_key,
            secret=frozen.secret_key,
            token=frozen.token,
            until=until if ends is None else min(until, ends.timestamp()),
        )

    def _assumed(self, role: str) -> Keys:
        from botocore.config import Config  # noqa: PLC0415 - an extra

        session = self._session()
        keys = self._identity.keys
        if keys is not None:
            session.set_credentials(keys.access_key, keys.secret, keys.token)
        client = session.create_client(
            "sts",
            region_name=self._region,
            config=Config(
                connect_timeout=_ASK_SECONDS,
                read_timeout=_ASK_SECONDS,
                # Whoever waits for keys asks again by itself.
                retries={"total_max_attempts": 2},
            ),
        )
        try:
            asked = {"RoleArn": role, "RoleSessionName": _SESSION}
            if self._identity.external_id is not None:
                asked["ExternalId"] = self._identity.external_id
            given = client.assume_role(**asked)["Credentials"]
        finally:
            client.close()
        return Keys(
            access_key=given["AccessKeyId"],
            secret=given["SecretAccessKey"],
            token=given["SessionToken"],
            until=given["Expiration"].timestamp(),
        )

    def _session(self) -> Any:
        import botocore.session  # noqa: PLC0415 - an extra

        sts_url = self._identity.sts_url

        class Session(botocore.session.Session):
            """Asks for roles where the configuration says, also for those of profiles."""

            def create_client(self, service_name: str, *given: Any, **named: Any) -> Any:
                if service_name == "sts" and sts_url is not None:
                    named.setdefault("endpoint_url", sts_url)
                return super().create_client(service_name, *given, **named)

        return Session(profile=self._identity.profile)

    def _refusal(self, error: Exception) -> RemoteError:
        why = _reason(error)
        # Their text may hold what an endpoint or a process of somebody else's has said.
        _log.warning(
            "no credentials of AWS for provider %s: %s (%s)",
            self._provider,
            why,
            type(error).__name__,
        )
        message = (
            f"No credentials of AWS for the provider '{self._provider}'{self._what_for}: {why}."
        )
        # A network that is down must not fail a batch as a wrong key does.
        if _passes(error):
            return RemoteError(Trouble.UNREACHABLE, message)
        return RemoteError(Trouble.DENIED, f"{message} {_MENDED}", advised=True)


def _has_botocore() -> bool:
    try:
        return importlib.util.find_spec("botocore") is not None
    except ValueError:  # it stands in `sys.modules` as what must not be imported
        return False


def _reason(error: Exception) -> str:
    """Why there are no keys, in words of our own."""
    if _passes(error):
        return "what gives them cannot be reached, or has no time"
    code = _code(error)
    if code is not None:
        return _CODES.get(code, f"AWS refuses these credentials ({code[:64]})")
    known = _ERRORS.get(type(error).__name__)
    if known is not None:
        return known
    return f"they cannot be found ({type(error).__name__})"


def _passes(error: Exception) -> bool:
    from botocore import exceptions  # noqa: PLC0415 - an extra

    if isinstance(error, exceptions.ClientError):
        status: Any = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or _code(error) in _PASSING_CODES
    return isinstance(
        error,
        OSError
        | exceptions.HTTPClientError
        | exceptions.ConnectionError
        | exceptions.MetadataRetrievalError,
    )


def _code(error: Exception) -> str | None:
    """What STS calls an error; `None` for one of botocore's own."""
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else None
