"""Every way in which Google's fake misbehaves, by the official clients."""

import json
import subprocess
import sys
import urllib.error
from pathlib import Path
from typing import Any

import obstore
import pytest
from google.genai import errors
from tests.contract.google_clients import (
    BUCKET,
    CLAUDE,
    GEMINI,
    directory,
    ended,
    files,
    gen_ai,
    line,
    lines,
    look,
    rows_of,
    state_of,
    store,
    submit,
)

from batchway.simulator.batches import befalls
from batchway.simulator.google import process, running

ROOT = Path(__file__).parents[2] / "src"
NAMES = [f"r{number:010}" for number in range(100)]


def test_rows_that_are_shuffled_dropped_doubled_and_failed() -> None:
    dials: dict[str, Any] = {
        "shuffle": True,
        "drop_rows": 0.1,
        "duplicate_rows": ["r0000000007"],
        "fail_rows": {"429": 0.1, "500": ["r0000000008"]},
    }
    with running(**dials) as fake:
        done = ended(fake, submit(fake, lines(100)))
        assert state_of(done) == "SUCCEEDED"
        rows = rows_of(fake, done)
        found = [row["custom_id"] for row in rows]
        dropped = {name for name in NAMES if befalls("drop", 0.1, name, seed=0)}
        assert dropped
        assert found != sorted(found)
        assert sorted(found) == sorted([name for name in NAMES if name not in dropped] + [NAMES[7]])
        failed = {row["custom_id"]: row for row in rows if row["status"]}
        limited = {name for name in NAMES if befalls("fail 429", 0.1, name, seed=0)} | {NAMES[8]}
        assert set(failed) == limited - dropped
        row = failed[NAMES[8]]
        assert row["response"] == {}
        reason, _, body = row["status"].partition(": ")
        assert reason == "Internal Server Error"
        assert json.loads(body)["error"]["code"] == 500
        assert done.completion_stats is not None
        assert done.completion_stats.failed_count == len(limited)
        # What was dropped was run, and is paid.
        assert fake.state.lines_by_id == dict.fromkeys(NAMES, 1)


def test_files_in_several_pieces_with_folders_and_nothing_in_them() -> None:
    dials = {"shards": 3, "folder_markers": True, "empty_files": True, "last_newline": False}
    with running(**dials) as fake:
        found = files(fake, ended(fake, submit(fake, lines(10))))
        assert sorted(found) == [
            "",
            "000000000000.jsonl",
            "000000000001.jsonl",
            "000000000002.jsonl",
            "incremental_predictions.jsonl",
        ]
        assert (found[""], found["incremental_predictions.jsonl"]) == (b"", b"")
        shards = [data for name, data in found.items() if name.startswith("0")]
        assert not any(data.endswith(b"\n") for data in shards)
        assert sum(len(data.splitlines()) for data in shards) == 10


def test_a_file_whose_end_is_torn_off() -> None:
    with running(torn_end=30) as fake:
        found = files(fake, ended(fake, submit(fake, lines(2))))["predictions.jsonl"]
        whole, torn = found.splitlines()
        json.loads(whole)
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(torn)


def test_ids_that_are_taken_for_numbers_or_not_given_back() -> None:
    rows = [{**line(7), "custom_id": "000042"}]
    with running() as fake:
        (row,) = rows_of(fake, ended(fake, submit(fake, rows)))
        assert row["custom_id"] == 42
        assert row["request"]["labels"] == {"batchway_line": "r0000000007"}
        fake.control(no_custom_id=True, no_status=True)
        (row,) = rows_of(fake, ended(fake, submit(fake, rows, name="t-2")))
        assert set(row) == {"processed_time", "request", "response"}


def test_an_echo_with_the_nulls_of_other_lines() -> None:
    rows = [line(0), line(1, systemInstruction={"parts": [{"text": "x"}]})]
    with running() as fake:
        plain, _ = rows_of(fake, ended(fake, submit(fake, rows)))
        assert plain["request"] == {**line(0)["request"], "systemInstruction": None}


@pytest.mark.parametrize(
    ("stats", "shown"),
    [
        ("strings", {"successfulCount": "3", "failedCount": "0"}),
        ("partial", {"successfulCount": "3"}),
        ("minus_one", {"successfulCount": "3", "incompleteCount": "-1"}),
        ("null", None),
    ],
)
def test_counters(stats: str, shown: dict[str, str] | None) -> None:
    with running(stats=stats) as fake:
        job = ended(fake, submit(fake, lines(3)))
        client = gen_ai(fake)
        answer = client._api_client.request(  # pyright: ignore[reportPrivateUsage] - as it is on the wire
            "get", f"batchPredictionJobs/{(job.name or '').rpartition('/')[2]}", {}
        )
        assert json.loads(answer.body or "").get("completionStats") == shown


@pytest.mark.parametrize(("code", "words"), [(1, "CANCELED"), (13, "Failed to export data")])
def test_a_job_that_fails_with_part_of_its_rows(code: int, words: str) -> None:
    with running(fates=[{"outcome": "failed", "code": code}]) as fake:
        done = ended(fake, submit(fake, lines(10)))
        assert state_of(done) == "FAILED"
        assert done.error is not None
        assert (done.error.code, words in (done.error.message or "")) == (code, True)
        assert len(rows_of(fake, done)) == 5


@pytest.mark.parametrize("outcome", ["expired", "partially_succeeded", "cancelled"])
def test_other_ends_of_a_job(outcome: str) -> None:
    with running(fates=[{"outcome": outcome, "share": 0.3}]) as fake:
        done = ended(fake, submit(fake, lines(10)))
        assert state_of(done) == outcome.upper()
        assert [row["custom_id"] for row in rows_of(fake, done)] == NAMES[:3]


def test_jobs_of_different_fates() -> None:
    fates = [{"jobs": [0], "outcome": "failed"}, {"jobs": [1], "outcome": "expired"}]
    with running(fates=fates) as fake:
        made = [submit(fake, lines(2), name=f"t-{number}") for number in range(3)]
        states = [state_of(ended(fake, job)) for job in made]
        assert states == ["FAILED", "EXPIRED", "SUCCEEDED"]
        fake.control(fates=[], expire=True)
        assert state_of(ended(fake, submit(fake, lines(2), name="t-4"))) == "EXPIRED"


def test_a_cancellation_that_loses_its_race() -> None:
    with running(hold=["RUNNING"], cancel_race=True) as fake:
        job = submit(fake, lines(4))
        fake.eventually(lambda seen: seen["jobs"][0]["state"] == "RUNNING")
        client = gen_ai(fake)
        client.batches.cancel(name=job.name or "")
        done = ended(fake, job)
        assert state_of(done) == "SUCCEEDED"
        assert len(rows_of(fake, done)) == 4


def test_a_job_that_takes_its_time() -> None:
    with running(queue_seconds=1_000, speed=10) as fake:
        job = submit(fake, lines(1_000))
        assert state_of(look(fake, job)) == "PENDING"
        fake.control(advance=1_001)
        fake.eventually(lambda seen: seen["jobs"][0]["state"] == "RUNNING")
        fake.control(advance=50)
        seen = look(fake, job)
        assert seen.completion_stats is not None
        assert 500 <= (seen.completion_stats.successful_count or 0) < 600
        fake.control(advance=50)
        assert state_of(ended(fake, job)) == "SUCCEEDED"


def test_a_state_and_a_list_that_come_late() -> None:
    with running(poll_delay=100, list_lag=100) as fake:
        job = submit(fake, lines(1))
        fake.eventually(lambda seen: seen["jobs"][0]["state"] == "SUCCEEDED")
        client = gen_ai(fake)
        seen = look(fake, job)
        assert (state_of(seen), seen.output_info) == ("RUNNING", None)
        assert list(client.batches.list()) == []
        fake.control(advance=101)
        assert state_of(look(fake, job)) == "SUCCEEDED"
        assert len(list(client.batches.list())) == 1


def test_a_creation_whose_answer_is_lost() -> None:
    with running(lose_create_answer=1) as fake:
        with pytest.raises(Exception, match="disconnected"):
            submit(fake, lines(1))
        submit(fake, lines(1))
        assert fake.state.creates_by_name == {"t-1": 2}


def test_buckets_that_a_job_cannot_work_with() -> None:
    cases: list[tuple[dict[str, Any], int, str, int]] = [
        ({"no_such_bucket": [BUCKET]}, 9, "does not exist", 0),
        ({"bucket_region": "EUROPE-WEST4"}, 9, "is in EUROPE-WEST4", 0),
        ({"bucket_denied": ["agent_read"]}, 7, "storage.objects.get", 0),
        ({"bucket_denied": ["agent_write"]}, 7, "storage.objects.create", 3),
    ]
    for dials, code, words, run in cases:
        with running(**dials) as fake:
            done = ended(fake, submit(fake, lines(3)))
            assert state_of(done) == "FAILED"
            assert done.error is not None
            assert (done.error.code, words in (done.error.message or "")) == (code, True), dials
            assert done.output_info is None
            # Where writing is denied, all rows have been run, and are paid, for nothing.
            assert sum(fake.state.lines_by_id.values()) == run
            if run:
                assert done.completion_stats is not None
                assert done.completion_stats.successful_count == run
                assert "gcp-sa-aiplatform" in (done.error.message or "")


def test_a_bucket_of_several_regions_will_do() -> None:
    with running(bucket_region="US") as fake:
        assert state_of(ended(fake, submit(fake, lines(1)))) == "SUCCEEDED"
    with running(bucket_region="EUROPE-WEST4") as fake:
        job = submit(fake, lines(1), location="global")
        fake.eventually(lambda seen: seen["jobs"][0]["state"] == "SUCCEEDED")
        assert "/locations/global/" in (job.name or "")


REFUSALS: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"api_disabled": True}, 403, "PERMISSION_DENIED", "SERVICE_DISABLED"),
    ({"billing_disabled": True}, 403, "PERMISSION_DENIED", "BILLING_DISABLED"),
    (
        {"denied": ["aiplatform.batchPredictionJobs.create"]},
        403,
        "PERMISSION_DENIED",
        "IAM_PERMISSION_DENIED",
    ),
    ({"quota": ["create"]}, 429, "RESOURCE_EXHAUSTED", None),
    ({"no_such_model": [GEMINI]}, 404, "NOT_FOUND", None),
    ({"models": ["google/gemini-3-pro"]}, 404, "NOT_FOUND", None),
    ({"revoked": True}, 401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"),
]


@pytest.mark.parametrize(("dials", "code", "status", "reason"), REFUSALS)
def test_a_project_that_may_not(
    dials: dict[str, Any], code: int, status: str, reason: str | None
) -> None:
    with running(**dials) as fake:
        with pytest.raises(errors.ClientError) as caught:
            submit(fake, lines(1))
        assert (caught.value.code, caught.value.status) == (code, status)
        body: Any = caught.value.details
        details = body["error"].get("details", [])
        reasons = [detail.get("reason") for detail in details if detail.get("reason")]
        assert reasons == ([] if reason is None else [reason])
        assert fake.state.creates == []


def test_online_calls_that_may_not() -> None:
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"quota": ["online"]}, 429, "Resource exhausted"),
        ({"denied": ["aiplatform.endpoints.predict"]}, 403, "aiplatform.endpoints.predict"),
        ({"no_such_model": [GEMINI]}, 404, "was not found or your project does not have access"),
    ]
    for dials, code, words in cases:
        with running(**dials) as fake:
            client = gen_ai(fake)
            with pytest.raises(errors.ClientError, match=words) as caught:
                client.models.generate_content(model=GEMINI, contents="x")
            assert caught.value.code == code


def test_a_partners_jobs_at_one_time() -> None:
    path = f"publishers/anthropic/models/{CLAUDE}"
    rows = [{"custom_id": "r0", "request": {"max_tokens": 1}}]
    with running(max_jobs=1, hold=["PENDING"]) as fake:
        submit(fake, rows, model=path)
        with pytest.raises(errors.ClientError) as caught:
            submit(fake, rows, model=path)
        assert caught.value.code == 429
        submit(fake, lines(1))


@pytest.mark.parametrize("on", ["create", "job", "jobs", "cancel", "remove", "online"])
def test_too_many_requests(on: str) -> None:
    with running(hold=["RUNNING"] if on == "cancel" else []) as fake:
        job = submit(fake, lines(1))
        if on != "cancel":
            ended(fake, job)
        client = gen_ai(fake)
        name = job.name or ""
        fake.trouble({"on": on, "status": 429, "retry_after": "7", "times": 1})
        calls = {
            "create": lambda: submit(fake, lines(1)),
            "job": lambda: client.batches.get(name=name),
            "jobs": lambda: list(client.batches.list()),
            "cancel": lambda: client.batches.cancel(name=name),
            "remove": lambda: client.batches.delete(name=name),
            "online": lambda: client.models.generate_content(model=GEMINI, contents="x"),
        }
        with pytest.raises(errors.ClientError) as caught:
            calls[on]()
        assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
        calls[on]()


def test_what_a_creation_is_refused_for() -> None:
    with running() as fake:
        client = gen_ai(fake)
        good: dict[str, Any] = {
            "displayName": "t-1",
            "model": f"publishers/google/models/{GEMINI}",
            "inputConfig": {
                "instancesFormat": "jsonl",
                "gcsSource": {"uris": [f"gs://{BUCKET}/in.jsonl"]},
            },
            "outputConfig": {
                "predictionsFormat": "jsonl",
                "gcsDestination": {"outputUriPrefix": f"gs://{BUCKET}/out"},
            },
        }
        for change, words in (
            ({"displayName": "x" * 129}, "up to 128 characters"),
            ({"displayName": ""}, "display_name is required"),
            ({"model": GEMINI}, "Invalid resource name"),
            ({"tag": "x"}, 'Unknown name "tag"'),
            ({"outputConfig": {"predictionsFormat": "jsonl"}}, "Invalid Cloud Storage URI"),
        ):
            with pytest.raises(errors.ClientError) as caught:
                client._api_client.request(  # pyright: ignore[reportPrivateUsage] - past its types
                    "post", "batchPredictionJobs", {**good, **change}
                )
            assert caught.value.code == 400
            assert words in (caught.value.message or ""), change


def test_an_input_that_is_deleted_while_its_job_runs() -> None:
    with running(hold=["RUNNING"]) as fake:
        job = submit(fake, lines(3))
        fake.eventually(lambda seen: seen["jobs"][0]["state"] == "RUNNING")
        obstore.delete(store(fake), "in/t-1.jsonl")
        assert fake.objects() == {}
        fake.control(hold=[])
        assert len(rows_of(fake, ended(fake, job))) == 3
    with running(queue_seconds=1_000) as fake:
        job = submit(fake, lines(3))
        obstore.delete(store(fake), "in/t-1.jsonl")
        fake.control(advance=1_001)
        done = ended(fake, job)
        assert done.error is not None
        assert "does not exist" in (done.error.message or "")


def test_lines_that_are_not_read_at_all() -> None:
    with running(discard=True, discard_bytes=500) as fake:
        rows = rows_of(fake, ended(fake, submit(fake, lines(1_000))))
        assert [row["custom_id"] for row in rows[:2]] == NAMES[:2]
        assert len(rows[-1]["response"]["candidates"][0]["content"]["parts"][0]["text"]) == 500


def test_a_process_with_jobs_that_outlive_their_caller() -> None:
    with process(run_seconds=0.2) as fake:
        done = ended(fake, submit(fake, lines(3)))
        assert state_of(done) == "SUCCEEDED"
        assert directory(done).startswith(f"gs://{BUCKET}/out/t-1/prediction-model-")
        assert fake.brief()["lines"] == 3
    with pytest.raises(urllib.error.URLError):
        fake.stats()


def test_dials_are_attributes_and_there_are_no_others() -> None:
    with running() as fake:
        fake.behaviour.shards = 2
        assert fake.behaviour.shards == 2
        with pytest.raises(AttributeError):
            _ = fake.behaviour.shadrs
        for dials in ({"shadrs": 1}, {"shards": "two"}, {"rules": [{"do": "x"}]}):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                fake.control(**dials)


def test_the_fake_imports_nothing_of_what_it_tests() -> None:
    code = (
        "import sys, batchway.simulator.google\n"
        "print(*(name for name in sys.modules if name.startswith('batchway')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    foreign = {n for n in done.stdout.split() if not n.startswith("batchway.simulator")}
    assert foreign == {"batchway"}
