"""Rows of Vertex AI's batch files: whose each is, and how it went, in every family's shape.

    {"custom_id" or "key", "status": "", "processed_time", "request", "response": {...}}
    {"instance": {"content", "batchway_line"}, "predictions": [...], "status": ""}
    {"custom_id", "response": {"status_code": 200, "body": {...}}}
    {..., "status": "Bad Request: {\\"error\\": {\\"code\\": 400, ...}}", "response": {}}

A row has failed when its `status` says something, or when it holds no answer. Our id is looked for
wherever it may come back. Does not own bodies (`dialects`) or lines (`framing`). Pure, and the hot
path of a native batch. Source:
docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage
"""

from typing import Final

import msgspec

from batchway.dialects.gemini.error import refused
from batchway.dialects.line_ids import read_line_id_in
from batchway.dialects.tolerant_json import (
    UNREADABLE,
    is_empty,
    object_in,
    object_or_none,
    read_by,
)
from batchway.domain.batch_errors import LineText
from batchway.domain.fate import Fate, fate_of
from batchway.domain.timestamps import unix_seconds
from batchway.ports.framing import Row
from batchway.providers.buckets.archived_rows import IdAtEdges, RowForm
from batchway.providers.google.rpc_codes import status_named

# The key of our id in the labels of a request, and in an instance.
LABEL: Final = "batchway_line"

_NO_ANSWER: Final[str] = LineText.MISSING_RESULT.value[0]
_NO_ANSWER_TEXT: Final = "Vertex AI's batch gave no answer for this request."
_CANCELLED: Final = "batch_cancelled"
_MOST_TEXT: Final = 1_000

# What a status says of a row that went well.
_FINE: Final = frozenset({b"", b"null", b'""', b'"OK"', b"200", b'"200"', b"{}"})


class _Row(msgspec.Struct, gc=False):
    custom_id: msgspec.Raw = msgspec.Raw()
    key: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()
    processed_time: msgspec.Raw = msgspec.Raw()
    request: msgspec.Raw = msgspec.Raw()
    instance: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    predictions: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Labels(msgspec.Struct, gc=False):
    batchway_line: msgspec.Raw = msgspec.Raw()


class _Echo(msgspec.Struct, gc=False):
    """A request or an instance that came back, as far as our number may stand in it."""

    labels: _Labels | None = None
    batchway_line: msgspec.Raw = msgspec.Raw()
    custom_id: msgspec.Raw = msgspec.Raw()
    key: msgspec.Raw = msgspec.Raw()


class _Wrapped(msgspec.Struct, gc=False):
    """An answer as OpenAI wraps it."""

    status_code: int | None = None
    body: msgspec.Raw = msgspec.Raw()
    request_id: str | None = None


_row: Final = msgspec.json.Decoder(_Row).decode
_echo: Final = msgspec.json.Decoder(_Echo).decode
_wrapped: Final = msgspec.json.Decoder(_Wrapped).decode
_encode: Final = msgspec.json.Encoder().encode


def read_row(raw: bytes) -> Row | None:
    """A row of a job of ours; see `ports.Framing`."""
    found = read_by(_row, raw)
    if found is None:
        return None
    ours = read_line_id_in(_id_in(found))
    return None if ours is None else _came_to(found, *ours)


def foreign_row(raw: bytes) -> tuple[str, Row] | None:
    """A row of a job that Batchway did not make: its own id, empty where it has none.

    `None` for what is no row. Never raises.
    """
    found = read_by(_row, raw)
    if found is None:
        return None
    named = _id_in(found)
    if (
        not named
        and not any(map(bytes, (found.response, found.predictions, found.error)))
        and bytes(found.status) in _FINE
    ):
        return None
    return _text_of(named), _came_to(found, 0, 0)


def _id_in(row: _Row) -> bytes:
    """The JSON of a row's id, wherever it stands; the one that is ours, if any is."""
    given = bytes(row.custom_id) or bytes(row.key)
    if read_line_id_in(given) is not None:
        return given
    for echoed in (bytes(row.request), bytes(row.instance)):
        if echoed[:1] != b"{":
            continue
        try:
            echo = _echo(echoed)
        except UNREADABLE:
            continue
        label = b"" if echo.labels is None else bytes(echo.labels.batchway_line)
        found = label or bytes(echo.batchway_line) or bytes(echo.custom_id) or bytes(echo.key)
        if found and (not given or read_line_id_in(found) is not None):
            return found
    return given


def _came_to(row: _Row, line: int, part: int) -> Row:
    """How a row went. Never raises."""
    at = _time(bytes(row.processed_time))
    status = bytes(row.status)
    if status not in _FINE:
        return _failed(status, line, part, at)
    response = bytes(row.response)
    if response[:1] == b"{" and not is_empty(response):
        return _answered(response, line, part, at)
    predictions = bytes(row.predictions)
    if not is_empty(predictions):
        return Row(
            line, part, Fate.ANSWERED, 200, b'{"predictions":%b}' % predictions, None, "", "", at
        )
    error = bytes(row.error)
    if not is_empty(error):
        return _failed(error, line, part, at)
    return _unanswered(line, part, at, message=_NO_ANSWER_TEXT)


def _answered(response: bytes, line: int, part: int, at: int) -> Row:
    """An answer, out of OpenAI's envelope if it has one."""
    if b'"status_code"' not in response and b'"body"' not in response:
        return Row(line, part, Fate.ANSWERED, 200, response, None, "", "", at)
    try:
        wrapped = _wrapped(response)
    except UNREADABLE:
        return Row(line, part, Fate.ANSWERED, 200, response, None, "", "", at)
    body, status = bytes(wrapped.body), wrapped.status_code or 200
    if body[:1] == b'"':
        body = _text_of(body).encode()
    if not body or not 100 <= status <= 999:
        return Row(line, part, Fate.ANSWERED, 200, response, None, "", "", at)
    if 200 <= status < 300:
        return Row(line, part, Fate.ANSWERED, status, body, wrapped.request_id, "", "", at)
    of_account = refused(status, body).of_account
    fate = fate_of(status, of_account=of_account)
    return Row(line, part, fate, status, body, wrapped.request_id, "", "", at)


def _failed(said: bytes, line: int, part: int, at: int) -> Row:
    """A row that did not succeed: `said` is the JSON of its status, a text or an object."""
    text = _text_of(said) if said[:1] == b'"' else said.decode("utf-8", "replace")
    start = text.find("{")
    reason = (text if start < 0 else text[:start]).strip().rstrip(":").strip()
    body = b"" if start < 0 else text[start:].encode("utf-8", "replace")
    fields = object_in(body)
    error = object_or_none((fields or {}).get("error")) or fields or {}
    status = status_named(error, reason)
    if fields is None:
        body = b""
    if status == 499:
        message = error.get("message")
        words = message if isinstance(message, str) else reason
        return _unanswered(line, part, at, message=words, fate=Fate.UNTRIED, code=_CANCELLED)
    if status is None:
        return _unanswered(line, part, at, message=text)
    body = body or _encode({"error": {"code": status, "message": reason[:_MOST_TEXT]}})
    fate = fate_of(status, of_account=refused(status, body).of_account)
    return Row(line, part, fate, status, body, None, "", "", at)


def _unanswered(
    line: int,
    part: int,
    at: int,
    *,
    message: str,
    fate: Fate = Fate.PASSING,
    code: str = _NO_ANSWER,
) -> Row:
    text = message.encode("utf-8", "replace").decode()[:_MOST_TEXT] or _NO_ANSWER_TEXT
    return Row(line, part, fate, None, b"", None, code, text, at)


def _time(value: bytes) -> int:
    """Unix seconds; 0 where there is no time."""
    return unix_seconds(value[1:-1].decode("utf-8", "replace")) or 0 if value[:1] == b'"' else 0


def _text_of(raw: bytes) -> str:
    """A string of JSON, or the text of another value; empty for what cannot be read."""
    if raw[:1] != b'"':
        return raw.decode("utf-8", "replace")[:_MOST_TEXT]
    try:
        return msgspec.json.decode(raw, type=str)
    except UNREADABLE:
        return ""


FORM: Final = RowForm(read=foreign_row, id_at_edges=IdAtEdges("custom_id", "key"))
