"""The fakes' misbehaviour: each dial does what it says, seen by the official client."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tests.contract.fake_clients import azure, client, ended, eventually, submit
from tests.contract.fake_lines import CHAT, chats, rows_of, wrong

from batchway.simulator.batches import Fake, process, running

ROOT = Path(__file__).parents[2]


def results(fake: Fake, count: int = 50, **rows: Any) -> tuple[list[str], bytes]:
    """The ids of the rows of a job's output, in order, and the whole of it."""
    fake.control(rows=rows)
    with client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(count)))
        assert done.status == "completed"
        content = sdk.files.content(done.output_file_id or "").content
        rows_read = rows_of(content)
        assert wrong(rows_read) == []
        return [row["custom_id"] for row in rows_read], content


NAMES = [f"r{number:010}" for number in range(50)]


def test_shuffled_rows() -> None:
    with running("openai") as fake:
        names, _ = results(fake, shuffle=True)
        assert names != NAMES
        assert sorted(names) == NAMES


def test_dropped_and_duplicated_rows() -> None:
    with running("openai") as fake:
        names, _ = results(fake, drop=["r0000000003"], duplicate=["r0000000007"])
        assert names == [*NAMES[:3], *NAMES[4:8], NAMES[7], *NAMES[8:]]
        names, _ = results(fake, drop=0.5, duplicate=0)
        assert 10 < len(names) < 40


def test_rows_that_were_not_run_in_time() -> None:
    with running("openai", rows={"expire": ["r0000000001"]}) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(3)))
        (row,) = rows_of(sdk.files.content(done.error_file_id or "").content)
        assert row["response"] is None
        assert row["error"]["code"] == "batch_expired"
        assert fake.stats()["lines_by_id"] == {"r0000000000": 1, "r0000000002": 1}


def test_rows_larger_than_their_requests() -> None:
    with running("openai") as fake:
        _, plain = results(fake)
        _, fat = results(fake, fat=5_000)
        assert len(fat) > len(plain) + 50 * 5_000
        assert "😀" in fat.decode()


def test_a_torn_last_line() -> None:
    with running("openai", rows={"torn": 9}) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(2)))
        first, second = sdk.files.content(done.output_file_id or "").content.splitlines()
        json.loads(first)
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(second)


@pytest.mark.parametrize(
    ("echo", "given", "expected"),
    [("number", "007", 7), ("number", "r0000000001", "r0000000001"), ("upper", "r1", "R1")],
)
def test_ids_in_another_form(echo: str, given: str, expected: object) -> None:
    with running("openai", rows={"echo": echo}) as fake, client(fake) as sdk:
        content = chats(1).replace(b"r0000000000", given.encode())
        done = ended(sdk, submit(sdk, content))
        (row,) = rows_of(sdk.files.content(done.output_file_id or "").content)
        assert row["custom_id"] == expected


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"do": "lose"}, openai.APIConnectionError),
        ({"do": "disown", "status": 500}, openai.InternalServerError),
    ],
)
def test_a_job_that_exists_although_the_answer_says_otherwise(
    rule: Mapping[str, Any], error: type[openai.APIError]
) -> None:
    with running("openai") as fake, client(fake) as sdk:
        fake.trouble({"on": "create", "times": 1, **rule})
        with pytest.raises(error):
            submit(sdk, chats(1), name="t-1.jsonl", metadata={"tag": "t-1"})
        assert [batch.metadata for batch in sdk.batches.list()] == [{"tag": "t-1"}]
        submit(sdk, chats(1), name="t-1.jsonl")
        assert fake.stats()["creates_by_filename"] == {"t-1.jsonl": 2}


def test_an_answer_that_comes_after_the_client_has_gone() -> None:
    with running("openai") as fake, client(fake) as sdk:
        file = sdk.files.create(file=("t-1.jsonl", chats(1)), purpose="batch")
        fake.trouble({"on": "create", "do": "stall", "seconds": 5, "times": 1})
        with pytest.raises(openai.APITimeoutError):
            sdk.with_options(timeout=0.3).batches.create(
                input_file_id=file.id, endpoint=CHAT, completion_window="24h"
            )
        assert [batch.input_file_id for batch in sdk.batches.list()] == [file.id]


def test_a_job_that_is_not_listed_yet() -> None:
    with running("openai", list_lag=60) as fake, client(fake) as sdk:
        batch = submit(sdk, chats(1))
        assert list(sdk.batches.list()) == []
        assert sdk.batches.retrieve(batch.id).id == batch.id
        fake.control(advance=61)
        assert [listed.id for listed in sdk.batches.list()] == [batch.id]


def test_an_upload_whose_answer_is_lost() -> None:
    with running("openai") as fake, client(fake) as sdk:
        fake.trouble({"on": "upload", "do": "lose", "times": 1})
        with pytest.raises(openai.APIConnectionError):
            sdk.files.create(file=("t-1.jsonl", chats(1)), purpose="batch")
        assert [file.filename for file in sdk.files.list()] == ["t-1.jsonl"]


def test_an_upload_that_breaks_off() -> None:
    with running("openai") as fake, client(fake) as sdk:
        fake.trouble({"on": "upload", "do": "cut", "bytes": 50_000, "times": 1})
        with pytest.raises(openai.APIConnectionError):
            sdk.files.create(file=("t-1.jsonl", chats(5_000)), purpose="batch")
        assert list(sdk.files.list()) == []


def test_a_cancellation_that_loses_its_race() -> None:
    with running("openai", hold=["in_progress"], cancel_loses=True) as fake, client(fake) as sdk:
        batch = submit(sdk, chats(4))
        eventually(
            lambda: sdk.batches.retrieve(batch.id), lambda found: found.status == "in_progress"
        )
        assert sdk.batches.cancel(batch.id).status == "cancelling"
        done = ended(sdk, batch)
        assert done.status == "completed"
        assert done.request_counts is not None
        assert done.request_counts.completed == 4


@pytest.mark.parametrize("on", ["job", "create", "upload", "jobs", "content", "cancel"])
def test_too_many_requests(on: str) -> None:
    with running("openai") as fake, client(fake) as sdk:
        batch = submit(sdk, chats(1))
        done = ended(sdk, batch)
        fake.trouble({"on": on, "status": 429, "retry_after": "7", "times": 1})
        calls = {
            "job": lambda: sdk.batches.retrieve(batch.id),
            "create": lambda: submit(sdk, chats(1)),
            "upload": lambda: submit(sdk, chats(1)),
            "jobs": sdk.batches.list,
            "content": lambda: sdk.files.content(done.output_file_id or ""),
            "cancel": lambda: sdk.batches.cancel(batch.id),
        }
        with pytest.raises(openai.RateLimitError) as caught:
            calls[on]()
        assert caught.value.response.headers["retry-after"] == "7"
        assert len(fake.stats()["creates"]) == 1


def test_a_vendor_that_is_down_and_comes_back() -> None:
    with running("openai") as fake, client(fake) as sdk:
        fake.trouble({"status": 503})
        with pytest.raises(openai.InternalServerError):
            sdk.batches.list()
        fake.trouble()
        assert list(sdk.batches.list()) == []


def test_rules_pass_let_by_and_end() -> None:
    with running("openai", rules=[{"on": "jobs", "after": 1, "times": 2}]) as fake:
        with client(fake) as sdk:
            seen = [sdk.batches.with_raw_response.list]
            statuses: list[int] = []
            for _ in range(4):
                try:
                    statuses.append(seen[0]().status_code)
                except openai.APIStatusError as error:
                    statuses.append(error.status_code)
        assert statuses == [200, 503, 503, 200]


def test_a_download_in_odd_pieces() -> None:
    with running("openai", rows={"fat": 300}) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(2)))
        whole = sdk.files.content(done.output_file_id or "").content
        fake.trouble({"on": "content", "do": "chop"})
        with httpx2.stream(
            "GET",
            f"{fake.base_url}/files/{done.output_file_id}/content",
            headers={"Authorization": "Bearer k"},
        ) as answer:
            pieces = list(answer.iter_raw())
        assert b"".join(pieces) == whole
        assert "content-length" not in answer.headers
        assert len(pieces) > 20


def test_a_download_that_breaks_off_and_one_that_is_sent_elsewhere() -> None:
    with running("openai") as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(2)))
        whole = sdk.files.content(done.output_file_id or "").content
        fake.trouble({"on": "content", "do": "cut", "bytes": 100, "times": 1})
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            sdk.files.content(done.output_file_id or "").read()
        fake.trouble({"on": "content", "do": "redirect"})
        assert sdk.files.content(done.output_file_id or "").content == whole


def test_counters_that_are_missing_and_an_error_file_that_is_empty() -> None:
    dials: dict[str, Any] = {"counters_null": True, "empty_error_file": True}
    with running("openai", **dials) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(1)))
        assert done.request_counts is None
        assert sdk.files.content(done.error_file_id or "").content == b""


def test_a_full_quota_fails_a_job_until_there_is_room() -> None:
    with running("openai", enqueued_tokens=500, hold=["in_progress"]) as fake, client(fake) as sdk:
        first, second = submit(sdk, chats(8)), submit(sdk, chats(8))
        failed = ended(sdk, second)
        assert failed.errors is not None
        assert failed.errors.data is not None
        assert [error.code for error in failed.errors.data] == ["token_limit_exceeded"]
        assert "Limit: 500 enqueued tokens" in (failed.errors.data[0].message or "")
        fake.control(hold=[])
        assert ended(sdk, first).status == "completed"
        assert ended(sdk, submit(sdk, chats(8))).status == "completed"


def test_a_full_quota_refuses_a_job_in_some_regions() -> None:
    dials: dict[str, Any] = {
        "enqueued_tokens": 500,
        "token_limit": "create",
        "hold": ["in_progress"],
    }
    with running("azure", **dials) as fake, azure(fake, "v1") as sdk:
        submit(sdk, chats(8))
        with pytest.raises(openai.BadRequestError) as caught:
            submit(sdk, chats(8))
        assert caught.value.code == "token_limit_exceeded"
        assert len(fake.stats()["creates"]) == 1


def test_a_key_that_is_revoked() -> None:
    with running("openai") as fake, client(fake) as sdk:
        batch = submit(sdk, chats(1))
        fake.control(revoked=True)
        with pytest.raises(openai.AuthenticationError):
            sdk.batches.retrieve(batch.id)


@pytest.mark.parametrize("outcome", ["failed", "expired", "cancelled"])
def test_a_job_that_ends_badly_with_part_of_its_rows(outcome: str) -> None:
    with running("openai", outcome=outcome, share=0.5) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(10)))
        assert done.status == outcome
        rows = rows_of(sdk.files.content(done.output_file_id or "").content)
        assert [row["custom_id"] for row in rows] == NAMES[:5]
        assert wrong(rows) == []
        unrun = rows_of(sdk.files.content(done.error_file_id or "").content)
        assert {row["error"]["code"] for row in unrun} == {f"batch_{outcome}"}
        assert len(unrun) == 5
        assert fake.stats()["lines"] == 5
        counts = done.request_counts
        assert counts is not None
        assert (counts.total, counts.completed, counts.failed) == (10, 5, 0)


def test_a_job_that_says_nothing_of_the_lines_it_left() -> None:
    dials: dict[str, Any] = {"outcome": "expired", "share": 0.5, "rows": {"leftovers": False}}
    with running("openai", **dials) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(10)))
        assert done.output_file_id is not None
        assert done.error_file_id is None


def test_a_job_that_fails_validation_as_told() -> None:
    told = {"code": "model_not_found", "line": 3, "message": "No.", "param": "body.model"}
    with running("openai", errors=[told]) as fake, client(fake) as sdk:
        done = ended(sdk, submit(sdk, chats(5)))
        assert done.status == "failed"
        assert done.errors is not None
        assert done.errors.model_dump()["data"] == [told]


def test_jobs_of_different_fates() -> None:
    fates: list[dict[str, Any]] = [
        {"jobs": [0], "outcome": "expired"},
        {"jobs": [2], "errors": [{"code": "x", "line": 1, "message": "No.", "param": None}]},
    ]
    with running("openai", fates=fates) as fake, client(fake) as sdk:
        made = [submit(sdk, chats(2)) for _ in range(4)]
        statuses = [ended(sdk, batch).status for batch in made]
        assert statuses == ["expired", "completed", "failed", "completed"]


def test_a_dial_that_does_not_exist() -> None:
    with running("openai") as fake:
        for dials in ({"shufle": True}, {"rows": {"shuffle": "yes"}}, {"rules": [{"do": "x"}]}):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                fake.control(**dials)


def test_a_process_outlives_its_client_and_ends_when_told() -> None:
    script = (
        "import sys, openai\n"
        "sdk = openai.OpenAI(base_url=sys.argv[1], api_key='k')\n"
        "file = sdk.files.create(file=('t-1.jsonl', sys.stdin.buffer.read()), purpose='batch')\n"
        f"sdk.batches.create(input_file_id=file.id, endpoint={CHAT!r}, completion_window='24h')\n"
        "print('made', flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    with process("openai", phases={"in_progress": 0.2}) as fake:
        with subprocess.Popen(
            [sys.executable, "-c", script, fake.base_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as victim:
            assert victim.stdin is not None
            assert victim.stdout is not None
            victim.stdin.write(chats(3))
            victim.stdin.close()
            assert victim.stdout.readline() == b"made\n"
            os.kill(victim.pid, signal.SIGKILL)
        stats = fake.eventually(lambda found: found["jobs"][0]["status"] == "completed")
        assert (stats["lines"], len(stats["creates"])) == (3, 1)
    with pytest.raises(urllib.error.URLError):
        fake.stats()


def test_lines_that_are_not_read_at_all() -> None:
    with running("nebius", discard=True, discard_bytes=500) as fake, client(fake) as sdk:
        started = time.monotonic()
        done = ended(sdk, submit(sdk, chats(20_000)))
        rows = rows_of(sdk.files.content(done.output_file_id or "").content)
        assert time.monotonic() - started < 30
        assert len(rows) == 20_000
        assert rows[-1]["custom_id"] == "r0000019999"
        content = rows[0]["response"]["body"]["choices"][0]["message"]["content"]
        assert len(content) == 500


def test_no_fake_imports_an_adapter() -> None:
    code = (
        "import sys, batchway.simulator.batches\n"
        "print(*(name for name in sys.modules if name.startswith('batchway')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    foreign = {n for n in done.stdout.split() if not n.startswith("batchway.simulator")}
    assert foreign == {"batchway"}


def test_a_vendor_that_does_not_listen_for_a_while() -> None:
    with running("openai") as fake, client(fake) as sdk:
        batch = submit(sdk, chats(1))
        fake.down(0.5)
        with pytest.raises(openai.APIConnectionError):
            sdk.batches.retrieve(batch.id)
        back = eventually(lambda: _listens(fake), bool)
        assert back
        assert ended(sdk, batch).status == "completed"


def _listens(fake: Fake) -> bool:
    try:
        return bool(fake.stats())
    except urllib.error.URLError:
        return False


def test_an_input_file_that_is_deleted_while_its_job_runs() -> None:
    with running("openai", hold=["in_progress"]) as fake, client(fake) as sdk:
        batch = submit(sdk, chats(3))
        eventually(
            lambda: sdk.batches.retrieve(batch.id), lambda found: found.status == "in_progress"
        )
        sdk.files.delete(batch.input_file_id)
        fake.control(hold=[])
        done = ended(sdk, batch)
        assert done.status == "completed"
        assert len(rows_of(sdk.files.content(done.output_file_id or "").content)) == 3
