"""A file on Vertex AI whose lines cannot all be in one job: lots, lines that go online, warnings.

One server, killed while its jobs wait; the importer of the fake fails a job for one line too many.
"""

import json
from pathlib import Path
from typing import Any, Final

from tests.journeys.conftest import NewServer
from tests.journeys.lines import (
    Line,
    Results,
    chat,
    chats,
    check,
    counts,
    ended,
    results,
    submit,
)
from tests.journeys.vertex import BUCKET, GEMINI, plainly, vertex

from batchway.simulator.google import process

IMAGE: Final = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
FIND: Final = {
    "type": "function",
    "function": {
        "name": "find",
        "parameters": {"type": "object", "properties": {"limit": {"type": "string"}}},
    },
}


def called(custom_id: str, limit: object) -> Line:
    """A line whose history has a call with that argument."""
    line = chat(custom_id, f"And {custom_id}?", model=GEMINI, tools=[FIND])
    function = {"name": "find", "arguments": json.dumps({"limit": limit})}
    call = {"id": "call_1", "type": "function", "function": function}
    line["body"]["messages"][:0] = [
        {"role": "user", "content": f"Look for {custom_id}."},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "found"},
    ]
    return line


def seen(custom_id: str) -> Line:
    """A line with an image by its address, which jobs do not take."""
    line = chat(custom_id, model=GEMINI)
    text = {"type": "text", "text": f"What is {custom_id}?"}
    line["body"]["messages"] = [{"role": "user", "content": [text, IMAGE]}]
    return line


def test_lines_that_cannot_share_a_job_do_not(tmp_path: Path, new_server: NewServer) -> None:
    asked: list[Line] = []
    for n in range(8):
        asked += [
            *chats(1, f"plain-{n}-", model=GEMINI),
            called(f"one-{n}", n),
            called(f"several-{n}", [n]),
            called(f"object-{n}", {"most": n}),
        ]
    asked += [seen("seen-0"), seen("seen-1"), chat("last", model=GEMINI, user="u")]
    with process(hold=["RUNNING"]) as fake:
        server = new_server(vertex(fake, tmp_path, mode="auto", bucket=BUCKET))
        client = server.client()
        batch = submit(client, asked)
        fake.eventually(lambda stats: len(stats["creates"]) == 3 and stats["online"] == 2)
        server.process.kill()
        fake.control(hold=[])
        server.start()
        client = server.client()
        last = ended(client, batch)
        given = results(client, last)
        stats = fake.stats()
    assert (last.status, counts(last)) == ("completed", (35, 35, 0)), given.errors
    assert (len(stats["creates"]), stats["lines"]) == (3, 33)
    assert set(stats["lines_by_digest"].values()) == {1}
    assert (stats["objects"], stats["jobs"]) == ({}, [])
    check([plainly(line) for line in asked], given)
    assert extension(last)["warnings"] == {"user": 1}
    assert warned(given) == {"last": ["user"]}


def extension(batch: Any) -> dict[str, Any]:
    """What Batchway adds to a Batch."""
    return batch.model_extra or {}


def warned(given: Results) -> dict[str, list[str]]:
    """What each result says was left out of its line."""
    return {
        answer["custom_id"]: [warning["param"] for warning in notes["warnings"]]
        for answer in given.output
        if (notes := answer["response"]["body"].get("batchway"))
    }
