"""Lines of a managed run between their permit and their record: a task each.

    permit --> request --> outcome --> record --> collector

Owns the tasks. Does not own whose turn it is (`source`), how a line is sent (`dispatch.sender`), or
when records are committed (`results.collector`).
"""

import asyncio
from collections.abc import Callable

from batchway.dispatch.sender import Answered, Permit, Sender, Unanswered, Work
from batchway.domain.batch_errors import LineText
from batchway.results.collector import Buffer, Collector
from batchway.results.records import Records
from batchway.workflows.managed.outstanding import Part


class Lines:
    """The lines in flight of one run. `on_defect` is told of an exception, which no line has."""

    def __init__(
        self,
        *,
        sender: Sender,
        collector: Collector,
        records: Records,
        on_defect: Callable[[BaseException], None],
    ) -> None:
        self._sender = sender
        self._collector = collector
        self._records = records
        self._on_defect = on_defect
        self._tasks: dict[asyncio.Task[None], Permit] = {}
        self._loop = asyncio.get_running_loop()

    def start(
        self, work: Work, permit: Permit, custom_id: str, *, buffer: Buffer, outstanding: Part
    ) -> None:
        """Send a line; its result goes to `buffer`."""
        outstanding.add(len(work.body))
        task = self._loop.create_task(self._run(work, permit, custom_id, buffer, outstanding))
        self._tasks[task] = permit
        task.add_done_callback(self._ended)

    def unreadable(self, line: int, custom_id: str, *, buffer: Buffer) -> None:
        """A line that was good when the file was checked, by rules that have changed since."""
        code, message = LineText.UNREADABLE.pair()
        result = self._records.unanswered(
            line=line, custom_id=custom_id, code=code, message=message
        )
        self._collector.add(buffer, result)

    async def all(self) -> None:
        """Wait until no line is in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def drain(self, timeout: float) -> None:
        """Let lines that have been sent end within so many seconds, and give up on the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        await self.end()

    async def end(self) -> None:
        """Cancel every line, and wait until they have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        permit = self._tasks.pop(task)
        if task.cancelled():
            permit.gate.leave(permit)  # a task that is cancelled before its first step runs nothing
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_defect(error)

    async def _run(
        self, work: Work, permit: Permit, custom_id: str, buffer: Buffer, outstanding: Part
    ) -> None:
        try:
            outcome = await self._sender.run(work, permit)
        finally:
            outstanding.remove(len(work.body))
        match outcome:
            case Answered():
                result = self._records.answered(
                    line=work.line,
                    custom_id=custom_id,
                    status=outcome.status,
                    request_id=outcome.request_id,
                    body=outcome.body,
                    usage=outcome.usage,
                    provider=outcome.provider,
                )
            case Unanswered():
                result = self._records.unanswered(
                    line=work.line,
                    custom_id=custom_id,
                    code=outcome.code,
                    message=outcome.message,
                )
        self._collector.add(buffer, result)
