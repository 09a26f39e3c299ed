"""Signatures at AWS: botocore's own, and what follows from one that was refused."""

import asyncio
import string
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.dispatch_world import FakeAnswer
from tests.unit.fakes import FakeClock

from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Refused
from batchway.providers.aws.advice import Called
from batchway.providers.aws.credentials import Keys
from batchway.providers.aws.notes import AwsNotes
from batchway.providers.aws.place import Place
from batchway.providers.aws.refusal import refused
from batchway.providers.aws.signing import BearerKey, Signatures

REGION = "us-east-1"
URL = f"https://bedrock-runtime.{REGION}.amazonaws.com/model/us.anthropic.claude-m-v1%3A0/invoke"
KEYS = Keys(access_key="AKIDEXAMPLE", secret="s3cret/+", token="session/+=")
DATE = "Sat, 28 Nov 2026 12:00:00 GMT"
NOON = 1_795_867_200.0


class Source:
    """`providers.aws.credentials.Credentials` that notes what it is told."""

    def __init__(self, keys: Keys | None = KEYS) -> None:
        self.keys = keys
        self.doubted = 0

    async def current(self) -> Keys:
        return self.wait()

    def wait(self) -> Keys:
        if self.keys is None:
            raise RemoteError(Trouble.DENIED, "no keys")
        return self.keys

    def doubt(self) -> None:
        self.doubted += 1


def _signatures(source: Source | None = None, clock: FakeClock | None = None) -> Signatures:
    return Signatures(credentials=source or Source(), region=REGION, clock=clock or FakeClock(NOON))


def _by_botocore(
    keys: Keys, method: str, url: str, body: bytes, *, at: float, patch: pytest.MonkeyPatch
) -> dict[str, str]:
    with patch.context() as patched:
        patched.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(at, UTC))
        request: Any = AWSRequest(
            method=method, url=url, headers={"content-type": "application/json"}, data=body
        )
        credentials = Credentials(keys.access_key, keys.secret, keys.token)
        auth.SigV4Auth(credentials, "bedrock", REGION).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


_NAMES = st.text(string.ascii_letters + string.digits + ":/._-", min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(
    name=_NAMES,
    body=st.binary(max_size=200),
    method=st.sampled_from(["GET", "POST"]),
    query=st.sampled_from(["", "?maxResults=1", "?b=%3A&a=x%20y", "?a"]),
    token=st.none() | st.text(string.ascii_letters + "+/=", min_size=1, max_size=40),
    at=st.integers(0, 4_000_000_000),
)
def test_a_signature_is_botocores(
    *, name: str, body: bytes, method: str, query: str, token: str | None, at: int
) -> None:
    keys = Keys(access_key="AKID", secret="s3cret", token=token)
    url = f"http://127.0.0.1:8080/model/{quote(name, safe='')}/invoke{query}"
    signatures = _signatures(Source(keys), FakeClock(at))
    ours = asyncio.run(signatures.headers(method, url, body))
    with pytest.MonkeyPatch.context() as patched:
        assert ours == _by_botocore(keys, method, url, body, at=at, patch=patched)


async def test_every_second_and_every_key_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    source, clock = Source(), FakeClock(NOON)
    signatures = _signatures(source, clock)
    for keys, seconds in ((KEYS, 0.0), (KEYS, 0.4), (KEYS, 1.0), (KEYS, 86_400.0)):
        source.keys, clock.time = keys, NOON + seconds
        for body in (b"{}", b'{"a":1}'):
            assert await signatures.headers("POST", URL, body) == _by_botocore(
                keys, "POST", URL, body, at=clock.time, patch=monkeypatch
            )
    other = source.keys = Keys(access_key="AKIDOTHER", secret="x")
    assert await signatures.headers("POST", URL, b"{}") == _by_botocore(
        other, "POST", URL, b"{}", at=clock.time, patch=monkeypatch
    )


async def test_without_keys_a_request_authorizes_nothing() -> None:
    headers = await _signatures(Source(None)).headers("POST", URL, b"{}")
    assert headers == {"content-type": "application/json"}


async def test_an_api_key_is_sent_as_it_is() -> None:
    bearer = BearerKey(provider="p", api_key="bedrock-api-key-abc\n")
    assert await bearer.headers("POST", URL, b"{}") == {
        "content-type": "application/json",
        "authorization": "Bearer bedrock-api-key-abc",
    }
    with pytest.raises(ValueError, match="header 'authorization'") as caught:
        BearerKey(provider="p", api_key="schlüssel")
    assert "schlüssel" not in str(caught.value)


def _refusal(kind: str, message: str = "") -> Refused:
    return refused(403, kind, message)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "InvalidSignatureException",
            "Signature expired: 20261128T110000Z is now earlier than ...",
        ),
        ("InvalidSignatureException", "Signature not yet current: 20261128T130000Z is still later"),
        ("SignatureDoesNotMatch", "Signature expired: 20261128T110000Z is now earlier than ..."),
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is"),
        ("RequestExpired", ""),
    ],
)
async def test_after_a_refusal_for_its_date_a_signature_has_the_providers(
    kind: str, message: str
) -> None:
    clock = FakeClock(NOON - 3_600)
    signatures = _signatures(clock=clock)
    signatures.refused(_refusal(kind, message), DATE)
    clock.time += 30
    assert (await signatures.headers("POST", URL, b"{}"))["x-amz-date"] == "20261128T120030Z"


@pytest.mark.parametrize(
    ("refusal", "date"),
    [
        (
            _refusal("InvalidSignatureException", "The request signature we calculated does not"),
            DATE,
        ),
        (_refusal("ThrottlingException", "Signature expired"), DATE),
        (_refusal("RequestTimeTooSkewed"), None),
        (_refusal("RequestTimeTooSkewed"), "yesterday"),
        (_refusal("RequestTimeTooSkewed"), "Sat, 28 Nov 1926 12:00:00 GMT"),
    ],
)
async def test_nothing_else_moves_the_clock(refusal: Refused, date: str | None) -> None:
    clock = FakeClock(NOON - 3_600)
    signatures = _signatures(clock=clock)
    signatures.refused(refusal, date)
    assert (await signatures.headers("POST", URL, b"{}"))["x-amz-date"] == "20261128T110000Z"


@pytest.mark.parametrize(
    ("kind", "doubted"),
    [
        ("ExpiredTokenException", 1),
        ("ExpiredToken", 1),
        ("UnrecognizedClientException", 1),
        ("AccessDeniedException", 0),
        ("InvalidSignatureException", 0),
    ],
)
def test_keys_that_have_ended_are_doubted(kind: str, doubted: int) -> None:
    source = Source()
    _signatures(source).refused(_refusal(kind), DATE)
    assert source.doubted == doubted


async def test_an_answer_tells_its_exception_and_the_time() -> None:
    clock = FakeClock(NOON - 3_600)
    signatures = _signatures(clock=clock)
    notes = AwsNotes(called=Called(place=Place(region=REGION)), authorization=signatures)
    answer = FakeAnswer(
        403,
        b'{"message":"Signature expired: 20261128T110000Z is now earlier than 20261128T115500Z"}',
        {
            "x-amzn-errortype": "InvalidSignatureException:http://internal.amazon.com/coral/",
            "x-amzn-requestid": "r-1",
            "date": DATE,
        },
    )
    read = Refused(status=403, code="", kind="", message="", of_account=True, body=b"{}")
    told = notes.refusal(answer, read)
    assert (told.kind, told.of_account) == ("InvalidSignatureException", True)
    assert told.advice == "set the clock of this machine"
    assert notes.request_id(answer) == "r-1"
    assert notes.allowance(answer, "requests") is None
    assert (await signatures.headers("POST", URL, b"{}"))["x-amz-date"] == "20261128T120000Z"


def test_what_does_not_come_from_aws_is_as_the_dialect_read_it() -> None:
    notes = AwsNotes(called=Called(place=Place(region=REGION)), authorization=_signatures())
    read = Refused(status=502, code="", kind="", message="", of_account=False, body=b"{}")
    assert notes.refusal(FakeAnswer(502, b"<html>", {}), read) is read
    assert notes.retry_after(FakeAnswer(503, b"", {"retry-after": "7"}), now=0) == 7
