"""`ports.LineCodec` for OpenAI's batch files, in every shape its imitators write.

    encode   our line id, method and url, the body with its model replaced
    decode   an answer (status and body), or an error without one

Bodies pass through byte for byte. Owns the shapes of lines and rows; does not own files, jobs or
what a row means to a batch (`workflows.native`). Pure, and the hot path of a native batch.

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
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, cast

import msgspec

from batchway.catalog.openai_family import LineShape
from batchway.dialects.openai.answer import ErrorWithin, error_body, is_utf8, read_result
from batchway.dialects.openai.body import with_model
from batchway.dialects.openai.error import as_status
from batchway.dialects.openai.job_error import means_no_credit
from batchway.domain.batch_errors import LineText
from batchway.domain.remote import RemoteRow

# What rows are that hold no answer and do not say why, or an answer that is none: the same codes as
# for lines that Batchway runs itself.
NO_ANSWER: Final[str] = LineText.MISSING_RESULT.value[0]
INVALID_ANSWER: Final[str] = LineText.NOT_JSON.value[0]

_NO_ANSWER_TEXT: Final = "The provider's batch gave no answer for this request."
_INVALID_ANSWER_TEXT: Final = "The provider's batch answered with something that is not JSON."

_ID: Final = re.compile(r"[rR]0*([0-9]{1,10})")
_ESCAPE: Final = re.compile(rb"\\(?:(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
# A message stands in every line that it is about: a long one would be kept thousands of times.
_MOST_TEXT: Final = 1_000
_MOST_CODE: Final = 256


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


def is_of_account(row: RemoteRow) -> bool:
    """Whether a row tells of the account (its key, its credit): no line is to blame for it."""
    if row.status is None:
        return means_no_credit(row.code)
    if row.status in {401, 402}:
        return True
    return row.status in {400, 403, 429} and means_no_credit(_error_of(row.body)[0])


def _no_secrets() -> Collection[str]:
    return ()


class OpenAIBatchCodec:
    """Lines of one `shape`; `urls` spells endpoints where a provider does it its own way.

    `secrets` are the credentials that may be repeated in what a provider says of an error: they
    are cut out.
    """

    def __init__(
        self,
        *,
        shape: LineShape = LineShape.FULL,
        urls: Mapping[str, str] | None = None,
        secrets: Callable[[], Collection[str]] = _no_secrets,
    ) -> None:
        self._shape = shape
        self._urls = dict(urls or {})
        self._secrets = secrets
        self._between: dict[str, bytes] = {}

    def encode(self, *, line: int, endpoint: str, model: str, body: bytes) -> bytes:
        """One input line without its newline. Raises `ValueError` unless the body is an object."""
        between = self._between.get(endpoint)
        if between is None:
            between = self._between[endpoint] = self._made(endpoint)
        return b'{"custom_id":"r%010d"%b%b}' % (line, between, with_model(body, model))

    def decode(self, row: bytes) -> RemoteRow | None:
        """One result line; `None` when it is torn, or not one of ours."""
        decoded = self._decoded(row)
        if decoded is None or (decoded.status is not None and 200 <= decoded.status < 300):
            return decoded
        # Credentials are plain ASCII: in JSON they stand as they are, and before anything is cut.
        clean = row
        for secret in self._secrets():
            clean = clean.replace(secret.encode(), b"***")
        return decoded if clean == row else self._decoded(clean)

    def _decoded(self, row: bytes) -> RemoteRow | None:
        try:
            read = _row(row)
        except (msgspec.ValidationError, UnicodeDecodeError):
            return _odd(row)
        except msgspec.DecodeError:
            return self._second_opinion(row)
        except RecursionError:
            return None
        line = _line_of(read.custom_id)
        response = read.response
        if line is None:
            return None
        if response is None or response.status_code is None:
            return _odd(row)
        return _answered(line, response.status_code, response.request_id, bytes(response.body))

    def _second_opinion(self, row: bytes) -> RemoteRow | None:
        """What msgspec refuses but clients accept: a byte order mark, half a surrogate pair."""
        if row.startswith(b"\xef\xbb\xbf"):
            return self._decoded(row[3:])
        mended = _ESCAPE.sub(_mend, row)
        if mended == row:
            return None
        try:
            read = _row(mended)
        except (msgspec.MsgspecError, RecursionError):
            return None
        line, response = _line_of(read.custom_id), read.response
        if line is None or response is None or response.status_code is None:
            return None if line is None else _odd(mended)
        # Mending changes no length: the body stands at the same place in what came.
        body = bytes(response.body)
        start = mended.find(body)
        return _answered(
            line, response.status_code, response.request_id, row[start : start + len(body)]
        )

    def _made(self, endpoint: str) -> bytes:
        if self._shape is LineShape.BARE:
            return b',"body":'
        return b',"method":"POST","url":%b,"body":' % _encode(self._urls.get(endpoint, endpoint))


def _mend(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape[1] else escape[0]


def _line_of(custom_id: object) -> int | None:
    """The line of an id of ours, also when it comes back in capitals or without its zeros."""
    if not isinstance(custom_id, str):
        return None
    match = _ID.fullmatch(custom_id)
    return None if match is None else int(match[1])


def _answered(line: int, status: int, request_id: str | None, body: bytes) -> RemoteRow:
    quoted = body[:1] == b'"'
    if quoted:
        body = _text_of(body).encode()
    if 200 <= status < 300:
        read = read_result(body)
        if read is None:
            return RemoteRow(
                line=line,
                request_id=request_id,
                code=INVALID_ANSWER,
                message=_INVALID_ANSWER_TEXT,
            )
        if not isinstance(read, ErrorWithin):
            return RemoteRow(
                line=line,
                status=status,
                request_id=request_id or None,
                body=read.body,
                usage=read.usage,
            )
        status = read.status  # an error that calls itself a success
    if not 100 <= status <= 999:
        # `status_code: 0` has been seen in an outage: nobody answered.
        said = _error_of(body)
        return _unanswered(line, said[0], said[1])
    if quoted or body[:1] != b"{" or b"\r" in body or not is_utf8(body):
        body = error_body(status, b"" if body == b"null" else body)
    return RemoteRow(line=line, status=status, request_id=request_id or None, body=body)


# ----------------------------------------------------------------------------- rare rows


def _odd(row: bytes) -> RemoteRow | None:
    """A row without an answer, without a status, or with other types than OpenAI's."""
    try:
        read = _odd_row(row)
        given = bytes(read.response)
        response = _odd_response(given) if given[:1] == b"{" else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    line = _line_of(read.custom_id)
    if line is None:
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
                line, status, request_id if isinstance(request_id, str) else None, body
            )
        if not code and not message:
            code, message = _error_of(body)
    return _unanswered(line, code, message)


def _unanswered(line: int, code: str, message: str) -> RemoteRow:
    status = as_status(code)
    if status is not None and status >= 400:
        # An HTTP status in the place of a code: it was asked, and refused.
        error = {"message": message or None, "type": "upstream_error", "param": None, "code": None}
        if not message:
            error["message"] = f"The provider answered {status} without a message."
        return RemoteRow(line=line, status=status, body=_encode({"error": error}))
    return RemoteRow(line=line, code=code or NO_ANSWER, message=message or _NO_ANSWER_TEXT)


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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _text_of(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
