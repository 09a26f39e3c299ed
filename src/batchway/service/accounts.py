"""Asking a provider on behalf of one request: its account, and what goes wrong there as an answer.

Owns which `ApiError` tells of which trouble. Does not own who may ask (`service.ownership`).
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, assert_never

from batchway.domain.errors import ApiError, ApiText
from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Archive
from batchway.telemetry import event

_BUSY_SECONDS: Final = 5.0  # for a provider that is busy and does not say how long

_log = logging.getLogger("batchway.remote")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAccount:
    """What lies at a provider, for one request.

    `unknown` is the answer for what is not there, or is another tenant's; `withheld` is the answer
    to a key that may not look up what is nobody's here, whether there is such a thing or not.
    """

    provider: str
    archive: Archive
    unknown: ApiError
    withheld: ApiError


@contextmanager
def answered(account: RemoteAccount) -> Generator[None]:
    """Turn what went wrong at the provider into an answer."""
    try:
        yield
    except RemoteError as error:
        raise answer_to(account, error) from error


def answer_to(account: RemoteAccount, error: RemoteError) -> ApiError:
    """What a client is told of a provider's trouble."""
    match error.trouble:
        case Trouble.NOT_FOUND:
            return account.unknown
        case Trouble.DENIED:
            # Not in the provider's words: they may quote a part of the key.
            event(
                _log,
                "provider denied a look-up",
                level=logging.WARNING,
                provider=account.provider,
                status=error.status,
            )
            return ApiError(ApiText.PROVIDER_DENIED, provider=account.provider)
        case Trouble.BUSY | Trouble.NO_ROOM | Trouble.NOT_YET:
            seconds = _BUSY_SECONDS if error.retry_after is None else max(0.0, error.retry_after)
            return ApiError(ApiText.PROVIDER_BUSY, reason=error.message, retry_after=seconds)
        case Trouble.UNREACHABLE:
            return ApiError(ApiText.PROVIDER_UNREACHABLE, reason=error.message)
        case Trouble.UNCERTAIN:
            return ApiError(ApiText.PROVIDER_SILENT, reason=error.message)
        case Trouble.REFUSED:
            return ApiError(ApiText.PROVIDER_REFUSED, reason=error.message)
        case _:
            assert_never(error.trouble)


async def content_of(account: RemoteAccount, file_id: str) -> AsyncGenerator[bytes]:
    """The bytes of a provider's file. Close it, or its connection waits for a garbage collector."""
    pieces = account.archive.content(file_id)
    try:
        with answered(account):
            async for piece in pieces:
                yield piece
    finally:
        await _close(pieces)


async def _close(pieces: AsyncIterator[bytes]) -> None:
    if isinstance(pieces, AsyncGenerator):
        await pieces.aclose()
