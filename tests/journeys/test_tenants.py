"""Several tenants and several batches on one provider: who sees what, and who goes when."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from tests.journeys.conftest import NewServer, NewSimulator, provider
from tests.journeys.lines import CHAT, chats, completed, counts, ended, reached, submit

KEYS = [
    {"name": "a", "tenant": "team-a", "key": "sk-team-a-0123456789"},
    {"name": "b", "tenant": "team-b", "key": "sk-team-b-0123456789"},
]
UNKNOWN_FILE = "file-" + "0" * 22
UNKNOWN_BATCH = "batch_" + "0" * 32


def test_a_tenant_sees_nothing_of_another(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    server = new_server(provider(new_simulator()), auth={"keys": KEYS})
    mine, theirs = server.client("sk-team-a-0123456789"), server.client("sk-team-b-0123456789")
    asked = chats(3)
    last = completed(mine, submit(mine, asked), asked)
    assert last.output_file_id is not None

    # Everything that a foreign id could be used for answers as it does for an unknown one.
    attempts: list[tuple[str, str, Callable[[str], Any]]] = [
        (last.input_file_id, UNKNOWN_FILE, theirs.files.retrieve),
        (last.output_file_id, UNKNOWN_FILE, theirs.files.content),
        (last.input_file_id, UNKNOWN_FILE, theirs.files.delete),
        (last.id, UNKNOWN_BATCH, theirs.batches.retrieve),
        (last.id, UNKNOWN_BATCH, theirs.batches.cancel),
        (last.id, UNKNOWN_BATCH, lambda after: theirs.batches.list(after=after)),
        (last.input_file_id, UNKNOWN_FILE, lambda after: theirs.files.list(after=after)),
    ]
    for foreign, unknown, attempt in attempts:
        with pytest.raises(openai.APIStatusError) as of_foreign:
            attempt(foreign)
        with pytest.raises(openai.APIStatusError) as of_unknown:
            attempt(unknown)
        assert of_foreign.value.status_code == of_unknown.value.status_code
        assert str(of_foreign.value).replace(foreign, unknown) == str(of_unknown.value)

    assert (list(theirs.files.list()), list(theirs.batches.list())) == ([], [])
    assert [batch.id for batch in mine.batches.list()] == [last.id]
    stolen = theirs.batches.create(
        input_file_id=last.input_file_id, endpoint=CHAT, completion_window="24h"
    )
    failed = ended(theirs, stolen)
    assert failed.errors is not None
    assert [error.to_dict() for error in failed.errors.data or []] == [
        {
            "code": "invalid_request",
            "message": f"Cannot find file {last.input_file_id}, or organization team-b does not "
            "have access to it.",
            "param": "file_id",
            "line": None,
        }
    ]


def test_two_tenants_share_a_provider_evenly(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    server = new_server(
        provider(new_simulator(latency="uniform:0.02,0.04"), limits={"concurrency": 8}),
        auth={"keys": KEYS},
    )
    early, late = server.client("sk-team-a-0123456789"), server.client("sk-team-b-0123456789")
    # The early one has several batches, which must not get it more than its half.
    theirs = [submit(early, chats(500, f"early-{number}")) for number in range(2)]
    reached(early, theirs[0], completed=20)
    mine = submit(late, chats(500, "late"))

    def progress() -> tuple[int, int]:
        done = [counts(early.batches.retrieve(batch.id))[1] for batch in theirs]
        return sum(done), counts(late.batches.retrieve(mine.id))[1]

    reached(late, mine, completed=20)
    before = progress()
    reached(late, mine, completed=320)
    after = progress()
    gained = after[0] - before[0], after[1] - before[1]
    assert 0.4 <= gained[1] / sum(gained) <= 0.6, gained


def test_the_nearer_deadline_goes_first(new_simulator: NewSimulator, new_server: NewServer) -> None:
    server = new_server(
        provider(new_simulator(latency="uniform:0.02,0.04"), limits={"concurrency": 4})
    )
    client = server.client()
    patient = submit(client, chats(400, "patient"), completion_window="24h")
    reached(client, patient, completed=20)
    urgent = submit(client, chats(200, "urgent"), completion_window="1h")
    reached(client, urgent, completed=20)
    before = counts(client.batches.retrieve(patient.id))[1]
    # Not to its end: while it is finalized the other one has the provider for itself.
    done = counts(reached(client, urgent, completed=160))[1]
    gained = counts(client.batches.retrieve(patient.id))[1] - before
    # Of some 140 lines that ran meanwhile only a few were of the patient one.
    assert gained <= (done - 20) / 3, gained
    assert [ended(client, batch).status for batch in (urgent, patient)] == ["completed"] * 2
