"""`lines.envelope`: what a good line gives, and every mistake of a bad one, as exact values."""

import json
import sys
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fakes import CHAT

from batchway.domain.batch import BatchError
from batchway.domain.endpoint import BODY_RULES
from batchway.lines.envelope import LineReader, Request, nests_too_deep

T = TypeVar("T")
LINE = 7
BODY = '{"model":"m","messages":[]}'


def line(
    body: str | None = BODY,
    *,
    custom_id: str | None = '"a"',
    method: str | None = '"POST"',
    url: str | None = f'"{CHAT}"',
    more: str = "",
) -> bytes:
    """A line of raw JSON values; `None` leaves a field out."""
    fields = {"custom_id": custom_id, "method": method, "url": url, "body": body}
    given = ",".join(f'"{name}":{value}' for name, value in fields.items() if value is not None)
    return f"{{{given}{more}}}".encode()


def error(code: str, message: str, param: str | None = None) -> BatchError:
    return BatchError(code=code, message=message, param=param, line=LINE)


def missing(name: str, param: str) -> BatchError:
    return error("missing_required_parameter", f"Missing required parameter: '{name}'.", param)


def wrong(param: str, expected: str) -> BatchError:
    return error("invalid_type", f"Invalid type for '{param}': expected {expected}.", param)


def method(given: str) -> BatchError:
    return error(
        "invalid_method",
        f"The method '{given}' is not supported. Each line's method must be 'POST'.",
        "method",
    )


NOT_JSON = error("invalid_json_line", "This line is not parseable as valid JSON.")
NOT_UTF8 = error("invalid_json_line", "This line is not valid UTF-8.")
NOT_OBJECT = error("invalid_json_line", "This line is not a JSON object.")
TOO_DEEP = error(
    "invalid_json_line",
    "This line nests arrays or objects deeper than this server reads.",
)
EMPTY_ID = error("invalid_value", "The custom_id must be a non-empty string.", "custom_id")
WRONG_URL = error(
    "invalid_url",
    "The URL provided for this request does not match the batch endpoint.",
    "url",
)
STREAMING = error(
    "streaming_unsupported",
    "Chat Completions: Streaming is not supported in the Batch API.",
    "body.stream",
)
NO_MODEL = missing("model", "body.model")
STREAM_TYPE = wrong("body.stream", "a boolean")


def judged(
    data: bytes, endpoint: str = CHAT, *, stand_in: str | None = None
) -> Request | list[BatchError]:
    """What validation makes of a line."""
    reader = LineReader(endpoint=endpoint, stand_in=stand_in)
    request = reader.read(data)
    if request is None or nests_too_deep(data):
        return reader.diagnose(data, LINE)
    assert reader.custom_id(data) == request.custom_id
    return request


def good(body: str = BODY, *, custom_id: str = "a", model: str = "m") -> Request:
    return Request(custom_id=custom_id, body=body.encode(), model=model)


def body(fields: str) -> str:
    return f'{{"model":"m","messages":[],{fields}}}'


def nested(levels: int, *, opening: str = "[", closing: str = "]", inner: str = "") -> str:
    return f'{{"model":"m","messages":{opening * levels}{inner}{closing * levels}}}'


LOOSE = '{ "messages" : [], "model" : "m" }'
HUGE = body('"n":1e999,"k":' + "1" * 5_000)
IN_STRINGS = body(f'"x":"{"[{" * 300}\\"{"[" * 300}"')
SIDE_BY_SIDE = body(f'"x":[{"[{}]," * 300}0]')

GOOD: dict[str, tuple[bytes, Request]] = {
    "plain": (line(), good()),
    "url without /v1": (line(url='"/chat/completions"'), good()),
    "spaces around": (b" \t" + line() + b" ", good()),
    "spaces around the body": (line(f" {BODY} "), good()),
    "unknown fields": (line(more=',"x":{"y":1e999}'), good()),
    "null messages": (line('{"model":"m","messages":null}'), good('{"model":"m","messages":null}')),
    "stream false": (line(body('"stream":false')), good(body('"stream":false'))),
    "stream null": (line(body('"stream":null')), good(body('"stream":null'))),
    "unicode id": (line(custom_id='"ü文😀"'), good(custom_id="ü文😀")),
    "escaped id": (line(custom_id=r'"\ud83d\ude00\"\\\u0000"'), good(custom_id='😀"\\\0')),
    "body as it came": (line(LOOSE), good(LOOSE)),
    "model with slashes": (
        line('{"model":"a/b/c","messages":[]}'),
        good('{"model":"a/b/c","messages":[]}', model="a/b/c"),
    ),
    "escaped names": (line().replace(b"custom_id", rb"custom\u005fid"), good()),
    "huge numbers": (line(HUGE), good(HUGE)),
    "the last of two ids": (line(more=',"custom_id":"b"'), good(custom_id="b")),
    "the last of two bodies": (
        line(more=',"body":{"model":"n","messages":[]}'),
        good('{"model":"n","messages":[]}', model="n"),
    ),
    "the last of two models": (
        line('{"model":"m","model":"n","messages":[]}'),
        good('{"model":"m","model":"n","messages":[]}', model="n"),
    ),
    "100 levels": (line(nested(100)), good(nested(100))),
    "254 levels in line and body": (line(nested(254)), good(nested(254))),
    "brackets in strings": (line(IN_STRINGS), good(IN_STRINGS)),
    "many brackets side by side": (line(SIDE_BY_SIDE), good(SIDE_BY_SIDE)),
}

BAD: dict[str, tuple[bytes, list[BatchError]]] = {
    "not JSON": (b"{", [NOT_JSON]),
    "a word": (b"hello", [NOT_JSON]),
    "trailing garbage": (line() + b" x", [NOT_JSON]),
    "two objects": (line() + line(), [NOT_JSON]),
    "NaN": (line(body('"x":NaN')), [NOT_JSON]),
    "Infinity": (line(body('"x":-Infinity')), [NOT_JSON]),
    "leading zero": (line(body('"x":01')), [NOT_JSON]),
    "control character": (line(body('"x":"\x01"')), [NOT_JSON]),
    "bad escape": (line(body(r'"x":"\x"')), [NOT_JSON]),
    "BOM within the file": (b"\xef\xbb\xbf" + line(), [NOT_JSON]),
    "lone surrogate in custom_id": (line(custom_id=r'"\ud800"'), [NOT_JSON]),
    "lone low surrogate in model": (line(r'{"model":"\udc00","messages":[]}'), [NOT_JSON]),
    "lone surrogate in the body": (line(body(r'"x":"\ud800"')), [NOT_JSON]),
    "UTF-16": (line().decode().encode("utf-16"), [NOT_UTF8]),
    "UTF-8 cut in custom_id": (line().replace(b'"a"', b'"\xc3"'), [NOT_UTF8]),
    "an array": (b"[]", [NOT_OBJECT]),
    "a string": (b'"x"', [NOT_OBJECT]),
    "null": (b"null", [NOT_OBJECT]),
    "only brackets": (b"[" * 100_000, [NOT_OBJECT]),
    "255 levels": (line(nested(255)), [TOO_DEEP]),
    "objects and arrays": (
        line(nested(128, opening='[{"a":', closing="}]", inner="0")),
        [TOO_DEEP],
    ),
    "900 levels": (line(nested(900)), [TOO_DEEP]),
    "100,000 levels": (line(nested(100_000)), [TOO_DEEP]),
    "100,000 levels beside the body": (line(more=f',"x":{"[" * 100_000}'), [TOO_DEEP]),
    "empty object": (
        b"{}",
        [missing(name, name) for name in ("custom_id", "method", "url", "body")],
    ),
    "no custom_id": (line(custom_id=None), [missing("custom_id", "custom_id")]),
    "null custom_id": (line(custom_id="null"), [wrong("custom_id", "a string")]),
    "number as custom_id": (line(custom_id="1e999"), [wrong("custom_id", "a string")]),
    "empty custom_id": (line(custom_id='""'), [EMPTY_ID]),
    "no method": (line(method=None), [missing("method", "method")]),
    "GET": (line(method='"GET"'), [method("GET")]),
    "post": (line(method='"post"'), [method("post")]),
    "empty method": (line(method='""'), [method("")]),
    "long method": (line(method=f'"{"P" * 99}"'), [method("P" * 32)]),
    "method of another type": (line(method="[]"), [wrong("method", "a string")]),
    "no url": (line(url=None), [missing("url", "url")]),
    "another endpoint": (line(url='"/v1/embeddings"'), [WRONG_URL]),
    "absolute url": (line(url=f'"https://api.openai.com{CHAT}"'), [WRONG_URL]),
    "slash after the url": (line(url=f'"{CHAT}/"'), [WRONG_URL]),
    "url of another type": (line(url="{}"), [wrong("url", "a string")]),
    "no body": (line(None), [missing("body", "body")]),
    "null body": (line("null"), [wrong("body", "an object")]),
    "body in a string": (line('"{}"'), [wrong("body", "an object")]),
    "body in an array": (line("[]"), [wrong("body", "an object")]),
    "empty body": (line("{}"), [NO_MODEL, missing("messages", "body.messages")]),
    "no model": (line('{"messages":[]}'), [NO_MODEL]),
    "no model, huge number": (line('{"messages":[1e999]}'), [NO_MODEL]),
    "empty model": (line('{"model":"","messages":[]}'), [NO_MODEL]),
    "null model": (line('{"model":null,"messages":[]}'), [wrong("body.model", "a string")]),
    "model as object": (
        line('{"model":{},"messages":[]}'),
        [wrong("body.model", "a string")],
    ),
    "stream": (line(body('"stream":true')), [STREAMING]),
    "stream 0": (line(body('"stream":0')), [STREAM_TYPE]),
    "stream 0.0": (line(body('"stream":0.0')), [STREAM_TYPE]),
    "stream 1": (line(body('"stream":1')), [STREAM_TYPE]),
    "stream in a string": (line(body('"stream":"true"')), [STREAM_TYPE]),
    "stream []": (line(body('"stream":[]')), [STREAM_TYPE]),
    "two models, the first wrong": (line('{"model":1,"model":"n","messages":[]}'), [NOT_JSON]),
    "two ids, the first wrong": (line(custom_id="1", more=',"custom_id":"b"'), [NOT_JSON]),
    "two streams, the first wrong": (line(body('"stream":0,"stream":false')), [NOT_JSON]),
    "everything at once": (
        line('{"model":1,"stream":true}', custom_id='""', method='"PUT"', url='"/"'),
        [
            EMPTY_ID,
            method("PUT"),
            WRONG_URL,
            wrong("body.model", "a string"),
            missing("messages", "body.messages"),
            STREAMING,
        ],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_lines(name: str) -> None:
    data, expected = GOOD[name]
    assert judged(data) == expected


@pytest.mark.parametrize("name", BAD)
def test_bad_lines(name: str) -> None:
    data, expected = BAD[name]
    assert judged(data) == expected


def test_utf8_inside_the_body_is_seen_by_diagnose_only() -> None:
    """`read` looks at the strings it needs: the scan checks the encoding of whole pieces."""
    data = line().replace(b"[]", b'"\xff"')
    reader = LineReader(endpoint=CHAT)
    assert reader.read(data) == Request(
        custom_id="a", body=b'{"model":"m","messages":"\xff"}', model="m"
    )
    assert reader.diagnose(data, LINE) == [NOT_UTF8]


@pytest.mark.parametrize(
    ("endpoint", "fields", "expected"),
    [
        ("/v1/chat/completions", '"messages":[]', []),
        ("/v1/chat/completions", '"prompt":""', [missing("messages", "body.messages")]),
        ("/v1/completions", '"prompt":""', []),
        ("/v1/completions", '"messages":[]', [missing("prompt", "body.prompt")]),
        ("/v1/embeddings", '"input":""', []),
        ("/v1/embeddings", '"prompt":""', [missing("input", "body.input")]),
        ("/v1/moderations", '"input":""', []),
        ("/v1/moderations", '"x":""', [missing("input", "body.input")]),
        ("/v1/responses", '"input":""', []),
        ("/v1/responses", '"prompt":{"id":"p"}', []),
    ],
)
def test_each_endpoint_has_its_required_parameter(
    endpoint: str, fields: str, expected: list[BatchError]
) -> None:
    text = f'{{"model":"m",{fields}}}'
    data = line(text, url=f'"{endpoint}"')
    assert judged(data, endpoint) == (expected or good(text))


def test_every_endpoint_was_tried() -> None:
    assert set(BODY_RULES) == {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/moderations",
        "/v1/responses",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"input":""}', good('{"input":""}', model="omni-moderation-latest")),
        ('{"model":"n","input":""}', good('{"model":"n","input":""}', model="n")),
        ('{"model":"","input":""}', [NO_MODEL]),
        ('{"model":null,"input":""}', [wrong("body.model", "a string")]),
    ],
)
def test_moderations_have_a_default_model(text: str, expected: Request | list[BatchError]) -> None:
    assert judged(line(text, url='"/v1/moderations"'), "/v1/moderations") == expected


def deeper(levels: int, then: Callable[[], T]) -> T:
    """Call `then` with so many more frames on the stack."""
    return then() if levels == 0 else deeper(levels - 1, then)


STOOD_IN = {
    "no model": (line('{"messages":[]}'), good('{"model":"up","messages":[]}', model="up")),
    "empty body": (line("{}"), [missing("messages", "body.messages")]),
    "null": (
        line('{"messages":[],"model":null}'),
        good('{"messages":[],"model":"up"}', model="up"),
    ),
    "empty": (line('{"model":"","messages":[]}'), good('{"model":"up","messages":[]}', model="up")),
    "a model of its own": (line(), good()),
    "no method and no url": (b'{"custom_id":"a","body":{"model":"m","messages":[]}}', good()),
    "nothing but the messages": (
        b'{"custom_id":"a","body":{"messages":[]}}',
        good('{"model":"up","messages":[]}', model="up"),
    ),
    "null method and url": (
        line('{"messages":[],"model":null}', method="null", url="null"),
        good('{"messages":[],"model":"up"}', model="up"),
    ),
    "another method": (
        line(method='"GET"'),
        [
            error(
                "invalid_method",
                "The method 'GET' is not supported. Each line's method must be 'POST'.",
                "method",
            )
        ],
    ),
    "another url": (line(url='"/v1/embeddings"'), [WRONG_URL]),
    "a model that is no text": (
        line('{"model":1,"messages":[]}'),
        [wrong("body.model", "a string")],
    ),
    "a method that is no text": (line(method="1"), [wrong("method", "a string")]),
    "no custom_id": (b'{"body":{"messages":[]}}', [missing("custom_id", "custom_id")]),
}


@pytest.mark.parametrize("name", STOOD_IN)
def test_a_model_that_stands_in_for_a_missing_one(name: str) -> None:
    data, expected = STOOD_IN[name]
    assert judged(data, stand_in="up") == expected


@pytest.mark.parametrize(
    ("data", "missed"),
    [
        (line('{"messages":[]}'), ["body.model"]),
        (b'{"custom_id":"a","body":{"messages":[]}}', ["method", "url", "body.model"]),
    ],
)
def test_without_a_stand_in_a_line_says_all_of_it(data: bytes, missed: list[str]) -> None:
    found = judged(data)
    assert isinstance(found, list)
    assert [error.param for error in found] == missed


def test_what_is_accepted_can_be_read_again_where_little_stack_is_left() -> None:
    """Validation runs in a thread with a short stack, execution deep inside an event loop."""
    data = line(nested(254))
    spare = sys.getrecursionlimit() // 2
    assert deeper(spare, lambda: LineReader(endpoint=CHAT).read(data)) == judged(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["0", "1", "m", "POST", CHAT]) | st.integers(0, 1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
NAMES = st.sampled_from(["custom_id", "method", "url", "body", "model", "messages", "stream"])


def raw(value: object) -> str:
    """Pairs as a JSON object that may repeat names; anything else as JSON."""
    if isinstance(value, tuple):
        pairs: tuple[tuple[str, object], ...] = value
        return "{" + ",".join(f"{json.dumps(name)}:{raw(inner)}" for name, inner in pairs) + "}"
    return json.dumps(value)


PAIRS = st.lists(st.tuples(NAMES, JSON), max_size=5).map(tuple)
LINES = st.lists(st.tuples(NAMES, JSON | PAIRS), max_size=6).map(tuple)


@given(LINES)
def test_no_line_is_refused_without_a_reason(fields: tuple[tuple[str, object], ...]) -> None:
    """A line that is neither taken nor complained about would vanish."""
    assert judged(raw(fields).encode())


@given(st.binary(max_size=40))
def test_no_bytes_are_refused_without_a_reason(data: bytes) -> None:
    assert judged(data)
