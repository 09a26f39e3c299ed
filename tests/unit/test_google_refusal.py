"""What Google's refusals advise: each mistake of a set-up, as Google words it."""

import json
from typing import Any

import pytest
from tests.unit.dispatch_world import FakeAnswer

from batchway.dialects.gemini.dialect import GeminiDialect
from batchway.domain.remote import Trouble
from batchway.ports import Refused
from batchway.providers.google.advice import refusals_at
from batchway.providers.google.notes import GOOGLE_NOTES
from batchway.providers.google.place import Place
from batchway.providers.google.refusal import reader
from batchway.providers.http.advising import AdvisingDialect
from batchway.providers.http.trouble import Said

PLACE = Place(project="p-1", region="us-east5", bucket="b-1")
MODEL = "projects/p-1/locations/us-east5/publishers/google/models/gemini-x"


def _error(code: int, status: str, message: str, reason: str = "", **metadata: str) -> bytes:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if reason:
        error["details"] = [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "googleapis.com",
                "metadata": metadata,
            }
        ]
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("body", "code", "trouble", "advice"),
    [
        (
            _error(
                403,
                "PERMISSION_DENIED",
                "Vertex AI API has not been used in project 123 before or it is disabled. Enable "
                "it by visiting https://console.developers.google.com/apis/api/"
                "aiplatform.googleapis.com/overview?project=123 then retry.",
                "SERVICE_DISABLED",
            ),
            "SERVICE_DISABLED",
            Trouble.DENIED,
            "enable the API aiplatform.googleapis.com in the project 'p-1' (`gcloud services "
            "enable aiplatform.googleapis.com --project p-1`)",
        ),
        (
            _error(
                403,
                "PERMISSION_DENIED",
                "This API method requires billing to be enabled. Please enable billing on project "
                "#123 then retry.",
                "BILLING_DISABLED",
            ),
            "BILLING_DISABLED",
            Trouble.DENIED,
            "link a billing account that is in order to the project 'p-1'",
        ),
        (
            _error(
                403,
                "PERMISSION_DENIED",
                "Permission 'aiplatform.endpoints.predict' denied on resource "
                f"'//aiplatform.googleapis.com/{MODEL}' (or it may not exist).",
                "IAM_PERMISSION_DENIED",
            ),
            "IAM_PERMISSION_DENIED",
            Trouble.DENIED,
            "give the account of these credentials the role Vertex AI User "
            "(roles/aiplatform.user) in the project 'p-1', for aiplatform.endpoints.predict",
        ),
        (
            _error(
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials.",
                "ACCESS_TOKEN_TYPE_UNSUPPORTED",
            ),
            "ACCESS_TOKEN_TYPE_UNSUPPORTED",
            Trouble.DENIED,
            "check `credentials_file`, or what the environment gives in its place, and that it "
            "was not disabled at Google",
        ),
        (
            _error(403, "PERMISSION_DENIED", "Project 'p-1' not found", "CONSUMER_INVALID"),
            "CONSUMER_INVALID",
            Trouble.DENIED,
            "check `project`, which is 'p-1': it does not exist, is closed, or these credentials "
            "may not use it",
        ),
        (
            _error(
                404,
                "NOT_FOUND",
                f"Publisher Model `{MODEL}` was not found or your project does not have access to "
                "it. Please ensure you are using a valid model version.",
            ),
            "NOT_FOUND",
            Trouble.REFUSED,
            "check the model's name, that it is offered in the region 'us-east5' (`region`, or the "
            "header x-tfy-vertex-region), and that it is enabled in Model Garden for the project "
            "'p-1'",
        ),
        (
            _error(
                400,
                "FAILED_PRECONDITION",
                "Publisher Model is not servable in region us-east5.",
            ),
            "FAILED_PRECONDITION",
            Trouble.REFUSED,
            "the model is not offered in the region 'us-east5': set `region`, or send the header "
            "x-tfy-vertex-region, to one where it is, such as 'global'",
        ),
        (
            _error(
                400,
                "FAILED_PRECONDITION",
                f"Project 123 is not allowed to use Publisher Model `{MODEL}`.",
            ),
            "FAILED_PRECONDITION",
            Trouble.REFUSED,
            "enable the model in Model Garden for the project 'p-1', where its publisher's terms "
            "are accepted",
        ),
        (
            _error(
                429,
                "RESOURCE_EXHAUSTED",
                "Quota exceeded for aiplatform.googleapis.com/generate_content_requests_per_minute",
            ),
            "RESOURCE_EXHAUSTED",
            Trouble.BUSY,
            "a quota of the project 'p-1' in 'us-east5' is used up, or Google has no room there: "
            "ask for a higher quota, lower `limits`, or use the region 'global'",
        ),
        (
            _error(
                429,
                "RESOURCE_EXHAUSTED",
                "The following quotas are exceeded: concurrent batch prediction jobs.",
            ),
            "RESOURCE_EXHAUSTED",
            Trouble.NO_ROOM,
            "a quota of the project 'p-1' in 'us-east5' is used up, or Google has no room there: "
            "ask for a higher quota, lower `limits`, or use the region 'global'",
        ),
        # Cloud Storage says no word beside its code, and names the account by its address.
        (
            json.dumps(
                {
                    "error": {
                        "code": 403,
                        "message": "me@p-1.iam.gserviceaccount.com does not have storage.objects."
                        "create access to the Google Cloud Storage object. Permission "
                        "'storage.objects.create' denied on resource '//storage.googleapis.com/"
                        "projects/_/buckets/b-1/objects/x' (or it may not exist).",
                        "errors": [{"reason": "forbidden", "domain": "global"}],
                    }
                }
            ).encode(),
            None,
            None,  # its status says it
            "give the account of these credentials the role Storage Object Admin "
            "(roles/storage.objectAdmin) on the bucket 'b-1', for storage.objects.create",
        ),
        (
            _error(404, "NOT_FOUND", "The PublisherModel gemini-x does not exist."),
            "NOT_FOUND",
            Trouble.REFUSED,
            "check the model's name, that it is offered in the region 'us-east5' (`region`, or the "
            "header x-tfy-vertex-region), and that it is enabled in Model Garden for the project "
            "'p-1'",
        ),
        (_error(400, "INVALID_ARGUMENT", "Bad x"), "INVALID_ARGUMENT", None, ""),
        (b"<html><b>Bad</b> gateway</html>", None, None, ""),
    ],
)
def test_what_a_refusal_advises(
    body: bytes, code: str | None, trouble: Trouble | None, advice: str
) -> None:
    said = reader(PLACE)(body, {}.get)
    assert (said.code, said.trouble) == (code, trouble)
    _, mark, told = said.message.partition(" To mend it: ")
    assert told == (f"{advice}." if advice else "")
    assert bool(mark) == bool(advice)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("me@p-1.iam.gserviceaccount.com does not have access.", "*** does not have access."),
        ("(someone.else+x@corp.example.com)", "(***)"),
        ("to 'gs://b-1/batchway/tag/input.jsonl'.", "to '***'."),
        ("on //storage.googleapis.com/projects/_/buckets/b-1/objects/x/y (or",
         "on //storage.googleapis.com/*** (or"),
        ("object b-1/batchway/a b", "object *** b"),
        ("at /storage/v1/b/b-1/o/a%2Fb: no", "at /storage/v1/***: no"),
        # What is the configuration's, or a line's own.
        ("no bucket 'b-1' in p-1", "no bucket 'b-1' in p-1"),
        ("gs://theirs/photo.png is not there", "gs://theirs/photo.png is not there"),
        ("gs://b-10/photo.png and x-b-1/photo", "gs://b-10/photo.png and x-b-1/photo"),
        ("claude-sonnet-4-5@20250929 is gone", "claude-sonnet-4-5@20250929 is gone"),
    ],
)  # fmt: skip
def test_words_that_tenants_read_name_nothing_of_the_operators(text: str, told: str) -> None:
    said = reader(PLACE)(json.dumps({"error": {"code": 400, "message": text}}).encode(), {}.get)
    assert said.message == told
    refusing = AdvisingDialect(
        GeminiDialect(model="gemini-x", batch=False), read=refusals_at(PLACE)
    )
    found = refusing.decode(403, _error(403, "PERMISSION_DENIED", text), b"")
    assert isinstance(found, Refused)
    assert found.message == told
    assert json.loads(found.body)["error"]["message"].startswith(told.rstrip(". "))


def test_a_page_is_told_without_its_markup() -> None:
    said = reader(PLACE)(b"<html><b>Bad</b> gateway</html>", {}.get)
    assert said == Said(message=said.message)
    assert said.message.split() == ["Bad", "gateway"]


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (429, {"retry-after": "7"}, b"", 7.0),
        (
            429,
            {},
            b'{"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", '
            b'"retryDelay": "31.5s"}]}}',
            31.5,
        ),
        (503, {}, b'{"retryDelay":"2s"}', 2.0),
        (429, {}, b'{"error": {"code": 429}}', None),
        (200, {}, b'{"text": "\\"retryDelay\\": \\"2s\\"", "retryDelay": "2s"}', None),
    ],
)
def test_when_to_ask_again(
    status: int, headers: dict[str, str], body: bytes, expected: float | None
) -> None:
    answer = FakeAnswer(status, body, headers)
    assert GOOGLE_NOTES.retry_after(answer, now=0.0) == expected
    assert GOOGLE_NOTES.allowance(answer, "requests") is None
