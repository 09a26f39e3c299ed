"""`providers.buckets` without a store: addresses, sums, refusals, ids at the edges of rows."""

import base64
import hashlib
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.domain.cloud_names import GCS_BUCKET, S3_BUCKET
from batchway.providers.buckets.addresses import Address, Names
from batchway.providers.buckets.archived_rows import IdAtEdges
from batchway.providers.buckets.calls import Refusal, refusal_in
from batchway.providers.buckets.checksums import EtagSum
from batchway.providers.buckets.job_files import home_in, results_below
from batchway.providers.buckets.objects import Stored
from batchway.providers.buckets.transfer import PART, part_of
from batchway.providers.google.storage import Crc32c

S3 = Names(scheme="s3", bucket=S3_BUCKET)
GS = Names(scheme="gs", bucket=GCS_BUCKET)


@pytest.mark.parametrize(
    ("names", "uri", "bucket", "name"),
    [
        (S3, "s3://my.bucket-1/a/b.jsonl", "my.bucket-1", "a/b.jsonl"),
        (S3, "s3://bucket/folder/", "bucket", "folder/"),
        (S3, "s3://bucket//odd", "bucket", "/odd"),
        (S3, "s3://bucket/a?b#c", "bucket", "a?b#c"),
        (GS, "gs://under_score/ü", "under_score", "ü"),
        (S3, f"s3://bucket/{'a' * 1024}", "bucket", "a" * 1024),
    ],
)
def test_addresses_are_read_and_written(names: Names, uri: str, bucket: str, name: str) -> None:
    at = names.read(uri)
    assert at == Address(scheme=names.scheme, bucket=bucket, name=name)
    assert at is not None
    assert at.uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        *("", "s3", "s3://", "s3://bucket", "s3://bucket/", "s3:///a", "S3://bucket/a"),
        *("gs://bucket/a", "s3://Bucket/a", "s3://under_score/a", "s3://b/a", "s3://bu\n/a"),
        *("s3://bucket\n/a", f"s3://{'b' * 64}/a", f"s3://bucket/{'ü' * 513}"),
    ],
)
def test_anything_else_is_no_address(uri: str) -> None:
    assert S3.read(uri) is None


@pytest.mark.parametrize(
    ("bucket", "prefix", "home"),
    [
        (None, "batchway", None),
        ("bucket", "batchway", "s3://bucket/batchway/"),
        ("bucket", "/a/b/", "s3://bucket/a/b/"),
        ("bucket", "", "s3://bucket/"),
    ],
)
def test_where_jobs_have_their_folders(bucket: str | None, prefix: str, home: str | None) -> None:
    found = home_in(S3, bucket, prefix)
    assert (None if found is None else found.uri) == home


@given(data=st.binary(max_size=60), part=st.integers(1, 25), cuts=st.integers(1, 13))
def test_a_sum_is_the_etag_of_s3_however_it_comes(data: bytes, part: int, cuts: int) -> None:
    sum_ = EtagSum(part)
    for start in range(0, len(data), cuts):
        sum_.update(data[start : start + cuts])
    parts = [hashlib.md5(data[at : at + part]).digest() for at in range(0, len(data), part)]
    several = f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"
    assert sum_.text == (several if len(parts) > 1 else hashlib.md5(data).hexdigest())


def test_a_sum_of_cloud_storage() -> None:
    sum_ = Crc32c(PART)
    sum_.update(b"1234")
    sum_.update(b"56789")
    assert base64.b64decode(sum_.text).hex() == "e3069283"  # the check value of CRC-32C


@pytest.mark.parametrize(
    ("size", "part"), [(0, PART), (PART * 10_000, PART), (PART * 10_000 + 1, PART + 1)]
)
def test_no_file_has_more_parts_than_a_store_takes(size: int, part: int) -> None:
    assert part_of(size) == part


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (
            "Generic S3 error: Error performing PUT http://h/b/k in 1ms - Server returned non-2xx "
            'status code: 400 Bad Request: <?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>'
            "AuthorizationHeaderMalformed</Code><Message>the region &apos;us-east-1&apos; is wrong"
            "</Message><Region>eu-west-1</Region></Error>\n\nDebug source:\n<Code>no</Code>",
            Refusal(
                status=400,
                fields={
                    "Code": "AuthorizationHeaderMalformed",
                    "Message": "the region 'us-east-1' is wrong",
                    "Region": "eu-west-1",
                },
            ),
        ),
        (
            "Object at location a not found: Error performing HEAD http://h/b/a in 1ms - Server "
            "returned non-2xx status code: 404 Not Found: \n\nDebug source:\nNotFound {",
            Refusal(status=404, fields={}),
        ),
        (
            "... status code: 502 Bad Gateway: <html><title>Bad: gateway</title></html>",
            Refusal(status=502, fields={"title": "Bad: gateway"}),
        ),
        ("Generic S3 error: HTTP error: error sending request", None),
    ],
)
def test_what_a_store_refused_is_read_from_an_exception(text: str, refusal: Refusal | None) -> None:
    assert refusal_in(text) == refusal


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"recordId":"r0000000001","modelInput":{', "r0000000001"),
        (b'{"a":1,"recordId":"x\\"y","modelInput":[[[[', 'x"y'),
        (b'...]],"recordId": "last" }', "last"),
        (b'{"recordId":12,"b":{', "12"),
        (b'{"modelInput":{"recordId":"within",', ""),
        (b'{"recordId":"half', ""),
        (b"", ""),
        (b"\xff", ""),
    ],
)
def test_the_id_of_what_cannot_be_read(raw: bytes, found: str) -> None:
    assert IdAtEdges("recordId", "id")(raw) == found


class Listed:
    """`Objects` of a list."""

    def __init__(self, found: Sequence[tuple[str, int]]) -> None:
        self._found = found

    async def below(self, at: Address) -> AsyncGenerator[Stored]:
        for name, size in self._found:
            yield Stored(at=at.named(at.name + name), size=size)

    async def stat(self, at: Address) -> Stored | None:
        raise NotImplementedError

    async def remove(self, at: Address) -> None:
        raise NotImplementedError

    async def location(self, bucket: str) -> str | None:
        raise NotImplementedError


async def test_results_are_in_the_order_of_their_numbers() -> None:
    listed = Listed(
        [
            ("part-10-of-12", 1),
            ("part-2-of-12", 1),
            (f"part-{'9' * 40}-of-12", 1),
            ("part-1-of-12/", 1),
            ("part-3-of-12", 0),
            ("manifest.json.out", 5),
            ("part-002-of-12", 1),
        ]
    )
    found = await results_below(
        S3.at("bucket", "d/"), listed, is_result=lambda name: "manifest" not in name
    )
    assert [each.at.name for each in found] == [
        "d/part-002-of-12",
        "d/part-2-of-12",
        "d/part-10-of-12",
        f"d/part-{'9' * 40}-of-12",
    ]
