"""The finished JSON lines of output and error files, in OpenAI's shape.

An answered line has one key more, last: the `provider` whose answer it is.

A provider's body is spliced in as it came; nothing of it is decoded and encoded again.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from batchway.domain.batch import Usage
from batchway.domain.batch_errors import LineText
from batchway.results.line_result import LineResult

_encode: Final = msgspec.json.Encoder().encode
_NO_USAGE: Final = Usage()


class Records:
    """Writes result lines. `random_bytes` feeds the `batch_req_` ids."""

    def __init__(self, *, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes

    def answered(
        self,
        *,
        line: int,
        custom_id: str,
        status: int,
        request_id: str | None,
        body: bytes,
        usage: Usage,
        provider: str,
    ) -> LineResult:
        """A line that got an HTTP answer; `body` must be one line of valid JSON.

        `provider` is the name of whose answer it is: a route has several.
        """
        noise = self._random_bytes(32).hex()
        record = (
            b'{"id":"batch_req_%b","custom_id":%b,"response":{"status_code":%d,"request_id":%b,"body":%b},"error":null,"provider":%b}'
            % (
                noise[:32].encode(),
                _encode(custom_id),
                status,
                _encode(request_id or noise[32:]),
                body,
                _encode(provider),
            )
        )
        return LineResult(line=line, ok=200 <= status < 300, record=record, usage=usage)

    def unanswered(self, *, line: int, custom_id: str, code: str, message: str) -> LineResult:
        """A line that got none: expired, cancelled, timed out, unreachable."""
        record = (
            b'{"id":"batch_req_%b","custom_id":%b,"response":null,"error":{"code":%b,"message":%b}}'
            % (
                self._random_bytes(16).hex().encode(),
                _encode(custom_id),
                _encode(code),
                _encode(message),
            )
        )
        return LineResult(line=line, ok=False, record=record, usage=_NO_USAGE)

    def withheld(self, *, line: int, custom_id: str, text: LineText) -> LineResult:
        """A line that was never sent because its batch expired or was cancelled."""
        code, message = text.pair()
        return self.unanswered(line=line, custom_id=custom_id, code=code, message=message)
