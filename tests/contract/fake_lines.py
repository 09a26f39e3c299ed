"""Input lines for the fakes, and the reading of what comes back."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from batchway.simulator.online import verify

CHAT = "/v1/chat/completions"


def body(number: int, *, model: str = "m") -> dict[str, Any]:
    """The chat body of a line; no two lines have the same."""
    return {"model": model, "messages": [{"role": "user", "content": f"Line {number}: é漢😀"}]}


def line(
    number: int, *, model: str = "m", url: str | None = CHAT, **changes: Any
) -> dict[str, Any]:
    """One input line; a change to `None` takes the member away."""
    given = {
        "custom_id": f"r{number:010}",
        "method": "POST",
        "url": url,
        "body": body(number, model=model),
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


def jsonl(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """Lines as a file."""
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def chats(count: int, *, model: str = "m", url: str = CHAT) -> bytes:
    """A file of chat lines, numbered from 0."""
    return jsonl(line(number, model=model, url=url) for number in range(count))


def rows_of(content: bytes | str) -> list[dict[str, Any]]:
    """The rows of a result file."""
    text = content.decode() if isinstance(content, bytes) else content
    return [json.loads(row) for row in text.splitlines()]


def wrong(rows: Iterable[Mapping[str, Any]], *, model: str = "m") -> list[str]:
    """What is wrong with rows of success: each must hold its own line's answer."""
    found: list[str] = []
    for row in rows:
        asked = body(int(row["custom_id"][1:]), model=model)
        problem = verify(CHAT, asked, row["response"]["body"])
        if problem is not None:
            found.append(f"{row['custom_id']}: {problem}")
    return found
