"""Batches on the providers' own batch APIs, by the official SDK, over fake vendors on sockets."""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from tests.journeys.conftest import Configuration, NewServer, NewSimulator, provider
from tests.journeys.lines import (
    Line,
    Results,
    chat,
    chats,
    check,
    completed,
    counts,
    ended,
    jsonl,
    line,
    results,
    submit,
)
from tests.journeys.processes import eventually, run_batchway

from batchway.simulator.batches import Fake, process, running

QUICK = {"poll_min": 0.05, "poll_max": 0.3, "settle": 0.5, "lateness": 3, "cancel_patience": 5}


def native(fake: Fake, name: str = "main", **further: Any) -> Configuration:
    """A fake vendor as a provider in the mode `native`."""
    azure = fake.vendor == "azure"
    return {
        "name": name,
        "type": "azure-openai" if azure else fake.vendor,
        "endpoint" if azure else "base_url": fake.base_url,
        "api_key": "sk-vendor",
        "mode": "native",
        **further,
        "native": {**QUICK, **further.get("native", {})},
    }


def details(client: openai.OpenAI, batch_id: str, holding: str) -> str:
    """The batch's `status_details` once they hold a text."""

    def look() -> str | None:
        now = client.batches.retrieve(batch_id)
        text = (now.model_extra or {}).get("status_details") or ""
        return text if holding in text else None

    found = eventually(f"{holding!r} in the details", look)
    assert found is not None
    return found


@pytest.mark.parametrize("vendor", ["openai", "azure", "groq", "together"])
def test_one_file_becomes_several_jobs_and_one_result(vendor: str, new_server: NewServer) -> None:
    rows = {"shuffle": True, "duplicate": 0.1}
    with running(vendor, rows=rows, pending_polls=0) as fake:
        server = new_server(native(fake, native={"max_lines": 10}))
        client = server.client()
        asked = chats(25)
        batch = completed(client, submit(client, asked), asked)
        stats = fake.stats()
    assert sorted(stats["creates_by_filename"].values()) == [1, 1, 1]
    assert stats["files"] == []  # nothing of ours is left there
    assert batch.usage is not None
    assert batch.usage.total_tokens > 0
    assert "sk-vendor" not in server.process.output()


@pytest.mark.parametrize("version", ["2024-10-21", "v1", "preview"])
def test_azure_in_every_version(version: str, new_server: NewServer) -> None:
    with running("azure", pending_polls=1) as fake:
        server = new_server(native(fake, api_version=version))
        client = server.client()
        asked = chats(3)
        completed(client, submit(client, asked), asked)


def test_a_file_for_both_kinds_of_provider(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    simulator = new_simulator()
    with running("openai") as fake, running("groq") as other:
        server = new_server(
            native(fake),
            native(other, "other", mode="auto"),
            provider(simulator, "own"),
            routes=[
                {
                    "model": "both",
                    "targets": [
                        {"provider": "main", "model": "both-m"},
                        {"provider": "other", "model": "both-m"},
                    ],
                },
                {
                    "model": "online",
                    "mode": "managed",
                    "targets": [{"provider": "main", "model": "online-m"}],
                },
            ],
        )
        client = server.client()
        asked: list[Line] = []
        renamed: dict[str, str] = {}
        for model, upstream in (
            ("main/a", "a"),
            ("main/b", "b"),
            ("own/c", "c"),
            ("both", "both-m"),
            ("online", "online-m"),
        ):
            for each in chats(8, model.replace("/", "-"), model=model):
                asked.append(each)
                renamed[each["custom_id"]] = upstream
        asked = [asked[at * 7 % len(asked)] for at in range(len(asked))]
        last = completed(client, submit(client, asked), asked, models=renamed)
        given = {row["custom_id"]: row["provider"] for row in results(client, last).output}
        jobs = len(fake.stats()["creates"]) + len(other.stats()["creates"])
    assert jobs == 3  # a, b, and the route's
    own = {name: provider for name, provider in given.items() if renamed[name] == "c"}
    assert set(own.values()) == {"own"}
    route = {provider for name, provider in given.items() if renamed[name] == "both-m"}
    assert len(route) == 1  # whose job it was
    assert route < {"main", "other"}


def test_the_batch_chooses_the_model(new_server: NewServer) -> None:
    with running("openai") as fake:
        server = new_server(native(fake))
        client = server.client()
        asked = [*chats(3, "x", model="m"), *chats(3, "y", model="main/n")]
        batch = submit(client, asked, extra_headers={"x-tfy-provider-model": "chosen"})
        models = {each["custom_id"]: "chosen" for each in asked}
        completed(client, batch, asked, models=models)
        assert len(fake.stats()["creates"]) == 1


def test_auto_rescues_what_the_job_left(new_server: NewServer) -> None:
    rows = {"drop": 0.1, "expire": 0.1, "fail": {"500": 0.1, "400": ["r0000000004"]}}
    with running("openai", rows=rows) as fake:
        server = new_server(native(fake, mode="auto", native={"max_lines": 20}))
        client = server.client()
        asked = chats(60)
        last = ended(client, submit(client, asked))
        given = results(client, last)
        check(asked, given)
        assert counts(last) == (60, 59, 1)
        assert given.codes() == {"r-0004": 400}


def test_native_leaves_what_the_job_left(new_server: NewServer) -> None:
    rows = {"drop": ["r0000000001"], "expire": ["r0000000002"], "fail": {"500": ["r0000000003"]}}
    with running("openai", rows=rows) as fake:
        client = new_server(native(fake)).client()
        asked = chats(5)
        last = ended(client, submit(client, asked))
        given = results(client, last)
        check(asked, given)
        assert given.codes() == {
            "r-0001": "result_not_fetched",  # the job counts it
            "r-0002": "batch_expired",
            "r-0003": 500,
        }


@pytest.mark.parametrize("loses", [False, True])
def test_cancelling(loses: bool, new_server: NewServer) -> None:
    with running("openai", hold=["in_progress"], cancel_loses=loses) as fake:
        client = new_server(native(fake, mode="auto")).client()
        asked = chats(10)
        batch = submit(client, asked)
        fake.eventually(lambda stats: [j for j in stats["jobs"] if j["status"] == "in_progress"])
        client.batches.cancel(batch.id)
        fake.control(hold=[])
        last = ended(client, batch)
        assert last.status == "cancelled"
        given = results(client, last)
        check(asked, given)
        assert set(given.codes().values()) <= {"batch_cancelled"}
        if loses:
            assert counts(last) == (10, 10, 0)
        assert len(fake.stats()["creates"]) == 1


def test_a_window_that_ends_first(new_server: NewServer) -> None:
    """The shortest window is a minute, so the deadline is moved while no server runs."""
    with running("openai", hold=["in_progress"]) as fake:
        server = new_server(native(fake, native={"cancel_patience": 2}))
        client = server.client()
        batch = submit(client, chats(4))
        fake.eventually(lambda stats: [j for j in stats["jobs"] if j["status"] == "in_progress"])
        assert server.stop() == 0
        with sqlite3.connect(server.data / "batchway.db") as ledger:
            ledger.execute("UPDATE batches SET deadline = ?", (int(time.time()) + 4,))
        server.start()
        client = server.client()
        last = ended(client, batch)
        assert last.status == "expired"
        assert set(results(client, last).codes().values()) == {"batch_expired"}
        assert len(fake.stats()["creates"]) == 1


def test_the_key_is_wrong(new_server: NewServer) -> None:
    with running("openai", keys=["sk-other"]) as fake:
        server = new_server(native(fake, native={"max_lines": 2}))
        client = server.client()
        asked = chats(6)
        batch = submit(client, asked)
        details(client, batch.id, "'main' answered 401")
        fake.control(keys=None)
        last = completed(client, batch, asked)
        assert fake.stats()["requests"]["upload"] < 8  # one job went ahead
        assert "sk-vendor" not in server.process.output() + last.model_dump_json()


def test_there_is_no_such_deployment(new_server: NewServer) -> None:
    with running("azure", models=["other"], pending_polls=0) as fake:
        client = new_server(native(fake)).client()
        last = ended(client, submit(client, chats(3)))
        assert last.status == "failed"
        assert last.errors is not None
        assert "model_not_found" in {error.code for error in last.errors.data or []}


def test_the_endpoint_is_not_run_natively(new_server: NewServer) -> None:
    with running("groq") as fake:
        client = new_server(native(fake)).client()
        asked = [line(f"e{n}", "/v1/embeddings", model="m", input="x") for n in range(3)]
        last = ended(client, submit(client, asked, endpoint="/v1/embeddings"))
        assert last.status == "failed"
        assert last.errors is not None
        (error,) = last.errors.data or []
        assert (error.code, error.line) == ("endpoint_not_supported", 1)


def test_a_key_that_is_revoked_meanwhile(new_server: NewServer) -> None:
    with running("openai", hold=["in_progress"]) as fake:
        client = new_server(native(fake)).client()
        asked = chats(5)
        batch = submit(client, asked)
        fake.eventually(lambda stats: stats["creates"])
        fake.control(revoked=True)
        details(client, batch.id, "'main' answered 401")
        fake.control(revoked=False, hold=[])
        completed(client, batch, asked)


def test_a_provider_that_is_down_and_comes_back(new_server: NewServer) -> None:
    with process("openai") as first:
        port = int(first.origin.rpartition(":")[2])
    server = new_server(native(first))
    client = server.client()
    asked = chats(5)
    batch = submit(client, asked)
    assert "cannot be reached" in details(client, batch.id, "'main'")
    with running("openai", port=port):
        completed(client, batch, asked)


def test_no_room_for_the_second_job(new_server: NewServer) -> None:
    with running("openai", enqueued_tokens=500, token_limit="job", hold=["in_progress"]) as fake:
        server = new_server(native(fake, native={"max_lines": 5}))
        client = server.client()
        asked = [chat(f"r-{n}", "word " * 20) for n in range(10)]
        batch = submit(client, asked)
        details(client, batch.id, "has no room")
        fake.control(hold=[])
        completed(client, batch, asked)


@pytest.mark.parametrize("token_limit", ["job", "create"])
def test_a_job_that_never_fits_is_cut(token_limit: str, new_server: NewServer) -> None:
    with running("openai", enqueued_tokens=200, token_limit=token_limit) as fake:
        client = new_server(native(fake)).client()
        asked = [chat(f"r-{n}", "word " * 20) for n in range(8)]
        completed(client, submit(client, asked), asked)
        assert all(count == 1 for count in fake.stats()["lines_by_id"].values())


def test_downloads_that_break_and_results_that_are_shown_late(new_server: NewServer) -> None:
    with running("openai", files_late=1.0) as fake:
        # Every transfer ends after as many bytes: what came is kept, or it would never end.
        fake.trouble({"on": "content", "do": "cut", "bytes": 1_500})
        server = new_server(native(fake))
        client = server.client()
        asked = chats(5)
        completed(client, submit(client, asked), asked)
        assert all(count == 1 for count in fake.stats()["lines_by_id"].values())
        assert "broke off (uncertain)" in server.process.output()


def test_a_server_that_is_killed_pays_once(new_server: NewServer) -> None:
    with process("openai", hold=["in_progress"]) as fake:
        server = new_server(native(fake, native={"max_lines": 10}))
        client = server.client()
        asked = chats(30)
        batch = submit(client, asked)
        fake.eventually(lambda stats: stats["creates"])
        server.process.kill()
        fake.control(hold=[])
        server.start()
        client = server.client()
        completed(client, batch, asked)
        assert set(fake.stats()["creates_by_filename"].values()) == {1}
        assert len(fake.stats()["creates"]) == 3


def write(directory: Path, entry: Configuration, asked: list[Line]) -> None:
    """A directory to run commands in."""
    (directory / "batchway.yaml").write_text(yaml.safe_dump({"providers": [entry]}))
    (directory / "in.jsonl").write_bytes(jsonl(asked))


def test_a_run_without_a_server(tmp_path: Path) -> None:
    asked = chats(12)
    with running("groq") as fake:
        write(tmp_path, native(fake, native={"max_lines": 5}), asked)
        ran = run_batchway("run", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path)
        assert (ran.returncode, len(fake.stats()["creates"])) == (0, 3), ran.stderr
    output = [json.loads(text) for text in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    check(asked, Results(output=output))


def test_check_knows_the_limits_of_the_batch_api(tmp_path: Path) -> None:
    with running("groq") as fake:
        write(tmp_path, native(fake, native={"max_bytes": 600}), [chat("a"), chat("b", "x" * 600)])
        ran = run_batchway("check", "in.jsonl", cwd=tmp_path)
        assert fake.stats()["requests"] == {}
    assert ran.returncode != 0
    assert "as the provider 'main' would get it" in ran.stdout + ran.stderr
    assert ":2:" in ran.stdout + ran.stderr
