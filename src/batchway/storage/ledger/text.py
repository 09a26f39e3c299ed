"""Text as the databases keep it: how JSON is written, and what of it can be searched for.

A list of names is searched as text, not with the databases' own functions: those differ. It is
exact because of how `encode` writes an object or a list of strings:

* an entry begins after the opening bracket or after a comma *and a line break*;
* strings are ASCII without line breaks, and a quote inside one follows a backslash.

So an entry together with the character before it is found where it is one and nowhere else. A
line break stands only before an entry; a bracket and a bare quote also meet where a string ends,
but no whole entry can follow from there: behind the next value comes a line break or the end.
"""

import json
from typing import Final

encode: Final = json.JSONEncoder(separators=(",\n", ":")).encode


def has_item(value: str) -> tuple[str, str]:
    """What the text of a list of strings has in it, one of the two, when this is an item."""
    item = encode(value)
    return f"[{item}", f"\n{item}"


def stored(text: str) -> str:
    """A text with `\\0` for NUL, which PostgreSQL does not take, and so two backslashes for one.

    Different texts stay different, and most stay as they are.
    """
    return text.replace("\\", "\\\\").replace("\0", "\\0")


def is_storable(text: str) -> bool:
    """Whether both databases take the text as a value; one that they do not take is in no row."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
