"""Rows of a job's results as lines, for the pass-through: bounded, and off the event loop."""

import json
import threading
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.dialects.gemini.dialect import GeminiDialect
from batchway.ports import Refused, Result
from batchway.providers.buckets import archived_rows
from batchway.providers.buckets.archived_rows import ArchivedRows, lines_of
from batchway.providers.google.rows import FORM

DIALECT = GeminiDialect(model="gemini-2.5-flash", batch=True)
ANSWER = {"candidates": [{"content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"}]}
UNREADABLE = "invalid_provider_response"
TOO_LONG = "provider_response_too_large"


def row(custom_id: str, **fields: Any) -> bytes:
    return json.dumps({"custom_id": custom_id, "status": "", "response": ANSWER, **fields}).encode()


def read(pieces: Sequence[bytes]) -> list[dict[str, Any]]:
    """The lines of a file that comes in these pieces."""
    rows = ArchivedRows(DIALECT, form=FORM, named="gs://b/f")
    made = [line for piece in pieces for line in rows.take(piece)]
    made += rows.take(b"", last=True)
    return [json.loads(line) for line in b"".join(made).splitlines()]


def told(lines: Sequence[dict[str, Any]]) -> list[tuple[str, str | int]]:
    """Ids, and what became of each."""
    return [
        (
            each["custom_id"],
            each["response"]["status_code"] if each["response"] else each["error"]["code"],
        )
        for each in lines
    ]


@given(cuts=st.lists(st.integers(0, 600), max_size=8), newline=st.booleans())
def test_pieces_end_anywhere(cuts: list[int], *, newline: bool) -> None:
    data = b"\n".join([row("a"), b"", row("b"), b" ", row("c")]) + (b"\n" if newline else b"")
    bounds = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[start:end] for start, end in pairwise(bounds)]
    assert read(pieces) == read([data])
    assert told(read(pieces)) == [("a", 200), ("b", 200), ("c", 200)]


def deep(custom_id: str, *, first: bool, levels: int = 100_000) -> bytes:
    ours, theirs = f'"custom_id":"{custom_id}"', f'"response":{"[" * levels}{"]" * levels}'
    fields = ('"status":""', ours, theirs) if first else (theirs, ours, '"status":""')
    return f"{{{','.join(fields)}}}".encode()


@pytest.mark.parametrize(
    ("raw", "came"),
    [
        (deep("d", first=True), ("d", UNREADABLE)),
        (deep("d", first=False), ("d", UNREADABLE)),
        (b'{"custom_id":"half', ("", UNREADABLE)),
        (b'{"custom_id":"h\\"i", "response":{"candi', ('h"i', UNREADABLE)),
        (b'{"key":17,"response":{', ("17", UNREADABLE)),
        (b"garbage", ("", UNREADABLE)),
        (b"[]", ("", UNREADABLE)),
        (b'{"a":1}', ("", UNREADABLE)),
        (b'{"custom_id":"silent","status":""}', ("silent", "missing_result")),
        (b'{"custom_id":"r","response":{"a":1}}', ("r", 502)),
    ],
)
def test_a_row_that_cannot_be_read_is_told_once(raw: bytes, came: tuple[str, str | int]) -> None:
    lines = read([row("before") + b"\n" + raw + b"\n" + row("after")])
    assert told(lines) == [("before", 200), came, ("after", 200)]
    assert len({line["id"] for line in lines}) == 3


@pytest.mark.parametrize("where", ["first", "last", "nowhere"])
def test_a_row_that_is_too_long_is_told_once(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(archived_rows, "_LONGEST_ROW", 100_000)
    texts = {"first": '"custom_id":"long",', "last": "", "nowhere": ""}
    end = ',"custom_id":"long"}' if where == "last" else "}"
    # Names in a text, and in an object within, are no names of the row.
    within = json.dumps({"custom_id": "within", "text": '{"custom_id":"said"}' * 20_000})
    long = f'{{{texts[where]}"response":{within}{end}'.encode()
    data = row("before") + b"\n" + long + b"\n" + row("after") + b"\n"
    for size in (1_000, 64_000, len(data)):
        lines = read([data[at : at + size] for at in range(0, len(data), size)])
        assert told(lines) == [
            ("before", 200),
            ("" if where == "nowhere" else "long", TOO_LONG),
            ("after", 200),
        ]


def test_no_more_is_held_than_the_longest_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archived_rows, "_LONGEST_ROW", 100_000)
    rows = ArchivedRows(DIALECT, form=FORM, named="f")
    for _ in range(100):
        assert list(rows.take(b"x" * 10_000)) == []
        assert rows.held <= 110_000
    assert [json.loads(line)["error"]["code"] for line in rows.take(b"", last=True)] == [TOO_LONG]


@given(raw=st.binary(max_size=300))
def test_whatever_stands_there_comes_to_one_line_a_row(raw: bytes) -> None:
    expected = sum(bool(each) and not each.isspace() for each in raw.split(b"\n"))
    assert len(read([raw])) == expected
    assert isinstance(FORM.id_at_edges(raw), str)


def test_many_short_rows_come_some_at_a_time() -> None:
    rows = ArchivedRows(DIALECT, form=FORM, named="f")
    made = list(rows.take((row("a") + b"\n") * 2_000))
    assert len(made) > 10
    assert max(map(len, made)) < 100_000


class Watched(GeminiDialect):
    """Keeps the threads that it reads in."""

    def __init__(self) -> None:
        super().__init__(model="gemini-2.5-flash", batch=True)
        self.threads: set[int] = set()

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        self.threads.add(threading.get_ident())
        return super().decode(status, body, context, at=at)


async def test_nothing_is_read_on_the_event_loop() -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield row("a") + b"\n"
        yield row("b")

    dialect = Watched()
    lines = b"".join([line async for line in lines_of(pieces(), dialect, form=FORM, named="f")])
    assert [json.loads(line)["custom_id"] for line in lines.splitlines()] == ["a", "b"]
    assert dialect.threads
    assert threading.get_ident() not in dialect.threads
