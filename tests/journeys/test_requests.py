"""What else a request may say: Batchway's headers and fields, paths without /v1, idempotency."""

import json
from typing import Any, cast

import openai
import pytest
from tests.journeys.lines import CHAT, chats, completed, ended, submit, upload
from tests.journeys.processes import Server


def test_names_and_metadata_are_kept_and_returned(plain_server: Server) -> None:
    client = plain_server.client()
    asked = chats(2)
    batch = submit(
        client,
        asked,
        completion_window=None,
        metadata={"a": "b"},
        extra_body={"job_name": "nightly ☃"},
        extra_headers={"x-tfy-metadata": json.dumps({"team": "ö", "n": "1"})},
    )
    last = completed(client, batch, asked)
    for seen in (batch, last, client.batches.retrieve(batch.id)):
        fields = seen.to_dict()
        assert {name: fields[name] for name in ("completion_window", "metadata", "job_name")} == {
            "completion_window": "24h",
            "metadata": {"a": "b"},
            "job_name": "nightly ☃",
        }
        assert (fields["provider"], fields["tfy_metadata"]) == (
            None if seen is batch else "sim",
            {"team": "ö", "n": "1"},
        )


@pytest.mark.parametrize(("window", "seconds"), [("1m", 60), ("36h", 129_600), ("30d", 2_592_000)])
def test_other_windows(plain_server: Server, window: str, seconds: int) -> None:
    client = plain_server.client()
    asked = chats(1)
    last = completed(client, submit(client, asked, completion_window=window), asked)
    assert last.expires_at == last.created_at + seconds


def test_paths_without_v1(plain_server: Server) -> None:
    client = plain_server.client(versioned=False)
    asked = chats(3)
    last = completed(client, submit(client, asked), asked)
    assert client.files.retrieve(last.input_file_id).id == last.input_file_id
    assert next(iter(client.batches.list(limit=1))).id == last.id
    whole = client.uploads.upload_file_chunked(
        file=b'{"a": 1}\n', filename="x.jsonl", bytes=9, mime_type="x", purpose="batch", part_size=4
    )
    assert whole.file is not None
    assert client.files.content(whole.file.id).read() == b'{"a": 1}\n'
    assert client.files.delete(whole.file.id).deleted


def test_a_batch_is_created_once(plain_server: Server) -> None:
    client = plain_server.client()
    file_id = upload(client, chats(1))

    def create(window: str, key: str) -> openai.types.Batch:
        return client.batches.create(
            input_file_id=file_id,
            endpoint=CHAT,
            completion_window=cast(Any, window),
            extra_headers={"Idempotency-Key": key},
        )

    first = create("24h", "batch-1")
    assert create("24h", "batch-1").id == first.id
    second = create("24h", "batch-2")
    assert second.id != first.id
    with pytest.raises(openai.ConflictError) as refused:
        create("1h", "batch-1")
    assert refused.value.body == {
        "message": "The Idempotency-Key 'batch-1' was already used with different parameters.",
        "type": "invalid_request_error",
        "param": "Idempotency-Key",
        "code": "idempotency_error",
    }
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert [ended(client, batch).status for batch in (first, second)] == ["completed"] * 2


def test_a_file_is_created_once(plain_server: Server) -> None:
    client = plain_server.client()
    before = plain_server.kept()

    def create(content: bytes) -> openai.types.FileObject:
        return client.files.create(
            file=("in.jsonl", content),
            purpose="batch",
            extra_headers={"Idempotency-Key": "file-1"},
        )

    first = create(b'{"a": 1}\n')
    assert create(b'{"a": 1}\n') == first
    with pytest.raises(openai.ConflictError):
        create(b'{"a": 2}\n')
    assert plain_server.kept() == sorted([*before, f"files/{first.id}"])
