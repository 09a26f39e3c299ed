"""Reading what an upstream answered: is it a result, and what did it cost?

Owns the rules that decide between a result and a failure of a 2xx: the body is one JSON object in
UTF-8, and that object is no error (`error`). Bodies without line breaks pass through byte
for byte; others lose their insignificant white space and nothing else (numbers, key order,
duplicate keys, escapes stay). Does not own what happens next (`dispatch.retry`).
"""

import json
import math
import re
from typing import Any, Final, cast

import msgspec

from batchway.dialects.openai.error import status_within
from batchway.domain.batch import Usage
from batchway.ports.dialect import Result

MOST_ERROR_TEXT: Final = 16 * 1024

NO_USAGE: Final = Usage()

# More tokens than any answer holds: what a provider reports beyond this is not a count, and
# sums of counts must fit the ledger's 64-bit columns.
_MOST_TOKENS: Final = 1 << 40

_STRING_OR_SPACE: Final = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+', re.DOTALL)


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    """Responses say `input_tokens`; every other endpoint says `prompt_tokens`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Error(msgspec.Struct, gc=False):
    """That there is one is enough."""


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None
    error: _Error | None = None


class _Typed(msgspec.Struct, gc=False):
    """`choices` are looked into, for an error may stand there; no other part of an answer is."""

    usage: _Usage | None = None
    error: _Error | None = None
    choices: list[_Choice] | msgspec.UnsetType | None = msgspec.UNSET


class _Odd(msgspec.Struct, gc=False):
    usage: Any = None


_decode_typed: Final = msgspec.json.Decoder(_Typed).decode
_decode_odd: Final = msgspec.json.Decoder(_Odd).decode
_encode: Final = msgspec.json.Encoder().encode


class ErrorWithin(msgspec.Struct, frozen=True, gc=False):
    """The body of a 2xx that is an error: the status that it stands for."""

    status: int


def read_result(body: bytes) -> Result | ErrorWithin | None:
    """The result that the body of a 2xx holds; `None` when it is not a JSON object in UTF-8."""
    if not body.isascii() and not is_utf8(body):
        return None  # msgspec does not look into strings that it skips
    try:
        typed = _decode_typed(body)
    except msgspec.ValidationError:
        return _error_within(body) or _read_odd(body)
    except msgspec.DecodeError:
        return _second_opinion(body)
    except RecursionError:
        return None
    reported, choices = typed.usage, typed.choices
    # What looks like an answer is not looked at again.
    if (
        typed.error is not None
        or reported is None
        or (
            choices is not msgspec.UNSET
            and (not choices or choices[0].finish_reason == "error" or choices[0].error is not None)
        )
    ) and (error := _error_within(body)) is not None:
        return error
    if b"\n" in body or b"\r" in body:
        body = _one_line(body)
    return Result(body, NO_USAGE if reported is None else _usage(reported))


def error_body(status: int, body: bytes) -> bytes:
    """The body of an answer other than 2xx as one line of JSON; other text is wrapped as one.

    JSON that is one line already comes back as it is.
    """
    if is_utf8(body):
        try:
            compact = msgspec.json.format(body, indent=-1)
        except (msgspec.DecodeError, RecursionError):
            lenient = _second_opinion(body)
            if lenient is not None:
                return lenient.body
        else:
            return compact if b"\n" in body or b"\r" in body else body
    error = {
        "message": _excerpt(body) or f"The provider answered {status} with an empty body.",
        "type": "upstream_error",
        "param": None,
        "code": None,
    }
    return _encode({"error": error})


def _excerpt(body: bytes) -> str:
    """The start of a body as text, at most `MOST_ERROR_TEXT` bytes of UTF-8."""
    text = body[:MOST_ERROR_TEXT].decode("utf-8", "replace").strip()
    # A byte that is no UTF-8 becomes a character of three; cutting may split one: dropped.
    return text.encode()[:MOST_ERROR_TEXT].decode("utf-8", "ignore")


def _usage(reported: _Usage) -> Usage:
    inputs = reported.prompt_tokens
    outputs = reported.completion_tokens
    input_details = reported.prompt_tokens_details
    output_details = reported.completion_tokens_details
    if inputs is None and outputs is None:
        inputs = reported.input_tokens
        outputs = reported.output_tokens
        input_details = reported.input_tokens_details
        output_details = reported.output_tokens_details
    cached = None if input_details is None else input_details.cached_tokens
    reasoning = None if output_details is None else output_details.reasoning_tokens
    # Written out: these two are of every answer, and calls would cost a tenth of reading it.
    return Usage(
        input_tokens=inputs if inputs is not None and 0 <= inputs <= _MOST_TOKENS else 0,
        cached_tokens=0 if cached is None else _count(cached),
        output_tokens=outputs if outputs is not None and 0 <= outputs <= _MOST_TOKENS else 0,
        reasoning_tokens=0 if reasoning is None else _count(reasoning),
    )


def _count(value: int | None) -> int:
    return value if value is not None and 0 <= value <= _MOST_TOKENS else 0


# ----------------------------------------------------------------------------- errors in a 2xx


def _error_within(body: bytes) -> ErrorWithin | None:
    status = status_within(body)
    return None if status is None else ErrorWithin(status)


# ----------------------------------------------------------------------------- rare bodies


def _read_odd(body: bytes) -> Result | None:
    """A body whose usage has other types than it should, or that is no object at all."""
    try:
        reported = _decode_odd(body).usage
    except (msgspec.MsgspecError, RecursionError):
        return None
    return Result(_one_line(body), _odd_usage(reported))


def _odd_usage(reported: object) -> Usage:
    """Whatever can be read as counts: `12.0` and `"12"` are, the rest is zero."""
    if not isinstance(reported, dict):
        return NO_USAGE
    fields = cast("dict[str, object]", reported)

    def pick(old: str, new: str, of: dict[str, object] = fields) -> int:
        return _odd_count(of[old] if of.get(old) is not None else of.get(new))

    def within(old: str, new: str, name: str) -> int:
        details = fields[old] if fields.get(old) is not None else fields.get(new)
        if not isinstance(details, dict):
            return 0
        return _odd_count(cast("dict[str, object]", details).get(name))

    return Usage(
        input_tokens=pick("prompt_tokens", "input_tokens"),
        cached_tokens=within("prompt_tokens_details", "input_tokens_details", "cached_tokens"),
        output_tokens=pick("completion_tokens", "output_tokens"),
        reasoning_tokens=within(
            "completion_tokens_details", "output_tokens_details", "reasoning_tokens"
        ),
    )


def _odd_count(value: object) -> int:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, float):
        return _count(round(value)) if math.isfinite(value) else 0
    return _count(value) if isinstance(value, int) and not isinstance(value, bool) else 0


def _second_opinion(body: bytes) -> Result | None:
    """What msgspec refuses but clients accept: a byte order mark, a lone surrogate's escape."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    try:
        parsed = json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    usage = _odd_usage(cast("dict[str, object]", parsed).get("usage"))
    if b"\n" in body or b"\r" in body:
        body = _STRING_OR_SPACE.sub(_keep_string, body)
    return Result(body, usage)


def _refuse(constant: str) -> object:
    raise ValueError(constant)  # NaN and Infinity are not JSON


def _keep_string(match: re.Match[bytes]) -> bytes:
    return match[1] or b""


def _one_line(body: bytes) -> bytes:
    if b"\n" not in body and b"\r" not in body:
        return body
    stripped = body.strip(b" \t\r\n")
    if b"\n" not in stripped and b"\r" not in stripped:
        return stripped  # only the line's end was a break: a common habit, and no work
    return msgspec.json.format(stripped, indent=-1)


def is_utf8(body: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
