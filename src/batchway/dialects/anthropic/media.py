"""Images and files of a user's turn, as Claude's blocks.

    image, data URL       image, base64         JPEG, PNG, GIF or WebP
    image, https address  image, url            where the platform fetches it: not Google Cloud's
    file, PDF             document, base64      its name as the title
    file, plain text      document, text

Sources: https://platform.claude.com/docs/en/build-with-claude/vision and .../pdf-support
"""

from base64 import b64decode
from typing import Any, Final

from batchway.dialects.requests.chat import FilePart, ImagePart
from batchway.ports.dialect import Unfaithful

_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF: Final = "application/pdf"
_TEXT: Final = "text/plain"


def image_block(part: ImagePart, place: str, *, urls: bool) -> dict[str, Any] | Unfaithful:
    """An image. `urls`: whether the platform fetches addresses."""
    url = part.image_url.url
    place = f"{place}.image_url.url"
    if url.startswith("data:"):
        kind, data = _opened(url)
        kind = "image/jpeg" if kind == "image/jpg" else kind
        if kind not in _IMAGES or not data:
            return Unfaithful(place, "Claude takes JPEG, PNG, GIF and WebP images, as base64.")
        source = {"type": "base64", "media_type": kind, "data": data}
        return {"type": "image", "source": source}
    if urls and url.startswith("https://"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    if urls:
        return Unfaithful(place, "Claude takes images as data URLs or from https addresses.")
    return Unfaithful(place, "This platform takes images as data URLs only.")


def document_block(part: FilePart, place: str) -> dict[str, Any] | Unfaithful:
    """A file."""
    file = part.file
    if file.file_data is None:
        return Unfaithful(
            f"{place}.file.file_id", "The file of an upload is not there; send it as a data URL."
        )
    kind, data = _opened(file.file_data)
    if kind == _PDF and data:
        source = {"type": "base64", "media_type": _PDF, "data": data}
    elif kind == _TEXT and (text := _text(data)) is not None:
        source = {"type": "text", "media_type": _TEXT, "data": text}
    else:
        why = "Claude takes PDF and plain text files, as data URLs with base64."
        return Unfaithful(f"{place}.file.file_data", why)
    block: dict[str, Any] = {"type": "document", "source": source}
    if file.filename:
        block["title"] = file.filename
    return block


def _opened(url: str) -> tuple[str, str]:
    """The type and the base64 of a data URL; empty where it is none."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return "", ""
    return head[len("data:") :].partition(";")[0].lower(), data


def _text(data: str) -> str | None:
    try:
        return b64decode(data, validate=True).decode() or None
    except ValueError:  # no base64, or no UTF-8
        return None
