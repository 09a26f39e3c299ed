"""Signatures of requests (AWS Signature Version 4), cheap enough for every line.

What is signed of a request is the same for all that go to one address within a second, but for the
digest of their bodies. So botocore's own signer makes the canonical form once for each address and
second (120 µs), and what is left for a line are three hashes: 11 µs with a body of 1 KB. Owns that
form, and the clock that signatures are dated by. Does not own the keys (`credentials`).
Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Final, Protocol

from batchway.domain.remote import RemoteError
from batchway.ports import Clock, Refused
from batchway.providers.aws.credentials import Credentials, Keys
from batchway.providers.aws.refusal import is_of_date, is_of_ended_keys
from batchway.providers.http.addresses import checked_headers

_SERVICE: Final = "bedrock"
_SCHEME: Final = "AWS4-HMAC-SHA256"
_JSON: Final = {"content-type": "application/json"}
_DIGEST: Final = 64  # characters of a SHA-256 in hexadecimal
# By address: an account calls some models, and more only where callers make names up.
_MOST_KEPT: Final = 256
# A clock that is off by more is nothing that a signature can be dated by.
_MOST_SKEW: Final = 400 * 86_400.0


def lasting(headers: Mapping[str, str]) -> Mapping[str, str]:
    """What of a request's headers is the same in others of its account: all but a signature.

    Of that it is the access key: its date and its digest are of one request alone.
    """
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme != _SCHEME:
        return headers
    kept = {name: value for name, value in headers.items() if name != "x-amz-date"}
    return {**kept, "authorization": rest.partition("/")[0]}


class Authorization(Protocol):
    """What authorizes an account's requests. Usable from several event loops."""

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """All headers of a request. Cheap. Without credentials: headers that authorize nothing."""
        ...

    def refused(self, refusal: Refused, date: str | None) -> None:
        """A request was; `date` is the provider's time, as HTTP writes it. Harmless twice."""
        ...


class BearerKey:
    """`Authorization` by a Bedrock API key.

    Raises:
        ValueError: it cannot be sent in a header.
    """

    def __init__(self, *, provider: str, api_key: str) -> None:
        own = checked_headers(provider, {"authorization": f"Bearer {api_key}"})
        self._headers = {**_JSON, **own}

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:  # noqa: ARG002 - the same for each
        """See `Authorization`."""
        return self._headers

    def refused(self, refusal: Refused, date: str | None) -> None:
        """Nothing follows: there is one key, and no date in it."""


class Signatures:
    """`Authorization` by signatures with `credentials`, for one region.

    After a refusal for a signature's date, signatures are dated by the provider's clock; after one
    of keys that have ended, other keys are looked for.
    """

    def __init__(self, *, credentials: Credentials, region: str, clock: Clock) -> None:
        self._credentials = credentials
        self._region = region
        self._clock = clock
        self._ahead = 0.0  # seconds by which the provider's clock is
        self._forms: dict[tuple[str, str], _Form] = {}

    async def headers(self, method: str, url: str, body: bytes) -> Mapping[str, str]:
        """See `Authorization`."""
        try:
            keys = await self._credentials.current()
        except RemoteError:
            # Logged where it failed. Sent without a signature, the line waits as every line does
            # whose credentials do not do: for the provider's own 403 to end.
            return _JSON
        second = int(self._clock.now() + self._ahead)
        form = self._forms.get((method, url))
        if form is None or form.second != second or form.keys is not keys:
            form = _form(keys, method, url, region=self._region, second=second)
            if len(self._forms) >= _MOST_KEPT:
                self._forms.clear()
            self._forms[method, url] = form
        return form.signed(body)

    def refused(self, refusal: Refused, date: str | None) -> None:
        """See `Authorization`."""
        if is_of_ended_keys(refusal):
            self._credentials.doubt()
        elif is_of_date(refusal):
            try:
                said = parsedate_to_datetime(date or "").timestamp()
            except (ValueError, OverflowError):
                return
            now = self._clock.now()
            if abs(said - now) < _MOST_SKEW:
                self._ahead = said - now


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What is signed at an address in a second, up to the digests that end it.

    `canonical` is the request's canonical form without the digest of its body, `to_sign` the text
    to sign without the digest of that form, `key` the key of the day, `authorization` the header
    without the signature at its end.
    """

    second: int
    keys: Keys
    canonical: bytes
    to_sign: bytes
    key: hmac.HMAC
    headers: Mapping[str, str]
    authorization: str

    def signed(self, body: bytes) -> Mapping[str, str]:
        """The headers of a request with that body."""
        whole = self.canonical + sha256(body).hexdigest().encode()
        text = self.to_sign + sha256(whole).hexdigest().encode()
        signature = self.key.copy()  # twice as fast as a digest from the key itself
        signature.update(text)
        return {**self.headers, "authorization": self.authorization + signature.hexdigest()}


def _form(keys: Keys, method: str, url: str, *, region: str, second: int) -> _Form:
    from botocore import auth, awsrequest, credentials  # noqa: PLC0415 - an extra, imported with the keys

    stamp = datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {**_JSON, "x-amz-date": stamp}
    if keys.token is not None:
        headers["x-amz-security-token"] = keys.token
    signer = auth.SigV4Auth(
        credentials.Credentials(keys.access_key, keys.secret, keys.token), _SERVICE, region
    )
    request = awsrequest.AWSRequest(method=method, url=url, headers=headers)
    request.context["timestamp"] = stamp
    canonical = signer.canonical_request(request)
    to_sign = signer.string_to_sign(request, canonical)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    key = f"AWS4{keys.secret}".encode()
    for part in (stamp[:8], region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return _Form(
        second=second,
        keys=keys,
        canonical=canonical[:-_DIGEST].encode(),
        to_sign=to_sign[:-_DIGEST].encode(),
        key=hmac.new(key, digestmod="sha256"),
        headers=headers,
        authorization=(
            f"{_SCHEME} Credential={signer.scope(request)}, SignedHeaders={signed}, Signature="
        ),
    )
