"""What providers say of jobs, files and errors, in every spelling."""

import json
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.catalog.openai_family import AZURE, CATALOG, OPENAI, Quirks
from batchway.domain.batch import BatchError, RequestCounts, Usage
from batchway.domain.remote import Trouble
from batchway.domain.status import BatchStatus
from batchway.ports import ArchivedFile, ArchivedJob
from batchway.providers.http.secrets import without_secrets
from batchway.providers.http.trouble import Header, Said, of_answer, retry_after
from batchway.providers.openai.reading import (
    file_of,
    job_of,
    read_list,
    read_object,
    status_of,
    time_of,
)
from batchway.providers.openai.refusal import read_refusal

NOW = 1_763_900_000.0


# ----------------------------------------------------------------------------- jobs


def test_openais_job() -> None:
    job = job_of(
        {
            "id": "batch_67d4",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "errors": None,
            "input_file_id": "file-S",
            "completion_window": "24h",
            "status": "completed",
            "output_file_id": "file-O",
            "error_file_id": None,
            "created_at": 1741967568,
            "in_progress_at": 1741967569,
            "expires_at": 1742053968,
            "finalizing_at": 1741967570,
            "completed_at": 1741967571,
            "failed_at": None,
            "expired_at": None,
            "cancelling_at": None,
            "cancelled_at": None,
            "request_counts": {"total": 3, "completed": 2, "failed": 1},
            "usage": {
                "input_tokens": 5,
                "input_tokens_details": {"cached_tokens": 1},
                "output_tokens": 7,
                "output_tokens_details": {"reasoning_tokens": 2},
                "total_tokens": 12,
            },
            "metadata": {"batchway": "t"},
            "model": "gpt-4o-mini-2024-07-18",
        },
        OPENAI.quirks,
    )
    assert job == ArchivedJob(
        id="batch_67d4",
        status=BatchStatus.COMPLETED,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        input_file_id="file-S",
        output_file_id="file-O",
        error_file_id=None,
        model="gpt-4o-mini-2024-07-18",
        created_at=1741967568,
        in_progress_at=1741967569,
        expires_at=1742053968,
        finalizing_at=1741967570,
        completed_at=1741967571,
        counts=RequestCounts(total=3, completed=2, failed=1),
        usage=Usage(input_tokens=5, cached_tokens=1, output_tokens=7, reasoning_tokens=2),
        metadata={"batchway": "t"},
    )


def test_azures_older_job() -> None:
    job = job_of(
        {
            "id": "batch_fe3f047a",
            "endpoint": "/chat/completions",
            "created_at": "2024-07-19T17:13:57.2491382+00:00",
            "expires_at": "2024-07-20T17:13:57.1918498+00:00",
            "status": "Validating",
            "input_file_id": "file-1",
            "output_file_id": "",
            "error_file_id": "",
            "request_counts": {"total": None, "completed": None, "failed": None},
            "metadata": None,
            "errors": None,
        },
        AZURE.quirks,
    )
    assert job == ArchivedJob(
        id="batch_fe3f047a",
        status=BatchStatus.VALIDATING,
        endpoint="/v1/chat/completions",
        input_file_id="file-1",
        created_at=1721409237,
        expires_at=1721495637,
    )


def test_togethers_failed_job() -> None:
    job = job_of(
        {
            "id": "0123",
            "status": "FAILED",
            "endpoint": "/v1/chat/completions",
            "model_id": "meta/llama",
            "job_deadline": "2024-01-15T15:30:00Z",
            "created_at": "2024-01-15T14:30:00Z",
            "progress": 0,
            "error": "No such model",
        },
        CATALOG["together"].quirks,
    )
    assert job == ArchivedJob(
        id="0123",
        status=BatchStatus.FAILED,
        endpoint="/v1/chat/completions",
        model="meta/llama",
        created_at=1705329000,
        expires_at=1705332600,
        errors=(BatchError(code="batch_failed", message="No such model"),),
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"request_counts": None}, None),
        ({}, None),
        ({"request_counts": {"total": 3}}, RequestCounts(total=3)),
        (
            {"request_counts": 3, "total": 3, "completed": "2", "failed": None},
            RequestCounts(total=3, completed=2),
        ),
        ({"request_counts": {"total": -1, "completed": True, "failed": 1.5}}, None),
        (
            {"request_counts": {"total": "9" * 5_000, "completed": 10**400, "failed": "3"}},
            RequestCounts(failed=3),
        ),
    ],
)
def test_counters(given: dict[str, object], expected: RequestCounts | None) -> None:
    assert job_of({"id": "b", "status": "completed", **given}, Quirks()).counts == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"errors": None}, None),
        ({"errors": {"object": "list", "data": []}}, None),
        ({"errors": ""}, None),
        (
            {
                "errors": {
                    "data": [
                        {"code": "c", "message": "m", "param": "p", "line": 4},
                        {"message": "n", "line": 0},
                    ]
                }
            },
            (
                BatchError(code="c", message="m", param="p", line=4),
                BatchError(code="batch_failed", message="n"),
            ),
        ),
        (
            {"errors": [{"code": 3}]},
            (BatchError(code="3", message="The provider does not say why."),),
        ),
        ({"errors": "bad"}, (BatchError(code="batch_failed", message="bad"),)),
        ({"error": {"code": "c", "message": "m"}}, (BatchError(code="c", message="m"),)),
        (
            {"errors": [{"code": "c" * 999, "message": "m" * 9_999, "param": "p" * 999}]},
            (BatchError(code="c" * 256, message="m" * 1_000 + "…", param="p" * 256),),
        ),
        (
            {"errors": [{"code": 10**400, "message": " \x00", "line": 10**400}, "m" * 9_999]},
            (
                BatchError(code="batch_failed", message="The provider does not say why."),
                BatchError(code="batch_failed", message="m" * 1_000 + "…"),
            ),
        ),
    ],
)
def test_errors(given: dict[str, object], expected: tuple[BatchError, ...] | None) -> None:
    assert job_of({"id": "b", "status": "failed", **given}, Quirks()).errors == expected


def test_errors_without_credentials() -> None:
    said = {
        "code": "bad-s3cret-key",
        "message": "Key s3cret-key, sk-p****cd.",
        "param": "s3cret-key",
    }
    job = job_of(
        {"id": "b", "status": "failed", "errors": [said]}, Quirks(), secrets=["s3cret-key"]
    )
    assert job.errors == (BatchError(code="***", message="Key ***, ***.", param="***"),)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1741967568, 1741967568),
        (1741967568.9, 1741967568),
        (1741967568123, 1741967568),
        ("1741967568", 1741967568),
        ("2025-03-14T15:52:48Z", 1741967568),
        ("2025-03-14T15:52:48.123456789+00:00", 1741967568),
        ("2025-03-14T16:52:48+01:00", 1741967568),
        ("2025-03-14 15:52:48", 1741967568),
        ("0001-01-01T00:00:00Z", None),
        (0, None),
        (-1, None),
        ("", None),
        (None, None),
        (True, None),
        ({}, None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        (10**30, None),
        pytest.param(10**400, None, id="hundreds of digits"),
        pytest.param("9" * 5_000, None, id="thousands of digits"),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times(given: object, expected: int | None) -> None:
    assert time_of(given) == expected


@pytest.mark.parametrize("word", ["paused", "", None, 3, {}])
def test_an_unknown_status_is_asked_again(word: object, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert status_of(word, Quirks()) is BatchStatus.IN_PROGRESS
    assert "unknown status" in caplog.text


# ----------------------------------------------------------------------------- envelopes


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"id": "a"}', "a"),
        ('{"id": 7}', 7),
        ('{"job": {"id": "a"}, "warning": "w"}', "a"),
        ('{"code": 20000, "message": "Ok", "status": true, "data": {"id": "a"}}', "a"),
        ("{}", None),
        ('{"id": ""}', None),
        ('{"id": null}', None),
        ('{"id": ' + "9" * 400 + "}", None),
        ("[]", None),
        ("<html>", None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_objects(body: str, expected: object) -> None:
    found = read_object(body.encode())
    assert (None if found is None else found["id"]) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"data": [{"id": "a"}], "has_more": true}', (["a"], True)),
        ('{"data": [{"id": "a"}, 3, {}]}', (["a"], None)),
        ('[{"id": "a"}]', (["a"], None)),
        ('{"data": null, "has_more": false}', ([], False)),
        ('{"code": 20000, "data": {"data": [{"id": "a"}], "has_more": false}}', (["a"], False)),
        ('{"data": "x"}', None),
        ('{"data": null}', None),
        ('{"code": 500, "message": "m", "data": null}', None),
        ("{}", None),
        ("null", None),
        ("text", None),
    ],
)
def test_lists(body: str, expected: tuple[list[str], bool | None] | None) -> None:
    found = read_list(body.encode())
    assert (None if found is None else ([item["id"] for item in found[0]], found[1])) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"id": "f", "bytes": 3, "filename": "n", "purpose": "batch", "created_at": 5},
            ArchivedFile(id="f", bytes=3, filename="n", purpose="batch", created_at=5),
        ),
        (
            {"id": "f", "size": 3, "createdAt": 5, "status": "Pending", "expires_at": None},
            ArchivedFile(id="f", bytes=3, filename="", purpose="", created_at=5, status="pending"),
        ),
        (
            {"id": "f", "bytes": None, "Processed": False},
            ArchivedFile(id="f", bytes=0, filename="", purpose="", status="pending"),
        ),
        (
            {"id": "f", "bytes": 10**400, "filename": 10**400},
            ArchivedFile(id="f", bytes=0, filename="", purpose=""),
        ),
    ],
)
def test_files(given: dict[str, object], expected: ArchivedFile) -> None:
    assert file_of(given) == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "status",
                "created_at",
                "request_counts",
                "errors",
                "error",
                "usage",
                "metadata",
                "endpoint",
                "input_file_id",
                "output_file_id",
                "model",
                "total",
                "expires_at",
            ]
        ),
        _JSON,
    )
)
def test_no_job_breaks_it(fields: dict[str, object]) -> None:
    assert job_of({"id": "b", **fields}, OPENAI.quirks).id == "b"


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"message": "m", "type": "t", "param": "p", "code": "c", "line": 3}},
            Said(message="m", code="c", param="p", line=3),
        ),
        ({"error": {"code": 400, "message": "m"}}, Said(message="m", code="400")),
        ({"error": "m"}, Said(message="m")),
        ({"error": "m", "code": "c"}, Said(message="m", code="c")),
        ({"detail": "m"}, Said(message="m")),
        ({"detail": {"error": "m"}}, Said(message="m")),
        ({"detail": [{"msg": "m", "loc": ["body"]}]}, Said(message="m")),
        ({"code": 20012, "message": "m", "data": None}, Said(message="m", code="20012")),
        ({"code": 404, "reason": "R", "message": "m"}, Said(message="m", code="404")),
        ({"errors": {"data": [{"code": "c", "line": 2}]}}, Said(code="c", line=2)),
        ({"code": 10**400, "line": 10**400, "message": "m"}, Said(message="m")),
        ("m", Said(message="m")),
        ({}, Said()),
        ([], Said()),
        (None, Said()),
        (3, Said()),
    ],
)  # fmt: skip
def test_error_bodies(body: object, expected: Said) -> None:
    assert read_refusal(json.dumps(body).encode(), {}.get) == expected


@pytest.mark.parametrize(
    ("status", "body", "trouble", "message"),
    [
        (401, b'{"detail":"No."}', Trouble.DENIED, "answered 401: No."),
        (402, b'{"error":"Insufficient balance"}', Trouble.DENIED, "402: Insufficient balance"),
        (403, b"<html><h1>Forbidden</h1>\n</html>", Trouble.DENIED, "answered 403: Forbidden"),
        (404, b"", Trouble.NOT_FOUND, "answered 404."),
        (408, b"", Trouble.UNCERTAIN, "answered 408."),
        (410, b"", Trouble.NOT_FOUND, "answered 410."),
        (409, b'{"error":{"message":"Ended."}}', Trouble.REFUSED, "409: Ended."),
        (429, b"", Trouble.BUSY, "answered 429."),
        (500, b'{"error":{"code":"rate_limit_exceeded"}}', Trouble.UNCERTAIN, "answered 500."),
        (502, b"\xff\x00bad", Trouble.UNCERTAIN, "502: \ufffd bad"),
        (301, b"", Trouble.REFUSED, "answered 301: it answered with a redirect; check the address"),
        (400, b'"' + b"x" * 3_000 + b'"', Trouble.REFUSED, "x" * 1_000 + "…"),
        (400, b'{"error":"key sk-proj-****abcd is bad"}', Trouble.REFUSED, "400: key *** is bad"),
        (400, b'{"error":"key s3cret-key is bad"}', Trouble.REFUSED, "400: key *** is bad"),
    ],
)
def test_answers_that_are_errors(status: int, body: bytes, trouble: Trouble, message: str) -> None:
    error = of_answer("acme", status, body, {}, read=read_refusal, secrets=["s3cret-key"], now=NOW)
    assert (error.trouble, error.status) == (trouble, status)
    assert error.message.startswith("The provider 'acme' answered ")
    assert error.message.endswith(message)


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (400, Trouble.BUSY),
        (401, Trouble.BUSY),
        (429, Trouble.BUSY),
        (301, Trouble.REFUSED),
        (500, Trouble.UNCERTAIN),
    ],
)
def test_words_of_a_quota_say_more_than_a_status(status: int, trouble: Trouble) -> None:
    body = b'{"error":{"code":"batch_limit_exceeded","message":"m"}}'
    assert read_refusal(body, {}.get) == Said(
        message="m", code="batch_limit_exceeded", trouble=Trouble.BUSY
    )
    error = of_answer("acme", status, body, {}, read=read_refusal, secrets=(), now=NOW)
    assert error.trouble is trouble


def test_a_provider_may_read_its_errors_in_its_own_way() -> None:
    def read(body: bytes, header: Header) -> Said:
        return Said(message=body.decode()[::-1], code=header("x-error"), trouble=Trouble.DENIED)

    headers = {"x-error": "NoSuchThing"}
    error = of_answer("acme", 400, b"on", headers, read=read, secrets=(), now=NOW)
    assert (error.trouble, error.code, error.message) == (
        Trouble.DENIED,
        "NoSuchThing",
        "The provider 'acme' answered 400: no",
    )


def test_a_code_with_a_key_in_it() -> None:
    body = b'{"error": {"code": "s3cret-key", "param": "s3cret-key", "message": "m"}}'
    error = of_answer("acme", 400, body, {}, read=read_refusal, secrets=["s3cret-key"], now=NOW)
    assert (error.code, error.param) == ("***", "***")


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "x*" * 500_000, "x**-" * 250_000, "**x" * 300_000]
)
def test_long_texts_are_read_once(text: str) -> None:
    started = time.process_time()
    assert len(without_secrets(text, ["s3cret-key"])) == 1_001
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Sun, 23 Nov 2025 12:14:20 -0000"}, 60.0),
        ({"retry-after": "99999999"}, 86_400.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": "Sun, 23 Nov 2025 12:14:20 GMT"}, 60.0),
        ({"retry-after": "Sun, 23 Nov 2025 12:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
    ],
)
def test_when_to_ask_again(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(headers, now=NOW) == expected
