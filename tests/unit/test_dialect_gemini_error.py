"""Google's errors: what they tell of the account, its billing, the model, and nothing of a line."""

from typing import Any

import msgspec
import pytest

from batchway.dialects.gemini.error import no_answer, refused
from batchway.ports.dialect import Refused


def _info(reason: str) -> list[dict[str, str]]:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return [{"@type": "type.googleapis.com/google.rpc.Help"}, {"@type": kind, "reason": reason}]


def _error(code: int, status: str, message: str, reason: str = "") -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if reason:
        error["details"] = _info(reason)
    return {"error": error}


_NOT_FOUND = (
    "Publisher Model `projects/p/locations/us-central1/publishers/google/models/gemini-9` was not "
    "found or your project does not have access to it."
)
_REGION = (
    "Publisher Model `projects/p/locations/us-central1/publishers/anthropic/models/claude-9` is "
    "not servable in region us-central1."
)
_ALLOWED = "Project `1` is not allowed to use Publisher Model `projects/p/models/claude-9`"
_PREDICT = (
    "Permission 'aiplatform.endpoints.predict' denied on resource "
    "'//aiplatform.googleapis.com/projects/p/locations/us-central1/publishers/google/models/g' "
    "(or it may not exist)."
)
_BUCKET = (
    "service-1@gcp-sa-aiplatform.iam.gserviceaccount.com does not have storage.objects.get access "
    "to the Google Cloud Storage object."
)
_OFF = "Vertex AI API has not been used in project 1 before or it is disabled."


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        (_error(400, "INVALID_ARGUMENT", "Please use a valid role"), "INVALID_ARGUMENT", ""),
        (_error(400, "INVALID_ARGUMENT", "bad key", "API_KEY_INVALID"), "API_KEY_INVALID", "a"),
        (_error(400, "FAILED_PRECONDITION", _REGION), "FAILED_PRECONDITION", "m"),
        (_error(400, "FAILED_PRECONDITION", _ALLOWED), "FAILED_PRECONDITION", "m"),
        (_error(401, "UNAUTHENTICATED", "invalid credentials"), "UNAUTHENTICATED", "a"),
        (
            _error(401, "UNAUTHENTICATED", "expired", "ACCESS_TOKEN_EXPIRED"),
            "ACCESS_TOKEN_EXPIRED",
            "a",
        ),
        (
            _error(403, "PERMISSION_DENIED", _PREDICT, "IAM_PERMISSION_DENIED"),
            "IAM_PERMISSION_DENIED",
            "a",
        ),
        (_error(403, "PERMISSION_DENIED", _OFF, "SERVICE_DISABLED"), "SERVICE_DISABLED", "a"),
        (_error(403, "PERMISSION_DENIED", "no", "BILLING_DISABLED"), "BILLING_DISABLED", "ac"),
        (
            _error(403, "PERMISSION_DENIED", "This API method requires billing to be enabled."),
            "PERMISSION_DENIED",
            "ac",
        ),
        (_error(403, "PERMISSION_DENIED", "no", "CONSUMER_INVALID"), "CONSUMER_INVALID", "a"),
        (_error(403, "PERMISSION_DENIED", _BUCKET), "PERMISSION_DENIED", ""),
        (_error(403, "PERMISSION_DENIED", _ALLOWED), "PERMISSION_DENIED", "m"),
        (_error(404, "NOT_FOUND", _NOT_FOUND), "NOT_FOUND", "m"),
        (_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded"), "RESOURCE_EXHAUSTED", ""),
        (
            _error(429, "RESOURCE_EXHAUSTED", "Check your plan and billing details.", "RATE"),
            "RATE",
            "",
        ),
        (_error(500, "INTERNAL", "An internal error has occurred"), "INTERNAL", ""),
        (_error(503, "UNAVAILABLE", "The model is overloaded"), "UNAVAILABLE", ""),
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_reads_what_an_error_is_about(
    body: dict[str, Any], code: str, told: str, *, listed: bool
) -> None:
    error = body["error"]
    given = [body] if listed else body
    read = refused(error["code"], msgspec.json.encode(given))
    assert (read.status, read.code, read.kind) == (error["code"], code, error["status"])
    assert read.message == error["message"]
    about = (read.of_account, read.no_credit, read.of_model)
    assert about == ("a" in told, "c" in told, "m" in told)
    written = msgspec.json.decode(read.body)["error"]
    assert (written["message"], written["code"]) == (error["message"], code)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", (404, "", "")),
        (502, b"", (502, "", "")),
        (429, b'{"error":"slow down"}', (429, "", "slow down")),
        (400, b'{"error":{"code":400,"status":7,"message":["x"],"details":"x"}}', (400, "", "")),
        (400, b'{"error":{"status":"two words"}}', (400, "", "")),
        (400, b"[]", (400, "", "")),
        (400, b"[" * 100_000, (400, "", "")),
        # The status of a batch's row, and of an operation: a bare `google.rpc.Status`.
        (400, b'{"code":3,"message":"bad"}', (400, "", "bad")),
        (200, b'{"error":{"code":503,"status":"UNAVAILABLE"}}', (503, "UNAVAILABLE", "")),
        (200, b'{"error":{"code":200}}', (502, "", "")),
        (200, b'{"error":{"code":"503"}}', (502, "", "")),
        (200, b"{}", (502, "", "")),
    ],
)
def test_never_raises(status: int, body: bytes, expected: tuple[int, str, str]) -> None:
    read = refused(status, body)
    assert (read.status, read.code, read.message) == expected
    assert msgspec.json.decode(read.body)["error"]["message"]
    assert b"\n" not in read.body


def test_bounds_what_it_repeats() -> None:
    body = _error(400, "X" * 65, "m" * 10_000)
    read = refused(400, msgspec.json.encode(body))
    assert (read.code, read.kind, len(read.message)) == ("", "", 1_000)


def test_says_that_there_is_no_answer() -> None:
    read = no_answer("It has no vectors.")
    assert isinstance(read, Refused)
    assert (read.status, read.message, read.of_account) == (502, "It has no vectors.", False)
