"""An API over two names of one provider account that a test scripts, for `test_api_remote*`.

Not fixtures: each module makes its own of `shared_account`.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.contract.scripted_provider import ScriptedProvider
from tests.contract.test_api_harness import UNKNOWN_FILE, Reply, Server, an_error, serving

from batchway.domain.remote import JobRecord, JobStage
from batchway.domain.shard import Mode, Shard
from batchway.domain.status import BatchStatus
from batchway.ports import ArchivedFile, ArchivedJob
from batchway.service.keys import configured_key

BLUE, RED, NARROW = "sk-blue-0123456789", "sk-red-01234567890", "sk-narrow-01234567"
TFY = {"authorization": f"Bearer {BLUE}", "x-tfy-provider-name": "azure"}
PLAIN = {"authorization": f"Bearer {BLUE}"}
THEIRS = "batch_3f2504e0-4f89-41d3-9a0c-0305e82c3301"
ARN = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abc123"
GS = "gs://bucket/out/a b/predictions.jsonl"
JOB = ArchivedJob(
    id=THEIRS,
    status=BatchStatus.IN_PROGRESS,
    endpoint="/v1/chat/completions",
    created_at=1_700_000_000,
)
FILE = ArchivedFile(id="file-x", bytes=12, filename="out.jsonl", purpose="batch_output")
UNKNOWN_THEIRS = an_error(f"No batch found with id '{THEIRS}'.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The API, and the account under both of its names."""

    api: Server
    azure: ScriptedProvider
    twin: ScriptedProvider


@contextmanager
def shared_account(database_url: str, folder: Path) -> Generator[Shared]:
    """Three keys of two tenants, two providers with a batch API and one without.

    The key that may not use these providers has no right to pass through, either.
    """
    azure = ScriptedProvider(name="azure", known={THEIRS: JOB}, files={FILE.id: FILE})
    twin = ScriptedProvider(name="twin", known={THEIRS: JOB})
    keys = [
        configured_key(name="blue", secret=BLUE, tenant="blue", passthrough=True),
        configured_key(name="red", secret=RED, tenant="red", passthrough=True),
        configured_key(name="narrow", secret=NARROW, tenant="blue", providers=["vllm"]),
    ]
    with serving(
        database_url,
        folder / "blobs",
        keys=keys,
        providers=("vllm", "azure", "twin"),
        natives={"azure": azure, "twin": twin},
    ) as api:
        yield Shared(api=api, azure=azure, twin=twin)


def get(api: Server, path: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return api.ask("GET", path, headers={**TFY, **named})


def made_by(api: Server, key: str) -> str:
    """A native batch of one shard, running; its id."""
    body = {
        "input_file_id": UNKNOWN_FILE,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    reply = api.post("/v1/batches", body, authorization=f"Bearer {key}")
    assert reply.status == 200
    batch_id: str = reply.json()["id"]
    shard = Shard(
        batch_id=batch_id,
        number=0,
        group="azure/m",
        mode=Mode.NATIVE,
        start=0,
        end=1,
        first_line=0,
        lines=1,
    )
    assert api.run(api.ledger.batches.begin(batch_id, at=1, model=None, shards=[shard]))
    return batch_id


def record_job(
    api: Server,
    batch_id: str,
    *,
    output_file_id: str | None = FILE.id,
    submitted_at: int | None = None,
) -> None:
    """Write down that the batch's shard made `THEIRS` and two files at azure."""
    claim = api.run(api.ledger.shards.claim(batch_id, 0))
    record = JobRecord(
        batch_id=batch_id,
        shard=0,
        attempt=1,
        tag=f"batchway-{batch_id[6:]}-0-1",
        provider="azure",
        model="m",
        stage=JobStage.SUBMITTED,
        remote_id=THEIRS,
        reference="file-in",
        references=() if output_file_id is None else (output_file_id,),
        submitted_at=submitted_at,
    )
    assert api.run(api.ledger.jobs.put(claim, record))
