"""`/uploads` through the official SDK: a file in parts."""

import hashlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from openai.types.uploads import UploadPart
from tests.contract.test_api_harness import LINE, Server, serving

from batchway.bootstrap.parts import service_limits
from batchway.domain.upload import UploadStatus
from batchway.service.keys import configured_key
from batchway.service.limits import MIB, Limits
from batchway.settings import load

BLUE, RED = "sk-blue-0123456789", "sk-red-01234567890"
CONTENT = LINE * 40_000
UPLOAD = {
    "bytes": len(LINE),
    "filename": "dir/in.jsonl",
    "mime_type": "application/jsonl",
    "purpose": "batch",
}


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API that needs no key."""
    with serving(sqlite_url, tmp_path / "blobs", limits=Limits(upload_bytes=8 * MIB)) as server:
        yield server


def create(api: Server, **fields: object) -> str:
    reply = api.post("/v1/uploads", UPLOAD | fields)
    assert reply.status == 200, reply.body
    return reply.json()["id"]


def test_no_file_is_larger_for_coming_in_parts(sqlite_url: str, tmp_path: Path) -> None:
    limits = service_limits(load(None, {}, {"BATCHWAY_LIMITS__MAX_FILE_BYTES": "1000"}, tmp_path))
    with serving(sqlite_url, tmp_path / "blobs", limits=limits) as api:
        reply = api.post("/v1/uploads", UPLOAD | {"bytes": 1_001})
        assert (reply.status, reply.json()["error"]["param"]) == (400, "bytes")
        upload_id = create(api, bytes=1_000)
        parts = f"/v1/uploads/{upload_id}/parts"
        reply = api.send_form(parts, ('name="data"; filename="x"', b"x" * 1_001))
        assert (reply.status, reply.json()["error"]["code"]) == (400, "part_too_large")
        names = [
            api.send_form(parts, ('name="data"; filename="x"', b"x" * 600)).json()["id"]
            for _ in range(2)
        ]
        reply = api.post(f"/v1/uploads/{upload_id}/complete", {"part_ids": names})
        assert (reply.status, reply.json()["error"]["param"]) == (400, "part_ids")
    usual = service_limits(load(None, {}, {}, tmp_path))
    assert (usual.file_bytes, usual.upload_bytes) == (2 * 2**30, 8 * 2**30)


def test_the_sdk_uploads_in_parts(api: Server) -> None:
    upload = api.client().uploads.upload_file_chunked(
        file=CONTENT,
        filename="in.jsonl",
        bytes=len(CONTENT),
        mime_type="application/jsonl",
        purpose="batch",
        part_size=MIB,
        md5=hashlib.md5(CONTENT).hexdigest(),
    )
    assert (upload.status, upload.file is not None) == ("completed", True)
    assert upload.file is not None
    assert api.client().files.content(upload.file.id).read() == CONTENT
    assert upload.file.expires_at == upload.file.created_at + 2_592_000
    stored = api.run(api.ledger.files.get("default", upload.file.id))
    assert stored is not None
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert api.stored() == [f"files/{upload.file.id}"]  # the parts are gone
    assert api.run(api.ledger.uploads.parts(upload.id)) == []


def test_an_upload_is_the_recorded_object(api: Server) -> None:
    upload = api.post("/v1/uploads", UPLOAD).json()
    assert upload == {
        "id": upload["id"],
        "object": "upload",
        "bytes": len(LINE),
        "created_at": upload["created_at"],
        "filename": "in.jsonl",
        "purpose": "batch",
        "status": "pending",
        "expires_at": upload["created_at"] + 3_600,
        "file": None,
    }
    part = api.client().uploads.parts.create(upload["id"], data=LINE)
    assert (part.object, part.upload_id, len(part.id)) == ("upload.part", upload["id"], 37)


def test_parts_are_joined_in_the_order_named_whatever_order_they_came_in(api: Server) -> None:
    client = api.client()
    pieces = [CONTENT[at : at + MIB] for at in range(0, len(CONTENT), MIB)]
    upload_id = create(api, bytes=len(CONTENT))

    def send(piece: bytes) -> UploadPart:
        return client.uploads.parts.create(upload_id, data=piece)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(send, pieces[::-1]))
    client.uploads.parts.create(upload_id, data=b"sent, and not named")
    done = client.uploads.complete(upload_id, part_ids=[part.id for part in made[::-1]])
    assert done.file is not None
    assert client.files.content(done.file.id).read() == CONTENT


def test_an_expiry_of_the_file_is_kept(api: Server) -> None:
    upload_id = create(api, expires_after={"anchor": "created_at", "seconds": 3_600})
    part = api.client().uploads.parts.create(upload_id, data=LINE)
    file = api.client().uploads.complete(upload_id, part_ids=[part.id]).file
    assert file is not None
    assert file.expires_at == file.created_at + 3_600


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"bytes": 0}, "bytes"),
        ({"bytes": 8 * MIB + 1}, "bytes"),
        ({"bytes": "1"}, "bytes"),
        ({"filename": "in.json"}, None),
        ({"filename": 1}, "filename"),
        ({"mime_type": "a\0b"}, "mime_type"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"expires_after": {"seconds": 3_600}}, "expires_after.anchor"),
    ],
)
def test_a_wrong_announcement_is_refused(
    api: Server, fields: dict[str, object], param: str | None
) -> None:
    reply = api.post("/v1/uploads", UPLOAD | fields)
    assert (reply.status, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("name", ["bytes", "filename", "mime_type", "purpose"])
def test_an_announcement_needs_all_its_fields(api: Server, name: str) -> None:
    body = {key: value for key, value in UPLOAD.items() if key != name}
    reply = api.post("/v1/uploads", body)
    assert reply.json()["error"]["message"] == f"Missing required parameter: '{name}'."


def test_a_joined_file_for_a_batch_must_be_jsonl(api: Server) -> None:
    upload_id = create(api, bytes=4)
    part = api.client().uploads.parts.create(upload_id, data=b"nope")
    with pytest.raises(openai.BadRequestError, match=r"Must be \.jsonl"):
        api.client().uploads.complete(upload_id, part_ids=[part.id])
    assert api.stored() == [f"uploads/{upload_id}/{part.id}"]
    assert api.run(api.ledger.uploads.get("default", upload_id))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "part_ids"),
        ({"part_ids": "x"}, "part_ids"),
        ({"part_ids": [1]}, "part_ids[0]"),
        ({"part_ids": []}, "part_ids"),
        ({"part_ids": [], "md5": 1}, "md5"),
    ],
)
def test_a_wrong_completion_leaves_the_upload_pending(
    api: Server, body: dict[str, object], param: str
) -> None:
    upload_id = create(api)
    reply = api.post(f"/v1/uploads/{upload_id}/complete", body)
    assert (reply.status, reply.json()["error"]["param"]) == (400, param)
    assert api.client().uploads.cancel(upload_id).status == "cancelled"


def test_a_cancelled_upload_forgets_its_parts(api: Server) -> None:
    upload_id = create(api)
    part = api.client().uploads.parts.create(upload_id, data=LINE)
    assert api.client().uploads.cancel(upload_id).status == "cancelled"
    assert api.stored() == []
    for act in (
        lambda: api.client().uploads.cancel(upload_id),
        lambda: api.client().uploads.complete(upload_id, part_ids=[part.id]),
        lambda: api.client().uploads.parts.create(upload_id, data=LINE),
    ):
        with pytest.raises(openai.BadRequestError, match="is cancelled; only a pending upload"):
            act()


def test_an_upload_has_an_hour(api: Server) -> None:
    upload_id = create(api)
    api.client().uploads.parts.create(upload_id, data=LINE)
    api.clock.ahead = 3_601
    with pytest.raises(openai.BadRequestError, match="is expired; only a pending upload"):
        api.client().uploads.parts.create(upload_id, data=LINE)
    assert api.run(api.uploads.expire()) == 1
    assert api.stored() == []
    upload = api.run(api.ledger.uploads.get("default", upload_id))
    assert upload is not None
    assert upload.status is UploadStatus.EXPIRED


def test_of_two_completions_one_makes_the_file(api: Server) -> None:
    upload_id = create(api)
    part = api.client().uploads.parts.create(upload_id, data=LINE)

    def complete(_: int) -> int:
        body = {"part_ids": [part.id]}
        return api.post(f"/v1/uploads/{upload_id}/complete", body).status

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(complete, range(4)))
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {400, 503}
    (file,) = api.client().files.list().data
    assert api.stored() == [f"files/{file.id}"]


def test_another_tenants_upload_is_an_unknown_one(sqlite_url: str, tmp_path: Path) -> None:
    keys = [
        configured_key(name="blue", secret=BLUE, tenant="blue"),
        configured_key(name="red", secret=RED, tenant="red"),
    ]
    with serving(sqlite_url, tmp_path / "blobs", keys=keys) as api:
        mine, other = api.client(BLUE), api.client(RED)
        upload = mine.uploads.create(bytes=1, filename="a.jsonl", mime_type="a/b", purpose="batch")
        for act in (
            lambda: other.uploads.cancel(upload.id),
            lambda: other.uploads.complete(upload.id, part_ids=[]),
            lambda: other.uploads.parts.create(upload.id, data=b"x"),
        ):
            with pytest.raises(openai.NotFoundError, match=f"No such Upload object: {upload.id}"):
                act()
