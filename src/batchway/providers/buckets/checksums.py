"""What the bytes of a file sum up to, as the store that they went to says it.

    Checksums   a vendor's way, as data
    ETAGS       MD5 of a file, or of the MD5s of its parts: S3, and whatever speaks as it does

Source: docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html (ETag)
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

_md5: Final = partial(hashlib.md5, usedforsecurity=False)


class Sum(Protocol):
    """A sum that grows with the bytes of a file. Used in one thread at a time."""

    def update(self, data: bytes, /) -> None:
        """The next bytes."""
        ...

    @property
    def text(self) -> str:
        """As `Stored.checksum` has it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    """How a store sums objects up.

    `new` begins the sum of a file that goes in parts of so many bytes, or in one request where it
    is no longer than one. `sure` is whether another sum always means other bytes.
    """

    new: Callable[[int], Sum]
    sure: bool


class EtagSum:
    """The ETag of S3, without its quotes."""

    def __init__(self, part: int) -> None:
        self._part = part
        self._room = part
        self._sum = _md5()
        self._parts: list[bytes] = []

    def update(self, data: bytes, /) -> None:
        """The next bytes."""
        rest = memoryview(data)
        while rest:
            if not self._room:
                self._parts.append(self._sum.digest())
                self._sum, self._room = _md5(), self._part
            taken = rest[: self._room]
            self._sum.update(taken)
            self._room -= len(taken)
            rest = rest[len(taken) :]

    @property
    def text(self) -> str:
        """With the number of parts, where there are several."""
        if not self._parts:
            return self._sum.hexdigest()
        parts = [*self._parts, self._sum.digest()]
        return f"{_md5(b''.join(parts)).hexdigest()}-{len(parts)}"


# An ETag is no MD5 where a bucket encrypts with a key of KMS: another one says nothing then. What
# was sent needs no such proof: S3 compares each request with the SHA-256 that it is signed with.
ETAGS: Final = Checksums(new=EtagSum, sure=False)
