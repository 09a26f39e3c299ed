"""One write for a short answer: its head waits for the first piece of its body.

uvicorn writes head and body apart, and a transport sends what it is given at once: two packets for
an answer of 500 bytes, of which the first wakes the client for nothing. Owns that wait, which ends
with the loop's turn. Does not own what is written or when an answer ends (`parsing`).
"""

import asyncio


class AnswerTransport(asyncio.Transport):
    """What one answer is written to: its connection, as far as uvicorn's cycle uses it."""

    def __init__(self, connection: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._connection = connection
        self._loop = loop
        self._head: bytes | None = None
        self._begun = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write; what comes first is held until there is more, or the loop's next turn."""
        if not self._begun:
            self._begun = True
            self._head = bytes(data)
            self._loop.call_soon(self._flush)
        elif self._head is None:
            self._connection.write(data)
        else:
            head, self._head = self._head, None
            self._connection.writelines((head, data))

    def close(self) -> None:
        """Close the connection once everything is written."""
        self._flush()
        self._connection.close()

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._connection.is_closing()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None and not self._connection.is_closing():
            self._connection.write(head)
