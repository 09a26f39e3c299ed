"""Translations of schemas, kept because the lines of a batch repeat the same few of them.

    (bytes of a schema, variant) --make, the first time--> its translation

Owns how much is kept and for how long. Of a line nothing is kept but the bytes of a schema in it
and what was made of them; the same bytes give the same translation, so no line tells of another.
Used by many threads at once.
"""

from collections.abc import Callable
from threading import Lock
from typing import Final, Generic, Protocol, TypeVar

# What bounds it: bytes of schemas and of their translations together, in each cache, and of one of
# them. References written out can make megabytes of a schema of 1 KB, so entries are not counted.
_MOST_BYTES: Final = 8 << 20
_MOST_OF_ONE: Final = _MOST_BYTES // 32
# The objects around the bytes of an entry, roughly.
_OVERHEAD: Final = 512


class Translation(Protocol):
    """What is kept: immutable, with `size`, its bytes."""

    @property
    def size(self) -> int:
        """Bytes of what it holds."""
        ...


_Made = TypeVar("_Made", bound=Translation)


class Kept(Generic[_Made]):
    """`make`, which is pure, called once for a schema while that is kept: the oldest go first."""

    def __init__(self, make: Callable[[bytes, bool], _Made], *, most: int = _MOST_BYTES) -> None:
        self._make = make
        self._most = most
        self._made: dict[tuple[bytes, bool], _Made] = {}
        self._held = 0
        self._lock = Lock()

    @property
    def held(self) -> int:
        """How many bytes are kept."""
        return self._held

    def __call__(self, schema: bytes, variant: bool) -> _Made:
        """The translation of `schema`, of which there are two variants."""
        key = (schema, variant)
        found = self._made.get(key)
        if found is None:
            found = self._make(schema, variant)
            self._keep(key, found)
        return found

    def _keep(self, key: tuple[bytes, bool], made: _Made) -> None:
        size = _size(key, made)
        if size > min(_MOST_OF_ONE, self._most):
            return
        with self._lock:
            if key in self._made:
                return
            while self._held + size > self._most:
                oldest = next(iter(self._made))
                self._held -= _size(oldest, self._made.pop(oldest))
            self._made[key] = made
            self._held += size


def _size(key: tuple[bytes, bool], made: Translation) -> int:
    return len(key[0]) + made.size + _OVERHEAD
