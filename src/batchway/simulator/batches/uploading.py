"""Reading an upload: multipart, straight to disk.

Owns the parsing, with python-multipart rather than aiohttp's reader: the client under test writes
its forms with aiohttp, and one library would agree with its own mistakes.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl

from python_multipart.multipart import MultipartParser, parse_options_header


@dataclass(slots=True, kw_only=True)
class Form:
    """A form that was read; `path` holds its file, if it has one."""

    fields: dict[str, str] = field(default_factory=dict[str, str])
    filename: str = ""
    path: Path | None = None


async def read_form(content_type: str, chunks: AsyncIterator[bytes], *, place: Path) -> Form:
    """Read a form; its file goes to `place`.

    Raises:
        ValueError: it is no form, or a broken one.
    """
    kind, options = parse_options_header(content_type)
    if kind == b"application/x-www-form-urlencoded":
        body = b"".join([chunk async for chunk in chunks])
        return Form(fields=dict(parse_qsl(body.decode())))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ValueError("The request is not multipart/form-data.")
    reading = _Reading(place)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": reading.begin,
            "on_header_field": reading.header_name,
            "on_header_value": reading.header_value,
            "on_header_end": reading.header_end,
            "on_headers_finished": reading.headers_finished,
            "on_part_data": reading.data,
            "on_part_end": reading.end,
            "on_end": reading.finish,
        },
    )
    try:
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    finally:
        reading.close()
    if not reading.finished:
        raise ValueError("The form ends before its last boundary.")
    return reading.form


class _Reading:
    """The part that is being read."""

    def __init__(self, place: Path) -> None:
        self.form = Form()
        self.finished = False
        self._place = place
        self._file: BinaryIO | None = None
        self._headers: dict[str, str] = {}
        self._header = [bytearray(), bytearray()]
        self._name = ""
        self._value = bytearray()

    def begin(self) -> None:
        self._headers = {}
        self._value = bytearray()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def header_end(self) -> None:
        name, value = (part.decode() for part in self._header)
        self._headers[name.lower()] = value
        self._header = [bytearray(), bytearray()]

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._name = options.get(b"name", b"").decode()
        if b"filename" in options:
            self.form.filename = options[b"filename"].decode()
            self.form.path = self._place
            self._file = self._place.open("wb")

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])
        else:
            self._value += data[start:end]

    def end(self) -> None:
        if self._file is not None:
            self.close()
        else:
            self.form.fields[self._name] = self._value.decode()

    def finish(self) -> None:
        self.finished = True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
