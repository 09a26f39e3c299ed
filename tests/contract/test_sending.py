"""Sending processes: their lives, their deaths, and what a request through them becomes.

What HTTP makes of a request is `test_transport`'s, which runs over them as well.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from tests.contract.upstreams import (
    OK,
    Reader,
    Writer,
    post,
    read_request,
    says,
    serving,
    sized,
)

from batchway.bootstrap.worker import new_transport
from batchway.ports import Failure
from batchway.providers.http.sending import SendingError, SendingTransport
from batchway.providers.http.transport import HttpTransport
from batchway.settings import Settings

SECRET = "sk-never-to-be-seen"


@asynccontextmanager
async def sending(processes: int = 1, **options: float) -> AsyncGenerator[SendingTransport]:
    """A transport whose processes have started; none of them may outlive it."""
    transport = SendingTransport(processes=processes, **options)  # pyright: ignore[reportArgumentType] - seconds, and most_answer_bytes is never given
    try:
        await transport.start()
        pids = transport.pids
        yield transport
    finally:
        await transport.close()
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    """Whether there is such a process, other than one that only waits to be reaped."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def eventually(look: Callable[[], bool], within: float = 20.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(within):
        while not look():  # noqa: ASYNC110 - a process's end is no event of this loop
            await asyncio.sleep(0.01)


class Asked:
    """A server that never answers: how many requests came, how many of their connections ended."""

    def __init__(self) -> None:
        self.requests = 0
        self.closed = 0

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        self.requests += 1
        try:
            await reader.read()
        finally:
            self.closed += 1


# ----------------------------------------------------------------------------- deaths


async def test_a_killed_process_interrupts_its_requests_and_is_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = Asked()
    async with sending() as transport, serving(asked) as url, serving(says(sized(b"{}"))) as other:
        calls = [asyncio.create_task(post(transport, url, timeout=60)) for _ in range(3)]
        await eventually(lambda: asked.requests == 3)
        (pid,) = transport.pids
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            assert await asyncio.gather(*calls) == [Failure.INTERRUPTED] * 3
        assert await post(transport, other) == (200, b"{}")
        assert transport.pids != [pid]
        assert not psutil.pid_exists(pid)  # reaped: no zombie stays behind
        await eventually(lambda: asked.closed == 3)
    assert [(r.levelno, r.getMessage()) for r in caplog.records if "sending" in r.name] == [
        (
            logging.ERROR,
            f"the sending process {pid} was killed by SIGKILL with 3 requests in flight, which "
            "count as interrupted; the next request starts another",
        )
    ]


async def test_only_the_requests_of_the_process_that_died_are_interrupted() -> None:
    asked, killed = 0, asyncio.Event()

    async def late(reader: Reader, writer: Writer) -> None:
        nonlocal asked
        await read_request(reader)
        asked += 1
        await killed.wait()
        writer.write(sized(b"{}"))

    async with sending(2) as transport, serving(late) as url:
        calls = [asyncio.create_task(post(transport, url)) for _ in range(4)]
        await eventually(lambda: asked == 4)
        os.kill(transport.pids[0], signal.SIGKILL)
        killed.set()
        drawn = await asyncio.gather(*calls)
        assert [drawn.count(Failure.INTERRUPTED), drawn.count((200, b"{}"))] == [2, 2]


async def test_a_process_that_is_stuck_is_killed() -> None:
    async with sending(overdue=0.3) as transport, serving(says(sized(b"{}"))) as url:
        (pid,) = transport.pids
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.timeout(20):
            assert await post(transport, url, timeout=0.2) is Failure.INTERRUPTED
        assert not alive(pid)
        assert await post(transport, url) == (200, b"{}")


PARENT = """
import asyncio, sys
from batchway.providers.http.sending import SendingTransport

async def main():
    transport = SendingTransport(processes=2)
    await transport.start()
    print(*transport.pids, flush=True)
    await asyncio.gather(
        *(transport.post(sys.argv[1], {}, b"{}", timeout=60) for _ in range(2))
    )

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_no_process_outlives_its_parent(number: signal.Signals) -> None:
    asked = Asked()
    async with serving(asked) as url:
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PARENT, url, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert parent.stdout is not None
        pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
        await eventually(lambda: asked.requests == 2)
        assert [alive(pid) for pid in pids] == [True, True]
        parent.send_signal(number)
        await parent.wait()
        await eventually(lambda: not any(map(alive, pids)))
        await eventually(lambda: asked.closed == 2)


async def test_signals_to_the_whole_terminal_or_service_do_not_end_it() -> None:
    async with sending() as transport, serving(says(sized(b"{}"))) as url:
        (pid,) = transport.pids
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        assert os.getpgid(pid) != os.getpgid(0)
        assert await post(transport, url) == (200, b"{}")
        assert transport.pids == [pid]


# ----------------------------------------------------------------------------- starting


async def test_a_process_starts_with_the_first_request_and_once() -> None:
    transport = SendingTransport(processes=1)
    async with serving(says(sized(b"{}"))) as url:
        try:
            assert transport.pids == []
            calls = [post(transport, url) for _ in range(20)]
            assert await asyncio.gather(*calls) == [(200, b"{}")] * 20
            children = psutil.Process().children()
            assert [c.pid for c in children if "sending_process" in " ".join(c.cmdline())] == (
                transport.pids
            )
        finally:
            await transport.close()


@pytest.mark.parametrize(
    ("executable", "message"),
    [
        ("/nowhere/python", "cannot be started with '/nowhere/python': No such file or directory"),
        ("/bin/false", "cannot be started: it ended with status 1"),
    ],
)
async def test_a_process_that_cannot_be_started_is_an_error_and_tried_again(
    executable: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = SendingTransport(processes=1)
    async with serving(says(sized(b"{}"))) as url, asyncio.timeout(30):
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", executable)
            transport.start_soon()
            calls = [post(transport, url) for _ in range(3)]
            for error in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(error, SendingError)
                assert message in str(error)
            with pytest.raises(SendingError, match=r"cannot be started"):
                await transport.start()
        assert await post(transport, url) == (200, b"{}")
        await transport.close()


async def test_a_process_without_requests_ends_and_the_next_request_starts_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        sending(idle=0.6) as transport,
        serving(says(b"", sized(b"{}"), pause=1.0)) as slow,
        serving(says(sized(b"{}"))) as url,
    ):
        (pid,) = transport.pids
        assert await post(transport, slow) == (200, b"{}")  # it is not idle while a request waits
        await eventually(lambda: not alive(pid))
        assert transport.pids == []
        assert await post(transport, url) == (200, b"{}")
        assert transport.pids != [pid]
    assert caplog.records == []


async def test_closed_it_sends_nothing_more() -> None:
    asked = Asked()
    async with serving(asked) as url:
        transport = SendingTransport(processes=1)
        call = asyncio.create_task(post(transport, url))
        await asyncio.sleep(0)  # the process is being started
        await transport.close()
        assert await call is Failure.INTERRUPTED
        assert await post(transport, url) is Failure.INTERRUPTED
        assert transport.pids == []
        assert asked.requests == 0


# ----------------------------------------------------------------------------- what goes through


async def _echo(reader: Reader, writer: Writer) -> None:
    while True:
        _, body = await read_request(reader)
        writer.write(sized(b"%08x %b" % (zlib.crc32(body), body[:9])))


async def test_each_of_many_requests_draws_its_own_answer() -> None:
    async with sending(3) as transport, serving(_echo) as url:

        async def one(number: int) -> bool:
            body = b"%09d" % number + os.urandom(number % 5000)
            answer = await transport.post(url, {}, body, timeout=30)
            assert not isinstance(answer, Failure)
            return answer.body == b"%08x %09d" % (zlib.crc32(body), number)

        assert all(await asyncio.gather(*(one(number) for number in range(600))))


async def test_requests_are_spread_over_the_processes() -> None:
    asked = Asked()
    async with sending(3) as transport, serving(asked) as url:
        calls = [asyncio.create_task(post(transport, url, timeout=60)) for _ in range(9)]
        await eventually(lambda: asked.requests == 9)
        each = [
            sum(c.status == psutil.CONN_ESTABLISHED for c in psutil.Process(pid).net_connections())
            for pid in transport.pids
        ]
        assert each == [3, 3, 3]
        for call in calls:
            call.cancel()
        await eventually(lambda: asked.closed == 9)


async def test_large_bodies_both_ways() -> None:
    up, down = os.urandom(8 << 20), os.urandom(48 << 20)

    async def large(reader: Reader, writer: Writer) -> None:
        _, body = await read_request(reader)
        writer.write(sized(down if body == up else b"not what was sent"))

    async with sending() as transport, serving(large) as url:
        answers = await asyncio.gather(*(transport.post(url, {}, up, timeout=60) for _ in range(3)))
        assert [isinstance(a, Failure) or a.body == down for a in answers] == [True] * 3
        assert Failure not in map(type, answers)


async def test_a_call_cancelled_at_once_is_never_sent() -> None:
    asked = Asked()
    async with sending() as transport, serving(asked) as url:
        for _ in range(20):
            call = asyncio.create_task(post(transport, url))
            await asyncio.sleep(0)
            call.cancel()
        later = asyncio.create_task(post(transport, url))
        await eventually(lambda: asked.requests == 1)
        await asyncio.sleep(0.1)
        assert asked.requests == 1
        later.cancel()
        await eventually(lambda: asked.closed == 1)


async def test_a_header_that_is_no_utf_8() -> None:
    odd = OK + b"X-Odd: \xff\xfe\r\nX-Request-Id: \xc3\xa9\r\nContent-Length: 2\r\n\r\n{}"
    async with sending() as transport, serving(says(odd)) as url:
        answer = await transport.post(url, {}, b"{}", timeout=5)
        assert not isinstance(answer, Failure)
        assert (answer.header("x-odd"), answer.header("x-request-id")) == ("\ufffd\ufffd", "é")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
async def test_a_process_holds_no_secret_but_in_memory_and_no_file_of_ours(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ours = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(ours, True)
    async with sending() as transport, serving(says(sized(b"{}"))) as url:
        headers = {"authorization": f"Bearer {SECRET}"}
        assert not isinstance(await transport.post(url, headers, b"{}", timeout=5), Failure)
        with pytest.raises(ValueError, match="malformed"):
            await transport.post(url, {"authorization": f"{SECRET}\n"}, b"{}", timeout=5)
        (pid,) = transport.pids
        proc = Path(f"/proc/{pid}")
        assert SECRET.encode() not in (proc / "cmdline").read_bytes()
        assert SECRET.encode() not in (proc / "environ").read_bytes()
        assert str(tmp_path) not in {str(each.readlink()) for each in (proc / "fd").iterdir()}
    os.close(ours)
    assert SECRET not in "".join(capfd.readouterr())


# ----------------------------------------------------------------------------- the setting


@pytest.mark.parametrize(
    ("setting", "processors", "kind"),
    [
        ("auto", 1, HttpTransport),
        ("auto", 2, SendingTransport),
        ("auto", 64, SendingTransport),
        (0, 64, HttpTransport),
        (1, 1, SendingTransport),
        (16, 1, SendingTransport),
    ],
)
async def test_which_transport_a_setting_makes(
    setting: object, processors: int, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def affinity(pid: int) -> set[int]:
        return set(range(processors))

    monkeypatch.setattr(os, "sched_getaffinity", affinity, raising=False)
    settings = Settings.model_validate({"execution": {"sending_processes": setting}})
    transport = new_transport(settings)
    assert type(transport) is kind
    await transport.close()
