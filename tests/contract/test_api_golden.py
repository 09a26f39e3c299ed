"""Whole answers as text: keys, their order and their nulls are OpenAI's.

The batch is the recorded one of `reference/openai-semantics.md` (14 Mar 2025), with the keys that
newer recordings have (`model`, `usage`) and ours at the end.
"""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest

from batchway.api.objects import (
    batch_object,
    deleted_file_object,
    file_object,
    list_object,
    part_object,
    upload_object,
)
from batchway.domain.batch import Batch, BatchError, BatchOptions, RequestCounts, Usage
from batchway.domain.file import File, Purpose
from batchway.domain.overrides import Overrides
from batchway.domain.reason import Reason, ReasonKind
from batchway.domain.run_online import RunOnline
from batchway.domain.status import BatchStatus
from batchway.domain.upload import Upload, UploadPart, UploadStatus
from batchway.ports import Page

NEW = Batch(
    id="batch_67d450d03c6c8190823ecd6694a8cd79",
    tenant="default",
    endpoint="/v1/chat/completions",
    input_file_id="file-SQ38s1FVw83BEb6baok3Av",
    input_blob="files/file-SQ38s1FVw83BEb6baok3Av",
    completion_window="24h",
    status=BatchStatus.VALIDATING,
    created_at=1741967568,
    deadline=1742053968,
)
ENDED = Batch(
    id="batch_1",
    tenant="default",
    endpoint="/v1/embeddings",
    input_file_id="file-1",
    input_blob=None,
    completion_window="7d",
    status=BatchStatus.CANCELLED,
    created_at=1,
    deadline=2,
    model="m",
    output_file_id="file-2",
    error_file_id="file-3",
    in_progress_at=3,
    finalizing_at=4,
    completed_at=5,
    failed_at=6,
    expired_at=7,
    cancelling_at=8,
    cancelled_at=9,
    counts=RequestCounts(total=10, completed=6, failed=1),
    usage=Usage(input_tokens=11, cached_tokens=12, output_tokens=13, reasoning_tokens=14),
    errors=(
        BatchError(code="c", message="m", param="p", line=1),
        BatchError(code="c", message="m"),
    ),
    metadata={"k": "v"},
    output_expires_after=3_600,
    options=BatchOptions(
        provider="vllm",
        job_name="j",
        tfy_metadata={"t": "u"},
        overrides=Overrides(vertex_region="secret"),
        allowed_providers=frozenset({"vllm"}),
    ),
    status_details="Waiting for a slot.",
)
FILE = File(
    id="file-1quwTNE3rPZezkuRuGuXaS",
    tenant="default",
    bytes=718,
    created_at=1766068446,
    expires_at=1768660446,
    filename="batch.jsonl",
    purpose=Purpose.BATCH,
    blob="files/secret",
    sha256="secret",
)
UPLOAD = Upload(
    id="upload_1",
    tenant="default",
    bytes=718,
    created_at=1,
    expires_at=3_601,
    filename="batch.jsonl",
    mime_type="application/jsonl",
    purpose=Purpose.BATCH,
    status=UploadStatus.PENDING,
    file_expires_after=3_600,
)
FILE_TEXT = (
    '{"object":"file","id":"file-1quwTNE3rPZezkuRuGuXaS","purpose":"batch",'
    '"filename":"batch.jsonl","bytes":718,"created_at":1766068446,"expires_at":1768660446,'
    '"status":"processed","status_details":null}'
)
NEW_TEXT = (
    '{"id":"batch_67d450d03c6c8190823ecd6694a8cd79","object":"batch",'
    '"endpoint":"/v1/chat/completions","model":null,"errors":null,'
    '"input_file_id":"file-SQ38s1FVw83BEb6baok3Av","completion_window":"24h",'
    '"status":"validating","output_file_id":null,"error_file_id":null,'
    '"created_at":1741967568,"in_progress_at":null,"expires_at":1742053968,'
    '"finalizing_at":null,"completed_at":null,"failed_at":null,"expired_at":null,'
    '"cancelling_at":null,"cancelled_at":null,'
    '"request_counts":{"total":0,"completed":0,"failed":0},'
    '"usage":{"input_tokens":0,"input_tokens_details":{"cached_tokens":0},'
    '"output_tokens":0,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":0},'
    '"metadata":null,"job_name":null,"provider":null,"tfy_metadata":null,'
    '"status_details":null}'
)
FULL = Reason(kind=ReasonKind.CAPACITY, sentence="It is full.")
TOLD = Reason(kind=ReasonKind.OTHER, sentence="It is full.")
GOLDEN: list[tuple[Mapping[str, object], str]] = [
    (
        batch_object(NEW),
        NEW_TEXT,
    ),
    (
        batch_object(ENDED),
        '{"id":"batch_1","object":"batch","endpoint":"/v1/embeddings","model":"m",'
        '"errors":{"object":"list","data":[{"code":"c","message":"m","param":"p","line":1},'
        '{"code":"c","message":"m","param":null,"line":null}]},'
        '"input_file_id":"file-1","completion_window":"7d","status":"cancelled",'
        '"output_file_id":"file-2","error_file_id":"file-3","created_at":1,"in_progress_at":3,'
        '"expires_at":2,"finalizing_at":4,"completed_at":5,"failed_at":6,"expired_at":7,'
        '"cancelling_at":8,"cancelled_at":9,'
        '"request_counts":{"total":10,"completed":6,"failed":1},'
        '"usage":{"input_tokens":11,"input_tokens_details":{"cached_tokens":12},'
        '"output_tokens":13,"output_tokens_details":{"reasoning_tokens":14},'
        '"total_tokens":24},"metadata":{"k":"v"},"job_name":"j","provider":"vllm",'
        '"tfy_metadata":{"t":"u"},"status_details":"Waiting for a slot."}',
    ),
    (
        batch_object(replace(NEW, status_details="It is full. It goes on.", waited_for=FULL)),
        NEW_TEXT.replace(
            '"status_details":null',
            '"status_details":"It is full. It goes on.","status_reason":"capacity"',
        ),
    ),
    (
        batch_object(replace(NEW, warnings={"seed": 120, "user": 3})),
        NEW_TEXT.replace(
            '"status_details":null', '"status_details":null,"warnings":{"seed":120,"user":3}'
        ),
    ),
    (
        batch_object(replace(NEW, run_online=(RunOnline(lines=3, reason="No jobs."),))),
        NEW_TEXT.replace(
            '"status_details":null',
            '"status_details":null,"run_online":[{"lines":3,"reason":"No jobs."}]',
        ),
    ),
    # It goes on, or was told why it waits by a release that knew no kinds.
    (batch_object(replace(NEW, waited_for=FULL)), NEW_TEXT),
    (
        batch_object(replace(NEW, status_details="It is full.", waited_for=TOLD)),
        NEW_TEXT.replace('"status_details":null', '"status_details":"It is full."'),
    ),
    (file_object(FILE), FILE_TEXT),
    (
        deleted_file_object(FILE),
        '{"object":"file","id":"file-1quwTNE3rPZezkuRuGuXaS","deleted":true}',
    ),
    (
        upload_object(UPLOAD, FILE),
        '{"id":"upload_1","object":"upload","bytes":718,"created_at":1,'
        '"filename":"batch.jsonl","purpose":"batch","status":"pending","expires_at":3601,'
        f'"file":{FILE_TEXT}}}',
    ),
    (
        part_object(UploadPart(id="part_1", upload_id="upload_1", created_at=1, bytes=2, blob="s")),
        '{"id":"part_1","object":"upload.part","created_at":1,"upload_id":"upload_1"}',
    ),
    (
        list_object(Page(items=(FILE,), more=True), file_object),
        f'{{"object":"list","data":[{FILE_TEXT}],"first_id":"file-1quwTNE3rPZezkuRuGuXaS",'
        '"last_id":"file-1quwTNE3rPZezkuRuGuXaS","has_more":true}',
    ),
    (
        list_object(Page(items=(), more=False), file_object),
        '{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}',
    ),
]


@pytest.mark.parametrize(("value", "text"), GOLDEN)
def test_an_object_is_written_like_the_recording(value: Mapping[str, object], text: str) -> None:
    assert msgspec.json.encode(value).decode() == text
    assert "secret" not in text
