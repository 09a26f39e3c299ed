"""Errors of a request's form, each met over HTTP, its whole body compared.

Also what `test_api_errors` needs to do the same for every other row of `ApiText`.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.contract.test_api_harness import LINE, UNKNOWN_FILE, Reply, Server, an_error, serving

from batchway.domain.errors import ApiText
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


@contextmanager
def two_keys(empty_database: Path, folder: Path) -> Generator[Server]:
    """An API with two keys and small limits."""
    keys = [
        configured_key(name="blue", secret=KEY, tenant="blue"),
        configured_key(name="narrow", secret=NARROW_KEY, tenant="blue", providers=["vllm"]),
    ]
    database = folder / "batchway.db"
    database.write_bytes(empty_database.read_bytes())
    url = f"sqlite:///{database}"
    with serving(url, folder / "blobs", keys=keys, limits=LIMITS) as server:
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


def check(api: Server, case: Case) -> None:
    """Ask, and compare all of the answer that is the row's."""
    reply = case.ask(api)
    assert reply.json() == an_error(case.message, param=case.param, code=case.code, type=case.type)
    assert reply.status == case.status == case.text.value.status
    assert reply.headers["content-type"] == "application/json"
    told = reply.headers.get("x-should-retry")
    assert told == (None if case.text.value.retry else "false")


def label(case: Case) -> str:
    """A test's name."""
    return f"{case.text.name}-{case.message[:40]}"


def wrong_type(param: str, expected: str, given: str) -> str:
    return f"Invalid type for '{param}': expected {expected}, but got {given} instead."


ENDPOINTS = (
    "'/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', and "
    "'/v1/moderations'"
)
WINDOWS = "'24h', and any whole minutes, hours or days from '1m' to '30d'"

FORM_CASES = [
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
]


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


@pytest.mark.parametrize("case", FORM_CASES, ids=label)
def test_a_malformed_request_answers_with_its_whole_body(api: Server, case: Case) -> None:
    check(api, case)


def test_a_wrong_method_names_the_right_ones(api: Server) -> None:
    assert api.ask("PATCH", "/v1/files").headers["allow"] == "GET, POST"
    assert api.ask("PUT", "/v1/files/x/content").headers["allow"] == "GET, HEAD"
    assert api.ask("TRACE", "/v1/batches/x").headers["allow"] == "GET"
