"""`ports.Engine` on DBOS Transact: a batch's story is one workflow of three steps.

    workflow <batch id>:  ingest --> execute --> finalize      (each a checkpointed step)

DBOS remembers which chapters are done and, when this executor comes back after a crash, runs the
rest. Owns the mapping of batches to workflows and nothing else: fences, limits, cancel and expiry
live in the ledger (see docs/adr/0002), so a workflow that runs twice is harmless.

A workflow is named after its batch, so starting twice is harmless too. Should a workflow end while
its batch has not (a defect, or rows restored from a backup), the next start is `<batch id>.1`.
"""

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from batchway.engine.notes import unusable
from batchway.ports import Clock, Story
from batchway.telemetry import event

_log: Final = logging.getLogger(__name__)
# Workflows are found again by this version only: it changes when the chapters do, not with ours.
_STORY_VERSION: Final = "batch-story-1"
_ALIVE: Final = frozenset({"PENDING", "ENQUEUED", "DELAYED"})
_THREADS: Final = 32


class DbosEngine:
    """Belongs to the event loop that `launch` is called on. One a process: DBOS is a singleton.

    `reap_after` is how many seconds a workflow may be unfinished without running here before this
    executor resumes it; the embedded default owns its database alone, so that is safe there.
    """

    def __init__(
        self, *, database_url: str, executor_id: str, clock: Clock, reap_after: float = 20.0
    ) -> None:
        self._database_url = database_url
        url = make_url(database_url)
        # Never with a password.
        self._shown = url.database if url.drivername == "sqlite" else "the PostgreSQL database"
        self._executor_id = executor_id
        self._clock = clock
        self._reap_after = reap_after
        self._running: Counter[str] = Counter()  # a batch may have a second story
        self._idle_since: dict[str, float] = {}

    async def launch(self, story: Story) -> None:
        """Start DBOS on this loop; stories of an earlier life are taken up in the background.

        Raises `Unavailable` when its database cannot be used.
        """
        config: DBOSConfig = {
            "name": "batchway",
            "system_database_url": self._database_url,
            "application_version": _STORY_VERSION,
            "executor_id": self._executor_id,
            "log_level": "WARNING",
            "enable_otlp": False,
            "max_executor_threads": _THREADS,
        }
        DBOS(config=config)
        _adopt_log()
        running = self._running

        @DBOS.workflow(name="batch")
        async def batch(batch_id: str) -> None:
            running[batch_id] += 1
            try:
                await DBOS.run_step_async({"name": "ingest"}, story.ingest, batch_id)
                await DBOS.run_step_async({"name": "execute"}, story.execute, batch_id)
                await DBOS.run_step_async({"name": "finalize"}, story.finalize, batch_id)
            finally:
                running[batch_id] -= 1
                if not running[batch_id]:
                    del running[batch_id]

        self._batch = batch
        log = logging.getLogger("dbos")
        # What it fails of is raised, and told once: not with a traceback of its own as well.
        log.setLevel(logging.CRITICAL)
        try:
            DBOS.launch()
        except (DBAPIError, OSError) as error:
            raise unusable(self._shown, _cause(error)) from error
        finally:
            log.setLevel(logging.ERROR)

    async def start(self, batch_id: str) -> None:
        """Start or, when an earlier start was lost, take up the workflow of a batch."""
        if batch_id in self._running:
            self._idle_since.pop(batch_id, None)
            return
        known = await DBOS.list_workflows_async(
            workflow_id_prefix=batch_id, load_input=False, load_output=False
        )
        alive = [workflow for workflow in known if workflow.status in _ALIVE]
        if not alive:
            name = _successor(batch_id, [workflow.workflow_id for workflow in known])
            with SetWorkflowID(name):
                await DBOS.start_workflow_async(self._batch, batch_id)
            return
        now = self._clock.monotonic()
        since = self._idle_since.setdefault(batch_id, now)
        if now - since >= self._reap_after:
            event(
                _log,
                "batch resumed: its workflow had no process that runs it",
                level=logging.WARNING,
                batch=batch_id,
            )
            self._idle_since.pop(batch_id)
            await DBOS.resume_workflow_async(alive[-1].workflow_id)

    async def running(self) -> frozenset[str]:
        """Batches whose workflow runs on this loop now."""
        for batch_id in self._running:
            self._idle_since.pop(batch_id, None)
        return frozenset(self._running)

    async def prune(self, before: float) -> None:
        """Delete rows of workflows that ended before that Unix time, a few hundred at a time."""
        ended = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            end_time=_iso(before),
            limit=500,
            load_input=False,
            load_output=False,
        )
        if ended:
            await DBOS.delete_workflows_async([workflow.workflow_id for workflow in ended])

    async def close(self) -> None:
        """Let go of DBOS. Workflows that have not ended stay pending and go on at `launch`."""
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)


def _successor(batch_id: str, known: list[str]) -> str:
    """The name of the next workflow of a batch; earlier ones may have been pruned."""
    if not known:
        return batch_id
    numbers = [int(name.removeprefix(batch_id).removeprefix(".") or 0) for name in known]
    return f"{batch_id}.{max(numbers) + 1}"


def _cause(error: DBAPIError | OSError) -> str:
    """Without the statement, which an error of SQLAlchemy repeats."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    name = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    return str(name or type(origin).__name__)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _adopt_log() -> None:
    """Let DBOS log as everything else does: it puts a handler of its own on its logger."""
    log = logging.getLogger("dbos")
    log.handlers.clear()
    log.propagate = True
    log.setLevel(logging.ERROR)
