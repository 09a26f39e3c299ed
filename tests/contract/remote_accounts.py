"""Accounts for the contract suite of remote batches: a fake vendor and a provider that calls it."""

import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchway.bootstrap.parts import SystemClock
from batchway.catalog.openai_family import CATALOG, OPENAI
from batchway.domain.overrides import NO_OVERRIDES
from batchway.domain.remote import JobOrder, Reading, RemoteJob, RemoteRow
from batchway.domain.status import TERMINAL
from batchway.ports import Clock, NativeProvider, RemoteBatches
from batchway.providers.azure.batches import AzureBatchesProvider
from batchway.providers.azure.identity import ApiKey
from batchway.providers.http.session import Timeouts
from batchway.providers.openai.batches import OpenAIBatchesProvider
from batchway.simulator.batches import Fake, running

CHAT = "/v1/chat/completions"
KEY = "sk-secret-of-the-contract-suite"
TAG = "batchway-0123456789abcdef0123456789abcdef-3-1"
DAY = 86_400

# Azure's two address families are two vendors here.
ACCOUNTS = ("openai", "azure", "azure-v1", *CATALOG)

QUICK = Timeouts(connect=5.0, call=10.0, idle=5.0)


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
) -> NativeProvider:
    """The provider of an account, as `bootstrap` makes it."""
    clock = clock or Impatient()
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


@contextmanager
def vendor(account: str, **behaviour: Any) -> Generator[Fake]:
    """The fake behind an account."""
    with running(account.removesuffix("-v1"), **behaviour) as fake:
        yield fake


@asynccontextmanager
async def opened(provider: NativeProvider) -> AsyncGenerator[RemoteBatches]:
    """Its batches, closed at the end."""
    try:
        yield provider.batches(NO_OVERRIDES)
    finally:
        await provider.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A fake, and the batches of a provider on it."""

    name: str
    fake: Fake
    batches: RemoteBatches
    clock: Impatient

    async def ended(self, job_id: str) -> RemoteJob:
        """The job once it has ended."""
        while True:
            job = await self.batches.fetch(job_id)
            if job.status in TERMINAL:
                return job
            await self.clock.sleep(20)

    async def rows(self, job: RemoteJob) -> list[RemoteRow]:
        """The decoded results, by line."""
        return await decoded(self.batches, job)


async def decoded(batches: RemoteBatches, job: RemoteJob) -> list[RemoteRow]:
    """The decoded results, by line."""
    data = b"".join([piece async for piece in batches.results(job, Reading())])
    rows = [batches.codec.decode(row) for row in data.split(b"\n") if row.strip()]
    return sorted((row for row in rows if row is not None), key=lambda row: row.line)


def body(line: int) -> bytes:
    """The body of a line: a prompt of its own, beyond ASCII."""
    content = f"Zeile {line}: größer als 😀?"
    return json.dumps(
        {"model": "mine/gpt", "messages": [{"role": "user", "content": content}]},
        ensure_ascii=False,
    ).encode()


def order(
    batches: RemoteBatches,
    folder: Path,
    *,
    lines: int = 3,
    tag: str = TAG,
    resumed: bool = False,
    make: Callable[[int], bytes] = body,
) -> JobOrder:
    """An order of a few lines of chat, its input in a file named by the spool, not by the tag."""
    path = folder / f"spool-{tag[-3:]}"
    encode = batches.codec.encode
    data = b"".join(
        encode(line=line, endpoint=CHAT, model="upstream-model", body=make(line)) + b"\n"
        for line in range(lines)
    )
    path.write_bytes(data)
    return JobOrder(
        tag=tag,
        endpoint=CHAT,
        model="upstream-model",
        path=path,
        size=len(data),
        lines=lines,
        window=DAY,
        resumed=resumed,
    )
