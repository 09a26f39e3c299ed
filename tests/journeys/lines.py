"""Batch input for the journeys, and the check that every line got its own answer.

The simulator's answers are a function of the prompt and the upstream model, so a result that
belongs to another line, or that another model wrote, is found out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import openai
from openai.types import Batch
from tests.journeys.processes import eventually

from batchway.simulator.online import verify

CHAT: Final = "/v1/chat/completions"
EXAMPLES: Final = Path(__file__).parents[2] / "examples"
ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})

Line = dict[str, Any]


def chat(custom_id: str, prompt: str | None = None, *, model: str = "m", **body: Any) -> Line:
    """A chat line; its prompt is its id unless one is given."""
    messages = [{"role": "user", "content": f"Say {custom_id}" if prompt is None else prompt}]
    return line(custom_id, CHAT, model=model, messages=messages, **body)


def line(custom_id: str, url: str, **body: Any) -> Line:
    """A line of any endpoint."""
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def chats(count: int, prefix: str = "r", *, model: str = "m") -> list[Line]:
    """So many chat lines."""
    return [chat(f"{prefix}-{number:04}", model=model) for number in range(count)]


def jsonl(lines: Iterable[object]) -> bytes:
    """Lines as a file."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def example(name: str) -> tuple[Path, list[Line]]:
    """A file of `examples/` and its lines."""
    path = EXAMPLES / name
    return path, [json.loads(text) for text in path.read_bytes().splitlines()]


def upload(client: openai.OpenAI, lines: Iterable[object], name: str = "in.jsonl") -> str:
    """The id of a file of these lines."""
    return client.files.create(file=(name, jsonl(lines)), purpose="batch").id


def submit(
    client: openai.OpenAI, lines: Iterable[object], *, endpoint: Any = CHAT, **options: Any
) -> Batch:
    """A batch over these lines, as it is right after its creation."""
    given: dict[str, Any] = {"completion_window": "24h", **options}
    return client.batches.create(input_file_id=upload(client, lines), endpoint=endpoint, **given)


def ended(client: openai.OpenAI, batch: Batch, *, within: float = 60.0) -> Batch:
    """The batch once it has reached a terminal status."""

    def look() -> Batch | None:
        now = client.batches.retrieve(batch.id)
        return now if now.status in ENDED else None

    return cast(Batch, eventually(f"the end of {batch.id}", look, within=within))


def reached(client: openai.OpenAI, batch: Batch, *, completed: int, within: float = 30.0) -> Batch:
    """The batch once so many of its lines are completed."""

    def look() -> Batch | None:
        now = client.batches.retrieve(batch.id)
        assert now.status not in ENDED, f"it ended as {now.status} before {completed} lines"
        return now if counts(now)[1] >= completed else None

    return cast(Batch, eventually(f"{completed} lines of {batch.id}", look, within=within))


def counts(batch: Batch) -> tuple[int, int, int]:
    """Total, completed and failed lines."""
    found = batch.request_counts
    assert found is not None
    return found.total, found.completed, found.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Both result files, as parsed lines in the order of the files."""

    output: list[Line] = field(default_factory=list[Line])
    errors: list[Line] = field(default_factory=list[Line])

    @property
    def output_ids(self) -> list[str]:
        """The output's custom ids."""
        return [each["custom_id"] for each in self.output]

    @property
    def error_ids(self) -> list[str]:
        """The error file's custom ids."""
        return [each["custom_id"] for each in self.errors]

    def codes(self) -> dict[str, str | int]:
        """What became of each line of the error file: an HTTP status, or a code without one."""
        return {
            each["custom_id"]: (
                each["error"]["code"]
                if each["response"] is None
                else each["response"]["status_code"]
            )
            for each in self.errors
        }


def results(client: openai.OpenAI, batch: Batch) -> Results:
    """Download what a batch left."""
    return Results(
        output=_download(client, batch.output_file_id),
        errors=_download(client, batch.error_file_id),
    )


def _download(client: openai.OpenAI, file_id: str | None) -> list[Line]:
    if file_id is None:
        return []
    content = client.files.content(file_id).read()
    assert content.endswith(b"\n"), "the last line is cut off"
    return [json.loads(text) for text in content.splitlines()]


def check(
    asked: Sequence[Line], given: Results, *, models: Mapping[str, str] | None = None
) -> None:
    """Every line exactly once, in input order, each with its own answer.

    `models` maps custom ids to the upstream model where a route or an Azure deployment renamed
    the line's own.
    """
    output, errors = set(given.output_ids), set(given.error_ids)
    assert len(output) == len(given.output), "a line is twice in the output"
    assert len(errors) == len(given.errors), "a line is twice among the errors"
    assert given.output_ids == [each["custom_id"] for each in asked if each["custom_id"] in output]
    assert given.error_ids == [each["custom_id"] for each in asked if each["custom_id"] in errors]
    assert not output & errors, "a line is in both files"
    assert output | errors == {each["custom_id"] for each in asked}, "a line is lost"
    questions = {each["custom_id"]: each for each in asked}
    for answer in given.output:
        custom_id = answer["custom_id"]
        question = questions[custom_id]
        assert answer["error"] is None
        assert answer["response"]["status_code"] == 200
        assert answer["response"]["request_id"]
        wrong = verify(
            question["url"],
            question["body"],
            answer["response"]["body"],
            model=None if models is None else models.get(custom_id),
        )
        assert wrong is None, f"{custom_id}: {wrong}"


def completed(
    client: openai.OpenAI,
    batch: Batch,
    asked: Sequence[Line],
    *,
    models: Mapping[str, str] | None = None,
    within: float = 60.0,
) -> Batch:
    """Wait for a batch of which every line must succeed, and check every answer."""
    last = ended(client, batch, within=within)
    given = results(client, last)
    assert (last.status, counts(last)) == ("completed", (len(asked), len(asked), 0)), (
        last,
        given.errors[:3],
    )
    assert last.error_file_id is None
    check(asked, given, models=models)
    return last
