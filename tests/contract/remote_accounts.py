"""Accounts for the contract suite of batch APIs: a fake vendor and a provider that calls it."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests import bedrock_fake, vertex_fake
from tests.toy import fake as toy
from tests.toy.account import ToyAccount
from tests.unit.batch_lines import ReadRow, read_row, written_line

from batchway.bootstrap.parts import SystemClock
from batchway.catalog.openai_family import CATALOG, OPENAI
from batchway.domain.call import Call
from batchway.domain.overrides import NO_OVERRIDES
from batchway.domain.remote import JobInput, Reading, RemoteJob
from batchway.domain.status import TERMINAL, BatchStatus
from batchway.ports import Archive, ArchivedFile, ArchivedJob, BatchAccount, Clock
from batchway.providers.aws.batches import BedrockBatches
from batchway.providers.aws.credentials import BotoCredentials, Identity, Keys
from batchway.providers.aws.jobs import Terms
from batchway.providers.aws.place import Place as BedrockPlace
from batchway.providers.aws.signing import Signatures
from batchway.providers.azure.batches import AzureBatchesProvider
from batchway.providers.azure.identity import ApiKey
from batchway.providers.google.batches import VertexBatches
from batchway.providers.google.place import Place
from batchway.providers.http.session import Timeouts
from batchway.providers.http.tokens import Token
from batchway.providers.openai.batches import OpenAIBatchesProvider
from batchway.simulator.aws import KeyPair
from batchway.simulator.batches import Fake, running

CHAT = "/v1/chat/completions"
KEY = "sk-secret-of-the-contract-suite"
TAG = "batchway-0123456789abcdef0123456789abcdef-3-1"
DAY = 86_400
CALL: Final = Call(CHAT, "upstream-model")
# What they speak goes by their names.
VERTEX_CALL: Final = Call(CHAT, "gemini-2.5-flash")
BEDROCK_CALL: Final = Call(CHAT, "us.anthropic.claude-sonnet-4-5-20250929-v1:0")

# Azure's two address families are two vendors here.
ARCHIVED = ("openai", "azure", "azure-v1", *CATALOG, "vertex", "bedrock")
# And one that shares nothing with OpenAI's wire, and has nothing to look up.
ACCOUNTS = (*ARCHIVED, "toy")

_UNKNOWN_JOBS: Final = {
    "vertex": "1234567890",
    "bedrock": f"arn:aws:bedrock:{bedrock_fake.REGION}:123456789012:model-invocation-job/"
    "abcdefghijkl",
}
_UNKNOWN_FILES: Final = {
    "vertex": f"gs://{vertex_fake.BUCKET}/none",
    "bedrock": "s3://bucket-of-tests-0/none",
}

QUICK = Timeouts(connect=5.0, call=10.0, idle=5.0)


class OneToken:
    """`providers.google.credentials.Tokens`: always the same."""

    def __init__(self, value: str) -> None:
        self._value = value

    async def authorization(self) -> str:
        return f"Bearer {self._value}"

    def token(self) -> Token:
        return Token(value=self._value, until=time.time() + DAY)


class Impatient(SystemClock):
    """A clock whose sleeps are a thousandth as long; what was asked for is kept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().sleep(seconds / 1000)


def new_provider(
    account: str,
    base_url: str,
    *,
    key: str = KEY,
    timeouts: Timeouts = QUICK,
    clock: Clock | None = None,
) -> BatchAccount:
    """The provider of an account, as `bootstrap` makes it."""
    clock = clock or Impatient()
    if account == "toy":
        options = {"url": base_url, "key": key}
        return ToyAccount(name="acme", options=options, clock=clock, timeouts=timeouts)
    if account == "vertex":
        return VertexBatches(
            name="acme",
            place=Place(
                project=vertex_fake.PROJECT,
                region="us-central1",
                bucket=vertex_fake.BUCKET,
                base_url=base_url,
                storage_url=base_url,
            ),
            tokens=OneToken(key),
            clock=clock,
            timeouts=timeouts,
        )
    if account == "bedrock":
        return bedrock_batches(base_url, timeouts=timeouts, clock=clock)
    if account.startswith("azure"):
        return AzureBatchesProvider(
            name="acme",
            endpoint=base_url,
            credential=ApiKey(provider="acme", api_key=key),
            api_version="v1" if account == "azure-v1" else "2024-10-21",
            clock=clock,
            timeouts=timeouts,
        )
    entry = OPENAI if account == "openai" else CATALOG[account]
    return OpenAIBatchesProvider(
        name="acme",
        base_url=base_url,
        headers={"authorization": f"Bearer {key}"},
        traits=entry.traits,
        quirks=entry.quirks,
        clock=clock,
        timeouts=timeouts,
    )


def bedrock_batches(
    base_url: str,
    *,
    timeouts: Timeouts = QUICK,
    clock: Clock,
    terms: Terms | None = None,
    keys: KeyPair | None = None,
    owner: str | None = None,
) -> BedrockBatches:
    """The batch API of an account on the fake of AWS, whose `base_url` says all of it."""
    control, s3_url, bucket = base_url.split()
    pair = keys or KeyPair()
    own = Keys(access_key=pair.id, secret=pair.secret, token=pair.token)
    credentials = BotoCredentials(
        provider="acme", identity=Identity(keys=own), region=bedrock_fake.REGION, clock=clock
    )
    return BedrockBatches(
        name="acme",
        place=BedrockPlace(
            region=bedrock_fake.REGION,
            bucket=None if bucket == "-" else bucket,
            bucket_owner=owner,
            base_url=control,
            s3_url=s3_url,
        ),
        terms=terms or Terms(role=bedrock_fake.ROLE),
        authorization=Signatures(credentials=credentials, region=bedrock_fake.REGION, clock=clock),
        credentials=credentials,
        clock=clock,
        timeouts=timeouts,
    )


@contextmanager
def vendor(account: str, **behaviour: Any) -> Generator[Fake]:
    """The fake behind an account."""
    if account == "toy":
        with toy.running(**behaviour) as fake:
            yield fake
        return
    if account == "vertex":
        with vertex_fake.running(**behaviour) as fake:
            yield fake
        return
    if account == "bedrock":
        with bedrock_fake.running(**behaviour) as fake:
            yield fake
        return
    with running(account.removesuffix("-v1"), **behaviour) as fake:
        yield fake


class Batches:
    """An account's batch API as the suite uses it: `jobs` of one call, and `archive` if any."""

    def __init__(self, provider: BatchAccount) -> None:
        self.call = CALL
        if isinstance(provider, VertexBatches):
            self.call = VERTEX_CALL
        if isinstance(provider, BedrockBatches):
            self.call = BEDROCK_CALL
        jobs, archive = provider.jobs(self.call), provider.archive(NO_OVERRIDES)
        assert jobs is not None
        self.jobs = jobs
        self._archive = archive
        self.find = jobs.find
        self.fetch = jobs.fetch
        self.cancel = jobs.cancel
        self.results = jobs.results
        self.unfinished = jobs.unfinished
        self.clean = jobs.clean

    def __repr__(self) -> str:
        return repr((self.jobs, self._archive))

    @property
    def archive(self) -> Archive:
        assert self._archive is not None
        return self._archive

    async def submit(self, order: JobInput) -> RemoteJob:
        """Both steps, one after the other."""
        return await self.jobs.create(order, await self.jobs.bring(order))

    async def shown(self, job_id: str) -> ArchivedJob:
        """The job as callers see it."""
        return await self.archive.job(job_id)

    async def file(self, file_id: str) -> ArchivedFile:
        return await self.archive.file(file_id)

    def content(self, file_id: str) -> AsyncIterator[bytes]:
        return self.archive.content(file_id)

    def decode(self, row: bytes) -> ReadRow | None:
        return read_row(row, self.jobs.framing, self.jobs.dialect)


@asynccontextmanager
async def opened(provider: BatchAccount) -> AsyncGenerator[Batches]:
    """Its batch API, closed at the end."""
    try:
        yield Batches(provider)
    finally:
        await provider.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A fake, and the batches of a provider on it."""

    name: str
    fake: Fake
    batches: Batches
    clock: Impatient

    @property
    def unknown_job(self) -> str:
        """An id as the vendor has them, of no job."""
        return _UNKNOWN_JOBS.get(self.name, "batch_1")

    @property
    def unknown_file(self) -> str:
        """An id as the vendor has them, of no file."""
        return _UNKNOWN_FILES.get(self.name, "file-1")

    async def ended(self, job_id: str) -> RemoteJob:
        """The job once it has ended."""
        while True:
            job = await self.batches.fetch(job_id)
            if job.status in TERMINAL:
                return job
            await self.clock.sleep(20)

    async def running(self, job_id: str) -> None:
        """Wait until the job runs its lines."""
        while (await self.batches.fetch(job_id)).status is not BatchStatus.IN_PROGRESS:
            await self.clock.sleep(20)

    async def rows(self, job: RemoteJob) -> list[ReadRow]:
        """The decoded results, by line."""
        return await decoded(self.batches, job)


async def decoded(batches: Batches, job: RemoteJob) -> list[ReadRow]:
    """The decoded results, by line."""
    data = b"".join([piece async for piece in batches.results(job, Reading())])
    rows = [batches.decode(row) for row in data.split(b"\n") if row.strip()]
    return sorted((row for row in rows if row is not None), key=lambda row: row.line)


def body(line: int) -> bytes:
    """The body of a line: a prompt of its own, beyond ASCII."""
    content = f"Zeile {line}: größer als 😀?"
    return json.dumps(
        {"model": "mine/gpt", "messages": [{"role": "user", "content": content}]},
        ensure_ascii=False,
    ).encode()


def order(
    batches: Batches,
    folder: Path,
    *,
    lines: int = 3,
    tag: str = TAG,
    resumed: bool = False,
    make: Callable[[int], bytes] = body,
) -> JobInput:
    """An order of a few lines of chat, its input in a file named by the spool, not by the tag."""
    path = folder / f"spool-{tag[-3:]}"
    framing, dialect = batches.jobs.framing, batches.jobs.dialect
    data = b"".join(
        written_line(framing, dialect, line=line, body=make(line), named="mine/gpt") + b"\n"
        for line in range(lines)
    )
    path.write_bytes(data)
    return JobInput(
        tag=tag,
        path=path,
        size=len(data),
        lines=lines,
        window=DAY,
        since=int(time.time()) - 60 if resumed else None,
    )
