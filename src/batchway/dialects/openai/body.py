"""OpenAI's request bodies: naming another model, asking for no stream, guessing a line's tokens.

Owns what is read and written in a body that otherwise travels byte for byte: a line that names
`1.0`, `1e400`, a duplicate key or an escaped letter reaches the provider exactly so. Does not
validate (ingest has) and does not read answers (`answer`).
"""

import re
from typing import Any, Final, cast

import msgspec

_MODEL: Final = b'"model"'
_STREAM: Final = b'"stream"'

# A string, or a bracket: all that is needed to know at which depth a string stands.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_AFTER_KEY: Final = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_SCALAR: Final = re.compile(rb"[^,}\]\s]+")
_OPENING: Final = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*")


class _Named(msgspec.Struct):
    model: msgspec.Raw = msgspec.Raw()


class _Streamed(msgspec.Struct):
    stream: msgspec.Raw = msgspec.Raw()


class _Sized(msgspec.Struct):
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None


class _Inputs(msgspec.Struct):
    input: Any = None


_named: Final = msgspec.json.Decoder(_Named)
_streamed: Final = msgspec.json.Decoder(_Streamed)
_sized: Final = msgspec.json.Decoder(_Sized)
_inputs: Final = msgspec.json.Decoder(_Inputs)
_text: Final = msgspec.json.Decoder(str)
_encode: Final = msgspec.json.Encoder().encode


def with_model(body: bytes, model: str) -> bytes:
    """The body with `model` as its top-level model, every other byte kept.

    A body that already names it comes back as it is. A duplicated key is replaced wherever it
    stands, because providers disagree on which of the two counts; a missing one is added.

    Raises:
        ValueError: the body is not a JSON object.
    """
    wanted = _encode(model)
    if b"\\u006" not in body and body.count(_MODEL) == 1:
        # The key is spelled plainly (every letter of it would be escaped as \u006x), so this one
        # occurrence is the top-level key if there is one at all. Inside a longer string its
        # closing quote would be escaped, or it would be the tail of one: a second occurrence.
        try:
            value = bytes(_named.decode(body).model)
        except (msgspec.MsgspecError, RecursionError):
            value = b""
        if value:
            if value == wanted:
                return body
            return _spliced(body, body.find(_MODEL) + len(_MODEL), wanted, value)
    spans = _model_values(body)
    if not spans:
        return _with_key_added(body, wanted, _MODEL)
    if all(_same_text(body[start:end], wanted, model) for start, end in spans):
        return body
    pieces: list[bytes] = []
    last = 0
    for start, end in spans:
        pieces += (body[last:start], wanted)
        last = end
    pieces.append(body[last:])
    return b"".join(pieces)


def without_stream(body: bytes) -> bytes:
    """The body with `"stream": false` added where it says nothing of it; else as it is.

    Raises:
        ValueError: the body is not a JSON object.
    """
    if _STREAM in body or b"\\u007" in body or b"\\u006" in body:
        # Perhaps only inside a text: looked for where it counts.
        try:
            if bytes(_streamed.decode(body).stream):
                return body
        except (msgspec.MsgspecError, RecursionError):
            return body  # a lone surrogate's escape: nothing is changed that cannot be read
    return _with_key_added(body, b"false", _STREAM)


def estimate_tokens(body: bytes) -> int:
    """A guess at the tokens a line costs: a quarter of its bytes, and what it may generate.

    Only ever used to spread requests over a minute; `dispatch` corrects it with what the answer
    reports.
    """
    prompt = len(body) // 4 + 1
    try:
        sizes = _sized.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return prompt  # an odd limit is the provider's to refuse, not a reason to stop here
    answer = sizes.max_completion_tokens or sizes.max_tokens or sizes.max_output_tokens
    if answer is None or answer <= 0:
        return prompt
    choices = sizes.n
    return prompt + (answer if choices is None or choices < 1 else answer * choices)


def count_inputs(body: bytes) -> int:
    """How many texts the body of an embeddings request holds; one list of tokens is one text."""
    try:
        given = _inputs.decode(body).input
    except (msgspec.MsgspecError, RecursionError):
        return 1  # the provider's to refuse
    if not isinstance(given, list):
        return 1
    items = cast("list[object]", given)
    return 1 if items and isinstance(items[0], int) else len(items)


def _spliced(body: bytes, after_key: int, wanted: bytes, value: bytes) -> bytes:
    match = _AFTER_KEY.match(body, after_key)
    if match is None or not body.startswith(value, match.end()):
        raise ValueError("the body is not a JSON object")
    start = match.end()
    if _same_text(value, wanted, None):
        return body
    return body[:start] + wanted + body[start + len(value) :]


def _same_text(value: bytes, wanted: bytes, model: str | None) -> bool:
    """Whether a JSON value is the wanted string, however it is escaped."""
    if value == wanted:
        return True
    if b"\\" not in value:
        return False
    try:
        return _text.decode(value) == (_text.decode(wanted) if model is None else model)
    except msgspec.MsgspecError:
        return False


def _model_values(body: bytes) -> list[tuple[int, int]]:
    """Where the values of the top-level `model` keys stand, by walking the body's tokens."""
    if _OPENING.match(body) is None:
        raise ValueError("the body is not a JSON object")
    spans: list[tuple[int, int]] = []
    depth = 0
    value_from: int | None = None  # where a model's value that is an object or array began
    position = 0
    while (match := _TOKEN.search(body, position)) is not None:
        position = match.end()
        token = match[0]
        if token in {b"{", b"["}:
            depth += 1
        elif token in {b"}", b"]"}:
            depth -= 1
            if depth == 1 and value_from is not None:
                spans.append((value_from, position))
                value_from = None
        elif depth == 1 and _is_model(token):
            colon = _AFTER_KEY.match(body, position)
            if colon is None:
                continue  # a value that reads "model", not a key
            position = colon.end()
            if body[position : position + 1] in {b"{", b"["}:
                value_from = position
                continue
            value = _TOKEN.match(body, position) or _SCALAR.match(body, position)
            if value is None:
                raise ValueError("the body is not a JSON object")
            spans.append(value.span())
            position = value.end()
    return spans


def _is_model(token: bytes) -> bool:
    if token == _MODEL:
        return True
    if b"\\" not in token:
        return False
    try:
        return _text.decode(token) == "model"
    except msgspec.MsgspecError:
        return False  # a key with a lone surrogate


def _with_key_added(body: bytes, wanted: bytes, key: bytes) -> bytes:
    opening = _OPENING.match(body)
    if opening is None:
        raise ValueError("the body is not a JSON object")
    at = opening.end()
    comma = b"" if body[at : at + 1] == b"}" else b","
    return body[:at] + key + b":" + wanted + comma + body[at:]
