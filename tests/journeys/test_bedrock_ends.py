"""However a job of Bedrock ends and whatever its files look like, each line has its own end.

One server in the mode `native` over one fake, whose dials each test turns for itself.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from tests.journeys.bedrock import BUCKET, CLAUDE, NOVA, ROLE, bedrock, named, nothing_is_left
from tests.journeys.conftest import running_servers
from tests.journeys.lines import chats, check, completed, counts, ended, results, submit
from tests.journeys.processes import Server

from batchway.simulator.aws import BedrockFake, running

pytestmark = pytest.mark.xdist_group("s3")

ROWS: Final = 100
World = tuple[BedrockFake, Server]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("ends")
    with running() as fake, running_servers(folder) as servers:
        fake.make_bucket(BUCKET)
        yield fake, servers(bedrock(fake, mode="native", bucket=BUCKET, role_arn=ROLE))


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The fake as it was, afterwards."""
    fake, _ = shared
    dials = fake.control()
    yield shared
    fake.control(**dials)


@pytest.mark.parametrize(
    "dials",
    [
        {"shards": 12, "empty_files": True, "last_newline": False, "page_size": 3},
        {"shuffle": True, "duplicate_rows": 1.0, "old_record_ids": True},
        {"counts": "absent", "poll_delay": 0.2},
        {"counts": "absent", "no_manifest": True},
        {"counts": "zero"},
    ],
    ids="+".join,
)
def test_whatever_its_files_look_like(world: World, dials: dict[str, Any]) -> None:
    fake, server = world
    fake.control(**dials)
    asked = chats(ROWS, "-".join(dials), model=CLAUDE)
    client = server.client()
    last = completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))
    assert last.usage is not None
    assert last.usage.total_tokens > 0
    nothing_is_left(fake)


@pytest.mark.parametrize(
    ("fate", "code", "told"),
    [
        ("PartiallyCompleted", "batch_expired", "live"),
        ("Expired", "batch_expired", "absent"),
        ("Stopped", "missing_result", "live"),  # by somebody at AWS
        ("Failed", "job_failed", "absent"),
    ],
)
def test_whatever_its_end(world: World, fate: str, code: str, told: str) -> None:
    """Half of the lines were run and are delivered; every other one says why it was not.

    Whatever AWS says of the job, no key is in it.
    """
    fake, server = world
    said = f"For {fake.keys.secret}, a reason."
    fake.control(fates=[{"outcome": fate, "share": 0.5, "message": said}], counts=told)
    asked = chats(ROWS, f"{fate}-{told}", model=CLAUDE)
    client = server.client()

    last = ended(client, submit(client, asked))

    given = results(client, last)
    check(asked, given, models=named(asked, CLAUDE))
    assert (last.status, counts(last)) == ("completed", (ROWS, ROWS // 2, ROWS // 2))
    assert given.codes() == {each["custom_id"]: code for each in asked[ROWS // 2 :]}
    assert fake.keys.secret not in str(given.errors)
    nothing_is_left(fake)


def test_rows_that_fail_and_rows_that_are_missing(world: World) -> None:
    fake, server = world
    fake.control(
        fail_rows={
            "400": ["r0000000001"],
            "429": ["r0000000002"],
            "424": ["r0000000003"],
            "503": ["r0000000004"],
        },
        drop_rows=["r0000000005"],
    )
    asked = chats(ROWS, "fail", model=NOVA)
    client = server.client()
    last = ended(client, submit(client, asked))
    given = results(client, last)
    check(asked, given, models=named(asked, NOVA))
    assert list(given.codes().values()) == [400, 429, 500, 503, "result_not_fetched"]
    bodies = [each["response"]["body"]["error"] for each in given.errors[:4]]
    assert [(body["code"], body["type"]) for body in bodies] == [
        ("ValidationException", "invalid_request_error"),
        ("ThrottlingException", "rate_limit_error"),
        ("ModelErrorException", "server_error"),
        ("ServiceUnavailableException", "server_error"),
    ]


def test_a_file_whose_end_is_torn_off(world: World) -> None:
    """The row that cannot be read is told to be one; the others are whole."""
    fake, server = world
    fake.control(torn_end=20)
    asked = chats(ROWS, "torn", model=CLAUDE)
    client = server.client()
    last = ended(client, submit(client, asked))
    given = results(client, last)
    check(asked, given, models=named(asked, CLAUDE))
    assert counts(last) == (ROWS, ROWS - 1, 1)
    assert given.codes() == {asked[-1]["custom_id"]: "result_not_fetched"}
