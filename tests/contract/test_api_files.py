"""`/files` through the official SDK: keeping, reading, listing, deleting."""

import hashlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from tests.contract.test_api_harness import (
    LINE,
    UNKNOWN_FILE,
    Server,
    an_error,
    form,
    serving,
)

from batchway.domain.errors import Unavailable
from batchway.domain.file import File, Purpose
from batchway.domain.status import BatchStatus
from batchway.ports import Order, Page
from batchway.service.keys import configured_key

BLUE, RED = "sk-blue-0123456789", "sk-red-01234567890"
MONTH = 2_592_000


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API that needs no key."""
    with serving(sqlite_url, tmp_path / "blobs") as server:
        yield server


def test_a_batch_file_is_kept_as_the_recorded_object(api: Server) -> None:
    file = api.client().files.create(file=("in.jsonl", LINE), purpose="batch")
    assert api.ask("GET", f"/v1/files/{file.id}").json() == {
        "object": "file",
        "id": file.id,
        "purpose": "batch",
        "filename": "in.jsonl",
        "bytes": len(LINE),
        "created_at": file.created_at,
        "expires_at": file.created_at + MONTH,
        "status": "processed",
        "status_details": None,
    }
    stored = api.run(api.ledger.files.get("default", file.id))
    assert stored is not None
    assert stored.sha256 == hashlib.sha256(LINE).hexdigest()
    assert api.stored() == [f"files/{file.id}"]


def test_sdk_pollers_find_it_processed(api: Server) -> None:
    client = api.client()
    file = client.files.create(file=("in.jsonl", LINE), purpose="batch")
    assert client.files.wait_for_processing(file.id).id == file.id


def test_only_batch_files_expire_by_themselves(api: Server) -> None:
    client = api.client()
    assert client.files.create(file=("a.pdf", b"%"), purpose="user_data").expires_at is None
    chosen = client.files.create(
        file=("in.jsonl", LINE),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3_600},
    )
    assert chosen.expires_at == chosen.created_at + 3_600


def test_an_expired_file_is_an_unknown_one_and_goes_at_the_next_sweep(api: Server) -> None:
    file_id = api.upload()
    api.clock.ahead = MONTH + 1
    with pytest.raises(openai.NotFoundError):
        api.client().files.retrieve(file_id)
    assert api.run(api.files.expire()) == 1
    assert api.stored() == []


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 5 * 2**20 + 7])
def test_content_comes_back_as_it_went_in(api: Server, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    file = api.client().files.create(file=("x.bin", content), purpose="fine-tune")
    assert file.bytes == size
    reply = api.ask("GET", f"/v1/files/{file.id}/content", headers={"accept": "text/html"})
    assert (reply.status, reply.body) == (200, content)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-length"] == str(size)
    assert reply.headers["content-disposition"] == 'attachment; filename="x.bin"'
    head = api.ask("HEAD", f"/v1/files/{file.id}/content")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(size))


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=90-", 90, 98),
        ("bytes=-5", 93, 98),
        ("bytes=50-5000", 50, 98),
    ],
)
def test_a_download_goes_on_where_it_broke_off(
    api: Server, header: str, start: int, stop: int
) -> None:
    path = f"/v1/files/{api.upload()}/content"
    reply = api.ask("GET", path, headers={"range": header})
    assert (reply.status, reply.body) == (206, LINE[start:stop])
    assert reply.headers["content-range"] == f"bytes {start}-{stop - 1}/98"
    changed = api.ask("GET", path, headers={"range": header, "if-range": '"other"'})
    assert (changed.status, changed.body) == (200, LINE)


@pytest.mark.parametrize("left", [None, 0, 40])
def test_missing_bytes_are_an_error_and_not_a_broken_download(
    api: Server, left: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    file_id = api.upload()
    path = api.root / "files" / file_id
    if left is None:
        path.unlink()
    else:
        path.write_bytes(LINE[:left])
    reply = api.ask("GET", f"/v1/files/{file_id}/content")
    assert (reply.status, reply.json()) == (
        500,
        an_error(
            f"The bytes of {file_id} are missing from this server's storage, or part of them. "
            "Asking again will not bring them back; whoever runs this Batchway finds more in its "
            "log.",
            code="file_content_missing",
            type="server_error",
        ),
    )
    assert reply.headers["x-should-retry"] == "false"
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert f"files/{file_id}" in said
    head = api.ask("HEAD", f"/v1/files/{file_id}/content")
    assert (head.status, head.body) == (500, b"")
    assert api.ask("GET", f"/v1/files/{file_id}").status == 200


def test_a_replayed_upload_of_a_file_that_was_deleted_since_brings_nothing_back(
    api: Server,
) -> None:
    """The recorded answer is replayed, as Stripe does: it tells what was done, not what is."""
    client, named = api.client(), {"idempotency-key": "upload-1"}
    first = client.files.create(file=("in.jsonl", LINE), purpose="batch", extra_headers=named)
    client.files.delete(first.id)
    again = client.files.create(file=("in.jsonl", LINE), purpose="batch", extra_headers=named)
    assert again == first
    assert api.stored() == []
    assert client.files.list().data == []
    for method, path in (("GET", ""), ("GET", "/content"), ("HEAD", "/content"), ("DELETE", "")):
        assert api.ask(method, f"/v1/files/{first.id}{path}").status == 404


def test_batch_output_is_downloadable(api: Server) -> None:
    file = File(
        id=UNKNOWN_FILE,
        tenant="default",
        bytes=len(LINE),
        created_at=1,
        expires_at=None,
        filename="batch_1_output.jsonl",
        purpose=Purpose.BATCH_OUTPUT,
        blob="files/out",
        sha256="",
    )
    writer = api.blobs.writer("files/out")
    writer.write(LINE)
    writer.commit()
    api.run(api.ledger.files.add(file))
    assert api.client().files.content(UNKNOWN_FILE).read() == LINE
    # Results have no digest; their tag is as strong and as lasting all the same.
    path = f"/v1/files/{UNKNOWN_FILE}/content"
    tag = api.ask("GET", path).headers["etag"]
    assert tag == f'"{UNKNOWN_FILE}"'
    assert api.ask("HEAD", path).headers["etag"] == tag
    went_on = api.ask("GET", path, headers={"range": "bytes=90-", "if-range": tag})
    assert (went_on.status, went_on.body, went_on.headers["etag"]) == (206, LINE[90:], tag)


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"if-none-match": "{tag}"}, 304, b""),
        ({"if-none-match": "*"}, 304, b""),
        ({"if-none-match": 'W/{tag}, "other"'}, 304, b""),
        ({"if-none-match": '"other"'}, 200, LINE),
        ({"if-none-match": "{tag}", "range": "bytes=0-9"}, 304, b""),
        ({"if-range": "{tag}", "range": "bytes=0-9"}, 206, LINE[:10]),
        ({"if-range": "W/{tag}", "range": "bytes=0-9"}, 200, LINE),
        ({"if-range": "Wed, 21 Oct 2026 07:28:00 GMT", "range": "bytes=0-9"}, 200, LINE),
    ],
)
def test_conditions_on_a_download(
    api: Server, headers: dict[str, str], status: int, body: bytes
) -> None:
    path = f"/v1/files/{api.upload()}/content"
    tag = api.ask("GET", path).headers["etag"]
    named = {name: text.replace("{tag}", tag) for name, text in headers.items()}
    for method, expected in (("GET", body), ("HEAD", b"")):
        reply = api.ask(method, path, headers=named)
        assert (reply.status, reply.body, reply.headers["etag"]) == (status, expected, tag)
    assert tag.strip('"')


@pytest.mark.parametrize(
    "purpose",
    [
        *("assistants", "batch", "batch_output", "evals", "fine-tune", "user_data", "vision"),
        *("assistants_output", "fine-tune-results"),
    ],
)
def test_a_purpose_without_files_is_an_empty_list(api: Server, purpose: str) -> None:
    file_id = api.upload(purpose="user_data" if purpose == "batch" else "batch")
    listed = api.client().files.list(purpose=purpose)
    assert listed.data == ([] if purpose != "user_data" else listed.data)
    assert file_id not in [file.id for file in listed.data]
    assert listed.has_more is False


def test_deleting_forgets_row_and_bytes(api: Server) -> None:
    client = api.client()
    file_id = api.upload()
    assert api.ask("DELETE", f"/v1/files/{file_id}").json() == {
        "object": "file",
        "id": file_id,
        "deleted": True,
    }
    assert api.stored() == []
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.files.delete(file_id)


def test_bytes_stay_while_a_batch_reads_them(api: Server) -> None:
    client = api.client()
    file_id = api.upload()
    batch = client.batches.create(
        input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert client.files.delete(file_id).deleted
    assert api.stored() == [f"files/{file_id}"]
    assert api.run(api.ledger.batches.move(batch.id, BatchStatus.FAILED, at=1))
    api.run(api.files.drop_bytes(f"files/{file_id}"))
    assert api.stored() == []


def test_a_deletion_stands_though_its_bytes_could_not_go(api: Server) -> None:
    file_id = api.upload()
    api.blobs.failure = Unavailable("disk")
    assert api.ask("DELETE", f"/v1/files/{file_id}").status == 200
    api.blobs.failure = None
    assert api.ask("GET", f"/v1/files/{file_id}").status == 404


def test_the_sdk_pages_through_every_file(api: Server) -> None:
    ids = [api.upload() for _ in range(5)]
    other = api.upload(b"x", filename="x.txt", purpose="user_data")
    client = api.client()
    assert [file.id for file in client.files.list(limit=2)] == [other, *ids[::-1]]
    assert [f.id for f in client.files.list(limit=2, order="asc")] == [*ids, other]
    assert [f.id for f in client.files.list(limit=2, purpose="batch", order="asc")] == ids
    page = api.ask("GET", f"/v1/files?limit=10000&after={ids[4]}&purpose=batch").json()
    assert [page["first_id"], page["last_id"], page["has_more"]] == [ids[3], ids[0], False]


def test_a_long_page_is_whole_though_its_files_go_meanwhile(
    api: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchway.service.files._SLICE", 2)
    ids = [api.upload() for _ in range(7)][::-1]
    page = api.ask("GET", "/v1/files?limit=6").json()
    assert ([file["id"] for file in page["data"]], page["has_more"]) == (ids[:6], True)
    read = api.ledger.files.page
    reads: list[str | None] = []

    async def page_then_remove(
        tenant: str, *, purpose: Purpose | None, limit: int, after: str | None, order: Order
    ) -> Page[File] | None:
        reads.append(after)
        found = await read(tenant, purpose=purpose, limit=limit, after=after, order=order)
        if len(reads) == 1:  # the cursor of the next slice, and the one before it
            for file_id in ids[:2]:
                await api.ledger.files.remove(tenant, file_id)
        return found

    monkeypatch.setattr(api.ledger.files, "page", page_then_remove)
    page = api.ask("GET", "/v1/files").json()
    assert ([file["id"] for file in page["data"]], page["has_more"]) == (ids[2:], False)


def test_another_tenants_file_is_an_unknown_one(sqlite_url: str, tmp_path: Path) -> None:
    keys = [
        configured_key(name="blue", secret=BLUE, tenant="blue"),
        configured_key(name="red", secret=RED, tenant="red"),
    ]
    with serving(sqlite_url, tmp_path / "blobs", keys=keys) as api:
        mine, other = api.client(BLUE), api.client(RED)
        file = mine.files.create(file=("in.jsonl", LINE), purpose="batch")
        for act in (other.files.retrieve, other.files.delete, other.files.content):
            with pytest.raises(openai.NotFoundError) as caught:
                act(file.id)
            assert caught.value.message == f"Error code: 404 - No such File object: {file.id}"
        assert other.files.list().data == []
        with pytest.raises(openai.BadRequestError, match="does not name an object"):
            other.files.list(after=file.id)
        assert mine.files.content(file.id).read() == LINE
        # The same Idempotency-Key of two tenants is two keys.
        ids = {
            client.files.create(
                file=("in.jsonl", LINE), purpose="batch", extra_headers={"Idempotency-Key": "k"}
            ).id
            for client in (mine, other)
        }
        assert len(ids) == 2


def test_concurrent_duplicates_keep_one_file_and_its_bytes_once(api: Server) -> None:
    body = form(('name="purpose"', b"batch"), ('name="file"; filename="in.jsonl"', LINE))
    headers = {"content-type": "multipart/form-data; boundary=b", "idempotency-key": "k"}

    def send(_: int) -> str:
        return api.ask("POST", "/v1/files", body=body, headers=headers).json()["id"]

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(send, range(8)))
    assert len(ids) == 1
    assert api.stored() == [f"files/{ids.pop()}"]
    changed = body.replace(b"in.jsonl", b"on.jsonl")
    assert api.ask("POST", "/v1/files", body=changed, headers=headers).status == 409
    assert len(api.stored()) == 1
