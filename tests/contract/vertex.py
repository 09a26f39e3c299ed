"""An account on Vertex AI's fake, for the modules that test what is Vertex AI's own.

Not fixtures: each module makes its own of `vertex_account`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from tests import vertex_fake
from tests.contract.remote_accounts import (
    KEY,
    TAG,
    Account,
    Impatient,
    new_provider,
    opened,
    vendor,
)
from tests.vertex_fake import VertexFake

from batchway.simulator.google.handle import GoogleFake

INPUT: Final = f"gs://{vertex_fake.BUCKET}/batchway/{TAG}/input.jsonl"


@asynccontextmanager
async def vertex_account() -> AsyncGenerator[Account]:
    """The account, and the fake behind it."""
    clock = Impatient()
    with vendor("vertex", keys=[KEY]) as fake:
        async with opened(new_provider("vertex", fake.base_url, clock=clock)) as batches:
            yield Account(name="vertex", fake=fake, batches=batches, clock=clock)


def google(account: Account) -> GoogleFake:
    """The fake in Google's own words."""
    assert isinstance(account.fake, VertexFake)
    return account.fake.google
