"""Batches and files that Batchway did not make: found, read and cancelled."""

import http.client
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.contract.remote_api import (
    ARN,
    BLUE,
    FILE,
    GS,
    JOB,
    PLAIN,
    TFY,
    THEIRS,
    Shared,
    get,
    made_by,
    shared_account,
)
from tests.contract.scripted_provider import ScriptedProvider
from tests.contract.test_api_harness import (
    UNKNOWN_BATCH,
    Server,
    an_error,
    eventually,
)

from batchway.domain.overrides import Overrides
from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.status import BatchStatus
from batchway.ports import ArchivedFile, ArchivedJob


@pytest.fixture
def shared(sqlite_url: str, tmp_path: Path) -> Generator[Shared]:
    """An API over a provider with jobs and files that it did not make."""
    with shared_account(sqlite_url, tmp_path) as found:
        yield found


@pytest.fixture
def api(shared: Shared) -> Server:
    """The API."""
    return shared.api


@pytest.fixture
def azure(shared: Shared) -> ScriptedProvider:
    """The provider."""
    return shared.azure


# ------------------------------------------------------------------------------- found


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("job_id", [THEIRS, UNKNOWN_BATCH, ARN, "1234567890", "batches/x%2F?é"])
def test_any_id_reaches_the_provider_as_it_is(
    api: Server, azure: ScriptedProvider, prefix: str, job_id: str
) -> None:
    azure.known[job_id] = replace(JOB, id=job_id)
    reply = get(api, f"{prefix}/batches/{quote(job_id, safe='')}")
    assert (reply.status, reply.json()["id"]) == (200, job_id)
    assert azure.asked == [("fetch", job_id)]


def test_what_the_provider_leaves_out_has_its_type_all_the_same(
    api: Server, azure: ScriptedProvider
) -> None:
    azure.known[THEIRS] = ArchivedJob(
        id=THEIRS, status=BatchStatus.CANCELLED, completion_window="", output_file_id=""
    )
    assert get(api, f"/v1/batches/{THEIRS}").json() == {
        "id": THEIRS,
        "object": "batch",
        "endpoint": "",
        "model": None,
        "errors": None,
        "input_file_id": "",
        "completion_window": "24h",
        "status": "cancelled",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": 0,
        "in_progress_at": None,
        "expires_at": 86_400,
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
        "metadata": None,
        "job_name": None,
        "provider": "azure",
        "tfy_metadata": None,
        "status_details": None,
    }


@pytest.mark.parametrize(
    ("job", "created_at", "expires_at"),
    [
        (replace(JOB, created_at=None, in_progress_at=9, failed_at=20), 9, 86_409),
        (replace(JOB, created_at=5, completion_window="1h"), 5, 3_605),
        (replace(JOB, created_at=5, completion_window="soon"), 5, 86_405),
        (replace(JOB, created_at=5, expires_at=6), 5, 6),
    ],
)
def test_missing_times_follow_from_the_known_ones(
    api: Server, azure: ScriptedProvider, job: ArchivedJob, created_at: int, expires_at: int
) -> None:
    azure.known[THEIRS] = job
    answer = get(api, f"/v1/batches/{THEIRS}").json()
    assert (answer["created_at"], answer["expires_at"]) == (created_at, expires_at)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("processed", "processed"),
        ("Pending", "uploaded"),
        ("running", "uploaded"),
        ("failed", "error"),
        ("something new", "processed"),
    ],
)
def test_a_file_is_described(api: Server, azure: ScriptedProvider, word: str, status: str) -> None:
    azure.files[GS] = ArchivedFile(
        id=GS, bytes=7, filename="predictions.jsonl", purpose="batch-api", status=word, expires_at=8
    )
    assert get(api, f"/files/{quote(GS, safe='')}").json() == {
        "object": "file",
        "id": GS,
        "purpose": "batch-api",
        "filename": "predictions.jsonl",
        "bytes": 7,
        "created_at": 0,
        "expires_at": 8,
        "status": status,
        "status_details": None,
    }


def test_content_is_streamed_whole_whatever_range_is_asked_for(
    api: Server, azure: ScriptedProvider
) -> None:
    azure.pieces = [b'{"a":1}\n', b"", b'{"b":2}\n']
    reply = get(api, f"/v1/files/{FILE.id}/content", range="bytes=2-3")
    assert (reply.status, reply.body) == (200, b'{"a":1}\n{"b":2}\n')
    assert {
        name: reply.headers.get(name)
        for name in ("content-type", "content-disposition", "content-length", "accept-ranges")
    } == {
        "content-type": "application/octet-stream",
        "content-disposition": 'attachment; filename="out.jsonl"',
        "content-length": None,
        "accept-ranges": "none",
    }
    assert azure.closed == 1


def test_an_empty_file_is_an_empty_answer(api: Server) -> None:
    reply = get(api, f"/v1/files/{FILE.id}/content")
    assert (reply.status, reply.body) == (200, b"")


def test_head_asks_for_no_content(api: Server, azure: ScriptedProvider) -> None:
    reply = api.ask("HEAD", f"/v1/files/{FILE.id}/content", headers=TFY)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-disposition"] == 'attachment; filename="out.jsonl"'
    assert "content-length" not in reply.headers
    assert azure.asked == [("file", FILE.id)]


def test_a_name_that_no_header_can_hold_is_cleaned(api: Server, azure: ScriptedProvider) -> None:
    azure.files[FILE.id] = replace(FILE, filename="../x\r\nset-cookie: a=b\n.jsonl")
    reply = get(api, f"/v1/files/{FILE.id}/content")
    assert reply.headers["content-disposition"] == 'attachment; filename="xset-cookie: a=b.jsonl"'
    assert "set-cookie" not in reply.headers


def test_a_reader_that_goes_away_ends_the_download(api: Server, azure: ScriptedProvider) -> None:
    azure.pieces = [b"x" * 1_000_000] * 200  # more than sockets hold
    with closing(http.client.HTTPConnection("127.0.0.1", api.port)) as connection:
        connection.request("GET", f"/v1/files/{FILE.id}/content", headers=TFY)
        assert connection.getresponse().read(10) == b"x" * 10
        assert azure.closed == 0
    eventually(lambda: azure.closed == 1)


def test_a_download_that_breaks_off_does_not_look_whole(
    api: Server, azure: ScriptedProvider
) -> None:
    azure.pieces = [b"x" * 100_000]
    azure.broken = RemoteError(Trouble.UNCERTAIN, "cut off")
    with pytest.raises(http.client.IncompleteRead):
        get(api, f"/v1/files/{FILE.id}/content")
    eventually(lambda: azure.closed == 1)


def test_overrides_reach_the_provider(api: Server, azure: ScriptedProvider) -> None:
    headers = {
        "x_tfy_azure_api_version": "2025-04-01-preview",
        "x_tfy_vertex_region": "europe-west4",
        "x_tfy_metadata": "not even JSON",
    }
    assert get(api, f"/batches/{THEIRS}", **headers).status == 200
    assert azure.overrides == Overrides(
        azure_api_version="2025-04-01-preview", vertex_region="europe-west4"
    )


def test_ours_are_ours_whatever_the_header_says(api: Server, azure: ScriptedProvider) -> None:
    batch_id = made_by(api, BLUE)
    reply = api.send_form(
        "/files",
        ('name="purpose"', b"batch"),
        ('name="file"; filename="a.jsonl"', b'{"custom_id":"1"}\n'),
        headers=TFY,
    )
    file_id = reply.json()["id"]
    for path in (f"/batches/{batch_id}", f"/files/{file_id}", f"/files/{file_id}/content"):
        plain = api.ask("GET", path, headers=PLAIN)
        for provider in ("azure", "vllm", "nobody"):
            reply = get(api, path, x_tfy_provider_name=provider, x_tfy_vertex_region="???")
            assert (reply.status, reply.body) == (200, plain.body)
    cancelled = api.ask("POST", f"/batches/{batch_id}/cancel", headers=TFY)
    assert (cancelled.status, cancelled.json()["status"]) == (200, "cancelling")
    assert api.ask("DELETE", f"/files/{file_id}", headers=TFY).status == 200
    assert azure.asked == []


# ------------------------------------------------------------------------------- cancel


@pytest.mark.parametrize("status", list(BatchStatus))
def test_cancel_asks_only_what_can_still_stop(
    api: Server, azure: ScriptedProvider, status: BatchStatus
) -> None:
    azure.known[THEIRS] = replace(JOB, status=status)
    reply = api.ask("POST", f"/v1/batches/{THEIRS}/cancel", headers=TFY)
    asked = [call for call, _ in azure.asked]
    if status in {BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED}:
        assert reply.json() == an_error(f"Cannot cancel a batch with status '{status}'.")
        assert (reply.status, asked) == (409, ["fetch"])
    elif status is BatchStatus.CANCELLED:
        assert (reply.status, reply.json()["status"], asked) == (200, "cancelled", ["fetch"])
    else:
        assert (reply.status, reply.json()["status"]) == (200, "cancelling")
        assert asked == ["fetch", "cancel"]
