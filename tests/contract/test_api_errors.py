"""Every row of `ApiText`, met over HTTP, its whole body compared.

A row that no request here, in `test_api_errors_form`, `test_api_frame` or
`test_api_remote_refused` draws makes the last test fail.
"""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from tests.contract.test_api_errors_form import (
    AUTH,
    BATCH,
    FORM_CASES,
    Case,
    check,
    create,
    create_with,
    file_part,
    get,
    label,
    purpose_part,
    send,
    two_keys,
)
from tests.contract.test_api_harness import (
    LINE,
    UNKNOWN_BATCH,
    UNKNOWN_FILE,
    UNKNOWN_UPLOAD,
    Reply,
    Server,
)

from batchway.domain.errors import ApiText, Unavailable
from batchway.domain.status import BatchStatus

UPLOAD = {"bytes": 4, "filename": "a.bin", "mime_type": "text/plain", "purpose": "user_data"}


@pytest.fixture(scope="module")
def running(upgraded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """The API, started once."""
    with two_keys(upgraded_sqlite, tmp_path_factory.mktemp("errors")) as server:
        yield server


@pytest.fixture
def api(running: Server) -> Server:
    """The API, healthy."""
    running.blobs.failure = None
    running.unready.clear()
    return running


def upload_of(api: Server, **fields: object) -> str:
    return api.post("/v1/uploads", UPLOAD | fields, **AUTH).json()["id"]


def part_of(api: Server, upload_id: str, data: bytes = b"1234") -> Reply:
    part = ('name="data"; filename="p"', data)
    return api.send_form(f"/v1/uploads/{upload_id}/parts", part, headers=AUTH)


def complete(api: Server, upload_id: str, **body: object) -> Reply:
    return api.post(f"/v1/uploads/{upload_id}/complete", body, **AUTH)


def cancel_completed(api: Server) -> Reply:
    batch_id = create()(api).json()["id"]
    for status in (BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING, BatchStatus.COMPLETED):
        assert api.run(api.ledger.batches.move(batch_id, status, at=1))
    return api.ask("POST", f"/v1/batches/{batch_id}/cancel", headers=AUTH)


def download_user_data(api: Server) -> Reply:
    reply = send(purpose_part("user_data"), file_part(b"x", "x.txt"))(api)
    return api.ask("GET", f"/v1/files/{reply.json()['id']}/content", headers=AUTH)


def download_beyond(api: Server) -> Reply:
    reply = send(purpose_part("batch"), file_part())(api)
    headers = {**AUTH, "range": "bytes=5000-"}
    return api.ask("GET", f"/v1/files/{reply.json()['id']}/content", headers=headers)


def add_part_to_cancelled(api: Server) -> Reply:
    upload_id = upload_of(api, bytes=1)
    assert api.ask("POST", f"/v1/uploads/{upload_id}/cancel", headers=AUTH).status == 200
    reply = part_of(api, upload_id)
    return Reply(reply.status, reply.headers, reply.body.replace(upload_id.encode(), b"upload_1"))


def complete_with_unknown_part(api: Server) -> Reply:
    upload_id = upload_of(api)
    reply = complete(api, upload_id, part_ids=["part_1"])
    return Reply(reply.status, reply.headers, reply.body.replace(upload_id.encode(), b"upload_1"))


def complete_too_small(api: Server) -> Reply:
    upload_id = upload_of(api)
    part = part_of(api, upload_id, b"123").json()["id"]
    return complete(api, upload_id, part_ids=[part])


def complete_with_wrong_md5(api: Server) -> Reply:
    upload_id = upload_of(api)
    part = part_of(api, upload_id).json()["id"]
    return complete(api, upload_id, part_ids=[part], md5="00")


def complete_twice_named(api: Server) -> Reply:
    upload_id = upload_of(api)
    part = part_of(api, upload_id, b"12").json()["id"]
    reply = complete(api, upload_id, part_ids=[part, part])
    return Reply(reply.status, reply.headers, reply.body.replace(part.encode(), b"part_1"))


def repeat_idempotency_key(api: Server) -> Reply:
    assert create_with(idempotency_key="once")(api).status == 200
    other = BATCH | {"completion_window": "48h"}
    return api.post("/v1/batches", other, **AUTH, idempotency_key="once")


def with_failing_disk(*, full: bool) -> Callable[[Server], Reply]:
    def ask(api: Server) -> Reply:
        api.blobs.failure = Unavailable("disk", full=full)
        return send(purpose_part("batch"), file_part())(api)

    return ask


def not_ready(api: Server) -> Reply:
    api.unready.append(RuntimeError("why"))
    return api.ask("GET", "/readyz")


CASES = [
    # -- batches
    Case(
        text=ApiText.UNKNOWN_BATCH,
        ask=get(f"/v1/batches/{UNKNOWN_BATCH}"),
        status=404,
        message=f"No batch found with id '{UNKNOWN_BATCH}'.",
    ),
    Case(
        text=ApiText.NOT_CANCELLABLE,
        ask=cancel_completed,
        status=409,
        message="Cannot cancel a batch with status 'completed'.",
    ),
    Case(
        text=ApiText.UNKNOWN_PROVIDER,
        ask=create_with(x_tfy_provider_name="azure"),
        status=400,
        message="No provider named 'azure' is configured. Configured: 'vllm', 'openai-main'.",
        param="x-tfy-provider-name",
        code="provider_not_found",
    ),
    Case(
        text=ApiText.UNKNOWN_CURSOR,
        ask=get(f"/v1/batches?after={UNKNOWN_BATCH}"),
        status=400,
        message=f"Invalid 'after': '{UNKNOWN_BATCH}' does not name an object of this list.",
        param="after",
        code="invalid_value",
    ),
    Case(
        text=ApiText.UNKNOWN_CURSOR,
        ask=get("/v1/files?after=x%00"),
        status=400,
        message="Invalid 'after': 'x\0' does not name an object of this list.",
        param="after",
        code="invalid_value",
    ),
    # -- files
    Case(
        text=ApiText.UNKNOWN_FILE,
        ask=get(f"/v1/files/{UNKNOWN_FILE}/content"),
        status=404,
        message=f"No such File object: {UNKNOWN_FILE}",
        param="id",
    ),
    Case(
        text=ApiText.BAD_PURPOSE,
        ask=send(file_part(), purpose_part("vector_store")),
        status=400,
        message="'vector_store' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', "
        "'vision', 'evals'] - 'purpose'",
        param="purpose",
    ),
    Case(
        text=ApiText.NOT_JSONL,
        ask=send(purpose_part("batch"), file_part(name="in.json")),
        status=400,
        message="Invalid file format for Batch API. Must be .jsonl. The file is named 'in.json': "
        "give it a name that ends in .jsonl.",
    ),
    Case(
        text=ApiText.FILE_TOO_LARGE,
        ask=send(purpose_part("batch"), file_part(LINE * 21_000)),
        status=400,
        message="File is too large. The limit is 2000000 bytes.",
        param="file",
        code="file_too_large",
    ),
    Case(
        text=ApiText.NOT_DOWNLOADABLE,
        ask=download_user_data,
        status=400,
        message="Not allowed to download files of purpose: user_data",
    ),
    Case(
        text=ApiText.BAD_RANGE,
        ask=download_beyond,
        status=416,
        message="The range 'bytes=5000-' is outside of the file, which has 98 bytes.",
        param="Range",
        code="invalid_range",
    ),
    # -- uploads
    Case(
        text=ApiText.UNKNOWN_UPLOAD,
        ask=lambda api: complete(api, UNKNOWN_UPLOAD, part_ids=[]),
        status=404,
        message=f"No such Upload object: {UNKNOWN_UPLOAD}",
        param="id",
    ),
    Case(
        text=ApiText.UPLOAD_NOT_PENDING,
        ask=add_part_to_cancelled,
        status=400,
        message="Upload upload_1 is cancelled; only a pending upload can be changed.",
        code="upload_not_pending",
    ),
    Case(
        text=ApiText.UNKNOWN_PART,
        ask=complete_with_unknown_part,
        status=400,
        message="No part 'part_1' in upload upload_1.",
        param="part_ids",
        code="invalid_value",
    ),
    Case(
        text=ApiText.UPLOAD_SIZE_MISMATCH,
        ask=complete_too_small,
        status=400,
        message="The parts hold 3 bytes, but the upload was created for 4 bytes.",
        param="part_ids",
        code="invalid_value",
    ),
    Case(
        text=ApiText.UPLOAD_CHECKSUM_MISMATCH,
        ask=complete_with_wrong_md5,
        status=400,
        message="The MD5 of the parts is 81dc9bdb52d04dc20036dbd8313ed055, not 00.",
        param="md5",
        code="invalid_value",
    ),
    Case(
        text=ApiText.PART_TOO_LARGE,
        ask=lambda api: part_of(api, upload_of(api), b"x" * 1_001),
        status=400,
        message="The part is larger than 1000 bytes.",
        param="data",
        code="part_too_large",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=complete_twice_named,
        status=400,
        message="Invalid 'part_ids': the part 'part_1' is named twice.",
        param="part_ids",
        code="invalid_value",
    ),
    # -- idempotency
    Case(
        text=ApiText.IDEMPOTENCY_MISMATCH,
        ask=repeat_idempotency_key,
        status=409,
        message="The Idempotency-Key 'once' was already used with different parameters.",
        param="Idempotency-Key",
        code="idempotency_error",
    ),
    # -- the server itself
    Case(
        text=ApiText.OUT_OF_SPACE,
        ask=with_failing_disk(full=True),
        status=507,
        message="Batchway has no space left to store this. Nothing was kept; free some space on "
        "the server and send it again.",
        code="insufficient_storage",
        type="server_error",
    ),
    Case(
        text=ApiText.READ_ONLY,
        ask=with_failing_disk(full=False),
        status=503,
        message="Batchway cannot write to its storage at the moment. Nothing was kept; try again "
        "later.",
        code="storage_unavailable",
        type="server_error",
    ),
    Case(
        text=ApiText.NOT_READY,
        ask=not_ready,
        status=503,
        message="Batchway is not ready to serve. Its log says why.",
        code="not_ready",
        type="server_error",
    ),
]
# Rows whose request needs more than one call; the tests are in `test_api_frame`, `test_api_files`.
ELSEWHERE = {
    ApiText.INTERNAL,
    ApiText.BODY_STALLED,
    ApiText.NOT_HTTP,
    ApiText.BYTES_MISSING,
    ApiText.UNKNOWN_MODEL,
}
# Rows about bytes and connections that never reach a route; the tests are in `test_api_doors`.
AT_THE_DOOR = {
    ApiText.HEAD_TOO_LARGE,
    ApiText.TOO_MANY_HEADERS,
    ApiText.URL_TOO_LONG,
    ApiText.HEAD_TIMEOUT,
    ApiText.BODY_TOO_SLOW,
    ApiText.TOO_MANY_CONNECTIONS,
}
# Rows that need a provider with a batch API; the tests are in `test_api_remote_refused` and
# `test_api_passthrough`.
AT_A_PROVIDER = {
    ApiText.NO_BATCH_API,
    ApiText.FILE_NOT_OURS,
    ApiText.BATCH_WITHHELD,
    ApiText.FILE_WITHHELD,
    ApiText.INPUT_TOO_LARGE,
    ApiText.PROVIDER_REFUSED,
    ApiText.PROVIDER_DENIED,
    ApiText.PROVIDER_BUSY,
    ApiText.PROVIDER_UNREACHABLE,
    ApiText.PROVIDER_SILENT,
}


@pytest.mark.parametrize("case", CASES, ids=label)
def test_an_error_answers_with_its_whole_body(api: Server, case: Case) -> None:
    check(api, case)


def test_every_error_text_is_met_by_a_test() -> None:
    met = {case.text for case in (*CASES, *FORM_CASES)}
    assert met | ELSEWHERE | AT_THE_DOOR | AT_A_PROVIDER == set(ApiText)
