"""Batches as jobs of Bedrock: OpenAI's SDK in front, the fake of AWS behind, nothing left in S3."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.journeys.bedrock import BUCKET, CLAUDE, NOVA, ROLE, named, nothing_is_left
from tests.journeys.bedrock import bedrock as provider
from tests.journeys.conftest import Configuration, NewServer
from tests.journeys.lines import chats, completed, submit

from batchway.simulator.aws import BedrockFake, running


def bedrock(fake: BedrockFake, **further: Any) -> Configuration:
    """The fake as a provider in the mode `native`, its bucket empty."""
    fake.make_bucket(BUCKET)
    native = {"cancel_patience": 5, **further.pop("native", {})}
    own = {"bucket": BUCKET, "role_arn": ROLE, "mode": "native", **further}
    return provider(fake, native=native, **own)


@pytest.fixture
def fake() -> Iterator[BedrockFake]:
    with running(shuffle=True, duplicate_rows=0.1, shards=2) as aws:
        yield aws


def test_one_file_becomes_several_jobs_and_one_result(
    fake: BedrockFake, new_server: NewServer
) -> None:
    server = new_server(bedrock(fake, native={"max_lines": 110}))
    client = server.client()
    asked = chats(320, model=CLAUDE)

    batch = completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))

    assert len(fake.stats()["creates"]) == 3
    nothing_is_left(fake)
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
    assert fake.keys.secret not in server.process.output()
