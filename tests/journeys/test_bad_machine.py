"""A machine in a bad state: full disk, read-only disk, bad configuration, a port that is taken.

Disks are small file systems of their own, which takes root; elsewhere permissions stand in for
what they can.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest
import yaml
from tests.journeys.conftest import NewServer, NewSimulator, configuration, provider
from tests.journeys.lines import CHAT, chat, chats, completed, jsonl, reached, submit
from tests.journeys.processes import Server, eventually, run_batchway
from tests.journeys.wire import call

FULL: Final = {
    "message": "Batchway has no space left to store this. Nothing was kept; free some space on "
    "the server and send it again.",
    "type": "server_error",
    "param": None,
    "code": "insufficient_storage",
}
MEBIBYTE: Final = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system that can be filled")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(path)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("root may not mount file systems in this container")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_an_upload_too_large_for_the_disk(
    disk: Path, new_simulator: NewSimulator, new_server: NewServer
) -> None:
    server = new_server(provider(new_simulator()), data_dir=str(disk))
    server.data = disk
    client = server.client()
    before = server.blobs()
    large = jsonl([chat("a", "x" * 20 * MEBIBYTE)])
    for _ in range(2):
        with pytest.raises(openai.APIStatusError) as refused:
            client.files.create(file=("in.jsonl", large), purpose="batch")
        assert (refused.value.status_code, refused.value.body) == (507, FULL)
        assert refused.value.response.headers["x-should-retry"] == "false"
        assert server.blobs() == before
    upload = client.uploads.create(
        bytes=len(large), filename="x.jsonl", mime_type="x", purpose="batch"
    )
    with pytest.raises(openai.APIStatusError) as refused:
        client.uploads.parts.create(upload.id, data=large)
    assert refused.value.status_code == 507
    assert server.blobs() == before

    asked = chats(5)
    completed(client, submit(client, asked), asked)


def test_no_space_for_results_while_a_batch_runs(
    disk: Path, new_simulator: NewSimulator, new_server: NewServer
) -> None:
    """Blobs on a full disk, the database on another one: the batch waits and says why."""
    simulator = new_simulator(latency=0.05, record=True)
    server = new_server(provider(simulator, limits={"concurrency": 8}), blobs=str(disk / "blobs"))
    client = server.client()
    asked = chats(400)
    batch = submit(client, asked)
    reached(client, batch, completed=20)
    filler = disk / "filler"
    _fill(filler)
    said = eventually("why it waits", lambda: _details(client, batch.id))
    assert said == "Batchway cannot write to its storage at the moment; it will go on."
    _answers_but_stores_nothing(server, client, batch.input_file_id)
    filler.unlink()
    last = completed(client, batch, asked)
    eventually("it is ready again", lambda: call(server, "GET", "/readyz").status == 200)

    assert _details(client, last.id) is None
    # What was answered while nothing could be stored was kept in memory: nothing is paid twice.
    assert set(simulator.stats()["requests_by_digest"].values()) == {1}


def test_no_space_at_all_while_a_batch_runs(
    disk: Path, new_simulator: NewSimulator, new_server: NewServer
) -> None:
    """Everything on one full disk: the batch cannot even say why it waits, but the log does."""
    simulator = new_simulator(latency=0.05)
    server = new_server(provider(simulator, limits={"concurrency": 8}), data_dir=str(disk))
    client = server.client()
    asked = chats(400)
    batch = submit(client, asked)
    reached(client, batch, completed=20)
    filler = disk / "filler"
    _fill(filler)
    server.process.line(f"The SQLite database {disk / 'batchway.db'} has no space left.")
    _answers_but_stores_nothing(server, client, batch.input_file_id)
    assert client.batches.retrieve(batch.id).status == "in_progress"
    filler.unlink()
    last = completed(client, batch, asked)
    eventually("it is ready again", lambda: call(server, "GET", "/readyz").status == 200)

    assert _details(client, last.id) is None


def test_a_create_on_a_full_disk(
    disk: Path, new_simulator: NewSimulator, new_server: NewServer
) -> None:
    server = new_server(provider(new_simulator()), data_dir=str(disk))
    server.data = disk
    client = server.client()
    asked = chats(3)
    file_id = client.files.create(file=("in.jsonl", jsonl(asked)), purpose="batch").id
    filler = disk / "filler"
    _fill(filler)
    refused = _refused(client, file_id)
    assert (refused.status_code, refused.body) == (507, FULL)
    filler.unlink()

    batch = client.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h")
    completed(client, batch, asked)
    assert [each.id for each in client.batches.list()] == [batch.id]


def test_a_read_only_data_directory(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        path, reason = request.getfixturevalue("disk"), "Read-only file system"
        subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
    else:
        path, reason = tmp_path / "data", "Permission denied"
        path.mkdir(mode=0o500)
    done = _serve(tmp_path, {"data_dir": str(path)})
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"Error: The data directory {path} cannot be locked: {reason}.\n",
    )
    assert list(path.iterdir()) == []


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    done = _serve(tmp_path, {})
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"Error: The data directory {tmp_path / 'data'} cannot be locked: File exists.\n",
    )
    assert (tmp_path / "data").read_text() == "mine"


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = _serve(tmp_path, {"server": {"port": port}})
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"Error: Cannot listen on 127.0.0.1 port {port}: Address already in use. Is another "
        "Batchway running? Choose another port with --port.\n",
    )


def test_a_data_directory_in_use(plain_server: Server, tmp_path: Path) -> None:
    done = _serve(tmp_path, {"data_dir": str(plain_server.data)})
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"Error: The data directory {plain_server.data} is in use by another Batchway, process "
        f"{plain_server.process.pid}. Stop it, or give this one a directory of its own.\n",
    )
    assert plain_server.process.running


def test_no_key_and_not_only_this_machine(tmp_path: Path) -> None:
    done = _serve(tmp_path, {"server": {"host": "0.0.0.0", "port": 0}})
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "Error: Batchway has no API key, so it will not listen on 0.0.0.0, where anyone could use "
        "it. Make a key with `batchway keys create NAME`, or listen on 127.0.0.1.\n",
    )


def test_a_key_that_can_be_guessed(tmp_path: Path) -> None:
    keys = [{"name": "good", "key": "0123456789abcdef"}, {"name": "weak", "key": "hunter2hunter2x"}]
    done = _serve(tmp_path, {"auth": {"keys": keys}})
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "Error: The API key 'weak' of the configuration is too easy to guess: give it at least 16 "
        "characters (`openssl rand -hex 24` makes a good one), or make one with `batchway keys "
        "create NAME`.\n",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"server: [", "batchway.yaml, line 1, column 10: not valid YAML: "),
        (b"- a\n- b\n", "batchway.yaml: must hold settings as 'name: value' lines."),
        (b"server:\n  port: \xff\n", "batchway.yaml, line 2: not valid UTF-8."),
        (
            b"server:\n  prot: 1\n",
            "server.prot: unknown setting; did you mean 'server.port'? (batchway.yaml, line 2).",
        ),
        (
            b"server:\n  port: many\n",
            "server.port: must be a whole number, not 'many' (batchway.yaml, line 2).",
        ),
        (
            b"server:\n  port: 1\n  port: 2\n",
            "batchway.yaml, line 3: 'server.port' appears twice.",
        ),
        (
            b'auth:\n  keys:\n  - {name: a, key: "${NO_SUCH_VARIABLE}"}\n',
            "auth.keys[0].key: the environment variable NO_SUCH_VARIABLE is not set "
            "(batchway.yaml, line 3).",
        ),
        (
            b"providers:\n- {name: x, type: openai-compatible}\n",
            "providers[0].base_url: required for a provider of type 'openai-compatible' "
            "(batchway.yaml, line 2).",
        ),
        (
            b"routes:\n- model: fast\n  targets:\n  - {provider: gone, model: m}\n",
            "routes[0].targets[0].provider: no provider is named 'gone'; configured: none "
            "(batchway.yaml, line 4).",
        ),
    ],
)
def test_a_corrupt_configuration(tmp_path: Path, text: bytes, sentence: str) -> None:
    (tmp_path / "batchway.yaml").write_bytes(text)
    done = run_batchway("serve", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {sentence}"), done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["batchway.yaml"]


def test_every_mistake_of_a_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "batchway.yaml").write_text("server: {port: -1}\nlogging: {level: loud}\n")
    done = run_batchway("serve", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "Error: The configuration has 2 problems:\n"
        "  - server.port: must be at least 0, not -1 (batchway.yaml, line 1).\n"
        "  - logging.level: must be 'debug', 'info', 'warning' or 'error', not 'loud' "
        "(batchway.yaml, line 2).\n",
    )


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    done = run_batchway("serve", "--config", "gone.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "Error: There is no configuration file at gone.yaml.\n",
    )


def _serve(directory: Path, further: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    text = yaml.safe_dump({**configuration(), **further})
    (directory / "batchway.yaml").write_text(text)
    return run_batchway("serve", cwd=directory)


def _fill(filler: Path) -> None:
    """Leave no byte of the disk: what others need next fails."""
    with filler.open("wb", buffering=0) as output:
        size = MEBIBYTE
        while size:
            try:
                output.write(bytes(size))
            except OSError:
                size //= 2


def _answers_but_stores_nothing(server: Server, client: openai.OpenAI, file_id: str) -> None:
    assert client.files.retrieve(file_id).id == file_id
    with pytest.raises(openai.APIStatusError) as refused:
        client.files.create(file=("in.jsonl", jsonl(chats(20_000))), purpose="batch")
    assert (refused.value.status_code, refused.value.body) == (507, FULL)
    assert server.process.running
    eventually("it says so", lambda: call(server, "GET", "/readyz").status == 503)


def _details(client: openai.OpenAI, batch_id: str) -> Any:
    return client.batches.retrieve(batch_id).to_dict()["status_details"]


def _refused(client: openai.OpenAI, file_id: str) -> openai.APIStatusError:
    """What a create is told once even the database's spare pages are used up."""

    def attempt() -> openai.APIStatusError | None:
        try:
            client.batches.create(
                input_file_id=file_id, endpoint=CHAT, completion_window="24h", metadata=PADDING
            )
        except openai.APIStatusError as error:
            return error
        return None

    return eventually("a refusal", attempt)  # pyright: ignore[reportReturnType]


PADDING: Final = {f"key-{number}": "x" * 512 for number in range(16)}
