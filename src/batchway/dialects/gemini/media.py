"""Images, sound and files of a message, as Gemini takes them.

    data URL          inlineData, its base64 as it stands
    gs://...          fileData, below an address that the operator chose (`stored_files`)
    http(s)://...     fileData online; a batch job reads Cloud Storage only

The type of what stands at an address is told by the end of its name. Owns which types Gemini takes:
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/gemini/3-flash. Pure.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from batchway.dialects.gemini.wire import Blob, FileData, Part
from batchway.dialects.stored_files import NOT_READABLE, may_read
from batchway.dialects.unsayable import Unsayable

_DATA: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)

_TYPES: Final = frozenset(
    [
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/heic",
        "image/heif",
        "application/pdf",
        "text/plain",
        "audio/x-aac",
        "audio/aac",
        "audio/flac",
        "audio/mp3",
        "audio/m4a",
        "audio/mpeg",
        "audio/mpga",
        "audio/mp4",
        "audio/ogg",
        "audio/pcm",
        "audio/wav",
        "audio/webm",
        "video/x-flv",
        "video/quicktime",
        "video/mpeg",
        "video/mpegs",
        "video/mpg",
        "video/mp4",
        "video/webm",
        "video/wmv",
        "video/3gpp",
    ]
)

# Other names of the same.
_SAME: Final = {
    "image/jpg": "image/jpeg",
    "application/x-pdf": "application/pdf",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-m4a": "audio/m4a",
}

_BY_ENDING: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/plain",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "mp3": "audio/mp3",
    "m4a": "audio/m4a",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "flv": "video/x-flv",
    "mov": "video/quicktime",
    "mpeg": "video/mpeg",
    "mpg": "video/mpg",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "wmv": "video/wmv",
    "3gp": "video/3gpp",
}

_AUDIO: Final = {"wav": "audio/wav", "mp3": "audio/mp3"}


def sound(data: str, format: str, *, place: str) -> Part:
    """What `input_audio` holds."""
    mime = _AUDIO.get(format)
    if mime is None:
        raise Unsayable(f"{place}.format", "Gemini takes wav and mp3 of what OpenAI's API takes.")
    return Part(inline_data=Blob(mime, data))


def addressed(url: str, *, place: str, batch: bool, default: str, readable: Sequence[str]) -> Part:
    """What stands in or at a URL. `default` is the type where the address does not tell it.

    `readable` are the addresses below which objects of Cloud Storage may be named.

    Raises:
        Unsayable: it is of a type, or at a place, that Gemini does not read.
    """
    if url[:5].lower() == "data:":
        return _inline(url, place=place)
    scheme = url.split(":", 1)[0].lower()
    if scheme not in ("gs", "http", "https"):
        raise Unsayable(place, "It is no data URL and no http, https or gs address.")
    if batch and scheme != "gs":
        raise Unsayable(
            place, "Vertex AI's batch jobs read data URLs and gs addresses, no files of the web."
        )
    if scheme == "gs" and not may_read(url, readable):
        raise Unsayable(place, NOT_READABLE)
    mime = _ending(url) or default
    if not mime:
        raise Unsayable(place, "Its address does not end in a type of file that Gemini takes.")
    return Part(file_data=FileData(mime, url))


def enclosed(
    data: str, filename: str | None, *, place: str, batch: bool, readable: Sequence[str]
) -> Part:
    """What `file_data` holds: a URL, or bare base64 whose type its file's name tells."""
    if ":" in data[:16]:
        return addressed(data, place=place, batch=batch, default="", readable=readable)
    mime = _ending(filename or "")
    if not mime:
        raise Unsayable(place, "It is no data URL, and its file's name does not tell its type.")
    return Part(inline_data=Blob(mime, data))


def _inline(url: str, *, place: str) -> Part:
    found = _DATA.match(url)
    if found is None:
        raise Unsayable(place, "It is no data URL with a comma before its data.")
    mime = found[1].strip().lower() or "text/plain"
    mime = _SAME.get(mime, mime)
    if mime not in _TYPES:
        raise Unsayable(place, "Gemini does not take data of this type.")
    data = url[found.end() :]
    if not found[2].lower().endswith(";base64"):
        data = b64encode(unquote_to_bytes(data)).decode()
    if not data:
        raise Unsayable(place, "It holds no data.")
    return Part(inline_data=Blob(mime, data))


def _ending(address: str) -> str | None:
    try:
        path = urlsplit(address).path
    except ValueError:
        return None
    name = path.rsplit("/", 1)[-1]
    return _BY_ENDING.get(name.rsplit(".", 1)[-1].lower()) if "." in name else None
