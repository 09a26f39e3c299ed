"""What is kept of the filename that a client sends. It is shown, and never used as a path."""

import unicodedata
from typing import Final

_LONGEST: Final = 255
_NAMELESS: Final = "upload"


def clean_filename(given: str) -> str:
    """The base name, in any script: no directories, control characters or lone surrogates.

    Never empty and at most 255 characters; a longer name keeps its extension.
    """
    base = given.replace("\\", "/").rsplit("/", 1)[-1]
    # Cc: control characters; Cs: surrogates, which no encoding takes; Zl and Zp: line breaks.
    kept = "".join(c for c in base if unicodedata.category(c) not in {"Cc", "Cs", "Zl", "Zp"})
    kept = kept.strip()
    if kept in {"", ".", ".."}:
        return _NAMELESS
    if len(kept) <= _LONGEST:
        return kept
    stem, dot, extension = kept.rpartition(".")
    if not dot or len(extension) > 16:
        return kept[:_LONGEST]
    return stem[: _LONGEST - 1 - len(extension)] + dot + extension
