"""The right to look up and run what lives at a provider, and whose such things are."""

import gzip
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openai
import pytest
from tests.contract.remote_api import FILE, JOB, THEIRS, made_by, record_job
from tests.contract.scripted_provider import ScriptedProvider
from tests.contract.test_api_harness import LINE, Reply, Server, an_error, serving

from batchway.domain.keys import ApiKey
from batchway.domain.remote import JobRecord, JobStage, RemoteError, Trouble
from batchway.domain.shard import Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.ports import ArchivedFile
from batchway.service.keys import configured_key
from batchway.service.limits import Limits

BLUE, RED = "sk-blue-0123456789", "sk-red-01234567890"
INPUT = ArchivedFile(id="file-abc", bytes=len(LINE), filename="in.jsonl", purpose="batch")
BODY = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
WITHHELD = an_error(
    f"No batch found with id '{THEIRS}'. This API key may look up only what its own batches made; "
    "its right `passthrough` would let it look up other batches at a provider."
)


def key(secret: str, **rights: Any) -> ApiKey:
    name = secret.split("-")[1]
    return configured_key(name=name, secret=secret, tenant=name, **rights)


@contextmanager
def account(url: str, folder: Path, *keys: ApiKey, **limits: int) -> Generator[tuple[Server, Any]]:
    """An API over the account `azure` and, without a batch API, `vllm`."""
    azure = ScriptedProvider(
        name="azure",
        known={THEIRS: JOB},
        files={FILE.id: FILE, INPUT.id: INPUT},
        pieces=[LINE[:20], LINE[20:]],
    )
    with serving(
        url,
        folder / "blobs",
        keys=keys,
        limits=Limits(**limits),
        providers=("vllm", "azure"),
        natives={"azure": azure},
    ) as api:
        yield api, azure


def ask(api: Server, path: str, secret: str = BLUE) -> Reply:
    headers = {"authorization": f"Bearer {secret}", "x-tfy-provider-name": "azure"}
    return api.ask("GET", path, headers=headers)


# ------------------------------------------------------------------------------- the right


@pytest.mark.parametrize(
    ("keys", "may"),
    [
        ([], True),
        ([key(BLUE)], True),
        ([key(BLUE), configured_key(name="b2", secret=RED, tenant="blue")], True),
        ([key(BLUE), key(RED)], False),
        ([key(BLUE), key(RED, providers=["vllm"])], True),
        ([key(BLUE, passthrough=True), key(RED)], True),
        ([key(BLUE, passthrough=False)], False),
    ],
    ids=["open", "one", "one tenant", "two tenants", "an account each", "granted", "taken"],
)
def test_who_may_look_up_what_was_made_elsewhere(
    sqlite_url: str, tmp_path: Path, keys: list[ApiKey], *, may: bool
) -> None:
    with account(sqlite_url, tmp_path, *keys) as (api, azure):
        replies = [
            ask(api, f"/v1/batches/{THEIRS}"),
            ask(api, "/v1/batches/batch_nobodys"),
            ask(api, f"/v1/files/{FILE.id}"),
            ask(api, f"/v1/files/{FILE.id}/content"),
        ]
        expected = [200, 404, 200, 200] if may else [404, 404, 404, 404]
        assert [reply.status for reply in replies] == expected
        if not may:
            assert replies[0].json() == WITHHELD
            # What is there and what is not are answered alike, and nobody is asked.
            assert replies[1].body == replies[0].body.replace(THEIRS.encode(), b"batch_nobodys")
            assert replies[2].json() == an_error(
                f"No such File object: {FILE.id}. This API key may look up only what its own "
                "batches made; its right `passthrough` would let it look up other files at a "
                "provider.",
                param="id",
            )
            assert azure.asked == []


@pytest.mark.parametrize(
    "value", [".", "..", "a/../b", "../x", "a/.", "a%2F..%2fb", "a\\..\\b", "..?x", "..#"]
)
def test_no_header_leads_elsewhere_in_a_path(sqlite_url: str, tmp_path: Path, value: str) -> None:
    with account(sqlite_url, tmp_path, key(BLUE)) as (api, azure):
        for name in ("x-tfy-provider-model", "x-tfy-aws-bedrock-model", "x-tfy-of-tomorrow"):
            reply = create(api, INPUT.id, **{name.replace("-", "_"): value})
            assert (reply.status, reply.json()["error"]["param"]) == (400, name)
        assert azure.asked == api.woken == []
        # Names have dots.
        for model in ("gpt-4.1", "meta/llama-3.1..x", "a.b/c..", "...", "arn:aws:x::1:y/z.v1"):
            assert create(api, INPUT.id, x_tfy_provider_model=model).status == 200


def test_a_stored_key_has_its_right_and_takes_it_from_others(
    sqlite_url: str, tmp_path: Path
) -> None:
    with account(sqlite_url, tmp_path, key(BLUE)) as (api, _):
        assert ask(api, f"/v1/batches/{THEIRS}").status == 200
        _, red = api.run(api.keys.create("red", tenant="red", passthrough=True))
        assert ask(api, f"/v1/batches/{THEIRS}", red).status == 200
        assert ask(api, f"/v1/batches/{THEIRS}").json() == WITHHELD
        assert api.run(api.keys.revoke("red"))
        assert ask(api, f"/v1/batches/{THEIRS}").status == 200


def test_without_the_right_a_key_sees_what_its_own_batches_made(
    sqlite_url: str, tmp_path: Path
) -> None:
    keys = [key(BLUE, passthrough=False), key(RED, passthrough=True)]
    with account(sqlite_url, tmp_path, *keys) as (api, _):
        record_job(api, made_by(api, BLUE))
        for path in (f"batches/{THEIRS}", f"files/{FILE.id}", f"files/{FILE.id}/content"):
            assert ask(api, f"/v1/{path}").status == 200
            assert ask(api, f"/v1/{path}", RED).status == 404
        assert ask(api, f"/v1/files/{INPUT.id}").status == 404
        assert ask(api, f"/v1/files/{INPUT.id}", RED).status == 200


# ------------------------------------------------------------------------------- whose it is


def jobs_of_red(api: Server, count: int, *, submitted_at: int, last: JobRecord) -> None:
    """Running jobs of another tenant: `last`, behind so many others."""
    batch_id = api.post(
        "/v1/batches",
        {**BODY, "input_file_id": "file-" + "0" * 22},
        authorization=f"Bearer {RED}",
    ).json()["id"]
    shards = [
        Shard(
            batch_id=batch_id,
            number=number,
            group="azure/m",
            mode=Mode.NATIVE,
            start=number,
            end=number + 1,
            first_line=number,
            lines=1,
        )
        for number in range(count + 1)
    ]

    async def write() -> None:
        assert await api.ledger.batches.begin(batch_id, at=1, model=None, shards=shards)
        for shard in shards:
            claim = await api.ledger.shards.claim(batch_id, shard.number)
            record = replace(
                last,
                batch_id=batch_id,
                shard=shard.number,
                tag=f"batchway-{batch_id[6:]}-{shard.number}-1",
            )
            if shard.number < count:
                record = replace(
                    record, remote_id=f"batch_{shard.number}", submitted_at=submitted_at
                )
            assert await api.ledger.jobs.put(claim, record)

    api.run(write())


NEW = 1_800_000_000
LAST = JobRecord(
    batch_id="",
    shard=0,
    attempt=1,
    tag="",
    provider="azure",
    model="m",
    stage=JobStage.SUBMITTED,
    remote_id=THEIRS,
    submitted_at=NEW,
)


@pytest.mark.parametrize(
    ("submitted_at", "status"),
    [(NEW + 90_000, 404), (NEW, 429)],
    ids=["too young to have made it", "may have made it"],
)
def test_jobs_beyond_the_first_hundreds_clear_nothing(
    sqlite_url: str, tmp_path: Path, submitted_at: int, status: int
) -> None:
    with account(sqlite_url, tmp_path, key(BLUE, passthrough=True), key(RED)) as (api, azure):
        jobs_of_red(api, 520, submitted_at=submitted_at, last=LAST)
        azure.known[THEIRS] = replace(JOB, status=BatchStatus.COMPLETED, output_file_id="file-new")
        azure.files["file-new"] = replace(FILE, id="file-new", created_at=NEW + 100)
        for path in ("", "/content"):
            assert ask(api, f"/v1/files/file-new{path}").status == status
        assert "content" not in [call for call, _ in azure.asked]


def test_a_job_that_is_just_being_submitted_is_looked_for_by_its_tag(
    sqlite_url: str, tmp_path: Path
) -> None:
    with account(sqlite_url, tmp_path, key(BLUE, passthrough=True), key(RED)) as (api, azure):
        last = replace(LAST, stage=JobStage.SUBMITTING, remote_id=None)
        jobs_of_red(api, 0, submitted_at=NEW, last=last)
        assert ask(api, f"/v1/files/{FILE.id}").status == 200
        azure.found = replace(JOB, status=BatchStatus.COMPLETED, output_file_id=FILE.id)
        assert ask(api, f"/v1/files/{FILE.id}").status == 404


# ------------------------------------------------------------------------------- input there


def create(api: Server, file_id: str, provider: str = "azure", **headers: str) -> Reply:
    return api.post(
        "/v1/batches",
        {**BODY, "input_file_id": file_id},
        authorization=f"Bearer {BLUE}",
        x_tfy_provider_name=provider,
        **headers,
    )


def kept(api: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.ask(
        "GET", "/v1/files", headers={"authorization": f"Bearer {BLUE}"}
    ).json()["data"]
    return found


def test_an_input_file_at_the_provider_is_fetched_and_kept(sqlite_url: str, tmp_path: Path) -> None:
    with account(sqlite_url, tmp_path, key(BLUE)) as (api, azure):
        client = openai.OpenAI(
            api_key=BLUE,
            base_url=api.url,
            default_headers={"x-tfy-provider-name": "azure"},
            max_retries=0,
        )
        batch = client.batches.create(
            input_file_id=INPUT.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert (batch.input_file_id, batch.status) == (INPUT.id, "validating")
        assert [call for call, _ in azure.asked] == ["file", "content"]
        [file] = kept(api)
        assert (file["filename"], file["bytes"], file["purpose"]) == (
            "in.jsonl",
            len(LINE),
            "batch",
        )
        row = api.run(api.ledger.batches.load(batch.id))
        assert row is not None
        assert (row.input_file_id, row.input_blob) == (INPUT.id, f"files/{file['id']}")
        plain = {"authorization": f"Bearer {BLUE}"}
        assert api.ask("GET", f"/v1/files/{file['id']}/content", headers=plain).body == LINE
        assert api.woken == [batch.id]


def test_a_file_of_ours_is_not_looked_for_there_whatever_it_is_for(
    sqlite_url: str, tmp_path: Path
) -> None:
    with account(sqlite_url, tmp_path, key(BLUE)) as (api, azure):
        client = openai.OpenAI(api_key=BLUE, base_url=api.url, max_retries=0)
        file = client.files.create(file=("a.jsonl", b"{}"), purpose="user_data")
        assert create(api, file.id).status == 200
        assert azure.asked == []


@pytest.mark.parametrize("file_id", ["gs://bucket/in put.json", "s3://b/in.txt"])
@pytest.mark.parametrize("encoded", [False, True])
def test_addresses_in_buckets_are_ids(
    sqlite_url: str, tmp_path: Path, file_id: str, *, encoded: bool
) -> None:
    with account(sqlite_url, tmp_path, key(BLUE)) as (api, azure):
        azure.files[file_id] = replace(INPUT, id=file_id, filename=file_id.rsplit("/", 1)[-1])
        sent = quote(file_id, safe="") if encoded else file_id
        reply = create(api, sent)
        assert (reply.status, reply.json()["input_file_id"]) == (200, sent)
        assert azure.asked[-1] == ("content", file_id)
        assert [file["filename"][-11:] for file in kept(api)] == [
            f"{file_id[-5:]}.jsonl" if file_id.endswith("json") else f"{file_id[-6:]}.jsonl"[-11:]
        ]


def test_a_repeated_request_fetches_once(sqlite_url: str, tmp_path: Path) -> None:
    with account(sqlite_url, tmp_path, key(BLUE)) as (api, azure):
        replies = [create(api, INPUT.id, idempotency_key="k") for _ in range(3)]
        assert len({reply.json()["id"] for reply in replies}) == 1
        assert [call for call, _ in azure.asked] == ["file", "content"]
        assert len(kept(api)) == 1
        assert create(api, FILE.id, idempotency_key="k").status == 409
        assert len(kept(api)) == len(api.stored()) == 1


REFUSED: list[tuple[str, dict[str, Any], int, str | None]] = [
    ("unknown", {"trouble": RemoteError(Trouble.NOT_FOUND, "no.")}, 404, None),
    ("denied", {"trouble": RemoteError(Trouble.DENIED, "no.")}, 502, "provider_denied"),
    ("down", {"trouble": RemoteError(Trouble.UNREACHABLE, "no.")}, 502, "provider_unreachable"),
    ("busy", {"trouble": RemoteError(Trouble.BUSY, "no.")}, 429, "provider_busy"),
    ("cut off", {"broken": RemoteError(Trouble.UNCERTAIN, "no.")}, 504, "provider_not_answering"),
    ("large", {"files": {INPUT.id: replace(INPUT, bytes=5_000)}}, 400, "file_too_large"),
    ("larger than it says", {"pieces": [LINE] * 50}, 400, "file_too_large"),
    ("no jsonl", {"pieces": [gzip.compress(LINE)]}, 400, None),
    ("empty", {"pieces": []}, 400, None),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[0])
def test_an_input_that_cannot_be_had_is_the_answer(
    sqlite_url: str, tmp_path: Path, case: tuple[str, dict[str, Any], int, str | None]
) -> None:
    _, trouble, status, code = case
    with account(sqlite_url, tmp_path, key(BLUE), file_bytes=4_000) as (api, azure):
        for name, value in trouble.items():
            setattr(azure, name, value)
        reply = create(api, INPUT.id)
        assert (reply.status, reply.json()["error"]["code"]) == (status, code)
        assert kept(api) == api.stored() == api.woken == []
        plain = {"authorization": f"Bearer {BLUE}"}
        assert api.ask("GET", "/v1/batches", headers=plain).json()["data"] == []
        # The connection to the provider is given back.
        assert azure.closed == [call for call, _ in azure.asked].count("content")


def test_whose_input_it_is_counts_as_for_a_look_up(sqlite_url: str, tmp_path: Path) -> None:
    keys = [key(BLUE, passthrough=True), key(RED)]
    with account(sqlite_url, tmp_path, *keys) as (api, azure):
        record_job(api, made_by(api, RED))
        assert create(api, FILE.id).status == 404
        assert azure.asked == []
    with account(f"{sqlite_url}", tmp_path, key(BLUE), key(RED)) as (api, azure):
        assert create(api, INPUT.id).status == 404
        assert azure.asked == []


def test_ours_are_not_fetched_and_managed_providers_have_none(
    sqlite_url: str, tmp_path: Path
) -> None:
    with account(sqlite_url, tmp_path, key(BLUE)) as (api, azure):
        reply = api.send_form(
            "/v1/files",
            ('name="purpose"', b"batch"),
            ('name="file"; filename="a.jsonl"', LINE),
            headers={"authorization": f"Bearer {BLUE}"},
        )
        assert create(api, reply.json()["id"]).status == 200
        assert create(api, "file-of-nobody", "vllm").status == 200  # validation says what it is
        assert create(api, "gs://b/x", "vllm").status == 400
        assert create(api, "gs://b/x", "nobody").status == 400
        for wrong in ("", "gs://b/../x", "a\nb", "x" * 3_000):
            assert create(api, wrong).status in {400, 404}
        assert azure.asked == []
