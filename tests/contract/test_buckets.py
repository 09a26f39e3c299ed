"""`providers.buckets` over S3: moto's server, and servers that refuse."""

import itertools
import json
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.contract.s3 import S3, S3Service, Wing, calls_to, client, file, moto

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.domain.fate import Fate
from batchway.domain.remote import FileMark, JobInput, Reading, RemoteError, Trouble
from batchway.ports import ArchivedFile, Row
from batchway.providers.buckets import objects
from batchway.providers.buckets.addresses import Address
from batchway.providers.buckets.archived_files import Archived, ArchivedFiles, output_of
from batchway.providers.buckets.archived_rows import IdAtEdges, RowForm
from batchway.providers.buckets.job_files import Layout
from batchway.providers.buckets.known_buckets import KnownBuckets
from batchway.providers.buckets.objects import Stored, StoreObjects, remove_below
from batchway.providers.buckets.transfer import PART

# One server, and one import of moto, for all of them: two seconds each.
pytestmark = pytest.mark.xdist_group("s3")

MIB: Final = 1 << 20
TAG: Final = f"batchway-{'0' * 32}-0-1"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture
def s3(endpoint: str) -> Any:
    return client(endpoint)


_NUMBERS: Final = itertools.count()


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new one."""
    name = f"bucket-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


@pytest.fixture
def wing(endpoint: str, bucket: str) -> Wing:
    return Wing(S3Service(endpoint), bucket)


def put(s3: Any, at: Address, data: bytes = b"x") -> None:
    s3.put_object(Bucket=at.bucket, Key=at.name, Body=data)


def body(s3: Any, at: Address) -> bytes:
    return s3.get_object(Bucket=at.bucket, Key=at.name)["Body"].read()


def names(s3: Any, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]


# ------------------------------------------------------------------ bytes


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART, 17 * MIB])
async def test_a_file_comes_whole_and_is_known_again(
    wing: Wing, s3: Any, bucket: str, tmp_path: Path, size: int
) -> None:
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    path, at = file(tmp_path, data), S3.at(bucket, "a/b.jsonl")
    await wing.transfer.send(path, to=at, size=size)
    assert body(s3, at) == data
    assert await wing.transfer.holds(at, path, size=size)
    assert b"".join([piece async for piece in wing.transfer.read(at)]) == data
    if size:
        path.write_bytes(data[:-1] + b"#")
        assert not await wing.transfer.holds(at, path, size=size)
    assert not await wing.transfer.holds(S3.at(bucket, "a/c"), path, size=size)


async def test_what_is_not_the_size_that_was_said_is_taken_back(
    wing: Wing, s3: Any, bucket: str, tmp_path: Path
) -> None:
    with pytest.raises(RemoteError) as caught:
        await wing.transfer.send(file(tmp_path, b"12"), to=S3.at(bucket, "a"), size=3)
    assert caught.value.trouble is Trouble.UNREACHABLE
    assert "S3" in caught.value.message
    assert names(s3, bucket) == []


async def test_reading_goes_on_where_it_was_left(wing: Wing, s3: Any, bucket: str) -> None:
    at, data = S3.at(bucket, "long"), bytes(range(256)) * (18 * MIB // 256)
    put(s3, at, data)
    mark, got = FileMark(), b""
    while not mark.finished:
        pieces = wing.transfer.read(at, mark)
        async for piece in pieces:
            got += piece
            if len(got) % (5 * MIB) < MIB:
                break  # as a transfer that breaks
        await pieces.aclose()
    assert got == data
    assert mark.restarts == 0


async def test_another_version_is_read_from_its_start(wing: Wing, s3: Any, bucket: str) -> None:
    at = S3.at(bucket, "changing")
    put(s3, at, b"before " * (3 * MIB // 7))
    mark, got = FileMark(), b""
    pieces = wing.transfer.read(at, mark)
    await anext(pieces)
    await pieces.aclose()
    put(s3, at, b"after")
    async for piece in wing.transfer.read(at, mark):
        got += piece
    assert (got, mark.restarts) == (b"after", 1)


async def test_a_key_of_kms_goes_with_every_object(
    endpoint: str, s3: Any, bucket: str, tmp_path: Path
) -> None:
    arn = "arn:aws:kms:eu-central-1:123456789012:key/k"
    wing = Wing(S3Service(endpoint, key=arn, owner="123456789012"), bucket)
    at = S3.at(bucket, "sealed")
    await wing.transfer.send(file(tmp_path, b"x" * (PART + 1)), to=at, size=PART + 1)
    head = s3.head_object(Bucket=bucket, Key="sealed")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", arn)


# ------------------------------------------------------------------ objects


async def test_objects_are_seen_and_removed(wing: Wing, s3: Any, bucket: str) -> None:
    for name in ("d/1", "d/e/2", "d", "dd/3"):
        put(s3, S3.at(bucket, name), b"12345")
    put(s3, S3.at(bucket, "d/f/"), b"")
    found = await wing.objects.stat(S3.at(bucket, "d/1"))
    assert found is not None
    assert (found.at, found.size, found.checksum) == (
        S3.at(bucket, "d/1"),
        5,
        "827ccb0eea8a706c4c34a16891f84e7b",
    )
    assert found.updated is not None
    below = [each.at.name async for each in wing.objects.below(S3.at(bucket, "d/"))]
    assert sorted(below) == ["d/1", "d/e/2", "d/f"]
    await remove_below(wing.objects, S3.at(bucket, "d/"))
    await remove_below(wing.objects, S3.at(bucket, "d/"))
    assert names(s3, bucket) == ["d", "d/f/", "dd/3"]
    assert await wing.objects.stat(S3.at(bucket, "d/1")) is None
    assert await wing.objects.location(bucket) is None


async def test_a_list_with_a_name_that_cannot_be_read_is_not_taken_for_empty(
    wing: Wing, s3: Any, bucket: str
) -> None:
    put(s3, S3.at(bucket, "d//1"))
    with pytest.raises(RemoteError) as caught:
        [each async for each in wing.objects.below(S3.at(bucket, "d/"))]
    assert caught.value.trouble is Trouble.UNCERTAIN
    with pytest.raises(RemoteError) as caught:
        await anext(wing.transfer.read(S3.at(bucket, "d//1")))
    assert caught.value.trouble is Trouble.NOT_FOUND


async def test_a_list_is_read_a_page_at_a_time(
    wing: Wing, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_PAGE", 2)
    for number in range(5):
        put(s3, S3.at(bucket, f"p/{number}"))
    below = wing.objects.below(S3.at(bucket, "p/"))
    assert [each.at.name async for each in below] == [f"p/{number}" for number in range(5)]


class Stubborn:
    """`Objects` of which some cannot be removed."""

    def __init__(self, *names: str) -> None:
        self.left = list(names)

    async def stat(self, at: Address) -> Stored | None:
        return Stored(at=at, size=1) if at.name in self.left else None

    async def below(self, at: Address) -> AsyncGenerator[Stored]:
        for name in list(self.left):
            yield Stored(at=at.named(name), size=1)

    async def remove(self, at: Address) -> None:
        if "kept" in at.name:
            raise RemoteError(Trouble.DENIED, "It stays.")
        self.left.remove(at.name)

    async def location(self, bucket: str) -> str | None:
        return None


async def test_what_cannot_be_removed_holds_up_no_other() -> None:
    stubborn = Stubborn("a", "kept", "b")
    with pytest.raises(RemoteError):
        await remove_below(stubborn, S3.at("bucket", ""))
    assert stubborn.left == ["kept"]


# ------------------------------------------------------------------ jobs


def order(path: Path, *, since: int | None = None) -> JobInput:
    size = path.stat().st_size
    return JobInput(tag=TAG, window=86_400, path=path, size=size, lines=1, since=since)


async def test_an_input_is_brought_once(wing: Wing, s3: Any, bucket: str, tmp_path: Path) -> None:
    path = file(tmp_path, b"line\n")
    reference = await wing.files.bring(order(path))
    assert reference == f"s3://{bucket}/some/where/{TAG}/input.jsonl"
    assert names(s3, bucket) == [f"some/where/{TAG}/input.jsonl"]
    first = s3.head_object(Bucket=bucket, Key=f"some/where/{TAG}/input.jsonl")["LastModified"]
    put(s3, S3.at(bucket, f"some/where/{TAG}/out-probe"))
    assert await wing.files.bring(order(path, since=1)) == reference
    assert names(s3, bucket) == [f"some/where/{TAG}/input.jsonl"]
    again = s3.head_object(Bucket=bucket, Key=f"some/where/{TAG}/input.jsonl")["LastModified"]
    assert again == first
    assert (await wing.files.brought(reference)).uri == reference

    await wing.files.clean(reference, tag=TAG)
    await wing.files.clean(None, tag=TAG)
    assert names(s3, bucket) == []
    with pytest.raises(RemoteError) as caught:
        await wing.files.brought(reference)
    assert caught.value.trouble is Trouble.NOT_FOUND


async def test_a_bucket_that_is_not_there_is_told(endpoint: str, tmp_path: Path) -> None:
    wing = Wing(S3Service(endpoint), "no-such-bucket")
    path = file(tmp_path, b"line\n")
    for doing in (
        wing.files.bring(order(path)),
        wing.transfer.send(path, to=S3.at("no-such-bucket", "a"), size=5),
    ):
        with pytest.raises(RemoteError) as caught:
            await doing
        assert (caught.value.trouble, caught.value.code) == (Trouble.REFUSED, "no_such_bucket")
        assert caught.value.message == (
            "There is no bucket 'no-such-bucket' in S3: create it, or correct `bucket` of the "
            "provider 'acme', or the header that named it."
        )
    await wing.files.clean(None, tag=TAG)


async def test_no_bucket_at_all_is_told(endpoint: str, tmp_path: Path) -> None:
    files = Wing(S3Service(endpoint), "b").files
    files.layout = Layout(names=S3, home=None, region="r", unset="set `bucket`")
    with pytest.raises(RemoteError) as caught:
        await files.bring(order(file(tmp_path, b"line\n")))
    assert (caught.value.trouble, caught.value.code) == (Trouble.REFUSED, "no_bucket")
    assert caught.value.message.endswith("has no bucket for the files of its jobs: set `bucket`.")


class Elsewhere(StoreObjects):
    """A vendor's, which knows where a bucket is."""

    asked = 0
    where = "us-east-1"

    async def location(self, bucket: str) -> str | None:
        self.asked += 1
        return self.where


async def test_a_bucket_is_tried_until_it_is_well_and_then_believed(
    wing: Wing, s3: Any, bucket: str
) -> None:
    elsewhere, at = Elsewhere(calls_to(wing.service)), S3.at(bucket, "probe")
    known = KnownBuckets(
        provider="acme", clock=wing.clock, reaches=lambda location, region: location == region
    )

    async def check() -> None:
        await known.check(at, region="eu-central-1", objects=elsewhere, transfer=wing.transfer)

    with pytest.raises(RemoteError) as caught:
        await check()
    assert caught.value.code == "bucket_in_another_region"
    elsewhere.where = "eu-central-1"
    await check()
    await check()
    assert (elsewhere.asked, names(s3, bucket)) == (2, [])
    wing.clock.time += 601
    await check()
    assert elsewhere.asked == 3


async def test_results_come_in_the_order_of_their_numbers(wing: Wing, s3: Any, bucket: str) -> None:
    directory = S3.at(bucket, f"some/where/{TAG}/out/")
    for name in ("input.jsonl.10.out", "input.jsonl.9.out", "input.jsonl.2.out"):
        put(s3, directory.named(directory.name + name), name.encode())
    put(s3, directory.named(directory.name + "manifest.json.out"), b"{}")
    put(s3, directory.named(directory.name + "input.jsonl.3.out"), b"")
    put(s3, directory, b"")
    found = await wing.files.results_below(directory)
    rows = wing.files.rows([each.at.uri for each in found], reading := Reading())
    assert b"".join([piece async for piece in rows]).splitlines() == [
        b"input.jsonl.2.out",
        b"input.jsonl.9.out",
        b"input.jsonl.10.out",
    ]
    again = wing.files.rows([each.at.uri for each in found], reading)
    assert [piece async for piece in again] == []


# ------------------------------------------------------------------ the pass-through


def read(raw: bytes) -> tuple[str, Row] | None:
    try:
        fields = json.loads(raw)
    except ValueError:
        return None
    answer = json.dumps(fields["modelOutput"]).encode()
    return fields["recordId"], Row(0, 0, Fate.ANSWERED, 200, answer, None, "", "", 0)


async def test_results_are_shown_as_openais_lines(wing: Wing, s3: Any, bucket: str) -> None:
    def directory(at: Address) -> Address | None:
        folder = at.name.rpartition("/")[0]
        return at.named(folder) if folder.endswith("/abc123def456") else None

    async def dialect(at: Address) -> OpenAIDialect | None:
        return OpenAIDialect(endpoint="/v1/chat/completions", model="m")

    archive = ArchivedFiles(
        files=wing.files,
        archived=Archived(
            directory=directory,
            dialect=dialect,
            form=RowForm(read=read, id_at_edges=IdAtEdges("recordId")),
        ),
    )
    folder = S3.at(bucket, f"some/where/{TAG}/out/abc123def456/")
    ids = ("one", "two")
    for number, id_ in enumerate(ids):
        row = json.dumps({"recordId": id_, "modelOutput": {"id": id_, "choices": []}}).encode()
        put(s3, folder.named(f"{folder.name}input.jsonl.{number}.out"), row)
    put(s3, folder.named(f"{folder.name}manifest.json.out"), b"{}")
    put(s3, S3.at(bucket, "plain.jsonl"), b"as it is")

    found = await wing.files.results_below(folder)
    assert output_of(found) == folder.uri
    shown = await archive.file(folder.uri.replace("/", "%2F").replace(":", "%3A"))
    assert (shown.purpose, shown.bytes) == ("batch_output", sum(each.size for each in found))
    lines = b"".join([piece async for piece in archive.content(folder.uri)]).splitlines()
    assert [json.loads(line)["custom_id"] for line in lines] == list(ids)
    assert json.loads(lines[0])["response"]["body"]["id"] == "one"

    first = await archive.file(found[0].at.uri)
    assert first.filename == f"{TAG}-input.jsonl.0.out"
    plain = await archive.file(f"s3://{bucket}/plain.jsonl")
    assert plain == ArchivedFile(
        id=f"s3://{bucket}/plain.jsonl",
        bytes=8,
        filename="plain.jsonl",
        purpose="batch",
        created_at=plain.created_at,
    )
    assert [piece async for piece in archive.content(plain.id)] == [b"as it is"]
    for unknown in (
        "s3://b",
        f"gs://{bucket}/plain.jsonl",
        f"s3://{bucket}/some/",
        folder.uri[:-2],
    ):
        with pytest.raises(RemoteError) as caught:
            await archive.file(unknown)
        assert caught.value.trouble is Trouble.NOT_FOUND
