"""What the suite asks for: slices of the real data, each line with a prompt of its own.

Every batch tags its system message, so that the same question in two batches has two answers and
a line that got another batch's answer is found out. Some lines script the simulator: `[[400]]`
is refused for good, `[[503*1]]` and `[[truncate*1]]` succeed when tried again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from batchway.simulator.online import prompt_digest

ENDPOINT = "/v1/chat/completions"
MODEL = "gpt-4o-mini"  # what the simulator is asked for, whatever the line's model says
_DATA = Path(__file__).parents[2] / "examples" / "gsm8k_test.batch.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line asked for; `refused` when its only right result is a 400."""

    custom_id: str
    body: dict[str, Any]
    digest: str
    refused: bool


@dataclass(slots=True, kw_only=True)
class Order:
    """One batch asked for, and what has become of it so far."""

    tag: str
    tenant: str
    lines: list[Line]
    window: str = "24h"
    file_id: str | None = None
    batch_id: str | None = None
    cancelled: bool | None = False  # `None`: a cancel was asked for and not answered
    data: bytes = field(default=b"", repr=False)


@cache
def _questions() -> list[dict[str, Any]]:
    with _DATA.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def order(
    *, tag: str, tenant: str, model: str, start: int, count: int, window: str = "24h"
) -> Order:
    """`count` questions from the `start`th on, going round at the end of the data."""
    rows, lines = asked(tag=tag, model=model, start=start, count=count, script=_script)
    return Order(tag=tag, tenant=tenant, lines=lines, window=window, data=rows)


def asked(
    *, tag: str, model: str, start: int, count: int, script: Callable[[int], str]
) -> tuple[bytes, list[Line]]:
    """An input file and its lines; `script` is what is added to the question of a line."""
    questions = _questions()
    lines: list[Line] = []
    rows: list[str] = []
    for number in range(count):
        question = questions[(start + number) % len(questions)]
        system, user = question["body"]["messages"]
        lap = (start + number) // len(questions)
        body = {
            **question["body"],
            "model": model,
            "messages": [
                {**system, "content": f"{system['content']} ({tag}, {lap})"},
                {**user, "content": user["content"] + script(number)},
            ],
        }
        custom_id = f"{tag}-{number:05}"
        row = {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}
        rows.append(json.dumps(row, ensure_ascii=False))
        lines.append(
            Line(
                custom_id=custom_id,
                body=body,
                digest=prompt_digest(ENDPOINT, body, model=MODEL),
                refused=script(number) == " [[400]]",
            )
        )
    return ("\n".join(rows) + "\n").encode(), lines


def _script(number: int) -> str:
    if number % 97 == 13:
        return " [[400]]"
    if number % 41 == 7:
        return " [[503*1]]"
    if number % 53 == 17:
        return " [[truncate*1]]"
    return ""
