"""Entity tags of downloads and the conditions on them (RFC 9110, section 13).

A file never changes under its id, so its tag is strong and lasts as long as the file.
"""

import re
from typing import Final

from batchway.domain.file import File

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def entity_tag(file: File) -> str:
    """The file's tag: of its content where the digest is known, else of its id."""
    return f'"{file.sha256 or file.id}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has what has this tag: the comparison is weak, `*` is anything."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)


def may_continue(if_range: str | None, tag: str) -> bool:
    """Whether a range may be answered: a date or a weak tag never says what the client has."""
    return if_range is None or if_range.strip() == tag
