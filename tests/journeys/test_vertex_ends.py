"""However a job of Vertex AI ends and whatever its files look like, each line has its own end.

One server in the mode `native` over one fake, whose dials each test turns for itself.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from tests.journeys.conftest import running_servers
from tests.journeys.lines import chats, check, completed, counts, ended, results, submit
from tests.journeys.processes import Server
from tests.journeys.vertex import BUCKET, GEMINI, named, nothing_is_left, vertex

from batchway.simulator.google import GoogleFake, running

ROWS: Final = 6


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GoogleFake, Server]]:
    folder = tmp_path_factory.mktemp("ends")
    with running() as fake, running_servers(folder) as servers:
        yield fake, servers(vertex(fake, folder, mode="native", bucket=BUCKET))


@pytest.fixture
def world(shared: tuple[GoogleFake, Server]) -> Iterator[tuple[GoogleFake, Server]]:
    """The fake as it was, afterwards."""
    fake, _ = shared
    dials = fake.control()
    yield shared
    fake.control(**dials)


@pytest.mark.parametrize(
    "dials",
    [
        {"shards": 5, "folder_markers": True, "empty_files": True, "last_newline": False},
        {"shuffle": True, "duplicate_rows": 1.0},
        {"no_custom_id": True, "echo_nulls": True},
        {"no_status": True, "stats": "null"},
        {"stats": "minus_one"},
        {"stats": "partial", "poll_delay": 0.3},
    ],
    ids="+".join,
)
def test_whatever_its_files_look_like(
    world: tuple[GoogleFake, Server], dials: dict[str, Any]
) -> None:
    fake, server = world
    fake.control(**dials)
    asked = chats(ROWS, "-".join(dials), model=GEMINI)
    client = server.client()
    last = completed(client, submit(client, asked), asked, models=named(asked, GEMINI))
    assert last.usage is not None
    assert last.usage.total_tokens > 0
    nothing_is_left(fake)


def test_a_job_at_the_location_that_is_everywhere(world: tuple[GoogleFake, Server]) -> None:
    fake, server = world
    asked = chats(ROWS, "global", model=GEMINI)
    client = server.client()
    batch = submit(client, asked, extra_headers={"x-tfy-vertex-region": "global"})
    completed(client, batch, asked, models=named(asked, GEMINI))
    assert fake.stats()["deleted"][-1]["location"] == "global"
    nothing_is_left(fake)


@pytest.mark.parametrize(
    ("fate", "code"),
    [
        ("partially_succeeded", "missing_result"),
        ("expired", "batch_expired"),
        ("cancelled", "missing_result"),  # by somebody at Google
        ("failed", "internal"),
    ],
)
def test_whatever_its_end(world: tuple[GoogleFake, Server], fate: str, code: str) -> None:
    """Half of the lines were run and are delivered; every other one says why it was not."""
    fake, server = world
    fake.control(fates=[{"outcome": fate, "share": 0.5, "code": 13}])
    asked = chats(ROWS, fate, model=GEMINI)
    client = server.client()

    last = ended(client, submit(client, asked))

    given = results(client, last)
    check(asked, given, models=named(asked, GEMINI))
    assert (last.status, counts(last)) == ("completed", (ROWS, ROWS // 2, ROWS // 2))
    assert given.codes() == {each["custom_id"]: code for each in asked[ROWS // 2 :]}
    nothing_is_left(fake)


def test_a_file_whose_end_is_torn_off(world: tuple[GoogleFake, Server]) -> None:
    """The row that cannot be read is told to be one; the others are whole."""
    fake, server = world
    fake.control(torn_end=20)
    asked = chats(ROWS, "torn", model=GEMINI)
    client = server.client()
    last = ended(client, submit(client, asked))
    given = results(client, last)
    check(asked, given, models=named(asked, GEMINI))
    assert counts(last) == (ROWS, ROWS - 1, 1)
    assert given.codes() == {asked[-1]["custom_id"]: "result_not_fetched"}
