"""Who calls: access keys, sessions of assumed roles, and API keys of Bedrock.

Owns which there are and whether they still hold. Tells a secret to nobody but who asks for a new
key.
Sources: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from batchway.simulator.aws.behaviour import Behaviour
from batchway.simulator.aws.refusals import Refused
from batchway.simulator.aws.signing import Claim, Malformed, Signed, claimed, holds
from batchway.simulator.batches.clock import Clock

ACCOUNT: Final = "123456789012"
# The key that every fake knows, so that a fake in another process needs no question first.
ACCESS_KEY_ID: Final = "AKIAFAKEFAKEFAKEFAKE"
SECRET_ACCESS_KEY: Final = "fake/secret+of/the/fake0000000000000000/"
USER: Final = f"arn:aws:iam::{ACCOUNT}:user/batchway"
_SKEW: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A pair of keys; a session's has a token and an end, in seconds of the fake's clock."""

    id: str
    secret: str
    arn: str
    token: str | None = None
    ends: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, from which region's endpoint."""

    arn: str
    region: str
    key_id: str


class Keys:
    """The keys of the account. `given` counts sessions handed out."""

    def __init__(self, *, clock: Clock, behaviour: Callable[[], Behaviour]) -> None:
        self.given = 0
        self._clock = clock
        self._behaviour = behaviour
        self._keys = {
            ACCESS_KEY_ID: Key(id=ACCESS_KEY_ID, secret=SECRET_ACCESS_KEY, arn=USER),
        }
        self._bearers: set[str] = set()

    def user(self) -> Key:
        """A new long-lived pair."""
        return self._new("AKIA", USER, seconds=None)

    def session(self, arn: str, *, seconds: float) -> Key:
        """A new session of an assumed role."""
        self.given += 1
        return self._new("ASIA", arn, seconds=seconds)

    def bearer(self) -> str:
        """A new API key of Bedrock."""
        key = "ABSK" + secrets.token_urlsafe(48)
        self._bearers.add(key)
        return key

    def _new(self, prefix: str, arn: str, *, seconds: float | None) -> Key:
        key = Key(
            id=prefix + secrets.token_hex(8).upper(),
            secret=secrets.token_urlsafe(30)[:40],
            arn=arn,
            token=None if seconds is None else secrets.token_urlsafe(200),
            ends=None if seconds is None else self._clock.now() + seconds,
        )
        self._keys[key.id] = key
        return key

    def admit(self, request: Signed, *, service: str) -> Caller:
        """Who sent a request. Raises `Refused`, in the words of a JSON service."""
        header = request.headers.get("authorization", "")
        behaviour = self._behaviour()
        if not header:
            raise Refused(
                403, "Missing Authentication Token", name="MissingAuthenticationTokenException"
            )
        if header.startswith("Bearer "):
            return self._bearer(header.removeprefix("Bearer "), service)
        try:
            claim = claimed(request.headers)
        except Malformed as error:
            raise Refused(403, str(error), name="IncompleteSignatureException") from error
        key = self._keys.get(claim.key_id)
        if key is None or behaviour.revoked:
            raise Refused(
                403,
                "The security token included in the request is invalid.",
                name="UnrecognizedClientException",
            )
        if behaviour.check_signatures:
            self._prompt(claim)
            self._scoped(claim, service)
            if not holds(request, claim, secret=key.secret):
                raise _mismatch()
        self._session(key, request.headers)
        return Caller(arn=key.arn, region=claim.region, key_id=key.id)

    def now(self) -> float:
        """The time that signatures are held against: real, whatever the clock was advanced by."""
        return datetime.now(UTC).timestamp() + self._behaviour().clock_skew

    def _bearer(self, key: str, service: str) -> Caller:
        behaviour = self._behaviour()
        known = key in self._bearers or key in behaviour.bearer_keys
        if service != "bedrock" or not known or behaviour.revoked:
            text = "Authentication failed: Please make sure your API Key is valid."
            raise Refused(403, text, upper=True)
        return Caller(arn=USER, region=behaviour.region, key_id="bearer")

    def _prompt(self, claim: Claim) -> None:
        now = self.now()
        if abs(now - claim.when) <= _SKEW:
            return
        here = _stamp(now)
        if claim.when < now:
            text = (
                f"Signature expired: {claim.stamp} is now earlier than {_stamp(now - _SKEW)} "
                f"({here} - 5 min.)"
            )
        else:
            text = (
                f"Signature not yet current: {claim.stamp} is still later than "
                f"{_stamp(now + _SKEW)} ({here} + 5 min.)"
            )
        raise Refused(403, text, name="InvalidSignatureException")

    def _scoped(self, claim: Claim, service: str) -> None:
        if claim.service != service:
            raise Refused(
                403,
                f"Credential should be scoped to correct service: '{service}'. ",
                name="InvalidSignatureException",
            )
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", claim.region):
            raise Refused(
                403,
                "Credential should be scoped to a valid region. ",
                name="InvalidSignatureException",
            )

    def _session(self, key: Key, headers: Mapping[str, str]) -> None:
        token = headers.get("x-amz-security-token")
        if key.token is None and token is None:
            return
        if token != key.token:
            raise Refused(
                403,
                "The security token included in the request is invalid.",
                name="UnrecognizedClientException",
            )
        if key.ends is not None and self._clock.now() >= key.ends:
            raise Refused(
                403,
                "The security token included in the request is expired",
                name="ExpiredTokenException",
            )


def _mismatch() -> Refused:
    return Refused(
        403,
        "The request signature we calculated does not match the signature you provided. Check your "
        "AWS Secret Access Key and signing method. Consult the service documentation for details.",
        name="InvalidSignatureException",
    )


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")
