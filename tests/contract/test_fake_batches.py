"""The fake batch APIs, driven by the vendors' own SDKs over the socket."""

import json
import subprocess
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.contract.fake_clients import azure, client, ended, eventually, submit
from tests.contract.fake_lines import CHAT, body, chats, jsonl, line, rows_of, wrong
from tests.journeys.environments import python_with

from batchway.simulator.batches import failure, running
from batchway.simulator.batches.behaviour import Rows

SDKS = Path(__file__).parent / "sdks"
# The vendors whose shapes the official OpenAI client reads as they are.
OPENAI_SHAPED = (
    "openai",
    "groq",
    "deepinfra",
    "parasail",
    "nebius",
    "doubleword",
    "dashscope",
)


@pytest.mark.parametrize("vendor", OPENAI_SHAPED)
def test_a_batch_by_the_openai_client(vendor: str) -> None:
    with running(vendor) as fake, client(fake) as sdk:
        file = sdk.files.create(file=("t-1.jsonl", chats(7)), purpose="batch")
        assert (file.bytes, file.filename, file.purpose) == (len(chats(7)), "t-1.jsonl", "batch")
        assert [listed.id for listed in sdk.files.list()] == [file.id]
        assert sdk.files.content(file.id).content == chats(7)
        batch = sdk.batches.create(
            input_file_id=file.id,
            endpoint=CHAT,
            completion_window="24h",
            metadata={"tag": "t-1"},
        )
        assert (batch.status, batch.endpoint, batch.metadata) == (
            "validating",
            CHAT,
            {"tag": "t-1"},
        )
        assert [listed.id for listed in sdk.batches.list()] == [batch.id]
        done = ended(sdk, batch)
        assert done.status == "completed"
        assert done.request_counts is not None
        assert done.request_counts.model_dump() == {"total": 7, "completed": 7, "failed": 0}
        assert done.output_file_id is not None
        rows = rows_of(sdk.files.content(done.output_file_id).content)
        assert [row["custom_id"] for row in rows] == [f"r{number:010}" for number in range(7)]
        assert wrong(rows) == []
        sdk.files.delete(file.id)
        with pytest.raises(openai.NotFoundError):
            sdk.files.retrieve(file.id)
        stats = fake.stats()
        assert stats["creates_by_filename"] == {"t-1.jsonl": 1}
        assert stats["creates_by_metadata"] == {"tag=t-1": 1}
        assert stats["lines_by_id"] == {f"r{number:010}": 1 for number in range(7)}
        assert [deleted["id"] for deleted in stats["deletes"]] == [file.id]
        assert "sk-test" not in json.dumps(stats)


def test_the_object_that_openai_answers_a_creation_with() -> None:
    with running("openai") as fake, client(fake) as sdk:
        file = sdk.files.create(file=("t-1.jsonl", chats(1)), purpose="batch")
        answer = sdk.batches.with_raw_response.create(
            input_file_id=file.id, endpoint=CHAT, completion_window="24h"
        )
        written = json.loads(answer.content)
        assert answer.status_code == 200
        assert written.pop("id").startswith("batch_")
        assert written.pop("expires_at") == written.pop("created_at") + 86_400
        assert written == {
            "object": "batch",
            "endpoint": CHAT,
            "model": None,
            "errors": None,
            "input_file_id": file.id,
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "in_progress_at": None,
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
        }


@pytest.mark.parametrize("family", ["api-version", "v1"])
@pytest.mark.parametrize("endpoint", ["/chat/completions", CHAT])
def test_a_batch_by_either_client_of_azure(family: str, endpoint: str) -> None:
    with running("azure", models=["gpt-batch"]) as fake, azure(fake, family) as sdk:
        content = chats(3, model="gpt-batch", url=endpoint)
        file = sdk.files.create(file=("t-1.jsonl", content), purpose="batch")
        seen = [file.status]
        with pytest.raises(openai.BadRequestError, match="is in 'pending' state"):
            sdk.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        while seen[-1] != "processed":
            seen.append(sdk.files.retrieve(file.id).status)
        # The type of the SDK knows no `pending`, which is what Azure says.
        assert list(map(str, seen)) == ["pending", "pending", "pending", "processed"]
        answer = sdk.batches.with_raw_response.create(
            input_file_id=file.id,
            endpoint=endpoint,  # pyright: ignore[reportArgumentType] - Azure's own spelling
            completion_window="24h",
            metadata={"tag": "t-1"},
        )
        assert answer.status_code == 201
        assert int(answer.headers["deployment-enqueued-tokens"]) > 0
        assert int(answer.headers["deployment-maximum-enqueued-tokens"]) > 0
        batch = answer.parse()
        assert (batch.output_file_id, batch.error_file_id) == ("", "")
        done = ended(sdk, batch)
        assert done.status == "completed"
        assert done.output_file_id
        assert done.error_file_id
        assert sdk.files.content(done.error_file_id).content == b""
        rows = rows_of(sdk.files.content(done.output_file_id).content)
        assert wrong(rows, model="gpt-batch") == []
        assert {tuple(row) for row in rows} == {("custom_id", "response", "error")}
        assert "content_filter_results" in rows[0]["response"]["body"]["choices"][0]


def test_azure_takes_a_key_in_its_own_header_and_wants_a_version() -> None:
    with running("azure") as fake, client(fake) as sdk:
        for path, headers, status in (
            ("/openai/files?api-version=2024-10-21", {"api-key": "k"}, 200),
            ("/openai/v1/files", {"api-key": "k"}, 200),
            ("/openai/files", {"api-key": "k"}, 404),
            ("/openai/v1/files", {}, 401),
        ):
            answer = sdk._client.get(  # pyright: ignore[reportPrivateUsage] - any HTTP client
                fake.origin + path, headers=headers
            )
            assert (path, answer.status_code) == (path, status)


def test_a_file_that_is_kept_for_a_while() -> None:
    fields = ("expires_after[seconds]", "expires_after.seconds")
    with running("azure") as fake, azure(fake, "v1") as sdk:
        for name in fields:
            answer = sdk.post(
                "/files",
                body={"purpose": "batch", name: "1209600"},
                files=[("file", ("t-1.jsonl", chats(1)))],
                options={"headers": {"Content-Type": "multipart/form-data"}},
                cast_to=openai.types.FileObject,
            )
            assert answer.expires_at == answer.created_at + 1_209_600


def test_azure_does_not_expire_its_jobs_and_openai_does() -> None:
    for vendor, status in (("openai", "expired"), ("azure", "in_progress")):
        with running(vendor, hold=["in_progress"], pending_polls=0) as fake:
            family = client(fake) if vendor == "openai" else azure(fake, "v1")
            with family as sdk:
                batch = submit(sdk, chats(4))
                eventually(
                    lambda sdk=sdk, batch=batch: sdk.batches.retrieve(batch.id),
                    lambda found: found.status == "in_progress",
                )
                fake.control(advance=90_000)
                found = eventually(
                    lambda sdk=sdk, batch=batch: sdk.batches.retrieve(batch.id),
                    lambda found, status=status: found.status == status,
                )
                if status == "expired":
                    rows = rows_of(sdk.files.content(found.error_file_id or "").content)
                    assert [row["error"]["code"] for row in rows] == ["batch_expired"] * 2
                    assert found.request_counts is not None
                    assert found.request_counts.model_dump() == {
                        "total": 4,
                        "completed": 2,
                        "failed": 0,
                    }


def test_lines_fail_by_rate_with_openais_error_bodies() -> None:
    dials = {"fail": {"429": 0.2, "500": 0.2}}
    with running("openai", rows=dials) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(100)))
        rows = rows_of(sdk.files.content(done.error_file_id or "").content)
        told = Rows(fail={"429": 0.2, "500": 0.2})
        expected = {
            name: status
            for name in (f"r{number:010}" for number in range(100))
            if (status := failure(told, name, seed=0)) is not None
        }
        assert {row["custom_id"]: row["response"]["status_code"] for row in rows} == expected
        assert len(expected) > 10
        assert all(row["error"] is None for row in rows)
        assert set(rows[0]["response"]["body"]["error"]) == {"message", "type", "param", "code"}
        assert done.request_counts is not None
        assert done.request_counts.failed == len(expected)


def test_all_lines_failed_is_completed_without_an_output_file() -> None:
    with running("openai", rows={"fail": {"500": 1.0}}) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(2)))
        assert (done.status, done.output_file_id) == ("completed", None)
        assert len(rows_of(sdk.files.content(done.error_file_id or "").content)) == 2


BAD_LINES: dict[str, tuple[bytes, str, str | None, int | None]] = {
    "no JSON": (b'{"custom_id": \n', "invalid_json_line", None, 1),
    "a byte order mark": (b"\xef\xbb\xbf" + chats(1), "invalid_json_line", None, 1),
    "no custom_id": (
        jsonl([line(0), line(1, custom_id=None)]),
        "missing_required_parameter",
        "custom_id",
        2,
    ),
    "no body": (jsonl([line(0, body=None)]), "missing_required_parameter", "body", 1),
    "the wrong url": (jsonl([line(0, url="/v1/embeddings")]), "invalid_url", "url", 1),
    "twice the id": (
        jsonl([line(0), line(1, custom_id="r0000000000")]),
        "duplicate_custom_id",
        "custom_id",
        2,
    ),
    "two models": (
        jsonl([line(0), line(1, model="m2")]),
        "mismatched_model",
        "body.model",
        2,
    ),
    "no model": (
        jsonl([line(0, body={"messages": []})]),
        "invalid_request",
        "body.model",
        1,
    ),
    "an unknown model": (jsonl([line(0, model="m9")]), "model_not_found", "body.model", 1),
    "a stream": (
        jsonl([line(0, body={**body(0), "stream": True})]),
        "streaming_unsupported",
        "body.stream",
        1,
    ),
    "too many lines": (chats(11), "too_many_tasks", None, None),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_openai_fails_a_job_whose_lines_are_wrong(case: str) -> None:
    content, code, param, number = BAD_LINES[case]
    # OpenAI's own upload looks at the first line, and would refuse some of these there.
    with running("nebius", models=["m", "m2"], max_lines=10) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, content))
        assert done.status == "failed"
        assert done.errors is not None
        assert done.errors.data is not None
        found = [(error.code, error.param, error.line) for error in done.errors.data]
        assert found == [(code, param, number)]
        assert done.output_file_id is None
        assert done.error_file_id is None
        assert fake.stats()["lines"] == 0


def test_openai_looks_into_the_bodies() -> None:
    with running("openai") as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, jsonl([line(0), line(1, body={"model": "m"}), line(2)])))
        assert done.errors is not None
        assert done.errors.data is not None
        assert [(error.param, error.line) for error in done.errors.data] == [("body.messages", 2)]


def test_a_body_that_no_validator_looked_into_fails_its_line() -> None:
    with running("nebius") as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, jsonl([line(0), line(1, body={"model": "m"})])))
        assert done.status == "completed"
        (row,) = rows_of(sdk.files.content(done.error_file_id or "").content)
        assert (row["custom_id"], row["response"]["status_code"]) == ("r0000000001", 400)


BAD_FOR_AZURE: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{]\n", "invalid_json_line"),
    "too many lines": (chats(11), "too_many_tasks"),
    "another url": (jsonl([line(0, url="/v1/responses")]), "url_mismatch"),
    "urls that differ": (jsonl([line(0), line(1, url="/chat/completions")]), "url_mismatch"),
    "no such deployment": (chats(1, model="m9"), "model_not_found"),
    "twice the id": (jsonl([line(0), line(0)]), "duplicate_custom_id"),
    "an empty file": (b"", "empty_file"),
    "two deployments": (jsonl([line(0), line(1, model="m2")]), "model_mismatch"),
}


@pytest.mark.parametrize("case", BAD_FOR_AZURE)
def test_azure_has_codes_of_its_own(case: str) -> None:
    content, code = BAD_FOR_AZURE[case]
    with running("azure", models=["m", "m2"], max_lines=10) as fake, azure(fake, "v1") as sdk:
        done = ended(sdk, submit(sdk, content))
        assert done.status == "failed"
        assert done.errors is not None
        assert done.errors.data is not None
        assert [error.code for error in done.errors.data] == [code]


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"", "a.jsonl"), (b"{]\n", "a.jsonl"), (chats(1), "a.txt")],
    ids=["empty", "first line", "name"],
)
def test_openai_refuses_an_upload_that_is_no_jsonl(content: bytes, name: str) -> None:
    with running("openai") as fake, client(fake) as sdk:
        with pytest.raises(openai.BadRequestError, match=r"Must be \.jsonl"):
            sdk.files.create(file=(name, content), purpose="batch")
        assert fake.stats()["files"] == []


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"input_file_id": "wrong"}, 400, "invalid_value", "input_file_id"),
        ({"endpoint": "/v1/invalid"}, 400, "invalid_value", "endpoint"),
        ({"completion_window": "1h"}, 400, "invalid_value", "completion_window"),
        ({"input_file_id": None}, 400, "missing_required_parameter", "input_file_id"),
        ({"metadata": {"tags": ["a"]}}, 400, "invalid_type", "metadata.tags"),
    ],
)
def test_openai_refuses_a_creation(
    changes: dict[str, Any], status: int, code: str, param: str
) -> None:
    with running("openai") as fake, client(fake) as sdk:
        asked = {
            "input_file_id": "file-none",
            "endpoint": CHAT,
            "completion_window": "24h",
            **changes,
        }
        with pytest.raises(openai.APIStatusError) as caught:
            sdk.post("/batches", body=asked, cast_to=object)
        error = caught.value
        assert (error.status_code, error.code, error.param) == (status, code, param)
        assert fake.stats()["creates"] == []


def test_openai_finds_a_missing_file_only_when_it_validates() -> None:
    with running("openai") as fake, client(fake) as sdk:
        batch = sdk.batches.create(
            input_file_id="file-none", endpoint=CHAT, completion_window="24h"
        )
        done = ended(sdk, batch)
        assert done.errors is not None
        assert done.errors.data is not None
        assert [error.param for error in done.errors.data] == ["file_id"]


def test_a_running_job_that_is_cancelled_keeps_what_it_has_run() -> None:
    with running("openai", hold=["in_progress"], share=0.5) as fake, client(fake) as sdk:
        batch = submit(sdk, chats(10))
        eventually(
            lambda: sdk.batches.retrieve(batch.id),
            lambda found: found.request_counts is not None and found.request_counts.completed == 5,
        )
        cancelling = sdk.batches.cancel(batch.id)
        assert (cancelling.status, cancelling.output_file_id) == ("cancelling", None)
        done = ended(sdk, batch)
        assert done.status == "cancelled"
        assert wrong(rows_of(sdk.files.content(done.output_file_id or "").content)) == []
        codes = [
            row["error"]["code"]
            for row in rows_of(sdk.files.content(done.error_file_id or "").content)
        ]
        assert codes == ["batch_cancelled"] * 5
        assert sdk.batches.cancel(batch.id).status == "cancelled"
        assert fake.stats()["lines"] == 5


def test_a_job_that_is_cancelled_before_it_runs_has_no_files() -> None:
    with running("openai", hold=["validating"]) as fake, client(fake) as sdk:
        batch = submit(sdk, chats(2))
        sdk.batches.cancel(batch.id)
        done = ended(sdk, batch)
        assert done.status == "cancelled"
        assert (done.output_file_id, done.error_file_id, done.in_progress_at) == (None, None, None)


def test_a_finished_job_cannot_be_cancelled() -> None:
    with running("openai") as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(1)))
        with pytest.raises(openai.ConflictError, match="status 'completed'"):
            sdk.batches.cancel(done.id)


def test_jobs_are_listed_in_pages_newest_first() -> None:
    with running("openai") as fake, client(fake) as sdk:
        made = [submit(sdk, chats(1)).id for _ in range(5)]
        page = sdk.batches.list(limit=2)
        assert ([batch.id for batch in page.data], page.has_more) == (made[:2:-1], True)
        assert [batch.id for batch in sdk.batches.list(limit=2)] == made[::-1]


def test_a_line_is_answered_online_as_it_is_in_a_batch() -> None:
    with running("openai") as fake, client(fake) as sdk:
        asked = body(3)
        answer = sdk.chat.completions.create(**asked)
        row = {"custom_id": "r0000000003", "response": {"body": answer.model_dump()}}
        assert wrong([row]) == []
        assert list(fake.stats()["online_by_digest"].values()) == [1]


@pytest.mark.parametrize(("vendor", "version"), [("groq", "1.7.0"), ("together", "3.1.1")])
def test_a_batch_by_the_vendors_own_sdk(vendor: str, version: str, tmp_path: Path) -> None:
    path = tmp_path / "t-1.jsonl"
    lines = [line(number) for number in range(5)]
    if vendor == "together":
        lines = [line(number, method=None, url=None) for number in range(5)]
    path.write_bytes(jsonl(lines))
    python = python_with(f"{vendor}-python-{version}", SDKS / f"{vendor}-{version}.txt")
    with running(vendor, rows={"fail": {"400": ["r0000000002"]}}) as fake:
        done = subprocess.run(
            [str(python), str(SDKS / "drive.py"), vendor, fake.origin, str(path)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        got = json.loads(done.stdout)
        stats = fake.stats()
    assert got["uploaded"]["bytes"] == path.stat().st_size
    assert got["uploaded"]["filename"] == "t-1.jsonl"
    assert got["listed"] == [got["made"]["id"]]
    assert got["deleted"] is True
    rows = rows_of(got["rows"])
    assert [row["custom_id"] for row in rows] == [f"r{number:010}" for number in (0, 1, 3, 4)]
    assert wrong(rows) == []
    assert [row["custom_id"] for row in rows_of(got["failures"])] == ["r0000000002"]
    assert stats["creates_by_filename"] == {"t-1.jsonl": 1}
    if vendor == "groq":
        assert got["made"]["completion_window"] == "7d"
        assert got["ended"]["request_counts"] == {"total": 5, "completed": 4, "failed": 1}
    else:
        assert (got["ended"]["status"], got["ended"]["progress"]) == ("COMPLETED", 100.0)
