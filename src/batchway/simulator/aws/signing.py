"""Signature Version 4, worked out anew from a request: the fake's own reading of AWS's page.

Pure. Owns canonical requests, string to sign, and the comparison; not which keys there are
(`keys`), or how a refusal is written (`refusals`).
Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
"""

import hashlib
import hmac
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote, unquote_plus

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED: Final = frozenset({"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
# The body of these is in chunks, each with its own signature, which the fake believes.
CHUNKED: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_STAMP: Final = re.compile(r"\d{8}T\d{6}Z")
_PART: Final = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


class Malformed(Exception):
    """The header is not one of a signature; `str` of it says what it lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request as it was sent: `path` and `query` raw, headers by lower-case name.

    A header that came more than once has its values joined by commas.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an `Authorization` header says. `when` is Unix seconds, `stamp` the same as text."""

    key_id: str
    date: str
    region: str
    service: str
    names: tuple[str, ...]
    signature: str
    stamp: str
    when: float


def claimed(headers: Mapping[str, str]) -> Claim:
    """Read the header.

    Raises:
        Malformed: it is no header of Signature Version 4, or lacks a part.
    """
    header = headers.get("authorization", "")
    if not header.startswith(ALGORITHM):
        raise Malformed(f"Unsupported AWS 'algorithm': '{header.partition(' ')[0]}'.")
    parts = dict(_PART.findall(header))
    for name in ("Credential", "Signature", "SignedHeaders"):
        if name not in parts:
            raise Malformed(f"Authorization header requires '{name}' parameter.")
    scope = parts["Credential"].split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise Malformed(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            "keyid/date/region/service/term."
        )
    stamp = headers.get("x-amz-date", "")
    try:
        when = _instant(stamp)
    except ValueError as error:
        raise Malformed(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        ) from error
    names = tuple(parts["SignedHeaders"].split(";"))
    if "host" not in names:
        raise Malformed("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if stamp[:8] != scope[1]:
        raise Malformed(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{scope[1]}' != '{stamp[:8]}', from '{stamp}'."
        )
    return Claim(
        key_id=scope[0],
        date=scope[1],
        region=scope[2],
        service=scope[3],
        names=names,
        signature=parts["Signature"],
        stamp=stamp,
        when=when,
    )


def holds(request: Signed, claim: Claim, *, secret: str) -> bool:
    """Whether the secret makes that signature of that request, body included."""
    stated = request.headers.get("x-amz-content-sha256")
    hashed = hashlib.sha256(request.body).hexdigest()
    free = stated in UNSIGNED or (stated or "").startswith(CHUNKED)
    if claim.service == "s3" and stated is None:
        return False
    if stated is not None and not free and stated != hashed:
        return False
    expected = signature(request, claim, secret=secret, payload=stated or hashed)
    return hmac.compare_digest(expected, claim.signature)


def signature(request: Signed, claim: Claim, *, secret: str, payload: str) -> str:
    """The signature in hex; `payload` is the hash of the body, or the word that stands for it."""
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    canonical = canonical_request(request, names=claim.names, service=claim.service, hash=payload)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{claim.stamp}\n{scope}\n{digest}"
    key = _key(secret, claim.date, claim.region, claim.service)
    return hmac.digest(key, text.encode(), "sha256").hex()


def canonical_request(request: Signed, *, names: Iterable[str], service: str, hash: str) -> str:
    """The canonical form of a request."""
    headers = "".join(f"{name}:{_squeezed(request.headers.get(name, ''))}\n" for name in names)
    return "\n".join(
        (
            request.method,
            _canonical_path(request.path, service),
            _canonical_query(request.query),
            headers,
            ";".join(names),
            hash,
        )
    )


@lru_cache(maxsize=64)
def _key(secret: str, *scope: str) -> bytes:
    """The key of a day, which every request of the day is signed with."""
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _instant(stamp: str) -> float:
    """Unix seconds. Raises `ValueError`."""
    if not _STAMP.fullmatch(stamp):
        raise ValueError(stamp)
    return datetime.fromisoformat(stamp).timestamp()


def _canonical_path(raw: str, service: str) -> str:
    if service == "s3":
        # S3 alone encodes once, and takes paths as they are.
        return quote(unquote(raw), safe="/-_.~")
    path = posixpath.normpath(raw) if raw else "/"
    path = "/" + path.lstrip("/")
    if raw.endswith("/") and not path.endswith("/"):
        path += "/"
    # What was encoded for the wire is encoded again: `%3A` of an ARN becomes `%253A`.
    return quote(path, safe="/-_.~")


def _canonical_query(raw: str) -> str:
    if not raw:
        return ""
    pairs = [part.partition("=") for part in raw.split("&")]
    encoded = sorted(
        (quote(unquote_plus(name), safe="-_.~"), quote(unquote_plus(value), safe="-_.~"))
        for name, _, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in encoded)


def _squeezed(value: str) -> str:
    return " ".join(value.split())
