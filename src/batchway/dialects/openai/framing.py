"""`ports.Framing` of OpenAI's batch files, in every shape its imitators write.

    line   our number, method and url around a body
    row    an answer (status and body), or an error without one

Bodies pass through byte for byte: they are the dialect's. Owns the shapes of lines and rows, and
which codes of a row's error tell what became of its request. Does not own files or jobs. Pure, and
the hot path of a native batch.

Rows that have been seen, all of them read:

    {"response": {"status_code": 200, "request_id": ..., "body": {...}}, "error": null}
    {"response": {"status_code": 400, "body": {"error": {...}}}, "error": null}      OpenAI
    {"response": null, "error": {"code": "batch_expired", "message": ...}}           OpenAI
    {"response": null, "error": {"code": "400", "message": ...}}                     DeepInfra
    {"error": {"code": ..., "message": ...}}                                         Together
    {"response": {"status_code": 400, "body": "{\\"error\\": ...}"}}                   a JSON string
    {"response": {"body": {...}}}                                                    no status
"""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from batchway.catalog.openai_family import LineShape
from batchway.dialects.line_ids import line_id, read_line_id
from batchway.dialects.openai.error import as_status
from batchway.dialects.openai.job_error import means_no_credit
from batchway.dialects.tolerant_json import UNREADABLE
from batchway.domain.batch_errors import LineText
from batchway.domain.fate import Fate, fate_of
from batchway.ports.framing import Row

# What a row is that holds no answer and does not say why: the code of a line without any row.
_NO_ANSWER: Final[str] = LineText.MISSING_RESULT.value[0]
_NO_ANSWER_TEXT: Final = "The provider's batch gave no answer for this request."

_ESCAPE: Final = re.compile(rb"\\(?:(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
# A message stands in every line that it is about: a long one would be kept thousands of times.
_MOST_TEXT: Final = 1_000
_MOST_CODE: Final = 256

# Statuses of answers that may be about the account, if their words say so.
_PERHAPS_OF_ACCOUNT: Final = frozenset({400, 403, 429})
# Codes of rows without an HTTP answer.
_UNTRIED: Final = frozenset({"batch_expired", "batch_cancelled"})
_PASSING: Final = frozenset(
    {
        _NO_ANSWER,
        LineText.NOT_JSON.value[0],
        "request_timeout",
        "timeout",
        "rate_limit_exceeded",
        "server_error",
        "internal_error",
        "internal_server_error",
        "service_unavailable",
    }
)


class _Response(msgspec.Struct, gc=False):
    status_code: int | None = None
    request_id: str | None = None
    body: msgspec.Raw = msgspec.Raw()


class _Row(msgspec.Struct, gc=False):
    custom_id: str
    response: _Response | None = None
    error: msgspec.Raw = msgspec.Raw()


class _OddResponse(msgspec.Struct, gc=False):
    status_code: Any = None
    request_id: Any = None
    body: msgspec.Raw = msgspec.Raw()


class _OddRow(msgspec.Struct, gc=False):
    custom_id: Any = None
    response: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_row: Final = msgspec.json.Decoder(_Row).decode
_odd_row: Final = msgspec.json.Decoder(_OddRow).decode
_odd_response: Final = msgspec.json.Decoder(_OddResponse).decode
_encode: Final = msgspec.json.Encoder().encode


class OpenAIFraming:
    """Envelopes of one endpoint, of one `shape`.

    `urls` spells endpoints where a provider does it its own way.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        shape: LineShape = LineShape.FULL,
        urls: Mapping[str, str] | None = None,
    ) -> None:
        if shape is LineShape.BARE:
            self._between = b',"body":'
        else:
            url = _encode((urls or {}).get(endpoint, endpoint))
            self._between = b',"method":"POST","url":%b,"body":' % url

    def line(self, *, line: int, part: int, body: bytes) -> bytes:
        """See `ports.Framing`."""
        return b'{"custom_id":"%b"%b%b}' % (line_id(line, part), self._between, body)

    def row(self, raw: bytes) -> Row | None:
        """See `ports.Framing`."""
        try:
            read = _row(raw)
        except (msgspec.ValidationError, UnicodeDecodeError):
            return _odd(raw)
        except msgspec.DecodeError:
            return self._second_opinion(raw)
        except RecursionError:
            return None
        ours = read_line_id(read.custom_id)
        if ours is None:
            return None
        response = read.response
        if response is None or response.status_code is None:
            return _odd(raw)
        return _answered(ours, response.status_code, response.request_id, bytes(response.body))

    def _second_opinion(self, row: bytes) -> Row | None:
        """What msgspec refuses but clients accept: a byte order mark, half a surrogate pair."""
        if row.startswith(b"\xef\xbb\xbf"):
            return self.row(row[3:])
        mended = _ESCAPE.sub(_mend, row)
        if mended == row:
            return None
        try:
            read = _row(mended)
        except (msgspec.MsgspecError, RecursionError):
            return None
        ours, response = read_line_id(read.custom_id), read.response
        if ours is None or response is None or response.status_code is None:
            return None if ours is None else _odd(mended)
        # Mending changes no length: the body stands at the same place in what came.
        body = bytes(response.body)
        start = mended.find(body)
        return _answered(
            ours, response.status_code, response.request_id, row[start : start + len(body)]
        )


def _mend(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape[1] else escape[0]


def _answered(ours: tuple[int, int], status: int, request_id: str | None, body: bytes) -> Row:
    """A row with an HTTP answer."""
    line, part = ours
    if body[:1] == b'"':
        body = _text_of(body).encode()
    if 200 <= status < 300:
        return Row(line, part, Fate.ANSWERED, status, body, request_id or None)
    if not 100 <= status <= 999:
        # `status_code: 0` has been seen in an outage: nothing was answered.
        code, message = _error_of(body)
        return _unanswered(ours, code, message)
    of_account = status in _PERHAPS_OF_ACCOUNT and means_no_credit(_error_of(body)[0])
    return Row(
        line,
        part,
        fate_of(status, of_account=of_account),
        status,
        b"" if body == b"null" else body,
        request_id or None,
    )


# ----------------------------------------------------------------------------- rare rows


def _odd(row: bytes) -> Row | None:
    """A row without an answer, without a status, or with other types than OpenAI's."""
    try:
        read = _odd_row(row)
        given = bytes(read.response)
        response = _odd_response(given) if given[:1] == b"{" else None
    except UNREADABLE:
        return None
    ours = read_line_id(read.custom_id) if isinstance(read.custom_id, str) else None
    if ours is None:
        return None
    code, message = _error_of(bytes(read.error))
    if response is not None:
        body = bytes(response.body)
        status = as_status(response.status_code)
        if status is None and body:
            status = _status_within(body)
        if status is not None and body:
            request_id = response.request_id
            return _answered(
                ours, status, request_id if isinstance(request_id, str) else None, body
            )
        if not code and not message:
            code, message = _error_of(body)
    return _unanswered(ours, code, message)


def _unanswered(ours: tuple[int, int], code: str, message: str) -> Row:
    line, part = ours
    status = as_status(code)
    if status is not None and status >= 400:
        # An HTTP status in the place of a code: it was asked, and refused.
        error = {"message": message or None, "type": "upstream_error", "param": None, "code": None}
        if not message:
            error["message"] = f"The provider answered {status} without a message."
        body = _encode({"error": error})
        return Row(line, part, fate_of(status, of_account=False), status, body)
    code = code or _NO_ANSWER
    return Row(line, part, _fate(code), code=code, message=message or _NO_ANSWER_TEXT)


def _fate(code: str) -> Fate:
    """What became of a request without an HTTP answer."""
    if means_no_credit(code):
        return Fate.ACCOUNT
    if code in _UNTRIED:
        return Fate.UNTRIED
    return Fate.PASSING if code in _PASSING else Fate.FAILED


def _status_within(body: bytes) -> int | None:
    """The status of a body that comes without one: 200, or what its error says."""
    if body[:1] == b'"':
        body = _text_of(body).encode()
    fields = _fields_of(body)
    if not fields:
        return None
    if fields.get("error") is None:
        return 200
    return as_status(_error_of(body)[0])


def _error_of(raw: bytes) -> tuple[str, str]:
    """Code and message of an error in any shape, both empty for none."""
    if raw[:1] == b'"':
        text = _text_of(raw)
        inner = _error_of(text.encode()) if text[:1] == "{" else ("", "")
        return inner if any(inner) else ("", text[:_MOST_TEXT])
    fields = _fields_of(raw)
    within = fields.get("error")
    if isinstance(within, dict):
        fields = cast("dict[str, Any]", within)
    elif isinstance(within, str):
        fields = {"message": within, **fields}
    code, message = fields.get("code"), fields.get("message")
    if code is None:
        code = fields.get("status_code", fields.get("type"))
    return (
        _code_of(code),
        message[:_MOST_TEXT] if isinstance(message, str) else "",
    )


def _code_of(code: object) -> str:
    if isinstance(code, int):
        # Python writes no number of thousands of digits.
        return str(code) if code.bit_length() < 64 else ""
    return code[:_MOST_CODE] if isinstance(code, str) else ""


def _fields_of(raw: bytes) -> dict[str, Any]:
    try:
        found: object = msgspec.json.decode(raw)
    except UNREADABLE:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _text_of(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
