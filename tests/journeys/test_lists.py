"""Lists of batches narrowed by filters: over HTTP by the official SDK, and on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli_harness import Ended, batchway
from tests.journeys.conftest import NewServer, NewSimulator, provider
from tests.journeys.lines import chats, ended, line, submit
from tests.journeys.processes import Server


@pytest.fixture
def server(new_simulator: NewSimulator, new_server: NewServer) -> Server:
    """A server over two providers, with three batches that have ended."""
    one, other = new_simulator(), new_simulator()
    started = new_server(provider(one, "one"), provider(other, "other"))
    client = started.client()
    embeddings = "/v1/embeddings"
    made = [
        submit(client, chats(2, model="one/m"), metadata={"name": "first", "team": "search"}),
        submit(
            client,
            [*chats(1, "a", model="one/m"), *chats(1, "b", model="other/m")],
            metadata={"name": "second", "team": "search"},
        ),
        submit(
            client,
            [line("e", embeddings, model="other/m", input="x")],
            endpoint=embeddings,
            metadata={"name": "third"},
        ),
        submit(client, ["no line"], metadata={"name": "fourth"}),
    ]
    assert [ended(client, batch).status for batch in made] == [*["completed"] * 3, "failed"]
    return started


CASES: list[tuple[dict[str, str], str]] = [
    ({}, "fourth third second first"),
    ({"status": "completed"}, "third second first"),
    ({"status": "failed"}, "fourth"),
    ({"provider": "one"}, "second first"),
    ({"provider": "other"}, "third second"),
    ({"endpoint": "/v1/embeddings"}, "third"),
    ({"metadata[team]": "search"}, "second first"),
    ({"metadata[team]": "search", "metadata[name]": "second"}, "second"),
    ({"created_after": "2020-01-01T00:00:00Z"}, "fourth third second first"),
    ({"created_before": "2020-01-01"}, ""),
    ({"provider": "other", "status": "completed", "metadata[team]": "search"}, "second"),
]


def test_filters_of_the_api(server: Server) -> None:
    client = server.client()
    for query, found in CASES:
        for limit in (1, 20):
            pages = client.batches.list(limit=limit, extra_query=query)
            names = [(batch.metadata or {})["name"] for batch in pages]
            assert names == found.split(), query


def test_filters_of_the_command_line(server: Server, tmp_path: Path) -> None:
    for query, found in (CASES[0], CASES[6], CASES[9], CASES[10]):
        flags: list[str] = []
        for name, value in query.items():
            if name.startswith("metadata["):
                flags += ["--metadata", f"{name[9:-1]}={value}"]
            else:
                flags += ["--" + name.replace("_", "-"), value]
        shown = listed(server, "--json", *flags, cwd=tmp_path)
        assert (shown.code, shown.err) == (0, "")
        batches: list[dict[str, Any]] = json.loads(shown.out)
        assert [batch["metadata"]["name"] for batch in batches] == found.split(), query


def test_wrong_filters_are_told_on_the_command_line(server: Server, tmp_path: Path) -> None:
    wrong = listed(server, "--created-after", "yesterday", cwd=tmp_path)
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err == (
        "Error: Invalid 'created_after': expected Unix seconds or an ISO 8601 time such as "
        "'2026-11-23T00:00:00Z', but got 'yesterday'.\n"
    )
    wrong = listed(server, "--metadata", "team", cwd=tmp_path)
    assert (wrong.code, wrong.out) == (2, "")
    assert "--metadata takes KEY=VALUE, not 'team'" in wrong.err


def listed(server: Server, *flags: str, cwd: Path) -> Ended:
    return batchway("list", *flags, cwd=cwd, environ={"BATCHWAY_URL": server.base_url})
