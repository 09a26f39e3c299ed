"""What `providers.buckets` sends to S3, and what it makes of refusals."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.s3 import S3, TOKEN, Refusing, S3Service, Wing, calls_to, file, refusing

from batchway.domain.remote import RemoteError, Trouble


@pytest.fixture
def server() -> Iterator[Refusing]:
    with refusing() as server:
        yield server


async def test_what_is_sent_is_signed_with_the_owner_the_key_and_the_session(
    server: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    for name in (
        "SKIP_SIGNATURE",
        "UNSIGNED_PAYLOAD",
        "S3_EXPRESS",
        "VIRTUAL_HOSTED_STYLE_REQUEST",
    ):
        monkeypatch.setenv(f"AWS_{name}", "true")
    server.status = 200
    service = S3Service(server.url, owner="123456789012", key="k")
    await calls_to(service).run(lambda store: store.put("a", b"1", use_multipart=False), "bucket")
    headers = server.headers[0]
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    expected = {
        "x-amz-content-sha256": hashlib.sha256(b"1").hexdigest(),
        "x-amz-expected-bucket-owner": "123456789012",
        "x-amz-security-token": TOKEN,
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "k",
    }
    assert {name: headers[name] for name in expected} == expected
    assert expected.keys() <= set(signed)


@pytest.mark.parametrize(
    ("status", "code", "trouble"),
    [
        (403, "AccessDenied", Trouble.DENIED),
        (400, "ExpiredToken", Trouble.REFUSED),
        (409, "SlowDown", Trouble.BUSY),
        (503, "ServiceUnavailable", Trouble.UNREACHABLE),
        (501, "NotImplemented", Trouble.UNREACHABLE),
    ],
)
async def test_a_refusal_is_read_without_secrets(
    server: Refusing, tmp_path: Path, status: int, code: str, trouble: Trouble
) -> None:
    server.refuses(status, code, f"it&apos;s {TOKEN} &lt;no&gt;")
    transfer = Wing(S3Service(server.url), "bucket").transfer
    with pytest.raises(RemoteError) as caught:
        await transfer.send(file(tmp_path, b"1"), to=S3.at("bucket", "a/name"), size=1)
    error = caught.value
    assert (error.trouble, error.status, error.code) == (trouble, status, code)
    assert error.message == f"The provider 'acme' answered {status}: bucket: it's *** <no>"


async def test_a_look_that_is_refused_has_no_words(server: Refusing) -> None:
    looks = Wing(S3Service(server.url), "bucket").objects
    with pytest.raises(RemoteError) as caught:
        await looks.stat(S3.at("bucket", "a"))
    assert (caught.value.trouble, caught.value.status) == (Trouble.DENIED, 403)
    assert await looks.location("bucket") is None


async def test_no_credentials_and_no_connection(server: Refusing) -> None:
    service = S3Service(server.url)
    service.credentials = None
    with pytest.raises(RemoteError) as caught:
        await Wing(service, "bucket").objects.stat(S3.at("bucket", "a"))
    assert (caught.value.trouble, server.headers) == (Trouble.DENIED, [])

    with pytest.raises(RemoteError) as caught:
        await Wing(S3Service("http://127.0.0.1:9"), "bucket").objects.stat(S3.at("bucket", "a"))
    assert caught.value.trouble is Trouble.UNREACHABLE
    assert "127.0.0.1" not in caught.value.message
