"""What a sending process and its parent say to each other, and how it is framed.

    parent --Begin, Post, Cancel----------------------------> child
    parent <--Ready, Answered, Failed, Refused, Broken------- child

A frame is its length in eight bytes and a MessagePack array of messages: everything that one
iteration of an event loop had to say goes out in one write. Owns the messages and both ends of a
stream of them; does not own sockets or processes (`sending`), nor HTTP (`transport`).
"""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from batchway.ports import Failure

M = TypeVar("M")

_LENGTH: Final = 8
_ARRAY_32: Final = 0xDD  # MessagePack's mark of an array whose count follows in four bytes
_HEAD: Final = _LENGTH + 5

_encode_into: Final = msgspec.msgpack.Encoder().encode_into


# ----------------------------------------------------------------------------- to the child


class Begin(msgspec.Struct, array_like=True, tag=0):
    """The first message: the arguments of `HttpTransport`."""

    most_answer_bytes: int
    connect_timeout: float
    budget_bytes: int


class Post(msgspec.Struct, array_like=True, tag=1, gc=False):
    """Send this; `id` is the parent's and unique for the life of the child. No body: a GET."""

    id: int
    url: str
    headers: dict[str, str]
    body: bytes | None
    timeout: float


class Cancel(msgspec.Struct, array_like=True, tag=2, gc=False):
    """Nobody waits for that answer any more: close its connection. Is not answered."""

    id: int


# ----------------------------------------------------------------------------- to the parent


class Ready(msgspec.Struct, array_like=True, tag=0):
    """The first message: everything was imported, requests are being sent."""


class Answered(msgspec.Struct, array_like=True, tag=1, gc=False):
    """An HTTP answer: what the parent hands on as `ports.Answer`."""

    id: int
    status: int
    headers: dict[str, str]  # names in lower case; of repeated ones the first
    body: bytes

    def header(self, name: str) -> str | None:
        """First value of a header, by any case."""
        return self.headers.get(name.lower())


class Failed(msgspec.Struct, array_like=True, tag=2, gc=False):
    """No HTTP answer."""

    id: int
    failure: Failure


class Refused(msgspec.Struct, array_like=True, tag=3, gc=False):
    """A `ValueError`: the request cannot be sent at all. Repeats nothing of it."""

    id: int
    reason: str


class Broken(msgspec.Struct, array_like=True, tag=4, gc=False):
    """A defect: an exception that `HttpTransport` should not raise; its traceback is logged."""

    id: int
    error: str


ToChild = Begin | Post | Cancel
ToParent = Ready | Answered | Failed | Refused | Broken


# ----------------------------------------------------------------------------- the stream


class Outbox:
    """Gathers messages and writes them once in each iteration of the event loop.

    Not bounded by itself: who posts is (`dispatch`: requests in flight, outstanding bytes), and
    what a child answers is (`budget`, whose room is given back when the parent has taken it).
    `written` is called after each write.
    """

    def __init__(
        self,
        stream: asyncio.WriteTransport,
        loop: asyncio.AbstractEventLoop,
        *,
        written: Callable[[], None] | None = None,
    ) -> None:
        self._stream = stream
        self._loop = loop
        self._written = written
        self._count = 0
        self._gathered = bytearray(_HEAD)

    def put(self, message: ToChild | ToParent) -> None:
        """Send soon. Raises `UnicodeEncodeError` for text that is none, and sends nothing then."""
        gathered = self._gathered
        before = len(gathered)
        try:
            _encode_into(message, gathered, -1)
        except BaseException:
            del gathered[before:]  # half a message would garble all that follow
            raise
        self._count += 1
        if self._count == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        frame, count = self._gathered, self._count
        self._gathered, self._count = bytearray(_HEAD), 0
        frame[:_LENGTH] = (len(frame) - _LENGTH).to_bytes(_LENGTH, "big")
        frame[_LENGTH] = _ARRAY_32
        frame[_LENGTH + 1 : _HEAD] = count.to_bytes(4, "big")
        if not self._stream.is_closing():
            self._stream.write(frame)  # not copied: hence a new one for what comes next
        if self._written is not None:
            self._written()


class Inbox(Generic[M]):
    """Makes messages of the bytes that arrive, in whichever pieces they do."""

    def __init__(self, messages: type[list[M]]) -> None:
        self._decode = msgspec.msgpack.Decoder(messages).decode
        self._held = bytearray()

    def take(self, data: bytes) -> list[M]:
        """The messages that are whole now."""
        held = self._held
        held += data
        start, size = 0, len(held)
        messages: list[M] = []
        with memoryview(held) as view:
            while size - start >= _LENGTH:
                end = start + _LENGTH + int.from_bytes(view[start : start + _LENGTH], "big")
                if end > size:
                    break
                messages += self._decode(view[start + _LENGTH : end])
                start = end
        del held[:start]
        return messages
