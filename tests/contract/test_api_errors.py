"""Every row of `ApiText`, met over HTTP, its whole body compared.

A row that no request here draws makes the last test fail.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.contract.test_api_harness import (
    LINE,
    UNKNOWN_BATCH,
    UNKNOWN_FILE,
    UNKNOWN_UPLOAD,
    Reply,
    Server,
    an_error,
    serving,
)

from batchway.domain.errors import ApiText, Unavailable
from batchway.domain.status import BatchStatus
from batchway.service.keys import configured_key
from batchway.service.limits import Limits

KEY = "sk-blue-0123456789"
NARROW_KEY = "sk-narrow-01234567"
AUTH = {"authorization": f"Bearer {KEY}"}
LIMITS = Limits(file_bytes=2_000_000, part_bytes=1_000, json_bytes=4_096)
BATCH = {
    "input_file_id": UNKNOWN_FILE,
    "endpoint": "/v1/chat/completions",
    "completion_window": "24h",
}
UPLOAD = {"bytes": 4, "filename": "a.bin", "mime_type": "text/plain", "purpose": "user_data"}


@pytest.fixture
def api(sqlite_url: str, tmp_path: Path) -> Generator[Server]:
    """An API with two keys and small limits."""
    keys = [
        configured_key(name="blue", secret=KEY, tenant="blue"),
        configured_key(name="narrow", secret=NARROW_KEY, tenant="blue", providers=["vllm"]),
    ]
    with serving(sqlite_url, tmp_path / "blobs", keys=keys, limits=LIMITS) as server:
        yield server


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request and the error it draws."""

    text: ApiText
    ask: Callable[[Server], Reply]
    message: str
    status: int
    param: str | None = None
    code: str | None = None
    type: str = "invalid_request_error"


def get(path: str) -> Callable[[Server], Reply]:
    return lambda api: api.ask("GET", path, headers=AUTH)


def create(key: str = KEY, **fields: object) -> Callable[[Server], Reply]:
    """Create a batch; a field given as `...` is left out."""
    body = {name: value for name, value in (BATCH | fields).items() if value is not ...}
    return lambda api: api.post("/v1/batches", body, authorization=f"Bearer {key}")


def create_with(**headers: str) -> Callable[[Server], Reply]:
    return lambda api: api.post("/v1/batches", BATCH, **AUTH, **headers)


def send(*parts: tuple[str, bytes]) -> Callable[[Server], Reply]:
    return lambda api: api.send_form("/v1/files", *parts, headers=AUTH)


def raw(path: str, body: bytes, kind: str = "application/json") -> Callable[[Server], Reply]:
    return lambda api: api.ask("POST", path, body=body, headers={**AUTH, "content-type": kind})


def file_part(content: bytes = LINE, name: str = "in.jsonl") -> tuple[str, bytes]:
    return (f'name="file"; filename="{name}"', content)


def purpose_part(purpose: str) -> tuple[str, bytes]:
    return ('name="purpose"', purpose.encode())


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


def wrong_type(param: str, expected: str, given: str) -> str:
    return f"Invalid type for '{param}': expected {expected}, but got {given} instead."


ENDPOINTS = (
    "'/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', and "
    "'/v1/moderations'"
)
WINDOWS = "'24h', and any whole minutes, hours or days from '1m' to '30d'"

CASES = [
    # -- who is calling
    Case(
        text=ApiText.NO_KEY,
        ask=lambda api: api.ask("GET", "/v1/batches"),
        status=401,
        message="Missing bearer or basic authentication in header",
    ),
    Case(
        text=ApiText.BAD_KEY,
        ask=lambda api: api.ask(
            "GET", "/v1/files", headers={"authorization": "Bearer sk-wrong-0123456789"}
        ),
        status=401,
        message="Incorrect API key provided: sk-****6789. Ask whoever runs this Batchway for a "
        "key, or make one with `batchway keys create`.",
        code="invalid_api_key",
    ),
    Case(
        text=ApiText.PROVIDER_FORBIDDEN,
        ask=lambda api: api.post(
            "/v1/batches",
            BATCH,
            authorization=f"Bearer {NARROW_KEY}",
            x_tfy_provider_name="openai-main",
        ),
        status=403,
        message="This API key may not use the provider 'openai-main'.",
        param="x-tfy-provider-name",
        code="provider_not_allowed",
        type="permission_error",
    ),
    # -- the request's form
    Case(
        text=ApiText.NO_ROUTE,
        ask=get("/v1/chat/%00"),
        status=404,
        message="Invalid URL (GET /v1/chat/%00)",
        code="unknown_url",
    ),
    Case(
        text=ApiText.WRONG_METHOD,
        ask=lambda api: api.ask("PUT", "/v1/files", headers=AUTH),
        status=405,
        message="Not allowed to PUT on /v1/files. Allowed: GET, POST.",
        code="method_not_supported",
    ),
    Case(
        text=ApiText.WRONG_CONTENT_TYPE,
        ask=raw("/v1/files", b"{}"),
        status=415,
        message="Unsupported content type 'application/json'. This endpoint takes "
        "'multipart/form-data'.",
        code="unsupported_content_type",
    ),
    Case(
        text=ApiText.WRONG_CONTENT_TYPE,
        ask=raw("/v1/batches", b"a=b", "application/x-www-form-urlencoded; charset=utf-8"),
        status=415,
        message="Unsupported content type 'application/x-www-form-urlencoded'. This endpoint "
        "takes 'application/json'.",
        code="unsupported_content_type",
    ),
    Case(
        text=ApiText.NOT_JSON,
        ask=raw("/v1/batches", b'{"a":'),
        status=400,
        message="We could not parse the JSON body of your request. (Input data was truncated)",
        code="invalid_json",
    ),
    Case(
        text=ApiText.NOT_JSON,
        ask=raw("/v1/batches", b""),
        status=400,
        message="We could not parse the JSON body of your request. (the body is empty)",
        code="invalid_json",
    ),
    Case(
        text=ApiText.NOT_JSON,
        ask=raw("/v1/batches", b'{"a":"\xff"}'),
        status=400,
        message="We could not parse the JSON body of your request. (it is not valid UTF-8)",
        code="invalid_json",
    ),
    Case(
        text=ApiText.NOT_JSON,
        ask=raw("/v1/batches", b"[" * 4_000),
        status=400,
        message="We could not parse the JSON body of your request. (it is nested too deep)",
        code="invalid_json",
    ),
    Case(
        text=ApiText.BODY_NOT_OBJECT,
        ask=raw("/v1/batches", b"[1]"),
        status=400,
        message="The body of this request must be a JSON object.",
        code="invalid_type",
    ),
    Case(
        text=ApiText.BODY_TOO_LARGE,
        ask=raw("/v1/batches", b" " * 5_000),
        status=413,
        message="The body of this request is larger than 4096 bytes.",
        code="request_too_large",
    ),
    Case(
        text=ApiText.BAD_MULTIPART,
        ask=raw("/v1/files", b"--b\r\n", "multipart/form-data; boundary=b"),
        status=400,
        message="We could not parse the multipart form of your request: it ends before its "
        "closing boundary.",
        code="invalid_multipart",
    ),
    Case(
        text=ApiText.MISSING_PARAMETER,
        ask=create(input_file_id=...),
        status=400,
        message="Missing required parameter: 'input_file_id'.",
        param="input_file_id",
        code="missing_required_parameter",
    ),
    Case(
        text=ApiText.MISSING_PARAMETER,
        ask=create(completion_window=...),
        status=400,
        message="Missing required parameter: 'completion_window'.",
        param="completion_window",
        code="missing_required_parameter",
    ),
    Case(
        text=ApiText.MISSING_PARAMETER,
        ask=send(purpose_part("batch")),
        status=400,
        message="Missing required parameter: 'file'.",
        param="file",
        code="missing_required_parameter",
    ),
    Case(
        text=ApiText.MISSING_PARAMETER,
        ask=send(file_part()),
        status=400,
        message="Missing required parameter: 'purpose'.",
        param="purpose",
        code="missing_required_parameter",
    ),
    Case(
        text=ApiText.WRONG_TYPE,
        ask=create(metadata={"tags": ["a"]}),
        status=400,
        message=wrong_type("metadata.tags", "a string", "an array"),
        param="metadata.tags",
        code="invalid_type",
    ),
    Case(
        text=ApiText.WRONG_TYPE,
        ask=create(metadata="x"),
        status=400,
        message=wrong_type("metadata", "an object", "a string"),
        param="metadata",
        code="invalid_type",
    ),
    Case(
        text=ApiText.WRONG_TYPE,
        ask=create(input_file_id=None),
        status=400,
        message=wrong_type("input_file_id", "a string", "null"),
        param="input_file_id",
        code="invalid_type",
    ),
    Case(
        text=ApiText.WRONG_TYPE,
        ask=create(output_expires_after={"anchor": "created_at", "seconds": True}),
        status=400,
        message=wrong_type("output_expires_after.seconds", "an integer", "a boolean"),
        param="output_expires_after.seconds",
        code="invalid_type",
    ),
    Case(
        text=ApiText.WRONG_VALUE,
        ask=create(endpoint="/v1/invalid"),
        status=400,
        message=f"Invalid value: '/v1/invalid'. Supported values are: {ENDPOINTS}.",
        param="endpoint",
        code="invalid_value",
    ),
    Case(
        text=ApiText.WRONG_VALUE,
        ask=create(completion_window="31d"),
        status=400,
        message=f"Invalid value: '31d'. Supported values are: {WINDOWS}.",
        param="completion_window",
        code="invalid_value",
    ),
    Case(
        text=ApiText.WRONG_VALUE,
        ask=get("/v1/files?order=up"),
        status=400,
        message="Invalid value: 'up'. Supported values are: 'asc' and 'desc'.",
        param="order",
        code="invalid_value",
    ),
    Case(
        text=ApiText.WRONG_VALUE,
        ask=get("/v1/files?purpose=x"),
        status=400,
        message="Invalid value: 'x'. Supported values are: 'assistants', 'batch', 'fine-tune', "
        "'vision', 'user_data', 'evals', 'batch_output'.",
        param="purpose",
        code="invalid_value",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=get("/v1/batches?limit=0"),
        status=400,
        message="Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 "
        "instead.",
        param="limit",
        code="invalid_value",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=get("/v1/batches?limit=101"),
        status=400,
        message="Invalid 'limit': integer above maximum value. Expected a value <= 100, but got "
        "101 instead.",
        param="limit",
        code="invalid_value",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=get("/v1/files?limit=%D9%A1x"),
        status=400,
        message="Invalid 'limit': expected an integer, but got '١x' instead.",
        param="limit",
        code="invalid_value",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=create(metadata={str(n): "" for n in range(17)}),
        status=400,
        message="Invalid 'metadata': too many properties. Expected an object with at most 16 "
        "properties, but got an object with 17 properties instead.",
        param="metadata",
        code="invalid_value",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=create(metadata={"k" * 65: ""}),
        status=400,
        message="Invalid 'metadata': property name too long. Expected names of at most 64 "
        "characters, but got one of 65 characters instead.",
        param="metadata",
        code="invalid_value",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=create(metadata={"k": "v" * 513}),
        status=400,
        message="Invalid 'metadata.k': string too long. Expected a string with maximum length "
        "512, but got a string with length 513 instead.",
        param="metadata.k",
        code="invalid_value",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=create(output_expires_after={"anchor": "created_at", "seconds": 3_599}),
        status=400,
        message="Invalid 'output_expires_after.seconds': integer below minimum value. Expected a "
        "value >= 3600, but got 3599 instead.",
        param="output_expires_after.seconds",
        code="invalid_value",
    ),
    Case(
        text=ApiText.INVALID_PARAMETER,
        ask=complete_twice_named,
        status=400,
        message="Invalid 'part_ids': the part 'part_1' is named twice.",
        param="part_ids",
        code="invalid_value",
    ),
    Case(
        text=ApiText.BAD_HEADER,
        ask=create_with(x_tfy_metadata='{"a": 1}'),
        status=400,
        message="Invalid header 'x-tfy-metadata': expected a string for 'a', but got an integer "
        "instead.",
        param="x-tfy-metadata",
        code="invalid_header",
    ),
    Case(
        text=ApiText.BAD_HEADER,
        ask=create_with(x_tfy_metadata="[]"),
        status=400,
        message="Invalid header 'x-tfy-metadata': expected a JSON object of strings, but got an "
        "array instead.",
        param="x-tfy-metadata",
        code="invalid_header",
    ),
    Case(
        text=ApiText.BAD_HEADER,
        ask=create_with(x_tfy_metadata="{"),
        status=400,
        message="Invalid header 'x-tfy-metadata': expected a JSON object of strings, but got no "
        "JSON.",
        param="x-tfy-metadata",
        code="invalid_header",
    ),
    Case(
        text=ApiText.BAD_HEADER,
        ask=create_with(idempotency_key="k" * 256),
        status=400,
        message="Invalid header 'Idempotency-Key': expected 1 to 255 printable ASCII characters.",
        param="Idempotency-Key",
        code="invalid_header",
    ),
    Case(
        text=ApiText.MALFORMED_ID,
        ask=get("/v1/batches/invalid"),
        status=400,
        message="Invalid 'batch_id': 'invalid'. Expected an ID that begins with 'batch'.",
        param="batch_id",
        code="invalid_value",
    ),
    Case(
        text=ApiText.MALFORMED_ID,
        ask=create(input_file_id="wrong-id"),
        status=400,
        message="Invalid 'input_file_id': 'wrong-id'. Expected an ID that begins with 'file'.",
        param="input_file_id",
        code="invalid_value",
    ),
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
        message="Invalid file format for Batch API. Must be .jsonl",
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
# Rows whose request needs more than one call; the tests are in `test_api_frame`.
ELSEWHERE = {ApiText.INTERNAL, ApiText.BODY_STALLED}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.text.name}-{case.message[:40]}")
def test_an_error_answers_with_its_whole_body(api: Server, case: Case) -> None:
    reply = case.ask(api)
    assert reply.json() == an_error(case.message, param=case.param, code=case.code, type=case.type)
    assert reply.status == case.status == case.text.value.status
    assert reply.headers["content-type"] == "application/json"
    told = reply.headers.get("x-should-retry")
    assert told == (None if case.text.value.retry else "false")


def test_a_wrong_method_names_the_right_ones(api: Server) -> None:
    assert api.ask("PATCH", "/v1/files").headers["allow"] == "GET, POST"
    assert api.ask("PUT", "/v1/files/x/content").headers["allow"] == "GET, HEAD"
    assert api.ask("TRACE", "/v1/batches/x").headers["allow"] == "GET"


def test_every_error_text_is_met_by_a_test() -> None:
    assert {case.text for case in CASES} | ELSEWHERE == set(ApiText)
