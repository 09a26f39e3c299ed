"""Images, files and sound of a user's turn, as blocks.

    data URL         bytes, in base64, of a format that the API has
    s3://...         an object below an address that the operator chose (`stored_files`), where the
                     model takes such
    http(s)://...    nothing: Bedrock fetches no address of the web

A document has a name that is unique in a request and made of few characters: the file's own, as far
as it goes. AWS advises a neutral one, as the model reads it; it is the caller's to choose. Sources:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html,
.../API_runtime_ImageBlock.html, .../API_runtime_VideoBlock.html, .../API_runtime_AudioBlock.html.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from batchway.dialects.converse.models import Traits
from batchway.dialects.converse.wire import Block, Document, Media, S3Location, Source
from batchway.dialects.requests.chat import AudioData, FileData
from batchway.dialects.stored_files import may_read
from batchway.dialects.unsayable import Unsayable

FILENAME: Final = "messages[].content[].file.filename"

_DATA: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_FORMATS: Final = {
    "image": ("png", "jpeg", "gif", "webp"),
    "document": ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"),
    "video": ("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"),
    "audio": ("mp3", "opus", "wav", "aac", "flac", "ogg", "mka", "m4a", "mpga", "pcm"),
}
_BY_ENDING: Final = {
    **{each: (kind, each) for kind, formats in _FORMATS.items() for each in formats},
    "jpg": ("image", "jpeg"),
    "htm": ("document", "html"),
    "3gp": ("video", "three_gp"),
}
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_BY_TYPE: Final = {
    **{f"image/{each}": ("image", each) for each in _FORMATS["image"]},
    **{f"audio/{each}": ("audio", each) for each in (*_FORMATS["audio"], "mp4", "webm")},
    **{f"video/{each}": ("video", each) for each in _FORMATS["video"]},
    "image/jpg": ("image", "jpeg"),
    "audio/mpeg": ("audio", "mp3"),
    "audio/x-wav": ("audio", "wav"),
    "audio/wave": ("audio", "wav"),
    "audio/x-m4a": ("audio", "m4a"),
    "audio/x-aac": ("audio", "x-aac"),
    "video/quicktime": ("video", "mov"),
    "video/x-matroska": ("video", "mkv"),
    "video/x-flv": ("video", "flv"),
    "video/x-ms-wmv": ("video", "wmv"),
    "video/3gpp": ("video", "three_gp"),
    "application/pdf": ("document", "pdf"),
    "application/x-pdf": ("document", "pdf"),
    "text/csv": ("document", "csv"),
    "text/html": ("document", "html"),
    "text/plain": ("document", "txt"),
    "text/markdown": ("document", "md"),
    "application/msword": ("document", "doc"),
    _OFFICE + "wordprocessingml.document": ("document", "docx"),
    "application/vnd.ms-excel": ("document", "xls"),
    _OFFICE + "spreadsheetml.sheet": ("document", "xlsx"),
}
_REFUSED: Final = {
    "image": "This model takes no images.",
    "document": "No documents are taken here: send their text.",
    "video": "This model takes no video.",
    "audio": "This model takes no sound.",
}
_NOT_READABLE: Final = (
    "Objects of S3 are read only below the addresses that the provider's setting `readable` "
    "lists, and this one is not."
)
_NAMELESS: Final = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_SPACE: Final = re.compile(r"\s+")
_LONGEST_NAME: Final = 180  # of 200, with room for what makes it unique
_UNNAMED: Final = "document"


class Files:
    """Reads what a request's turns hold beside words. Adds to `ignored`."""

    __slots__ = ("_ignored", "_names", "_readable", "_traits")

    def __init__(
        self, traits: Traits, *, readable: Sequence[str], ignored: dict[str, None]
    ) -> None:
        self._traits = traits
        self._readable = readable
        self._ignored = ignored
        self._names: set[str] = set()

    def image(self, url: str, *, place: str) -> Block:
        """An image.

        Raises:
            Unsayable: it is none of those that the model takes, or stands where it does not read.
        """
        kind, form, source = self._opened(url, place=place, name="")
        if kind != "image":
            raise Unsayable(place, "PNG, JPEG, GIF and WebP images are taken here.")
        return self._block(kind, form, source, place=place, name="")

    def file(self, file: FileData, *, place: str) -> Block:
        """A file of any kind that the model takes.

        Raises:
            Unsayable: as of `image`.
        """
        name = file.filename or ""
        if file.file_data is not None:
            place, address = f"{place}.file_data", file.file_data
        elif file.file_id is not None and file.file_id.startswith("s3://"):
            place, address = f"{place}.file_id", file.file_id
        else:
            at = place if file.file_id is None else f"{place}.file_id"
            raise Unsayable(at, "Files are read from data URLs and s3 addresses only.")
        kind, form, source = self._opened(address, place=place, name=name)
        if name and kind != "document":
            self._ignored[FILENAME] = None
        return self._block(kind, form, source, place=place, name=name)

    def sound(self, audio: AudioData, *, place: str) -> Block:
        """What `input_audio` holds.

        Raises:
            Unsayable: as of `image`.
        """
        if audio.format not in ("wav", "mp3"):
            raise Unsayable(f"{place}.format", "OpenAI's API takes wav and mp3 here.")
        if not audio.data:
            raise Unsayable(f"{place}.data", "It holds no data.")
        source = Source(data=audio.data)
        return self._block("audio", audio.format, source, place=place, name="")

    def _opened(self, address: str, *, place: str, name: str) -> tuple[str, str, Source]:
        """The kind, the format and the bytes of a file; or where it stands."""
        if address[:5].lower() == "data:":
            return _inline(address, place=place, name=name)
        scheme, colon, _ = address.partition(":")
        if not colon:
            return _bare(address, place=place, name=name)
        if scheme.lower() != "s3":
            raise Unsayable(
                place, "Files are read from data URLs and s3 addresses, not from the web."
            )
        found = _by_ending(address)
        if found is None:
            raise Unsayable(place, "Its address does not end in a type of file that is taken here.")
        kind, form = found
        traits = self._traits
        if not (traits.stored_images if kind == "image" else traits.stored):
            raise Unsayable(place, "This model does not read from S3: send a data URL.")
        if not may_read(address, self._readable):
            raise Unsayable(place, _NOT_READABLE)
        return kind, form, Source(stored=S3Location(address))

    def _block(self, kind: str, form: str, source: Source, *, place: str, name: str) -> Block:
        traits = self._traits
        match kind:
            case "image" if traits.images:
                return Block(image=Media(form, source))
            case "document" if traits.documents:
                return Block(document=Document(form, self._unique(name), source))
            case "video" if traits.video:
                return Block(video=Media(form, source))
            case "audio" if traits.audio:
                return Block(audio=Media(form, source))
            case _:
                raise Unsayable(place, _REFUSED[kind])

    def _unique(self, filename: str) -> str:
        """A name of the characters that the API takes, which no other document has."""
        stem, dot, ending = filename.rpartition(".")
        plain = stem if dot and ending.lower() in _BY_ENDING else filename
        spaced = _SPACE.sub(" ", _NAMELESS.sub("-", plain)).strip()
        base = name = spaced[:_LONGEST_NAME].strip() or _UNNAMED
        number = 1
        while name in self._names:
            number += 1
            name = f"{base} ({number})"
        self._names.add(name)
        return name


def _inline(url: str, *, place: str, name: str) -> tuple[str, str, Source]:
    found = _DATA.match(url)
    if found is None:
        raise Unsayable(place, "It is no data URL with a comma before its data.")
    kind = _BY_TYPE.get(found[1].strip().lower() or "text/plain") or _by_ending(name)
    if kind is None:
        raise Unsayable(place, "Data of this type is not taken here.")
    data = url[found.end() :]
    if not found[2].lower().endswith(";base64"):
        data = b64encode(unquote_to_bytes(data)).decode()
    if not data:
        raise Unsayable(place, "It holds no data.")
    return *kind, Source(data=data)


def _bare(data: str, *, place: str, name: str) -> tuple[str, str, Source]:
    """Base64 without a URL around it: its file's name tells its type."""
    kind = _by_ending(name)
    if kind is None or not data:
        raise Unsayable(place, "It is no data URL, and its file's name does not tell its type.")
    return *kind, Source(data=data)


def _by_ending(name: str) -> tuple[str, str] | None:
    return _BY_ENDING.get(name.rsplit(".", 1)[-1].lower()) if "." in name else None
