"""Rows of a Bedrock job's results: whose each is, and how it went.

    {"recordId": ID, "modelInput": {...}, "modelOutput": {...}}
    {"recordId": ID, "modelInput": {...}, "error": {"errorCode": 400, "errorMessage": "..."}}

`modelInput` is what was sent: it is skipped and never kept. `errorCode` is the HTTP status that the
request would have had by itself; the exception is told by that alone, and is put into the body of
the error (`__type`) for whoever reads it (`refusal`). Does not own bodies (`dialects`) or lines
(`framing`). Pure, and the hot path of a native batch. Source:
docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from batchway.dialects.line_ids import read_line_id_in
from batchway.dialects.tolerant_json import is_empty, json_in, object_or_none, read_by
from batchway.domain.batch_errors import LineText
from batchway.domain.fate import Fate, fate_of
from batchway.ports.framing import Row
from batchway.providers.aws.refusal import refused
from batchway.providers.buckets.archived_rows import IdAtEdges, RowForm

_NO_ANSWER: Final[str] = LineText.MISSING_RESULT.value[0]
_NO_ANSWER_TEXT: Final = "Bedrock's job gave no answer for this request."
_MOST_TEXT: Final = 1_000

# What AWS calls a refusal of a status, where only the status is told.
_EXCEPTIONS: Final[Mapping[int, str]] = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class _Row(msgspec.Struct, gc=False, rename="camel"):
    record_id: msgspec.Raw = msgspec.Raw()
    model_output: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_row: Final = msgspec.json.Decoder(_Row).decode
_encode: Final = msgspec.json.Encoder().encode


def read_row(raw: bytes) -> Row | None:
    """A row of a job of ours; see `ports.Framing`."""
    found = read_by(_row, raw)
    if found is None:
        return None
    ours = read_line_id_in(bytes(found.record_id))
    return None if ours is None else _came_to(found, *ours)


def foreign_row(raw: bytes) -> tuple[str, Row] | None:
    """A row of a job that Batchway did not make: its own id, empty where it has none.

    `None` for what is no row. Never raises.
    """
    found = read_by(_row, raw)
    if found is None or not any(map(bytes, (found.record_id, found.model_output, found.error))):
        return None
    return _text_of(bytes(found.record_id)), _came_to(found, 0, 0)


def _came_to(row: _Row, line: int, part: int) -> Row:
    """How a row went. Never raises."""
    output = bytes(row.model_output)
    if not is_empty(output):
        return Row(line, part, Fate.ANSWERED, 200, output)
    return _failed(bytes(row.error), line, part)


def _failed(raw: bytes, line: int, part: int) -> Row:
    """A row without an answer: `raw` is the JSON of its error, where it has one."""
    said = json_in(raw) if not is_empty(raw) else None
    fields = object_or_none(said) or {}
    message = _message(said if isinstance(said, str) else fields.get("errorMessage"))
    status = _status(fields.get("errorCode"))
    if status is None:
        text = message or _NO_ANSWER_TEXT
        return Row(line, part, Fate.PASSING, code=_NO_ANSWER, message=text)
    kind = _EXCEPTIONS.get(status, "")
    refusal = refused(status, kind, message)
    fate = fate_of(refusal.status, of_account=refusal.of_account)
    body = _encode({"__type": kind, "message": message})
    return Row(line, part, fate, refusal.status, body)


def _status(code: Any) -> int | None:
    """The status of a refusal; `None` for anything else."""
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    return code if 300 <= code <= 599 else None


def _message(said: object) -> str:
    text = said if isinstance(said, str) else ""
    return text.encode("utf-8", "replace").decode()[:_MOST_TEXT]


def _text_of(raw: bytes) -> str:
    """A string of JSON, or the text of another value; empty for what cannot be read."""
    if raw[:1] != b'"':
        return "" if raw == b"null" else raw.decode("utf-8", "replace")[:_MOST_TEXT]
    said = json_in(raw)
    return said if isinstance(said, str) else ""


FORM: Final = RowForm(read=foreign_row, id_at_edges=IdAtEdges("recordId"))
