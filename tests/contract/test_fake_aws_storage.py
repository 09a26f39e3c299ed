"""The fake of AWS, driven by boto3 and obstore over the socket: buckets and objects."""

import dataclasses
import urllib.error
import urllib.request
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import obstore
import pytest
from botocore.exceptions import ClientError
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError
from obstore.store import S3Store
from tests.contract.aws_clients import client

from batchway.simulator.aws import BedrockFake, KeyPair, running

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

BUCKET = "aws-storage"
FAR = "aws-storage-far"
NAME = "a folder/é漢😀 (1)!'*.jsonl"

# moto is started once in one worker, for every module that needs it.
pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture(scope="module")
def shared() -> Generator[BedrockFake]:
    with running() as fake:
        yield fake


@pytest.fixture
def fake(shared: BedrockFake) -> Generator[BedrockFake]:
    """The shared fake with an empty bucket; dials that a test turned are turned back."""
    before = shared.control()
    shared.make_bucket(BUCKET)
    yield shared
    shared.control(**before)


def store(fake: BedrockFake, *, keys: KeyPair | None = None) -> S3Store:
    keys = keys or fake.keys
    config: S3Config = {
        "endpoint": fake.s3_url,
        "access_key_id": keys.id,
        "secret_access_key": keys.secret,
        "region": "us-east-1",
        "virtual_hosted_style_request": False,
    }
    if keys.token is not None:
        config["session_token"] = keys.token
    options: ClientConfig = {"allow_http": True}
    return S3Store(BUCKET, config=config, client_options=options, retry_config={"max_retries": 0})


def refused(fake: BedrockFake, **further: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        client("s3", fake, **further).get_object(Bucket=BUCKET, Key="a")
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_boto3_reads_and_writes(fake: BedrockFake) -> None:
    s3 = client("s3", fake)
    s3.put_object(Bucket=BUCKET, Key=NAME, Body=b"hello")
    assert s3.get_object(Bucket=BUCKET, Key=NAME)["Body"].read() == b"hello"
    assert s3.get_object(Bucket=BUCKET, Key=NAME, Range="bytes=1-2")["Body"].read() == b"el"
    assert s3.head_object(Bucket=BUCKET, Key=NAME)["ContentLength"] == 5
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [NAME]
    assert fake.objects() == {f"s3://{BUCKET}/{NAME}": 5}
    s3.delete_object(Bucket=BUCKET, Key=NAME)
    assert fake.stats()["deletes"][-1] == f"s3://{BUCKET}/{NAME}"
    s3.create_bucket(Bucket="aws-storage-made")
    s3.put_object(Bucket="aws-storage-made", Key="a", Body=b"")
    assert fake.objects() == {"s3://aws-storage-made/a": 0}
    fake.make_bucket("aws-storage-made")


def test_obstore_reads_and_writes_in_parts(fake: BedrockFake) -> None:
    mine = store(fake)
    data = bytes(range(256)) * 50_000
    obstore.put(mine, NAME, data, chunk_size=5 << 20)
    assert b"".join(bytes(piece) for piece in obstore.get(mine, NAME).stream()) == data
    assert bytes(obstore.get_range(mine, NAME, start=255, end=258)) == b"\xff\x00\x01"
    assert [found["path"] for found in obstore.list(mine).collect()] == [NAME]
    obstore.put(mine, "a", b"1", mode="create", use_multipart=False)
    with pytest.raises(AlreadyExistsError):
        obstore.put(mine, "a", b"2", mode="create", use_multipart=False)
    obstore.delete(mine, [NAME, "a"])
    assert fake.objects() == {}
    assert set(fake.stats()["deletes"][-2:]) == {f"s3://{BUCKET}/{NAME}", f"s3://{BUCKET}/a"}
    with pytest.raises(FileNotFoundError):
        obstore.get(mine, NAME)


def test_an_upload_in_parts_that_is_left_or_given_up(fake: BedrockFake) -> None:
    s3 = client("s3", fake)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=NAME)["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key=NAME, UploadId=upload, PartNumber=1, Body=b"x")
    assert fake.unfinished_uploads() == [f"s3://{BUCKET}/{NAME}"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key=NAME, UploadId=upload)
    assert fake.unfinished_uploads() == []


def test_a_page_is_as_long_as_it_is_told_to_be(fake: BedrockFake) -> None:
    for number in range(5):
        fake.put(f"s3://{BUCKET}/{number}", b"x")
    fake.control(page_size=2)
    first = client("s3", fake).list_objects_v2(Bucket=BUCKET)
    assert (first["KeyCount"], first["IsTruncated"]) == (2, True)
    assert len(obstore.list(store(fake)).collect()) == 5


def test_keys_and_sessions(fake: BedrockFake) -> None:
    fake.put(f"s3://{BUCKET}/a", b"x")
    session = fake.session()
    for keys in (fake.keys, session):
        assert bytes(obstore.get(store(fake, keys=keys), "a").bytes()) == b"x"
    assert refused(fake, keys=dataclasses.replace(fake.keys, secret="wrong")) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert refused(fake, keys=KeyPair(id="AKIAUNKNOWN")) == (403, "InvalidAccessKeyId")
    fake.control(advance=3_601)
    assert refused(fake, keys=session) == (400, "ExpiredToken")
    fake.control(clock_skew=400)
    assert refused(fake) == (403, "RequestTimeTooSkewed")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{fake.s3_url}/{BUCKET}/a")
    assert caught.value.code == 403


def test_a_bucket_elsewhere_and_one_of_somebody_else(fake: BedrockFake) -> None:
    fake.make_bucket(FAR, region="eu-west-1")
    s3 = client("s3", fake)
    assert s3.head_bucket(Bucket=FAR)["BucketRegion"] == "eu-west-1"
    with pytest.raises(urllib.error.HTTPError) as caught:
        _signed_get(fake, f"/{FAR}/a")
    assert caught.value.code == 301
    assert caught.value.headers["x-amz-bucket-region"] == "eu-west-1"
    assert b"<Code>PermanentRedirect</Code>" in caught.value.read()
    client("s3", fake, region="eu-west-1").put_object(Bucket=FAR, Key="a", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket=BUCKET, ExpectedBucketOwner="999999999999")
    s3.list_objects_v2(Bucket=BUCKET, ExpectedBucketOwner="123456789012")


def _signed_get(fake: BedrockFake, path: str) -> None:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("GET", fake.s3_url + path)
    S3SigV4Auth(Credentials(fake.keys.id, fake.keys.secret), "s3", "us-east-1").add_auth(request)
    urllib.request.urlopen(
        urllib.request.Request(fake.s3_url + path, headers=dict(request.headers.items()))
    )


def test_what_a_caller_may_not_do(fake: BedrockFake) -> None:
    fake.put(f"s3://{BUCKET}/a", b"x")
    fake.control(bucket_denied=["caller_read", "caller_write", "caller_delete"])
    s3 = client("s3", fake)
    for act, action in (
        (lambda: s3.get_object(Bucket=BUCKET, Key="a"), "s3:GetObject"),
        (lambda: s3.put_object(Bucket=BUCKET, Key="a", Body=b""), "s3:PutObject"),
        (lambda: s3.list_objects_v2(Bucket=BUCKET), "s3:ListBucket"),
        (lambda: s3.delete_object(Bucket=BUCKET, Key="a"), "s3:DeleteObject"),
    ):
        with pytest.raises(ClientError, match=f"not authorized to perform: {action}"):
            act()
    with pytest.raises(PermissionDeniedError):
        obstore.get(store(fake), "a")


def test_troubles_of_transfers(fake: BedrockFake) -> None:
    text = "é漢😀\n".encode() * 50
    fake.put(f"s3://{BUCKET}/a", text)
    mine = store(fake)
    fake.trouble({"on": "content", "do": "chop", "times": 1})
    assert bytes(obstore.get(mine, "a").bytes()) == text
    fake.trouble({"on": "content", "do": "page", "times": 1})
    assert bytes(obstore.get(mine, "a").bytes()).startswith(b"<!DOCTYPE html>")
    fake.trouble({"on": "content", "do": "cut", "bytes": 100, "times": 1})
    with pytest.raises(Exception, match="error"):
        client("s3", fake).get_object(Bucket=BUCKET, Key="a")["Body"].read()
    fake.trouble({"on": "upload", "do": "cut", "bytes": 1, "times": 1})
    with pytest.raises(Exception, match=r"upload|error"):
        obstore.put(mine, "b", text, use_multipart=False)
    fake.trouble({"on": "upload", "status": 503, "times": 1})
    with pytest.raises(ClientError) as caught:
        client("s3", fake).put_object(Bucket=BUCKET, Key="b", Body=b"")
    assert caught.value.response["Error"]["Code"] == "SlowDown"
    fake.trouble()
    assert obstore.list(mine).collect()[0]["path"] == "a"
    assert len(obstore.list(mine).collect()) == 1
