"""The same journey with every official SDK: what each of them met, compared as whole values.

The scripts are `sdks/journey.py` and `sdks/node/journey.mjs`; they only report. Here the report is
held against `golden`, and every result line against its request.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.journeys import golden
from tests.journeys.conftest import provider, running_servers
from tests.journeys.environments import Sdk, node_sdk, python_sdk
from tests.journeys.lines import Results, chat, chats, check, jsonl
from tests.journeys.processes import Server, Simulator, environment

PYTHONS: Final = ("1.109.1", "2.54.0", "3.54.0")
RUNS: Final = (
    *(f"python-{version}-{mode}" for version in PYTHONS for mode in ("sync", "async")),
    "node-7",
)
_IDS: Final = (
    (re.compile(r"file-[0-9A-Za-z]{22}"), "file-…"),
    (re.compile(r"batch_[0-9a-f]{32}"), "batch_…"),
    (re.compile(r"upload_[0-9a-f]{32}"), "upload_…"),
    (re.compile(r"part_[0-9a-f]{32}"), "part_…"),
)

# Two providers are configured, so a model says which one it means.
MODEL: Final = "sim/m"
# Not the last: that others are answered after it proves that the 404 is about this line alone.
ASKED: Final = [chat("missing", "[[404]] naïve ☃", model=MODEL), *chats(9, model=MODEL)]
HANGING: Final = [
    *chats(2, model=MODEL),
    *(chat(f"hang-{number}", f"[[hang]] {number}", model=MODEL) for number in range(3)),
]


@pytest.fixture(scope="session")
def keyed_server(
    plain_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with a tenant for each run, so that each lists only what is its own."""
    keys = [
        key
        for run in RUNS
        for key in (
            {"name": run, "tenant": run, "key": f"sk-0123456789-{run}"},
            {
                "name": f"{run}-limited",
                "tenant": run,
                "key": f"sk-l-0123456789-{run}",
                "providers": ["sim"],
            },
        )
    ]
    with running_servers(tmp_path_factory.mktemp("keyed-server")) as start:
        yield start(
            provider(plain_simulator),
            provider(plain_simulator, "other"),
            auth={"keys": keys},
            execution={"drain_timeout": 0.6},
        )


@pytest.mark.timeout(600)  # the first time, SDKs are installed
@pytest.mark.parametrize("run", RUNS)
def test_the_journey(run: str, keyed_server: Server, tmp_path: Path) -> None:
    report = _travel(run, keyed_server, tmp_path)
    version = report.pop("version")
    results = Results(
        output=_lines(report.pop("output")), errors=_lines(report.pop("error output"))
    )
    chunked = report.pop("chunked", None)

    assert report["files"] == golden.FILES
    assert report["batches"] == golden.batches(tenant=run)
    assert report["cancelling"] == golden.CANCELLING
    assert report["uploads"] == golden.UPLOADS
    assert report["errors"] == golden.ERRORS
    if run == "node-7":
        assert version.startswith("7.")
    else:
        assert version == run.split("-")[1]
        assert chunked == {"status": "completed", "content": True}
    check(ASKED, results, models={line["custom_id"]: "m" for line in ASKED})
    assert results.errors[0]["response"]["body"] == golden.NOT_FOUND


def _travel(run: str, server: Server, directory: Path) -> dict[str, Any]:
    """The normalised report of a run."""
    (directory / "input.jsonl").write_bytes(jsonl(ASKED))
    (directory / "hanging.jsonl").write_bytes(jsonl(HANGING))
    plan = {
        "base_url": server.base_url,
        "key": f"sk-0123456789-{run}",
        "limited key": f"sk-l-0123456789-{run}",
        "input": str(directory / "input.jsonl"),
        "hanging": str(directory / "hanging.jsonl"),
    }
    (directory / "plan.json").write_text(json.dumps(plan))
    language, version, *mode = run.split("-")
    sdk: Sdk = node_sdk() if language == "node" else python_sdk(version)
    done = subprocess.run(
        [*sdk.command, str(sdk.script), *mode, str(directory / "plan.json")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return {
        name: value if "output" in name or name == "version" else _normalised(value)
        for name, value in report.items()
    }


def _normalised(value: Any, name: str = "") -> Any:
    """Without what differs from run to run: ids and times keep their shape only."""
    match value:
        case dict():
            return {key: _normalised(each, key) for key, each in value.items()}
        case list():
            return [_normalised(each) for each in value]
        case str():
            for pattern, shown in _IDS:
                value = pattern.sub(shown, value)
            return value
        case int() if name.endswith("_at"):
            return "time"
        case _:
            return value


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
