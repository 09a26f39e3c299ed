"""`workflows.plan.scan`: the errors of a file, and shards that hold every line exactly once."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.batch_lines import BatchLines
from tests.unit.fakes import CHAT, MemoryBlob, chat

from batchway.dialects.openai.body import estimate_tokens
from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.domain.batch import BatchError
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import (
    Destination,
    Forbidden,
    NotNative,
    Resolution,
    Target,
    Unroutable,
)
from batchway.domain.shard import Mode, Shard
from batchway.lines.envelope import LineReader
from batchway.lines.pieces import read_pieces
from batchway.ports import Dialect
from batchway.workflows.plan import custom_ids, scan
from batchway.workflows.plan.scan import Scan, ScanLimits

SMALL = ScanLimits(shard_lines_min=3, shard_lines_max=5, max_line_bytes=1_000)


def destination(group: str, mode: Mode = Mode.MANAGED) -> Destination:
    return Destination(group=group, mode=mode, primaries=(Target(provider=group, model="m"),))


def resolve(model: str) -> Resolution:
    """`a/...` and `b/...` go to providers of that name, `x`, `y` are forbidden, `?` unknown."""
    if model == "x":
        return Forbidden(provider="secret")
    if model == "y":
        return Forbidden()
    if model == "?":
        return Unroutable(advice="Ask somebody.")
    if model.startswith("b"):
        return destination("b", Mode.NATIVE)
    return destination("a")


def dialect(target: Target, _mode: Mode) -> Dialect:
    """Everybody speaks OpenAI's."""
    return OpenAIDialect(endpoint=CHAT, model=target.model)


def scanned(
    data: bytes, limits: ScanLimits = SMALL, piece_bytes: int = 1 << 20
) -> tuple[list[Shard], list[BatchError], Scan]:
    made = Scan(
        blobs=MemoryBlob(data),
        key="input",
        batch_id="batch_1",
        endpoint=CHAT,
        limits=limits,
        resolve=resolve,
        dialect=dialect,
    )
    pieces = read_pieces(
        MemoryBlob(data),
        "input",
        max_line_bytes=limits.max_line_bytes,
        piece_bytes=piece_bytes,
    )
    for piece in pieces:
        made.take(piece)
        if made.full:
            break
    shards = made.finish()
    made.close()
    return shards, made.errors, made


def file_of(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def shard(number: int, start: int, end: int, first_line: int, lines: int) -> Shard:
    return Shard(
        batch_id="batch_1",
        number=number,
        group="a",
        mode=Mode.MANAGED,
        start=start,
        end=end,
        first_line=first_line,
        lines=lines,
    )


def duplicate(line: int, custom_id: str) -> BatchError:
    return BatchError(
        code="duplicate_custom_id",
        message=f"The custom_id '{custom_id}' for this request is a duplicate of another request. "
        "The custom_id parameter must be unique for each request in a batch.",
        param="custom_id",
        line=line,
    )


NOT_JSON = BatchError(
    code="invalid_json_line", message="This line is not parseable as valid JSON.", line=1
)
EMPTY = BatchError(
    code="empty_file",
    message="The input file is empty. Please ensure that the batch contains at least one request.",
)


# ----------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [EMPTY]),
        (b"\n \r\n", [EMPTY]),
        (b"\xef\xbb\xbf\n", [EMPTY]),
        (file_of(b"{", chat("a"), b"{"), [NOT_JSON, replace(NOT_JSON, line=3)]),
        (file_of(chat("a"), chat("b"), b"", chat("a")), [duplicate(4, "a")]),
        (file_of(chat("a"), chat("a"), b"{"), [duplicate(2, "a"), replace(NOT_JSON, line=3)]),
        (file_of(chat("é"), chat("\u00e9")), [duplicate(2, "é")]),
        (file_of(chat("z" * 800), chat("z" * 800)), [duplicate(2, "z" * 200)]),
        (
            file_of(chat("a", "?"), chat("b", "x"), chat("c", "y")),
            [
                BatchError(
                    code="model_not_found",
                    message="No provider serves the model '?'. Ask somebody.",
                    param="body.model",
                    line=1,
                ),
                BatchError(
                    code="provider_not_allowed",
                    message="This API key may not use the provider 'secret' that the model 'x' "
                    "needs.",
                    param="body.model",
                    line=2,
                ),
                BatchError(
                    code="provider_not_allowed",
                    message="This API key may not use any provider that serves the model 'y'.",
                    param="body.model",
                    line=3,
                ),
            ],
        ),
        (
            file_of(chat("a"), b" " * 1_001, chat("b")),
            [
                BatchError(
                    code="line_too_long",
                    message="This line is 1001 bytes long. The limit is 1000 bytes a line: the "
                    "setting `limits.max_line_bytes` of this server.",
                    line=2,
                )
            ],
        ),
        (
            file_of(chat("ü"), b'{"\xff', chat("b")),
            [BatchError(code="invalid_json_line", message="This line is not valid UTF-8.", line=2)],
        ),
        (
            file_of(chat("a"), chat("b").replace(b"[]", b"[" * 300 + b"]" * 300)),
            [
                BatchError(
                    code="invalid_json_line",
                    message="This line nests arrays or objects deeper than this server reads.",
                    line=2,
                )
            ],
        ),
    ],
)
@pytest.mark.parametrize("piece_bytes", [50, 1 << 20])
def test_errors(data: bytes, expected: list[BatchError], piece_bytes: int) -> None:
    _, errors, made = scanned(data, piece_bytes=piece_bytes)
    assert errors == expected
    assert made.problems == len(expected)


def test_text_that_is_not_utf8_is_found_inside_a_body_too() -> None:
    _, errors, _ = scanned(file_of(chat("a"), chat("b").replace(b"[]", b'"\xff"'), chat("c")))
    assert errors == [
        BatchError(code="invalid_json_line", message="This line is not valid UTF-8.", line=2)
    ]


def test_errors_stop_at_the_limit_in_the_order_of_lines() -> None:
    data = file_of(*[b"{"] * 3, chat("a"), *[b"{}"] * 10)
    _, errors, made = scanned(data, replace(SMALL, max_errors=5))
    assert [(error.line, error.code, error.param) for error in errors] == [
        (1, "invalid_json_line", None),
        (2, "invalid_json_line", None),
        (3, "invalid_json_line", None),
        (5, "missing_required_parameter", "custom_id"),
        (5, "missing_required_parameter", "method"),
    ]
    assert made.full


def test_duplicates_stop_at_the_limit_in_the_order_of_lines() -> None:
    data = file_of(*[chat(f"id-{number % 20}") for number in range(100)])
    _, errors, _ = scanned(data, replace(SMALL, max_errors=7))
    lines = [error.line or 0 for error in errors]
    assert len(lines) == 7
    assert lines == sorted(lines)
    assert all(line > 20 for line in lines)


def test_errors_can_be_reported_one_by_one_without_limit() -> None:
    data = file_of(*[b"{"] * 20, chat("a"), chat("a"))
    seen: list[BatchError] = []
    made = Scan(
        blobs=MemoryBlob(data),
        key="input",
        batch_id="check",
        endpoint=CHAT,
        limits=replace(SMALL, max_errors=5),
        resolve=resolve,
        dialect=dialect,
        report=seen.append,
    )
    for piece in made.pieces():
        made.take(piece)
    made.finish()
    assert [error.line for error in seen] == [*range(1, 21), 22]
    assert (made.errors, made.problems, made.full) == ([], 21, False)


def test_too_many_lines() -> None:
    data = file_of(*[chat(f"id-{number}") for number in range(4)])
    assert scanned(data, replace(SMALL, max_lines=4))[1] == []
    assert scanned(data, replace(SMALL, max_lines=3))[1] == [
        BatchError(
            code="too_many_tasks",
            message="The input file holds more than 3 requests, which is the limit of this server.",
        )
    ]


def test_too_many_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_MAX_MODELS", 3)
    data = file_of(*[chat(f"id-{number}", f"m{number}") for number in range(5)])
    _, errors, made = scanned(data)
    assert errors == [
        BatchError(
            code="too_many_models",
            message="The input file names more than 3 different models.",
            param="body.model",
            line=4,
        )
    ]
    assert made.full


@pytest.mark.parametrize("hashes", [1, 2])
@pytest.mark.parametrize("piece_bytes", [64, 1 << 20])
def test_colliding_hashes_neither_fail_a_good_file_nor_hide_a_duplicate(
    hashes: int, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def colliding(text: str) -> int:
        return len(text) % hashes

    monkeypatch.setattr(custom_ids, "hash", colliding, raising=False)
    lines = [chat("i" * number) for number in range(1, 40)]
    shards, errors, _ = scanned(file_of(*lines), piece_bytes=piece_bytes)
    assert errors == []
    assert sum(shard.lines for shard in shards) == 39
    assert scanned(file_of(*lines, chat("iii")), piece_bytes=piece_bytes)[1] == [
        duplicate(40, "iii")
    ]


def test_duplicates_across_pieces_partitions_and_spills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_ids, "_SPILL_AT", 2)
    ids = [f"id-{number}" for number in range(2_000)]
    pairs = {1_999: 0, 1_500: 1_499, 700: 3}
    for later, first in pairs.items():
        ids[later] = ids[first]
    _, errors, _ = scanned(file_of(*map(chat, ids)), piece_bytes=500)
    assert errors == [duplicate(later + 1, ids[later]) for later in sorted(pairs)]


# ----------------------------------------------------------------------------- shards


def test_the_plan_of_a_small_file() -> None:
    lines = [chat(f"id-{number}") for number in range(7)]
    size = len(lines[0]) + 1
    shards, errors, made = scanned(file_of(*lines))
    assert errors == []
    assert shards == [
        shard(0, 0, 3 * size, 0, 3),
        shard(1, 3 * size, 6 * size, 3, 3),
        shard(2, 6 * size, 7 * size, 6, 1),
    ]
    assert (made.requests, made.models) == (7, Counter({"m": 7}))


def test_blank_lines_and_ends_are_inside_ranges_and_not_counted() -> None:
    one = chat("1")
    data = b"\xef\xbb\xbf\r\n" + one + b"\r\n\r\n" + chat("2") + b"\n\n" + chat("3")
    assert scanned(data)[0] == [shard(0, 5, len(data), 1, 3)]


def test_shards_grow_with_the_file() -> None:
    data = file_of(*[chat(f"id-{number:03}") for number in range(200)])
    shards, _, _ = scanned(data, ScanLimits(shard_lines_min=10, shard_lines_max=16))
    assert [each.lines for each in shards] == [10] * 11 + [11, 12, 13, 14, 16, 16, 8]


def test_a_shard_ends_when_its_lines_are_large() -> None:
    data = file_of(*[chat(f"id-{number}") for number in range(4)])
    limits = replace(SMALL, shard_bytes=len(chat("id-0")) + 2)
    assert [each.lines for each in scanned(data, limits)[0]] == [2, 2]


def test_two_providers_have_shards_of_their_own_over_the_same_bytes() -> None:
    models = ["a/1", "b/1", "a/2", "b/2", "a/1", "b/1", "a/1"]
    lines = [chat(str(number), model) for number, model in enumerate(models)]
    size = len(lines[0]) + 1
    shards, errors, _ = scanned(file_of(*lines))
    assert errors == []
    first = shard(0, 0, 5 * size, 0, 3)
    of_a = replace(first, models=("a/1", "a/2"))
    of_b = replace(
        of_a,
        number=1,
        group="b",
        mode=Mode.NATIVE,
        start=size,
        end=6 * size,
        first_line=1,
        models=("b/1", "b/2"),
    )
    rest = replace(of_a, number=2, start=6 * size, end=7 * size, first_line=6, lines=1)
    assert shards == [of_a, of_b, rest]


@settings(max_examples=60)
@given(
    models=st.lists(st.sampled_from(["a/1", "a/2", "b/1", "b/2", ""]), max_size=60),
    piece_bytes=st.integers(30, 600),
    limits=st.builds(
        ScanLimits,
        shard_lines_min=st.integers(1, 4),
        shard_lines_max=st.integers(1, 6),
        shard_bytes=st.integers(100, 1_000),
    ),
)
def test_every_line_is_in_exactly_one_shard(
    models: list[str], piece_bytes: int, limits: ScanLimits
) -> None:
    lines = [chat(str(n), model) if model else b"" for n, model in enumerate(models)]
    data = file_of(*lines)
    shards, errors, _ = scanned(data, limits, piece_bytes)
    expected = [number for number, model in enumerate(models) if model]
    assert errors == ([] if expected else [EMPTY])
    assert [each.number for each in shards] == list(range(len(shards)))
    assert sorted(n for each in shards for n in lines_of(each, data)) == expected
    assert [len(lines_of(each, data)) for each in shards] == [each.lines for each in shards]
    for group in {each.group for each in shards}:
        mine = [each for each in shards if each.group == group]
        assert not_overlapping(mine)
        assert {model for each in mine for model in each.models or ()} <= {
            model for model in models if model.startswith(group)
        }


def lines_of(each: Shard, data: bytes) -> list[int]:
    """Line numbers of a shard, found as a run finds them."""
    reader = LineReader(endpoint=CHAT)
    found: list[int] = []
    for piece in read_pieces(
        MemoryBlob(data),
        "input",
        start=each.start,
        end=each.end,
        first_line=each.first_line,
        max_line_bytes=1 << 20,
    ):
        for number, text in enumerate(piece.lines, piece.first_line):
            request = reader.read(text) if text else None
            if request and (each.models is None or request.model in each.models):
                found.append(number)
    return found


def not_overlapping(shards: Sequence[Shard]) -> bool:
    return all(one.end <= other.start for one, other in pairwise(shards))


def test_a_line_that_has_gone_from_the_input_is_a_defect() -> None:
    data = file_of(chat("a"), chat("a"))
    blob = MemoryBlob(data)
    made = Scan(
        blobs=blob,
        key="input",
        batch_id="b",
        endpoint=CHAT,
        limits=SMALL,
        resolve=resolve,
        dialect=dialect,
    )
    for piece in made.pieces():
        made.take(piece)
    blob.data = chat("a")
    with pytest.raises(LookupError):
        made.finish()


def natively(**traits: Any) -> Callable[[str], Resolution]:
    """Every model runs natively at `p`, under these limits."""
    limits: dict[str, Any] = {
        "endpoints": frozenset({CHAT}),
        "max_lines": 100,
        "max_bytes": 1 << 20,
    }

    def resolve_natively(model: str) -> Resolution:
        return Destination(
            group=f"p/{model}",
            mode=Mode.NATIVE,
            primaries=(Target(provider="p", model=model),),
            fallbacks=(Target(provider="q", model=model),),
            traits=NativeTraits(**{**limits, **traits}),
        )

    return resolve_natively


def planned(
    data: bytes,
    resolve: Callable[[str], Resolution],
    limits: ScanLimits = SMALL,
    endpoint: str = CHAT,
) -> tuple[list[tuple[str, int, int]], list[BatchError], tuple[str, ...]]:
    """Group, first line and lines of each shard; the errors; the providers."""
    blob = MemoryBlob(data)
    made = Scan(
        blobs=blob,
        key="input",
        batch_id="b",
        endpoint=endpoint,
        limits=limits,
        resolve=resolve,
        dialect=lambda target, _: OpenAIDialect(endpoint=endpoint, model=target.model),
    )
    for piece in made.pieces():
        made.take(piece)
    shards = made.finish()
    return [(s.group, s.first_line, s.lines) for s in shards], made.errors, made.providers


def chats(count: int, model: str = "m", **body: object) -> bytes:
    return b"".join(chat(f"{model}-{n}", model, **body) + b"\n" for n in range(count))


def test_a_native_shard_is_as_large_as_the_provider_takes() -> None:
    # Managed shards of such a file would have 3 to 5 lines.
    assert planned(chats(25), natively()) == ([("p/m", 0, 25)], [], ("p", "q"))
    assert planned(chats(25), natively(max_lines=10))[0] == [
        ("p/m", 0, 10),
        ("p/m", 10, 10),
        ("p/m", 20, 5),
    ]
    few = replace(SMALL, native_lines=20)
    assert planned(chats(25), natively(), few)[0] == [("p/m", 0, 20), ("p/m", 20, 5)]


def test_models_run_natively_in_jobs_of_their_own() -> None:
    data = b"".join(chat(f"{n}", "ab"[n % 2]) + b"\n" for n in range(6))
    assert planned(data, natively())[0] == [("p/a", 0, 3), ("p/b", 1, 3)]


@pytest.mark.parametrize("size", [0, 10, 500])
def test_a_native_shard_never_encodes_to_more_than_the_provider_takes(size: int) -> None:
    data = chats(40, "m\u00e9\u0001", text="x" * size)
    limit = 5_000
    shards, errors, _ = planned(data, natively(max_bytes=limit))
    assert errors == []
    lines = [json.loads(line) for line in data.splitlines()]
    for _, first, count in shards:
        encoded = [
            BatchLines().encode(
                line=n,
                endpoint=CHAT,
                model="m\u00e9\u0001",
                body=json.dumps(lines[n]["body"]).encode(),
            )
            for n in range(first, first + count)
        ]
        assert sum(len(line) + 1 for line in encoded) <= limit
    assert sum(count for _, _, count in shards) == 40


def test_a_line_that_no_job_can_hold_is_an_error() -> None:
    data = chats(1) + chats(1, "n", text="x" * 700) + chats(1, "o")
    shards, (error,), _ = planned(data, natively(max_bytes=700))
    assert [first for _, first, _ in shards] == [0, 2]
    assert (error.code, error.line) == ("line_too_long", 2)
    assert "'p'" in error.message
    assert "700 bytes" in error.message


def test_a_native_shard_holds_as_many_tokens_as_may_be_enqueued() -> None:
    data = chats(10, text="word " * 40)
    tokens = estimate_tokens(json.dumps(json.loads(data.splitlines()[0])["body"]).encode())
    assert [lines for _, _, lines in planned(data, natively(enqueued_tokens=3 * tokens))[0]] == [
        3,
        3,
        3,
        1,
    ]
    # A line with more than all of them still runs: the estimate is none of its making.
    assert [lines for _, _, lines in planned(data, natively(enqueued_tokens=1))[0]] == [1] * 10


def test_a_native_shard_of_embeddings_holds_as_many_texts_as_a_job_may() -> None:
    def lines(*texts: int) -> bytes:
        return b"".join(
            json.dumps(
                {
                    "custom_id": str(n),
                    "method": "POST",
                    "url": "/v1/embeddings",
                    "body": {"model": "m", "input": ["text"] * count},
                }
            ).encode()
            + b"\n"
            for n, count in enumerate(texts)
        )

    def cut(*texts: int, most: int | None) -> list[int]:
        resolve = natively(embedding_inputs=most)
        shards, errors, _ = planned(lines(*texts), resolve, endpoint="/v1/embeddings")
        assert errors == []
        return [count for _, _, count in shards]

    assert cut(4, 4, 2, 1, 9, most=10) == [3, 2]
    # A line with more than all of them is the provider's to refuse, and brings no other down.
    assert cut(1, 40, 1, most=10) == [1, 1, 1]
    assert cut(4, 4, 2, 1, 9, most=None) == [5]
    assert planned(chats(30), natively(embedding_inputs=10))[0] == [("p/m", 0, 30)]


def test_an_endpoint_that_is_not_run_natively_is_said_once_a_model() -> None:
    def not_natively(model: str) -> Resolution:
        return NotNative(provider="p", endpoint=CHAT, endpoints=("/v1/embeddings",))

    data = chats(3) + chats(2, "n")
    _, errors, _ = planned(data, not_natively)
    assert [(error.code, error.line, error.param) for error in errors] == [
        ("endpoint_not_supported", 1, "body.model"),
        ("endpoint_not_supported", 4, "body.model"),
    ]
    assert "it runs /v1/embeddings" in errors[0].message
