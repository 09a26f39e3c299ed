"""What went wrong in a call to a provider's batch API, as a `RemoteError` that its owner may read.

    no connection, an unusable proxy                    UNREACHABLE
    sent, and then silence, a broken connection         UNCERTAIN
    408, 5xx                                            UNCERTAIN
    any other 4xx whose words say more than its status  as they say (`Said.trouble`)
    429                                                 BUSY
    401, 402, 403                                       DENIED
    404, 410                                            NOT_FOUND
    any other status than 2xx                           REFUSED

Owns what failures and statuses of HTTP mean, and that no credential gets into a message. Does not
own what an error says: its provider reads that (`ReadError`). Nor what a trouble means to a
batch (`workflows.native`).
"""

import os
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientSSLError,
    ConnectionTimeoutError,
)

from batchway.domain.remote import RemoteError, Trouble
from batchway.domain.retry_after import retry_after_of
from batchway.providers.http.descriptors import lacking, none_left
from batchway.providers.http.secrets import bounded, without_secrets

_LONGEST_WAIT: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an error says, as its provider reads it: with whatever it repeats of credentials.

    `trouble` is what its words make of a 4xx, where they say more than the status. `advised` is
    whether `message` says what can be done about it, in the words of the provider's reader.
    """

    message: str = ""
    code: str | None = None
    param: str | None = None
    line: int | None = None
    trouble: Trouble | None = None
    advised: bool = False


# Gives a header of an answer by its name, in any case.
Header = Callable[[str], str | None]
# Reads an answer other than 2xx: its body, of whatever shape or none, and its headers where these
# say more. Never raises.
ReadError = Callable[[bytes, Header], Said]


def of_answer(
    provider: str,
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    read: ReadError,
    secrets: Collection[str],
    now: float,
) -> RemoteError:
    """The error that an HTTP answer other than 2xx stands for. `headers` ignore case."""
    said = read(body, headers.get)
    words = without_secrets(said.message, secrets)
    if 300 <= status < 400:
        words = words or "it answered with a redirect; check the address"
    message = f"The provider '{provider}' answered {status}" + (f": {words}" if words else ".")
    return RemoteError(
        _trouble(status, said),
        message,
        code=bounded(said.code, secrets),
        param=bounded(said.param, secrets),
        line=said.line,
        status=status,
        retry_after=retry_after(headers, now=now),
        advised=said.advised,
    )


def of_failure(
    provider: str, error: ClientError | OSError | TimeoutError | ValueError
) -> RemoteError:
    """The error that an exception of the HTTP client stands for."""
    match error:
        case ConnectionTimeoutError():
            return unreachable(provider, "no connection in time")
        case ClientHttpProxyError():
            return unreachable(provider, f"the proxy answered {error.status}")
        case ClientSSLError():
            return unreachable(provider, "the TLS connection cannot be trusted or made")
        case ClientConnectorError() if lacking(error) or none_left():
            return RemoteError(
                Trouble.UNREACHABLE,
                f"The provider '{provider}' cannot be asked: Batchway's process is out of file "
                "descriptors. Raise its limit (`ulimit -n`).",
            )
        case ClientConnectorError():
            return unreachable(provider, _reason(error.os_error))
        case TimeoutError():
            return uncertain(provider, "did not answer in time")
        case ValueError():
            return uncertain(provider, "cannot be asked, or its answer cannot be read")
        case _:
            return uncertain(provider, "closed the connection before its answer was complete")


def unreachable(provider: str, why: str) -> RemoteError:
    """Nothing was sent."""
    return RemoteError(Trouble.UNREACHABLE, f"The provider '{provider}' cannot be reached: {why}.")


def uncertain(provider: str, what: str) -> RemoteError:
    """Something was sent, and there is no answer to go by."""
    return RemoteError(Trouble.UNCERTAIN, f"The provider '{provider}' {what}.")


def before_creation(error: RemoteError, *, gone: Trouble = Trouble.NOT_FOUND) -> RemoteError:
    """An error while no job can exist yet, since only its creation makes one: nothing is uncertain.

    `gone` is what it means that something is not there.
    """
    match error.trouble:
        case Trouble.UNCERTAIN:
            return error.as_(Trouble.UNREACHABLE)
        case Trouble.NOT_FOUND:
            return error.as_(gone)
        case _:
            return error


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds until the provider wants to hear again, `None` when it does not say.

    Never more than a day.
    """
    asked = retry_after_of(headers.get, now=now)
    return None if asked is None else min(asked, _LONGEST_WAIT)


def _trouble(status: int, said: Said) -> Trouble:
    if status == 408 or status >= 500:
        return Trouble.UNCERTAIN
    if status >= 400 and said.trouble is not None:
        return said.trouble
    if status == 429:
        return Trouble.BUSY
    if status in {401, 402, 403}:
        return Trouble.DENIED
    return Trouble.NOT_FOUND if status in {404, 410} else Trouble.REFUSED


def _reason(error: OSError) -> str:
    # asyncio's own text names the address, which may be an internal one.
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return "no connection"
