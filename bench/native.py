"""A native batch from outside, the way out and the way back measured apart.

    create --validating--> in_progress --out--> every job created, and held by the fake
                                                          |
    completed <--back-- every result is there <-- let go, while nobody may look

The fake is a process of its own. It is told when jobs may end, and to refuse looks at them until
all results are written, so that neither way waits for it longer than a transfer takes. Owns the run
and its phases; the figures are made of it in `bench.__main__` and `bench.clouds`.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import psutil
from bench.figures import Memory, PeakMemory
from bench.served import Served, ServedError

from batchway.simulator import aws, batches, google
from batchway.simulator.batches.remote import Remote

_ENDPOINT: Final = "/v1/chat/completions"
_EVERY: Final = 0.05
_PATIENCE: Final = 1_800.0
_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_MODE: Final = {"mode": "native", "native": {"poll_min": 0.2, "poll_max": 1}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What one part of the run took; `cpu_seconds` is that of every process of the server."""

    name: str
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeRun:
    """One batch of `jobs` jobs; `finalizing` is the end of `back`. `row_bytes` is a result's."""

    jobs: int
    row_bytes: int
    validating: Phase
    out: Phase
    back: Phase
    finalizing: Phase
    memory: Memory


class _Watch:
    """The clock and the CPU time of a process tree, from one `split` to the next."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._last = self._now()

    def split(self, name: str) -> Phase:
        """The phase that ends now."""
        before, self._last = self._last, self._now()
        return Phase(
            name=name,
            seconds=self._last[0] - before[0],
            cpu_seconds=self._last[1] - before[1],
        )

    def _now(self) -> tuple[float, float]:
        root = psutil.Process(self._pid)
        times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
        return time.perf_counter(), sum(spent.user + spent.system for spent in times)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What a fake calls a job's state and its number of lines, looks at jobs, and files.

    `files` are the bytes of everything that lies at the provider, by name; what is a batch's own
    input says so of itself (`is_input`).
    """

    state: str
    running: str
    ended: str
    lines: str
    looks: tuple[str, ...]
    files: Callable[[Remote], Mapping[str, int]]
    is_input: Callable[[str], bool] = lambda name: name.endswith("/input.jsonl")


def _files_at_openai(fake: Remote) -> Mapping[str, int]:
    return {f"{file['purpose']} {file['id']}": file["bytes"] for file in fake.brief()["files"]}


_OPENAI: Final = _Words(
    state="status",
    running="in_progress",
    ended="completed",
    lines="total",
    looks=("job",),
    files=_files_at_openai,
    is_input=lambda name: not name.startswith("batch_output "),
)
_VERTEX: Final = _Words(
    state="state",
    running="RUNNING",
    ended="SUCCEEDED",
    lines="lines",
    looks=("job",),
    files=lambda fake: cast("Mapping[str, int]", fake.brief()["objects"]),
)
_BEDROCK: Final = _Words(
    state="state",
    running="InProgress",
    ended="Completed",
    lines="lines",
    looks=("job", "jobs"),
    files=lambda fake: cast("Mapping[str, int]", fake.asked("/__objects__")["objects"]),
)


def run_native(path: Path, lines: int) -> NativeRun:
    """Run the file as a native batch at OpenAI and check that every line succeeded.

    Raises `ServedError` when it did not, or took half an hour for one phase.
    """
    with batches.process("openai", discard=True, hold=[_OPENAI.running]) as fake:
        provider = {
            "name": "upstream",
            "type": "openai",
            "base_url": fake.base_url,
            "api_key": "sk-bench",
            **_MODE,
        }
        with Served(provider) as server, PeakMemory(server.pid) as memory:
            return _run(path, lines, server=server, fake=fake, words=_OPENAI, memory=memory)


def run_vertex(path: Path, lines: int) -> NativeRun:
    """As `run_native`, at Vertex AI: lines of models of Gemini, files in Cloud Storage."""
    with (
        tempfile.TemporaryDirectory(prefix="batchway-bench-") as folder,
        google.process(discard=True, hold=[_VERTEX.running]) as fake,
    ):
        provider = {
            "name": "upstream",
            "type": "google-vertex",
            "project": "fake-project",
            "credentials_file": str(fake.key_file(Path(folder) / "key.json")),
            "bucket": "bucket-of-bench",
            "base_url": fake.url,
            "storage_url": fake.url,
            **_MODE,
        }
        with Served(provider) as server, PeakMemory(server.pid) as memory:
            return _run(path, lines, server=server, fake=fake, words=_VERTEX, memory=memory)


def run_bedrock(path: Path, lines: int) -> NativeRun:
    """As `run_native`, at AWS Bedrock: lines of models of Claude, files in S3.

    S3 is moto's, in the process of the fake, where what it holds counts for nobody.
    """
    with aws.process(discard=True, hold=[_BEDROCK.running]) as fake:
        provider = {
            "name": "upstream",
            "type": "aws-bedrock",
            "region": "us-east-1",
            "bucket": fake.make_bucket("bucket-of-bench"),
            "role_arn": "arn:aws:iam::123456789012:role/BedrockBatch",
            "access_key_id": fake.keys.id,
            "secret_access_key": fake.keys.secret,
            "base_url": fake.url,
            "runtime_url": fake.url,
            "sts_url": fake.url,
            "s3_url": fake.s3_url,
            **_MODE,
        }
        with Served(provider) as server, PeakMemory(server.pid) as memory:
            return _run(path, lines, server=server, fake=fake, words=_BEDROCK, memory=memory)


def _run(
    path: Path, lines: int, *, server: Served, fake: Remote, words: _Words, memory: PeakMemory
) -> NativeRun:
    client = server.client()
    with path.open("rb") as file:
        uploaded = client.files.create(file=file, purpose="batch")
    watch = _Watch(server.pid)
    batch = client.batches.create(
        input_file_id=uploaded.id, endpoint=_ENDPOINT, completion_window="24h"
    )

    def status() -> str:
        found = client.batches.retrieve(batch.id).status
        if found in _ENDED - {"completed"}:
            raise ServedError(f"batch {batch.id} ended {found}")
        return found

    _until(lambda: status() != "validating")
    validating = watch.split("validating")

    def jobs_in(state: str) -> list[dict[str, Any]]:
        return [job for job in fake.brief()["jobs"] if job[words.state] == state]

    _until(lambda: sum(job[words.lines] for job in jobs_in(words.running)) == lines)
    out = watch.split("out")
    jobs = len(jobs_in(words.running))
    fake.trouble(*({"on": look, "do": "refuse", "status": 503} for look in words.looks))
    fake.control(hold=[])
    _until(lambda: len(jobs_in(words.ended)) == jobs)
    fake.trouble()
    results = [size for name, size in words.files(fake).items() if not words.is_input(name)]
    row_bytes = round(sum(results) / lines)
    watch.split("waiting for the fake")
    _until(lambda: status() in {"finalizing", "completed"})
    collecting = watch.split("collecting")
    _until(lambda: status() == "completed")
    finalizing = watch.split("finalizing")
    counts = client.batches.retrieve(batch.id).request_counts
    if counts is None or counts.completed != lines:
        raise ServedError(f"batch {batch.id} ended with {counts}")
    if words.files(fake):
        raise ServedError("files are left at the provider")
    return NativeRun(
        jobs=jobs,
        row_bytes=row_bytes,
        validating=validating,
        out=out,
        back=Phase(
            name="back",
            seconds=collecting.seconds + finalizing.seconds,
            cpu_seconds=collecting.cpu_seconds + finalizing.cpu_seconds,
        ),
        finalizing=finalizing,
        memory=memory.peak,
    )


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise ServedError("a phase of the batch did not end")
        time.sleep(_EVERY)
