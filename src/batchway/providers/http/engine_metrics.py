"""`ports.EngineMetrics` over HTTP: the metrics page of vLLM, SGLang and their like.

Owns the request. Does not own what is read from the page (`dispatch.engine_load`).
"""

from collections.abc import Mapping
from typing import Final

from batchway.ports import Account, Failure, Transport

_TIMEOUT: Final = 5.0
_NONE: Final[Mapping[str, str]] = {}


class HttpEngineMetrics:
    """The page at `url`. `account` is whose credentials go with the request, if anybody's: only
    the engine's own address is to see them.
    """

    def __init__(self, *, transport: Transport, url: str, account: Account | None = None) -> None:
        self._transport = transport
        self._url = url
        self._account = account

    async def read(self) -> bytes | None:
        """See `ports.EngineMetrics`."""
        headers = _NONE
        if self._account is not None:
            looks = await self._account.health("")  # at the same server
            headers = looks[0].headers if looks else _NONE
        drawn = await self._transport.get(self._url, headers, timeout=_TIMEOUT)
        if isinstance(drawn, Failure) or drawn.status != 200:
            return None
        return drawn.body
