"""What the command line says when it cannot do what was asked: one sentence, an exit code."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.journeys.cli_harness import Ended, batchway
from tests.journeys.processes import environment

from batchway import __version__
from batchway.cli.failures import CommandError, explain, report
from batchway.domain.errors import ApiError, ApiText, Unavailable
from batchway.settings import SettingsError

LINE = (
    '{"custom_id":"a","method":"POST","url":"/v1/chat/completions",'
    '"body":{"model":"m","messages":[{"role":"user","content":"hi"}]}}\n'
)
# Nothing listens on the discard port of a test machine.
NOBODY = {"BATCHWAY_URL": "http://127.0.0.1:9"}
NO_SERVER = (
    "Error: No Batchway server answers at http://127.0.0.1:9. Start one with `batchway serve`, or "
    "give another address with --server or BATCHWAY_URL.\n"
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_text(LINE)
    (tmp_path / "prose.jsonl").write_text("hello\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.yaml").write_text("server: {port: 70000}")
    (tmp_path / "done.jsonl").write_text("results\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "err"),
    [
        # -- configuration
        (
            "serve --config bad.yaml",
            {},
            1,
            "Error: server.port: must be at most 65535, not 70000 (bad.yaml, line 1).\n",
        ),
        (
            "serve --config none.yaml",
            {},
            1,
            "Error: There is no configuration file at none.yaml.\n",
        ),
        (
            "serve --port 70000",
            {},
            1,
            "Error: server.port: must be at most 65535, not 70000 (the command line).\n",
        ),
        # -- run and check
        (
            "run none.jsonl -o out.jsonl",
            {},
            1,
            "Error: none.jsonl: No such file or directory.\n",
        ),
        (
            "run folder -o out.jsonl",
            {},
            1,
            "Error: folder is a directory, not a file.\n",
        ),
        (
            "run in.jsonl -o out.jsonl",
            {},
            1,
            "Error: No provider is configured. Set OPENAI_API_KEY, list `providers` in "
            "batchway.yaml, or give --base-url.\n",
        ),
        (
            "run in.jsonl -o out.jsonl --provider x",
            {"OPENAI_API_KEY": "k"},
            1,
            "Error: No provider named 'x' is configured. Configured: openai.\n",
        ),
        (
            "run in.jsonl -o done.jsonl",
            {"OPENAI_API_KEY": "k"},
            1,
            "Error: done.jsonl exists already. Name another output, or replace it with "
            "--restart.\n",
        ),
        (
            "run in.jsonl -o in.jsonl",
            {"OPENAI_API_KEY": "k"},
            2,
            "Error: Input, output and errors must be three different files.\n",
        ),
        (
            "run in.jsonl -o nowhere/out.jsonl",
            {"OPENAI_API_KEY": "k"},
            1,
            "Error: There is no directory nowhere to write out.jsonl into.\n",
        ),
        (
            "run in.jsonl -o out.jsonl --base-url gpu:8000",
            {},
            1,
            "Error: --base-url must be a URL such as https://api.example.com/v1, not "
            "'gpu:8000'.\n",
        ),
        (
            "run in.jsonl -o out.jsonl --base-url http://gpu --api-key-env NOT_SET",
            {},
            1,
            "Error: The environment variable NOT_SET is not set.\n",
        ),
        # -- clients
        ("list", NOBODY, 1, NO_SERVER),
        ("status batch_1", NOBODY, 1, NO_SERVER),
        ("watch batch_1", NOBODY, 1, NO_SERVER),
        ("cancel batch_1", NOBODY, 1, NO_SERVER),
        ("download batch_1", NOBODY, 1, NO_SERVER),
        ("submit in.jsonl", NOBODY, 1, NO_SERVER),
        (
            "list --server example.com",
            {},
            2,
            "Error: The server's address must be a URL such as http://127.0.0.1:8080, not "
            "'example.com'.\n",
        ),
        (
            "submit none.jsonl",
            NOBODY,
            1,
            "Error: none.jsonl: No such file or directory.\n",
        ),
        (
            "submit prose.jsonl",
            NOBODY,
            1,
            "Error: The first line of prose.jsonl is not JSON. Batches take one JSON object a "
            'line: {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": '
            "{...}}.\n",
        ),
        # -- keys and simulate
        (
            "keys create a/b",
            {},
            2,
            "Error: The name must be 1 to 64 letters, digits, dots, underscores or hyphens.\n",
        ),
        (
            "keys create a --provider x",
            {},
            1,
            "Error: No provider named 'x' is configured. Configured: none.\n",
        ),
        (
            "simulate --error-rate 3 --latency soon",
            {},
            2,
            "Error: --latency: latency 'soon' is not one of `0.2`, `fixed:0.2`, "
            "`uniform:0.1,0.3`, `lognormal:median,sigma`, `exponential:mean`; --error-rate: Input "
            "should be less than or equal to 1.\n",
        ),
    ],
)  # fmt: skip
def test_one_sentence(
    directory: Path, *, arguments: str, environ: Mapping[str, str], code: int, err: str
) -> None:
    before = {path.name for path in directory.iterdir()}
    assert batchway(*arguments.split(), cwd=directory, environ=environ) == Ended(
        code=code, out="", err=err
    )
    assert {path.name for path in directory.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        ("lst", "Error: No such command 'lst'. Did you mean 'list'?"),
        ("run in.jsonl", "Error: Missing option '--output' / '-o'."),
        ("serve --prot 1", "Error: No such option: --prot (Possible options: --host, --port)"),
        (
            "submit in.jsonl --window 3x",
            "Error: Invalid value: --window must be 1 minute to 30 days, such as 90m, 24h or 7d",
        ),
        (
            "submit in.jsonl --metadata a",
            "Error: Invalid value: --metadata takes KEY=VALUE, not 'a'",
        ),
    ],
)
def test_usage(directory: Path, arguments: str, last: str) -> None:
    ended = batchway(*arguments.split(), cwd=directory)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == last
    assert "Traceback" not in ended.err


def test_version_and_help(tmp_path: Path) -> None:
    assert batchway("version", cwd=tmp_path) == Ended(code=0, out=f"{__version__}\n", err="")
    ended = batchway("--help", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "\x1b" not in ended.out


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    # A budget in milliseconds would fail on a busy machine; these imports are what it is made of.
    heavy = "pydantic rich fastapi sqlalchemy dbos yaml aiohttp ssl uvloop asyncio.events"
    program = (
        "import sys\n"
        "sys.argv = ['batchway', '--help']\n"
        "from batchway.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n"
        f"    print([m for m in {heavy.split()!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "[]\n"


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "batchway", "version"],
            cwd=tmp_path,
            env=environment(),
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CommandError("No."), "No."),
        (SettingsError(["a: b."]), "a: b."),
        (Unavailable("The disk is gone."), "The disk is gone."),
        (
            ApiError(ApiText.UNKNOWN_BATCH, id="batch_1"),
            "No batch found with id 'batch_1'.",
        ),
        (FileNotFoundError(2, "No such file", "x.jsonl"), "x.jsonl: No such file."),
        (OSError(28, "No space left on device"), "No space left on device."),
        (OSError("odd"), None),
        (RuntimeError("odd"), None),
    ],
)
def test_exceptions_as_sentences(error: Exception, sentence: str | None) -> None:
    assert explain(error) == sentence


def test_a_defect_leaves_its_traceback_in_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = ValueError("odd")
    assert report(error, debug=False) == 1
    (log,) = tmp_path.iterdir()
    assert log.read_text() == "ValueError: odd\n"
    assert capsys.readouterr().err == (
        "Error: Batchway met an unexpected ValueError. Please report it with the traceback in "
        f"{log}.\n"
    )
    assert report(error, debug=True) == 1
    assert capsys.readouterr().err == (
        "ValueError: odd\nError: Batchway met an unexpected ValueError; the traceback is above.\n"
    )


def test_a_simulator_s_port_that_is_taken(directory: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert batchway("simulate", "--port", str(port), cwd=directory) == Ended(
            code=1,
            out="",
            err=f"Error: Port {port} is in use already. Is another `batchway simulate` running? "
            "Choose another port with --port.\n",
        )
