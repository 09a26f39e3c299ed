"""No objects of Cloud Storage beyond the operator's choice: a wrapper of OpenAI's dialect.

Open models read `gs://` addresses in the parts of a message, whatever a part is called there, and
OpenAI's bodies go to them as they are. So every text of a part that begins like such an address is
looked at, but what a part says as words. Does not own which may be read (`dialects.stored_files`).
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from batchway.dialects.stored_files import NOT_READABLE, may_read
from batchway.ports import Dialect, Encoded, Unfaithful

# A text of JSON that begins so, however its characters are escaped: few lines have any.
_PERHAPS: Final = re.compile(
    rb'"(?:[\s]|\\[nrtbf]|\\u00[0-2][0-9a-f])*'
    rb"(?:g|\\u00[46]7)(?:s|\\u00[57]3)(?::|\\u003a)",
    re.IGNORECASE,
)
# Without any of these it does not match: they are found in a tenth of its time.
_HINTS: Final = (b"gs:", b"\\u00", b"GS:", b"Gs:", b"gS:")
_SCHEME: Final = "gs:"
_WORDS: Final = frozenset({"text", "refusal"})


class ChosenFilesDialect:
    """`ports.Dialect`: `dialect` without lines that name other objects than `readable` ones."""

    def __init__(self, dialect: Dialect, *, readable: Sequence[str]) -> None:
        self.decode = dialect.decode
        self.join = dialect.join
        self.measure = dialect.measure
        self._encode = dialect.encode
        self._readable = tuple(readable)

    @property
    def faithful(self) -> bool:
        """It is not: a line may be refused."""
        return False

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        """See `ports.Dialect`."""
        if any(hint in body for hint in _HINTS) and _PERHAPS.search(body) is not None:
            place = self._refused(body)
            if place is not None:
                return Unfaithful(place, NOT_READABLE)
        return self._encode(body, named=named)

    def _refused(self, body: bytes) -> str | None:
        """The place of the first address that may not be read."""
        try:
            # A name that stands twice has two values: which one is read there is not known.
            found: Any = json.loads(body, object_pairs_hook=_Object)
        except (ValueError, RecursionError):
            return "messages"
        for place, text in _addresses(found):
            if not may_read(text, self._readable):
                return place
        return None


class _Object(list[tuple[str, Any]]):
    """An object of JSON with all of its pairs."""


def _addresses(body: Any) -> Iterator[tuple[str, str]]:
    """Places and texts within parts of messages that begin like an address."""
    for name, messages in body if isinstance(body, _Object) else ():
        if name != "messages" or not isinstance(messages, list):
            continue
        for number, message in enumerate(messages):
            for field, content in message if isinstance(message, _Object) else ():
                if field == "content" and isinstance(content, list):
                    yield from _within(content, f"messages[{number}].content")


def _within(content: list[Any], place: str) -> Iterator[tuple[str, str]]:
    waiting: deque[tuple[str, Any]] = deque([(place, content)])
    while waiting:
        at, value = waiting.popleft()
        if isinstance(value, str):
            if value.strip()[: len(_SCHEME)].lower() == _SCHEME:
                yield at, value
        elif isinstance(value, _Object):
            waiting += [(f"{at}.{name}", each) for name, each in value if name not in _WORDS]
        elif isinstance(value, list):
            waiting += [(f"{at}[{number}]", each) for number, each in enumerate(value)]
