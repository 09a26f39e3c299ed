"""OAuth: service-account keys, refresh tokens and federated tokens, each for an access token.

Owns who may call and for how long. Sources: RFC 7523 and
https://developers.google.com/identity/protocols/oauth2/service-account (assertions),
RFC 8693 and https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token (exchange).
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from batchway.simulator.batches.clock import Clock
from batchway.simulator.google.behaviour import Behaviour
from batchway.simulator.google.refusals import TokenRefused, unauthenticated
from batchway.simulator.google.signing import new_key, signed

EMAIL: Final = "caller@fake-project.iam.gserviceaccount.com"
REFRESH: Final = "fake-refresh-token"
_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
_SCOPES: Final = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/devstorage.read_write",
    "https://www.googleapis.com/auth/devstorage.full_control",
)


class Tokens:
    """The keys that there are and the tokens that were given out."""

    def __init__(self, *, clock: Clock, behaviour: Callable[[], Behaviour]) -> None:
        self.given = 0
        self._clock = clock
        self._behaviour = behaviour
        self._expiry: dict[str, float] = {}
        self._keys: dict[str, str] = {}

    def key(self, *, token_uri: str, project: str) -> dict[str, str]:
        """Make a service account's key file. Needs the package `cryptography`."""
        private, public = new_key()
        name = secrets.token_hex(20)
        self._keys[name] = public
        return {
            "type": "service_account",
            "project_id": project,
            "private_key_id": name,
            "private_key": private,
            "client_email": EMAIL,
            "client_id": "100000000000000000000",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }

    def grant(self, form: Mapping[str, str], *, audience: str) -> dict[str, Any]:
        """Answer the token endpoint. Raises `TokenRefused`."""
        if self._behaviour().revoked:
            raise TokenRefused("invalid_grant", "Invalid grant: account not found")
        match form.get("grant_type"):
            case grant if grant == _BEARER:
                claims = self._verified(form.get("assertion", ""))
                self._claims(claims, audience)
            case "refresh_token":
                if form.get("refresh_token") != REFRESH:
                    raise TokenRefused("invalid_grant", "Token has been expired or revoked.")
            case grant if grant == _EXCHANGE:
                if not form.get("subject_token") or not form.get("audience"):
                    raise TokenRefused("invalid_request", "Missing subject_token or audience.")
            case _:
                raise TokenRefused("unsupported_grant_type", "Invalid grant_type")
        token = self.issue()
        answer: dict[str, Any] = {
            "access_token": token,
            "expires_in": int(self._behaviour().token_ttl),
            "token_type": "Bearer",
        }
        if form.get("grant_type") == _EXCHANGE:
            answer["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        return answer

    def issue(self) -> str:
        """A new access token."""
        token = "ya29." + secrets.token_urlsafe(24)
        self._expiry[token] = self._clock.now() + self._behaviour().token_ttl
        self.given += 1
        return token

    def admit(self, authorization: str) -> None:
        """Raises `Refused`: 401, without a token that is good now."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("CREDENTIALS_MISSING")
        behaviour = self._behaviour()
        if behaviour.revoked:
            raise unauthenticated("ACCESS_TOKEN_EXPIRED")
        if token in self._expiry:
            if self._clock.now() >= self._expiry[token]:
                raise unauthenticated("ACCESS_TOKEN_EXPIRED")
            return
        if token.count(".") == 2 and not token.startswith("ya29."):
            # A self-signed assertion is a token too, for the APIs that it names.
            try:
                self._verified(token)
            except TokenRefused as error:
                raise unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED") from error
            return
        if token.startswith("ya29."):
            # One that another fake gave out, or this one before it was started again.
            raise unauthenticated("ACCESS_TOKEN_EXPIRED")
        if behaviour.tokens is not None and token not in behaviour.tokens:
            raise unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED")

    def _verified(self, assertion: str) -> dict[str, Any]:
        try:
            head, body, signature = assertion.split(".")
            header = cast("dict[str, Any]", json.loads(_decoded(head)))
            claims = cast("dict[str, Any]", json.loads(_decoded(body)))
            key = self._keys.get(str(header.get("kid")))
            if key is None or header.get("alg") != "RS256":
                raise TokenRefused("invalid_grant", "Invalid JWT Signature.")
            if not signed(f"{head}.{body}".encode(), _decoded(signature), key):
                raise TokenRefused("invalid_grant", "Invalid JWT Signature.")
        except ValueError as error:
            raise TokenRefused("invalid_grant", "Invalid JWT: it is not one.") from error
        if claims.get("iss") != EMAIL:
            raise TokenRefused("invalid_grant", "Invalid grant: account not found")
        now = self._clock.now()
        if not claims.get("iat", 0) - 300 <= now < claims.get("exp", 0):
            raise TokenRefused(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim.",
            )
        return claims

    def _claims(self, claims: Mapping[str, Any], audience: str) -> None:
        # Google's own library names the public endpoint, whatever a key's `token_uri` says.
        if claims.get("aud") not in (audience, _AUDIENCE):
            raise TokenRefused("invalid_grant", "Invalid JWT: the audience is wrong.")
        scopes = str(claims.get("scope", "")).split()
        if not any(scope in _SCOPES for scope in scopes):
            raise TokenRefused(
                "invalid_scope", "Invalid OAuth scope or ID token audience provided."
            )


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
