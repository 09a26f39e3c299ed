"""Removing what a job left at its provider: its input and its results.

    removed, or refused for good       done with: what is refused stays
    trouble that may pass              kept in mind (`Record.left`); the batch ends all the same
      the shard's last job             its record stays open: the janitor's `remains` removes it
      an earlier job of the shard      tried once more when the shard has ended; a record holds one
                                       job, so what is left then stays

Owns how often it is tried, and what is not waited for long.
"""

import logging
from typing import Final

from batchway.domain.remote import RemoteError, RemoteJob, Trouble
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.record import Record
from batchway.workflows.native.waiting import brief

_log: Final = logging.getLogger(__name__)
_CLEANINGS: Final = 3
_PAUSE: Final = 1.0


async def clean(job: RemoteJob, *, context: JobContext, record: Record, tag: str) -> None:
    """Remove what we made at the provider, or keep in mind that it is still there."""
    if context.tuning.keep_files:
        return
    for left in reversed(range(_CLEANINGS)):
        error = await _try(job, context=context, tag=tag)
        if error is None or error.trouble is Trouble.REFUSED:
            if error is not None:
                _log.warning("files of %s stay at the provider (%s)", tag, brief(error))
            record.left.pop(tag, None)
            return
        # A key that is refused may be let in a moment later.
        if left:
            await context.clock.sleep(_PAUSE)
        else:
            _log.warning("files of %s are still at the provider (%s)", tag, brief(error))
    record.left[tag] = job


async def clean_earlier(*, context: JobContext, record: Record) -> None:
    """The shard has ended: remove what could not be removed of earlier jobs of it."""
    for tag, job in list(record.left.items()):
        if tag == record.now.tag:
            continue
        del record.left[tag]
        error = await _try(job, context=context, tag=tag)
        if error is not None:
            _log.warning("files of %s stay at the provider (%s)", tag, brief(error))


async def _try(job: RemoteJob, *, context: JobContext, tag: str) -> RemoteError | None:
    try:
        await context.jobs.clean(job, tag=tag)
    except RemoteError as error:
        return error
    return None
