"""Upstreams and servers in trouble: no line is lost, none is answered twice, and it is said why."""

import signal

import openai
from tests.journeys.conftest import NewServer, NewSimulator, provider
from tests.journeys.lines import chats, completed, reached, submit
from tests.journeys.processes import eventually


def test_a_storm_of_429s(new_simulator: NewSimulator, new_server: NewServer) -> None:
    simulator = new_simulator(requests_per_minute=1_800, limit_window=1, record=True)
    server = new_server(provider(simulator, limits={"max_attempts": 1}))
    client = server.client()
    asked = chats(120)
    completed(client, submit(client, asked), asked)

    stats = simulator.stats()
    assert stats["by_status"]["429"] > 0
    assert (stats["answered"], set(stats["requests_by_digest"].values())) == (120, {1})


def test_retry_after_is_heeded(new_simulator: NewSimulator, new_server: NewServer) -> None:
    """A pause that one line is told of is kept by all, and the batch says what it waits for."""
    simulator = new_simulator(status_rates="429=1", retry_after=5)
    server = new_server(provider(simulator, limits={"concurrency": 1, "max_attempts": 1}))
    client = server.client()
    asked = chats(10)
    batch = submit(client, asked)
    said = eventually("why it waits", lambda: _details(client, batch.id))
    refused = simulator.stats()["by_status"]["429"]
    simulator.dial(status_rates={})
    last = completed(client, batch, asked)

    assert said.startswith("The provider 'sim' asked for a pause until ")
    assert refused == 1, "it asked again during the pause"
    assert _details(client, last.id) == ""


def test_an_upstream_that_dies_and_comes_back(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    simulator = new_simulator(latency=0.02, record=True)
    # Few attempts: an upstream that is away must not cost any line its result.
    server = new_server(provider(simulator, limits={"concurrency": 8, "max_attempts": 3}))
    client = server.client()
    asked = chats(400)
    batch = submit(client, asked)
    reached(client, batch, completed=40)
    simulator.process.kill()
    # At first it is the broken connections that are told of.
    eventually(
        "why it waits",
        lambda: _details(client, batch.id).startswith(
            "The provider 'sim' has been unreachable since "
        ),
    )
    assert client.batches.retrieve(batch.id).status == "in_progress"
    simulator.restart()
    last = completed(client, batch, asked)

    assert _details(client, last.id) == ""


def test_every_kind_of_broken_answer(new_simulator: NewSimulator, new_server: NewServer) -> None:
    simulator = new_simulator(
        reset_rate=0.06,
        truncate_rate=0.06,
        garbage_rate=0.06,
        html_rate=0.06,
        error_rate=0.06,
        slow_body_rate=0.05,
        slow_body_delay=0.01,
        seed=15,  # one with which no line fails more than three times in a row
        record=True,
    )
    server = new_server(provider(simulator, limits={"max_attempts": 10}))
    client = server.client()
    asked = chats(150)
    completed(client, submit(client, asked), asked)

    stats = simulator.stats()
    assert set(stats["faults"]) >= {"reset", "truncate", "garbage", "html"}
    assert (len(stats["requests_by_digest"]), set(stats["requests_by_digest"].values())) == (
        150,
        {1},
    )


def test_sigterm_drains_and_the_next_start_goes_on(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    simulator = new_simulator(latency="uniform:0.05,0.3", record=True)
    server = new_server(provider(simulator, limits={"concurrency": 16}))
    client = server.client()
    asked = chats(200)
    batch = submit(client, asked)
    reached(client, batch, completed=20)
    assert server.stop() == 0
    assert simulator.stats()["in_flight"] == 0
    assert simulator.stats()["abandoned"] == 0, "an answer in flight was dropped"
    server.start()
    client = server.client()
    completed(client, batch, asked)

    # Requests in flight were waited for: stopping in order pays for nothing twice.
    assert set(simulator.stats()["requests_by_digest"].values()) == {1}


def test_kill_and_start_again(new_simulator: NewSimulator, new_server: NewServer) -> None:
    simulator = new_simulator(latency=0.02)
    server = new_server(provider(simulator, limits={"concurrency": 8}))
    client = server.client()
    asked = chats(300)
    batch = submit(client, asked)
    for done in (40, 120):
        reached(client, batch, completed=done)
        server.process.signal(signal.SIGKILL)
        server.process.wait()
        server.start()
        client = server.client()
    last = completed(client, batch, asked)
    kept = sorted([f"files/{last.input_file_id}", f"files/{last.output_file_id}"])

    def tidy() -> bool:
        # What a kill cut off in the middle of its writing is the janitor's, later.
        return [name for name in server.blobs() if not name.startswith("tmp/")] == kept

    # Segments are removed when the batch has ended, so a moment later.
    eventually("only the files are left", tidy)


def _details(client: openai.OpenAI, batch_id: str) -> str:
    """Why a batch waits; nothing if it does not."""
    return str(client.batches.retrieve(batch_id).to_dict()["status_details"] or "")
