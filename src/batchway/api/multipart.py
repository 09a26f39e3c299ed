"""Streams a multipart form: its file goes to an `Incoming` as it arrives, its fields to a dict.

Parts may come in any order: Python's SDK sends the purpose first, Node's the file. The parser's
callbacks only note what they saw; the loop below acts on it after each piece, where it can wait.
Owns the form's limits. Does not own what the fields mean.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from batchway.api.body import announced_size, pieces
from batchway.api.disposition import parse_disposition
from batchway.domain.errors import ApiError, ApiText
from batchway.service.incoming import Incoming
from batchway.service.limits import MIB, Limits

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # it exists for type checkers only

_MOST_PARTS: Final = 64
_MOST_HEADERS: Final = 32
_LONGEST_HEADER: Final = 16_384
# Plain fields, foreign files and the form's own framing may take this much beside the file.
_MOST_BESIDES: Final = MIB
_PLAIN_ENCODINGS: Final = frozenset({b"", b"binary", b"8bit", b"7bit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form read to its end. `filename` is `None` when the file was missing."""

    filename: str | None
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PartBegins:
    name: str
    filename: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _PartEnds:
    pass


_Event = _PartBegins | memoryview | _PartEnds


@dataclass(slots=True)
class _Notes:
    """What the parser saw in a piece, in order."""

    events: list[_Event] = field(default_factory=list[_Event])
    parts: int = 0
    ended: bool = False
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise _malformed(f"it has more than {_MOST_PARTS} parts")
        self._headers.clear()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_end(self) -> None:
        encoding = self._headers.get(b"content-transfer-encoding", b"").strip().lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise _malformed("a part has a Content-Transfer-Encoding, which forms may not use")
        name, filename = parse_disposition(self._headers.get(b"content-disposition", b""))
        if name is None:
            raise _malformed("a part has no name in its Content-Disposition")
        self.events.append(_PartBegins(name=name, filename=filename))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.events.append(memoryview(data)[start:end])

    def _part_end(self) -> None:
        self.events.append(_PartEnds())

    def _end(self) -> None:
        self.ended = True


async def read_form(
    request: Request,
    *,
    file_field: str,
    into: Incoming,
    limits: Limits,
    accept: Callable[[str, str], None] | None = None,
) -> Form:
    """Read a form to its end, with the bytes of `file_field` written to `into`.

    `accept` is shown each plain field as soon as it is whole, and may refuse it before the file
    has come. Raises `ApiError`, `Unavailable`, `ClientDisconnect`.
    """
    notes = _Notes()
    parser = _parser(request, notes)
    size = announced_size(request)
    if size is not None:
        into.expect(size - _MOST_BESIDES)
    fill = _Fill(file_field=file_field, into=into, accept=accept)
    async for piece in pieces(request, limits):
        try:
            parser.write(piece)
        except FormParserError as error:
            raise _malformed(str(error).lower()) from error
        events, notes.events = notes.events, []
        for event in events:
            await fill.take(event)
    if not notes.ended:
        raise _malformed("it ends before its closing boundary")
    return Form(filename=fill.filename, fields=fill.fields)


class _Fill:
    """Acts on what the parser saw, part by part."""

    def __init__(
        self, *, file_field: str, into: Incoming, accept: Callable[[str, str], None] | None
    ) -> None:
        self.filename: str | None = None
        self.fields: dict[str, str] = {}
        self._file_field = file_field
        self._into = into
        self._accept = accept
        self._name = ""
        self._in_file = False
        self._value: bytearray | None = None
        self._besides = 0

    async def take(self, event: _Event) -> None:
        match event:
            case _PartBegins():
                self._begin(event)
            case memoryview() if self._in_file:
                await self._into.write(event)
            case memoryview():
                self._besides += len(event)
                if self._besides > _MOST_BESIDES:
                    raise _malformed(f"its fields hold more than {_MOST_BESIDES} bytes")
                if self._value is not None:
                    self._value += event
            case _PartEnds():
                self._end()

    def _begin(self, part: _PartBegins) -> None:
        self._name = part.name
        self._in_file = part.name == self._file_field
        # A file under another name is read past, as OpenAI does.
        self._value = bytearray() if part.filename is None and not self._in_file else None
        if self._in_file:
            if self.filename is not None:
                raise _malformed(f"it has more than one '{self._file_field}'")
            self.filename = part.filename or ""

    def _end(self) -> None:
        if self._value is None:
            return
        try:
            text = self._value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _malformed("a field is not valid UTF-8") from error
        self._value = None
        if self._accept is not None:
            self._accept(self._name, text)
        self.fields[self._name] = text


def _parser(request: Request, notes: _Notes) -> MultipartParser:
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise ApiError(
            ApiText.WRONG_CONTENT_TYPE,
            given=kind.decode("latin-1") or "none",
            expected="multipart/form-data",
        )
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise _malformed("its Content-Type names no boundary")
    try:
        return MultipartParser(
            boundary,
            notes.callbacks(),
            max_header_count=_MOST_HEADERS,
            max_header_size=_LONGEST_HEADER,
        )
    except FormParserError as error:
        raise _malformed("its boundary is too long") from error


def _malformed(reason: str) -> ApiError:
    return ApiError(ApiText.BAD_MULTIPART, reason=reason)
