"""`POST /batches` as a typed command: the whole value, and what a repeated request is known by."""

import hashlib

import pytest

from batchway.api.new_batch import read_new_batch
from batchway.domain.endpoint import Endpoint
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.file import ExpiresAfter
from batchway.domain.idempotency import IdempotencyKey
from batchway.domain.overrides import Overrides
from batchway.domain.window import Window
from batchway.service.commands import NewBatch

PLAIN = {
    "input_file_id": "file-1",
    "endpoint": "/v1/embeddings",
    "completion_window": None,
    "ignored": [],
}
FULL = {
    "input_file_id": "file-1",
    "endpoint": "/chat/completions",
    "completion_window": "90m",
    "metadata": {"team": "a"},
    "output_expires_after": {"anchor": "created_at", "seconds": 3_600},
    "job_name": "nightly",
}
HEADERS = {
    "x-tfy-provider-name": "vllm",
    "x-tfy-metadata": '{"x": "ö"}',
    "x-tfy-provider-model": "qwen",
    "x-tfy-something-new": "y",
}


def test_a_plain_request() -> None:
    new = read_new_batch(PLAIN, headers={}, key=None, anywhere=False)
    assert new == NewBatch(
        input_file_id="file-1",
        endpoint=Endpoint.EMBEDDINGS,
        window=Window(text="24h", seconds=86_400),
    )


def test_everything_that_can_be_said() -> None:
    new = read_new_batch(FULL, headers=HEADERS, key="k", anywhere=False)
    # To the letter as releases before wrote it: their keys are still met after an upgrade.
    said = (
        '["batch",["file-1","/v1/chat/completions","90m",{"team":"a"},3600],'
        '["vllm","nightly",{"x":"\\u00f6"}],'
        '{"x-tfy-provider-model":"qwen","x-tfy-something-new":"y"}]'
    )
    assert new == NewBatch(
        input_file_id="file-1",
        endpoint=Endpoint.CHAT_COMPLETIONS,
        spelled="/chat/completions",
        window=Window(text="90m", seconds=5_400),
        metadata={"team": "a"},
        output_expires_after=ExpiresAfter(seconds=3_600),
        provider="vllm",
        job_name="nightly",
        tfy_metadata={"x": "ö"},
        overrides=Overrides(model="qwen"),
        idempotency=IdempotencyKey(key="k", fingerprint=hashlib.sha256(said.encode()).hexdigest()),
    )


@pytest.mark.parametrize("file_id", ["gs://bucket/in put.jsonl", "ü", "x" * 2_048])
def test_a_providers_file_has_any_id(file_id: str) -> None:
    body = PLAIN | {"input_file_id": file_id}
    new = read_new_batch(body, headers={}, key=None, anywhere=True)
    assert new.input_file_id == file_id
    with pytest.raises(ApiError) as caught:
        read_new_batch(body, headers={}, key=None, anywhere=False)
    assert caught.value.text is ApiText.MALFORMED_ID


@pytest.mark.parametrize("file_id", ["", "a\nb"])
def test_but_not_one_that_nobody_could_ask_for(file_id: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_new_batch(PLAIN | {"input_file_id": file_id}, headers={}, key=None, anywhere=True)
    assert caught.value.text is ApiText.MALFORMED_ID
