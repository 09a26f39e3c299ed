"""`batchway demo`: a real batch end to end, in a minute.

Starts a simulated provider and a server as processes of their own in a temporary directory, sends
1,319 real questions as any client would (through the `openai` package where it is installed), and
compares every result with the answer that its own line must have got.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from batchway.cli.console import count, duration, note, say
from batchway.cli.demo_clients import Client, Json, new_client
from batchway.cli.failures import CommandError
from batchway.cli.following import ENDED
from batchway.cli.progress import Snapshot, shown
from batchway.domain.endpoint import Endpoint

_QUESTIONS: Final = "gsm8k_test.batch.jsonl"
_LATENCY: Final = "lognormal:0.3,0.5"
_ERROR_RATE: Final = "0.02"
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.2


def demo(
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="DIR", help="Keep data and results there.", show_default=False
        ),
    ] = None,
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines", metavar="N", min=1, help="Only so many of them.", show_default=False
        ),
    ] = None,
) -> None:
    """Run 1,319 real questions end to end against a simulated provider and check every answer."""
    all_questions = _questions()
    with tempfile.TemporaryDirectory(prefix="batchway-demo-") as scratch:
        directory = (keep or Path(scratch)).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        questions = all_questions if lines is None else _first(lines, all_questions, directory)
        with _process(directory, "simulate", ["simulate", "--port", "0", *_dials()]) as provider:
            note(f"A simulated provider answers at {provider} (2% of its answers are errors).")
            (directory / "batchway.yaml").write_text(_configuration(provider))
            arguments = ["serve", "--port", "0"]
            with _process(directory, "serve", arguments) as server:
                note(f"Batchway listens at {server}.")
                client = new_client(server)
                note(f"The client is {client.name}.")
                _run(client, questions, directory, kept=keep is not None)


def _run(client: Client, questions: Path, directory: Path, *, kept: bool) -> None:
    started = time.monotonic()
    upload = client.upload(questions)
    say(f"\nUploaded {upload['filename']}: {upload['id']}, {upload['bytes']:,} bytes")
    batch = client.create(
        {
            "input_file_id": upload["id"],
            "endpoint": Endpoint.CHAT_COMPLETIONS,
            "completion_window": "24h",
            "metadata": {"demo": "gsm8k"},
        }
    )
    say(f"Created {batch['id']}: {batch['status']}")
    batch = _follow(client, batch)
    took = time.monotonic() - started
    say(f"\nGET /v1/batches/{batch['id']}\n{json.dumps(batch, indent=2)}")
    wrong, checked, failed = _check(client, batch, questions, directory)
    tokens = Snapshot.from_json(batch).tokens
    rate = checked / took
    say(
        f"\n{count(checked, 'answer')} compared with what each line must get: "
        f"{count(len(wrong), 'wrong answer')}, {count(failed, 'failed line')}.\n"
        f"From upload to result in {duration(took)}: {rate:,.0f} lines/s, {tokens:,} tokens."
    )
    if kept:
        say(f"Results are in {directory}.")
    if wrong or batch["status"] != "completed" or failed:
        for line in wrong[:10]:
            note(line)
        raise CommandError(f"The demo did not go as it must: the batch is {batch['status']}.")


def _follow(client: Client, batch: Json) -> Json:
    """Poll the batch until it ends, showing how far it is."""
    with shown("Batch") as display:
        while True:
            batch = client.batch(batch["id"])
            display.update(Snapshot.from_json(batch))
            if batch["status"] in ENDED:
                return batch
            time.sleep(_POLL_SECONDS)


def _check(
    client: Client, batch: Json, questions: Path, directory: Path
) -> tuple[list[str], int, int]:
    """(what is wrong, answers compared, lines that failed) over both result files."""
    from batchway.simulator.online import verify  # noqa: PLC0415 - slow to import

    bodies: dict[str, Any] = {}
    for line in questions.read_bytes().splitlines():
        record = json.loads(line)
        bodies[record["custom_id"]] = record["body"]
    wrong: list[str] = []
    seen: Counter[str] = Counter()
    failed = 0
    for kind, file_id in (("output", batch["output_file_id"]), ("error", batch["error_file_id"])):
        if file_id is None:
            continue
        path = directory / f"{kind}.jsonl"
        client.download(file_id, path)
        for line in path.read_bytes().splitlines():
            record = json.loads(line)
            custom_id = record["custom_id"]
            seen[custom_id] += 1
            if kind == "error":
                failed += 1
                continue
            fault = verify(Endpoint.CHAT_COMPLETIONS, bodies[custom_id], record["response"]["body"])
            if fault is not None:
                wrong.append(f"{custom_id}: {fault}")
    wrong += [f"{custom_id}: no result" for custom_id in bodies if not seen[custom_id]]
    wrong += [f"{custom_id}: {times} results" for custom_id, times in seen.items() if times > 1]
    return wrong, sum(seen.values()) - failed, failed


def _dials() -> list[str]:
    return ["--latency", _LATENCY, "--error-rate", _ERROR_RATE, "--seed", "7"]


def _configuration(provider: str) -> str:
    return f"""\
data_dir: batchway-data
providers:
  - name: simulated
    type: openai-compatible
    base_url: {provider}
    limits: {{concurrency: auto}}
"""


def _questions() -> Path:
    """The sample input: inside an installed package, or `examples/` of a checkout."""
    packaged = resources.files("batchway") / "examples" / _QUESTIONS
    checkout = Path(__file__).parents[3] / "examples" / _QUESTIONS
    for path in (Path(str(packaged)), checkout):
        if path.is_file():
            return path
    raise CommandError(f"The demo's questions are missing: {checkout}")


def _first(lines: int, questions: Path, directory: Path) -> Path:
    """A file of the first lines, below `directory`."""
    path = directory / questions.name
    with questions.open("rb") as whole:
        path.write_bytes(b"".join(islice(whole, lines)))
    return path


@contextmanager
def _process(directory: Path, name: str, arguments: list[str]) -> Generator[str]:
    """Run a command of Batchway beside this one; yields the address that it prints."""
    log = directory / f"{name}.log"
    # Only what was asked for: a provider key of the person's must not be used by a demo.
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("BATCHWAY_", "OPENAI_"))}
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
            [sys.executable, "-m", "batchway", *arguments],
            cwd=directory,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield _address(process, name, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _address(process: "subprocess.Popen[bytes]", name: str, log: Path) -> str:
    if process.stdout is None:
        raise CommandError(f"`batchway {name}` has no output to read.")
    for line in iter(process.stdout.readline, b""):
        for word in line.decode(errors="replace").split():
            if word.startswith("http://"):
                return word.rstrip(".")
    process.wait()
    tail = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise CommandError(f"`batchway {name}` did not start: {' '.join(tail)}")
