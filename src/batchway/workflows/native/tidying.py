"""Removing what a job left at its provider: its input and its results.

Owns how often it is tried. What cannot be removed is not waited for long, and stays.
"""

import logging
from typing import Final

from batchway.domain.remote import RemoteError, RemoteJob, Trouble
from batchway.workflows.native.context import JobContext
from batchway.workflows.native.waiting import brief

_log: Final = logging.getLogger(__name__)
_CLEANINGS: Final = 3
_PAUSE: Final = 1.0


async def clean(job: RemoteJob, *, context: JobContext, tag: str) -> None:
    """Remove what we made at the provider."""
    if context.tuning.keep_files:
        return
    for left in reversed(range(_CLEANINGS)):
        try:
            await context.jobs.clean(job, tag=tag)
            break
        except RemoteError as error:
            # A key that is refused may be let in a moment later.
            if not left or error.trouble is Trouble.REFUSED:
                _log.warning("files of %s stay at the provider (%s)", tag, brief(error))
                break
        await context.clock.sleep(_PAUSE)
