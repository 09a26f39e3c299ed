"""The commands against a real server: submit, watch, list, status, download, cancel, keys."""

import gzip
import json
from pathlib import Path

import pytest
from tests.journeys.cli_harness import Ended, batchway
from tests.journeys.conftest import NewServer, NewSimulator, provider
from tests.journeys.lines import chat, chats, jsonl
from tests.journeys.processes import Server, Simulator, eventually


def test_a_batch_from_submit_to_download(plain_server: Server, tmp_path: Path) -> None:
    lines = [*chats(20), chat("bad", "[[400]]")]
    (tmp_path / "in.jsonl").write_bytes(jsonl(lines))
    environ = {"BATCHWAY_URL": plain_server.origin}

    ended = batchway(
        *("submit", "in.jsonl", "--window", "2h", "--metadata", "team=a", "--job-name", "night"),
        "--watch",
        cwd=tmp_path,
        environ=environ,
    )
    assert ended.code == 3
    (batch_id,) = ended.out.splitlines()
    assert ended.err.splitlines()[-1] == (
        f"20 of 21 lines completed, 1 failed. `batchway download {batch_id}` gets the results."
    )

    ended = batchway("status", batch_id, "--json", cwd=tmp_path, environ=environ)
    batch = json.loads(ended.out)
    assert {
        name: batch[name]
        for name in ("status", "completion_window", "metadata", "job_name", "endpoint")
    } == {
        "status": "completed",
        "completion_window": "2h",
        "metadata": {"team": "a"},
        "job_name": "night",
        "endpoint": "/v1/chat/completions",
    }
    listed = batchway("list", "--json", cwd=tmp_path, environ=environ)
    assert batch in json.loads(listed.out)
    assert batch_id in batchway("list", cwd=tmp_path, environ=environ).out

    # The address with /v1, as the SDKs have it, does as well.
    versioned = {"BATCHWAY_URL": plain_server.base_url}
    ended = batchway("download", batch_id, "-o", "out.jsonl", cwd=tmp_path, environ=versioned)
    assert ended.code == 0
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [r["custom_id"] for r in results] == [line["custom_id"] for line in lines[:-1]]
    (error,) = (tmp_path / f"{batch_id}_error.jsonl").read_bytes().splitlines()
    assert json.loads(error)["custom_id"] == "bad"


def test_a_failed_batch_tells_its_mistakes(plain_server: Server, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("a"), chat("a")]))
    environ = {"BATCHWAY_URL": plain_server.origin}
    ended = batchway("submit", "in.jsonl", "--watch", cwd=tmp_path, environ=environ)
    assert ended.code == 1
    assert ended.err.splitlines()[-2:] == [
        "line 2: The custom_id 'a' for this request is a duplicate of another request. The "
        "custom_id parameter must be unique for each request in a batch. [duplicate_custom_id, "
        "custom_id]",
        f"Error: the batch {ended.out.strip()} failed: nothing was sent.",
    ]


def test_submit_tells_what_keeps_the_account_from_being_used(
    new_server: NewServer, tmp_path: Path
) -> None:
    nowhere = {"name": "gone", "type": "openai-compatible", "base_url": "http://127.0.0.1:9/v1"}
    server = new_server(nowhere)
    environ = {"BATCHWAY_URL": server.origin}
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(3)))
    ended = batchway("submit", "in.jsonl", cwd=tmp_path, environ=environ)
    batch_id = ended.out.strip()
    assert ended.code == 1
    waits, advice = ended.err.splitlines()
    assert waits.startswith("The batch waits: The provider 'gone' ")
    assert advice == (
        f"It goes on by itself when that is mended; `batchway cancel {batch_id}` gives it up."
    )
    ended = batchway("submit", "in.jsonl", "--no-preflight", cwd=tmp_path, environ=environ)
    assert (ended.code, ended.err) == (0, "")


def test_submit_from_a_pipe_with_another_model(plain_server: Server, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(jsonl(chats(3))))
    environ = {"BATCHWAY_URL": plain_server.origin}
    ended = batchway(
        *("submit", "in.jsonl.gz", "--model", "other", "--watch", "--json"),
        cwd=tmp_path,
        environ=environ,
    )
    assert ended.code == 0
    batch = json.loads(ended.out)
    assert (batch["model"], batch["provider"], batch["request_counts"]["completed"]) == (
        *("other", "sim", 3),
    )


def test_errors_of_the_server_are_sentences(plain_server: Server, tmp_path: Path) -> None:
    environ = {"BATCHWAY_URL": plain_server.origin}
    unknown = "batch_" + "0" * 32
    assert batchway("status", unknown, cwd=tmp_path, environ=environ) == Ended(
        code=1, out="", err=f"Error: No batch found with id '{unknown}'.\n"
    )
    (tmp_path / "in.txt").write_bytes(jsonl(chats(1)))
    assert batchway("submit", "in.txt", cwd=tmp_path, environ=environ) == Ended(
        code=1,
        out="",
        err="Error: Invalid file format for Batch API. Must be .jsonl. The file is named 'in.txt': "
        "give it a name that ends in .jsonl.\n",
    )


def test_cancel(new_simulator: NewSimulator, new_server: NewServer, tmp_path: Path) -> None:
    simulator = new_simulator(latency="5")
    server = new_server(provider(simulator))
    environ = {"BATCHWAY_URL": server.origin}
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(50)))
    batch_id = batchway("submit", "in.jsonl", cwd=tmp_path, environ=environ).out.strip()

    def running() -> bool:
        ended = batchway("status", batch_id, "--json", cwd=tmp_path, environ=environ)
        return json.loads(ended.out)["status"] == "in_progress"

    eventually("the batch runs", running)
    ended = batchway("download", batch_id, cwd=tmp_path, environ=environ)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"Error: The batch {batch_id} is in_progress; ")
    ended = batchway("cancel", batch_id, cwd=tmp_path, environ=environ)
    assert (ended.code, ended.out) == (0, f"{batch_id} is cancelling.\n")
    assert batchway("watch", batch_id, cwd=tmp_path, environ=environ).code == 3


def test_keys_open_the_server(
    new_server: NewServer, plain_simulator: Simulator, tmp_path: Path
) -> None:
    server = new_server(provider(plain_simulator))
    home = server.directory
    assert batchway("keys", "list", cwd=home) == Ended(
        code=0, out="", err="No keys. Make one with `batchway keys create NAME`.\n"
    )
    ended = batchway("keys", "create", "team-a", "--tenant", "a", "--provider", "sim", cwd=home)
    assert ended.err == "Key 'team-a' of tenant 'a'. This is the only time it is shown:\n"
    secret = ended.out.strip()
    assert secret.startswith("sk-bw-")
    assert batchway("keys", "create", "team-a", cwd=home) == Ended(
        code=1, out="", err="Error: There is a key named 'team-a' already; revoke it first.\n"
    )
    listed = json.loads(batchway("keys", "list", "--json", cwd=home).out)
    assert [(key["name"], key["tenant"], key["from"]) for key in listed] == [
        ("team-a", "a", "database")
    ]
    ended = batchway("keys", "list", cwd=home)
    head, row = ended.out.splitlines()
    assert head.split() == ["NAME", "TENANT", "PROVIDERS", "KEY", "CREATED", "REVOKED"]
    assert row.split()[:4] == ["team-a", "a", "sim", f"sk-****{secret[-4:]}"]
    assert secret not in ended.out

    environ = {"BATCHWAY_URL": server.origin}

    def asks(key: str | None) -> Ended:
        extra = {} if key is None else {"BATCHWAY_API_KEY": key}
        return batchway("list", cwd=tmp_path, environ={**environ, **extra})

    # A server learns of keys within seconds of their making.
    eventually("a key is needed", lambda: asks(None).code == 1)
    assert asks(secret) == Ended(code=0, out="", err="No batches.\n")
    assert batchway("keys", "revoke", "team-a", cwd=home).code == 0
    assert batchway("keys", "revoke", "team-a", cwd=home) == Ended(
        code=1, out="", err="Error: There is no active key named 'team-a'.\n"
    )
    eventually("the key is refused", lambda: asks(secret).code == 1)


def test_a_server_without_keys_stays_on_this_machine(tmp_path: Path) -> None:
    ended = batchway("serve", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "Error: Batchway has no API key, so it will not listen on 0.0.0.0, where anyone could use "
        "it. Make a key with `batchway keys create NAME`, or listen on 127.0.0.1.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "run"])
@pytest.mark.parametrize(
    ("proxy", "variable", "base_url"),
    [
        ("socks5://u:s3cret@p:1", "ALL_PROXY", "https://api.example/v1"),
        ("http://p:s3cret", "HTTPS_PROXY", "https://api.example/v1"),
        ("ftp://s3cret", "http_proxy", "http://api.example/v1"),
    ],
)
def test_a_proxy_that_cannot_be_used(
    tmp_path: Path, command: str, proxy: str, variable: str, base_url: str
) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl([chat("1")]))
    arguments = {
        "serve": ["serve", "--port", "0"],
        "run": ["run", "in.jsonl", "-o", "out.jsonl"],
    }[command]
    environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": base_url, variable: proxy}
    ended = batchway(*arguments, cwd=tmp_path, environ=environ)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "Error: The provider 'openai' cannot be called: the proxy in the environment variable "
        f"{variable.upper()} is not an http:// or https:// address, and other kinds (SOCKS) are "
        "not supported; change it, or name the provider's host in NO_PROXY.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_port_in_use(plain_server: Server, tmp_path: Path) -> None:
    ended = batchway("serve", "--port", str(plain_server.port), cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"Error: Cannot listen on 127.0.0.1 port {plain_server.port}: Address already in use. Is "
        "another Batchway running? Choose another port with --port.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_db_upgrade(tmp_path: Path) -> None:
    ended = batchway("db", "upgrade", "--data-dir", "d", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("The database has schema ")
    assert (tmp_path / "d" / "batchway.db").is_file()
