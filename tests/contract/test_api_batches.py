"""`/batches` through the official SDK: creating, polling, listing, cancelling."""

import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from tests.contract.test_api_harness import UNKNOWN_FILE, Server, serving

from batchway.domain.batch import BatchError, BatchOptions
from batchway.domain.endpoint import Endpoint
from batchway.domain.overrides import Overrides
from batchway.domain.status import BatchStatus
from batchway.service.keys import configured_key

S = BatchStatus
BLUE, RED = "sk-blue-0123456789", "sk-red-01234567890"
BODY = {
    "input_file_id": UNKNOWN_FILE,
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}
# How a test brings a batch into each status.
PATHS: dict[BatchStatus, tuple[BatchStatus, ...]] = {
    S.VALIDATING: (),
    S.FAILED: (S.FAILED,),
    S.IN_PROGRESS: (S.IN_PROGRESS,),
    S.FINALIZING: (S.IN_PROGRESS, S.FINALIZING),
    S.COMPLETED: (S.IN_PROGRESS, S.FINALIZING, S.COMPLETED),
    S.EXPIRED: (S.EXPIRED,),
    S.CANCELLING: (S.CANCELLING,),
    S.CANCELLED: (S.CANCELLING, S.CANCELLED),
}
AFTER_CANCEL: dict[BatchStatus, BatchStatus | None] = {
    S.VALIDATING: S.CANCELLING,
    S.IN_PROGRESS: S.CANCELLING,
    S.CANCELLING: S.CANCELLING,
    S.CANCELLED: S.CANCELLED,
    S.FINALIZING: None,
    S.FAILED: None,
    S.COMPLETED: None,
    S.EXPIRED: None,
}


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API that needs no key."""
    with serving(sqlite_url, tmp_path / "blobs") as server:
        yield server


@pytest.fixture
def closed(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API with two tenants."""
    keys = [
        configured_key(name="blue", secret=BLUE, tenant="blue", providers=["vllm"]),
        configured_key(name="red", secret=RED, tenant="red"),
    ]
    with serving(sqlite_url, tmp_path / "blobs", keys=keys) as server:
        yield server


def create(api: Server, **fields: object) -> str:
    reply = api.post("/v1/batches", BODY | fields)
    assert reply.status == 200, reply.body
    return reply.json()["id"]


def brought_to(api: Server, status: BatchStatus) -> str:
    batch_id = create(api)
    for at, step in enumerate(PATHS[status], start=10):
        assert api.run(api.ledger.batches.move(batch_id, step, at=at))
    api.woken.clear()
    return batch_id


@pytest.mark.parametrize("endpoint", Endpoint)
def test_an_endpoint_without_v1_is_the_same_and_comes_back_as_it_was_sent(
    api: Server, endpoint: str
) -> None:
    given = endpoint.removeprefix("/v1")
    batch_id = create(api, endpoint=given)
    assert api.client().batches.retrieve(batch_id).endpoint == given
    row = api.run(api.ledger.batches.load(batch_id))
    assert row is not None
    assert row.endpoint == endpoint
    listed = api.ask("GET", f"/v1/batches?endpoint={endpoint}").json()["data"]
    assert [batch["id"] for batch in listed] == [batch_id]
    for wrong in ("chat/completions", "/v1" + endpoint, "/v2/embeddings", ""):
        assert api.post("/v1/batches", BODY | {"endpoint": wrong}).status == 400


def test_a_new_batch_is_the_recorded_object_and_the_engine_hears_of_it(api: Server) -> None:
    file_id = api.upload()
    batch = api.client().batches.create(
        input_file_id=file_id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"team": "blue"},
    )
    assert api.woken == [batch.id]
    created = batch.created_at
    assert json.loads(api.ask("GET", f"/v1/batches/{batch.id}").body) == {
        "id": batch.id,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "model": None,
        "errors": None,
        "input_file_id": file_id,
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": created,
        "in_progress_at": None,
        "expires_at": created + 86_400,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
        "metadata": {"team": "blue"},
        "job_name": None,
        "provider": None,
        "tfy_metadata": None,
        "status_details": None,
    }
    stored = api.run(api.ledger.batches.load(batch.id))
    assert stored is not None
    assert stored.input_blob == f"files/{file_id}"


@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_endpoint_is_taken(api: Server, endpoint: str) -> None:
    assert api.post("/v1/batches", BODY | {"endpoint": endpoint}).json()["endpoint"] == endpoint


@pytest.mark.parametrize(
    ("window", "shown", "seconds"),
    [
        ("24h", "24h", 86_400),
        (None, "24h", 86_400),
        ("90m", "90m", 5_400),
        ("7d", "7d", 604_800),
    ],
)
def test_a_window_ends_in_time(api: Server, window: str | None, shown: str, seconds: int) -> None:
    batch = api.post("/v1/batches", BODY | {"completion_window": window}).json()
    assert batch["completion_window"] == shown
    assert batch["expires_at"] - batch["created_at"] == seconds


@pytest.mark.parametrize("file_id", [UNKNOWN_FILE, "file-abc", "file"])
def test_an_unknown_input_file_is_the_validators_business(api: Server, file_id: str) -> None:
    batch = api.run(api.ledger.batches.load(create(api, input_file_id=file_id)))
    assert batch is not None
    assert (batch.input_file_id, batch.input_blob) == (file_id, None)


@pytest.mark.parametrize("file_id", ["file-\0", "file-ü", "file-" + "x" * 300, "", "id"])
def test_an_id_that_no_file_can_have_is_refused(api: Server, file_id: str) -> None:
    reply = api.post("/v1/batches", BODY | {"input_file_id": file_id})
    assert (reply.status, reply.json()["error"]["param"]) == (400, "input_file_id")


def test_what_truefoundry_clients_send_is_kept(api: Server) -> None:
    headers = {
        "x-tfy-provider-name": "vllm",
        "x-tfy-metadata": '{"équipe": "blue"}'.encode().decode("latin-1"),
        "X-TFY-Provider-Model": "qwen3-8b",
        "x-tfy-aws-s3-bucket": "bucket",
    }
    body = json.dumps(BODY | {"job_name": "nightly", "unknown": 1})
    reply = api.ask("POST", "/batches", body=body, headers=headers)
    batch = reply.json()
    assert [batch[name] for name in ("job_name", "provider", "tfy_metadata")] == [
        "nightly",
        "vllm",
        {"équipe": "blue"},
    ]
    stored = api.run(api.ledger.batches.load(batch["id"]))
    assert stored is not None
    assert stored.options == BatchOptions(
        provider="vllm",
        job_name="nightly",
        tfy_metadata={"équipe": "blue"},
        overrides=Overrides(model="qwen3-8b", s3_bucket="bucket"),
        allowed_providers=None,
    )


def test_a_batch_remembers_what_its_key_may_use(closed: Server) -> None:
    batch = closed.client(BLUE).batches.create(
        input_file_id=UNKNOWN_FILE, endpoint="/v1/embeddings", completion_window="24h"
    )
    stored = closed.run(closed.ledger.batches.load(batch.id))
    assert stored is not None
    assert stored.options.allowed_providers == frozenset({"vllm"})


def test_output_expiry_is_kept_and_not_echoed(api: Server) -> None:
    expiry = {"anchor": "created_at", "seconds": 3_600}
    reply = api.post("/v1/batches", BODY | {"output_expires_after": expiry}).json()
    assert "output_expires_after" not in reply
    stored = api.run(api.ledger.batches.load(reply["id"]))
    assert stored is not None
    assert stored.output_expires_after == 3_600


def test_validation_errors_are_shown_as_a_list(api: Server) -> None:
    batch_id = create(api)
    error = BatchError(code="invalid_json_line", message="No.", param=None, line=3)
    assert api.run(api.ledger.batches.move(batch_id, S.FAILED, at=7, errors=[error]))
    batch = api.client().batches.retrieve(batch_id)
    assert batch.errors is not None
    assert json.loads(batch.errors.to_json()) == {
        "object": "list",
        "data": [{"code": "invalid_json_line", "line": 3, "message": "No.", "param": None}],
    }
    assert (batch.status, batch.failed_at) == ("failed", 7)


@pytest.mark.parametrize("status", list(S))
def test_cancelling_from_every_status(api: Server, status: BatchStatus) -> None:
    batch_id = brought_to(api, status)
    after = AFTER_CANCEL[status]
    if after is None:
        with pytest.raises(openai.ConflictError) as caught:
            # With its default retries: an answer that allowed them would take seconds.
            api.client(retries=2).batches.cancel(batch_id)
        assert (
            caught.value.message
            == f"Error code: 409 - Cannot cancel a batch with status '{status}'."
        )
        assert api.woken == []
        return
    for _ in range(2):
        assert api.client().batches.cancel(batch_id).status == after
    assert api.woken == ([batch_id] * 2 if after is S.CANCELLING else [])


def test_cancelling_does_not_read_the_body(api: Server) -> None:
    batch_id = create(api)
    headers = {"content-type": "application/json"}
    for body in (b"", b"{", b"\xff"):
        reply = api.ask("POST", f"/v1/batches/{batch_id}/cancel", body=body, headers=headers)
        assert (reply.status, reply.json()["status"]) == (200, "cancelling")


def test_the_sdk_pages_through_every_batch_newest_first(api: Server) -> None:
    ids = [create(api) for _ in range(7)]
    assert [batch.id for batch in api.client().batches.list(limit=3)] == ids[::-1]
    page = api.ask("GET", f"/v1/batches?limit=2&after={ids[3]}").json()
    assert [batch["id"] for batch in page["data"]] == [ids[2], ids[1]]
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == (
        "list",
        ids[2],
        ids[1],
        True,
    )
    assert len(api.client().batches.list().data) == 7


def test_an_empty_list_has_no_ids(api: Server) -> None:
    assert api.ask("GET", "/v1/batches?after=").json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


def test_another_tenants_batch_is_an_unknown_one(closed: Server) -> None:
    mine, other = closed.client(BLUE), closed.client(RED)
    batch = mine.batches.create(
        input_file_id=UNKNOWN_FILE, endpoint="/v1/embeddings", completion_window="24h"
    )
    for act in (other.batches.retrieve, other.batches.cancel):
        with pytest.raises(openai.NotFoundError) as caught:
            act(batch.id)
        assert caught.value.message == f"Error code: 404 - No batch found with id '{batch.id}'."
    assert other.batches.list().data == []
    with pytest.raises(openai.BadRequestError, match="does not name an object"):
        other.batches.list(after=batch.id)


def test_another_tenants_file_is_not_the_input(closed: Server) -> None:
    client = closed.client(BLUE)
    file = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    batch = closed.client(RED).batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
    )
    stored = closed.run(closed.ledger.batches.load(batch.id))
    assert stored is not None
    assert stored.input_blob is None


def test_a_file_of_another_purpose_has_no_bytes_to_run(api: Server) -> None:
    """Validation tells why (`workflows.plan.ingest`)."""
    file = api.client().files.create(file=("a.jsonl", b"{}"), purpose="user_data")
    batch = api.run(api.ledger.batches.load(create(api, input_file_id=file.id)))
    assert batch is not None
    assert (batch.status, batch.input_file_id, batch.input_blob) == (S.VALIDATING, file.id, None)


def test_concurrent_duplicates_make_one_batch(api: Server) -> None:
    def send(_: int) -> str:
        reply = api.post("/v1/batches", BODY, idempotency_key="night-1")
        assert reply.status == 200
        return reply.json()["id"]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(send, range(8)))
    assert len(set(ids)) == 1
    assert api.woken == ids[:1]
    assert len(api.client().batches.list().data) == 1


def test_a_deaf_engine_does_not_fail_the_request(api: Server) -> None:
    def deaf(_: str) -> None:
        raise RuntimeError("deaf")

    api.batches._wake = deaf  # pyright: ignore[reportPrivateUsage] - no other seam at run time
    assert api.post("/v1/batches", BODY).status == 200
