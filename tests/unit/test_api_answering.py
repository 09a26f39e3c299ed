"""`api.answering`: which writes of an answer become one write of its connection."""

import asyncio
from collections.abc import Iterable

from batchway.api.answering import AnswerTransport


class Connection(asyncio.Transport):
    """Notes each write, however many pieces it has."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def an_answer() -> tuple[Connection, AnswerTransport]:
    connection = Connection()
    return connection, AnswerTransport(connection, asyncio.get_running_loop())


async def test_a_head_goes_with_its_body_and_once() -> None:
    connection, answer = await an_answer()
    answer.write(b"head ")
    assert connection.written == []
    answer.write(b"body ")
    answer.write(b"more")
    assert connection.written == [b"head body ", b"more"]
    await asyncio.sleep(0)
    assert connection.written == [b"head body ", b"more"]


async def test_a_head_whose_body_takes_its_time_goes_first() -> None:
    connection, answer = await an_answer()
    answer.write(b"head")
    await asyncio.sleep(0)
    assert connection.written == [b"head"]
    answer.write(b"event")
    assert connection.written == [b"head", b"event"]


async def test_closing_writes_what_was_held() -> None:
    connection, answer = await an_answer()
    answer.write(b"head")
    answer.close()
    assert (connection.written, answer.is_closing()) == ([b"head"], True)
    await asyncio.sleep(0)
    assert connection.written == [b"head"]


async def test_nothing_is_written_to_a_connection_that_was_closed_meanwhile() -> None:
    connection, answer = await an_answer()
    answer.write(b"head")
    connection.close()
    await asyncio.sleep(0)
    assert connection.written == []
