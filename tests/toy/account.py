"""The toy as a provider: `{type: python, class: "tests.toy.account:ToyAccount", options: ...}`.

Every request is sealed: `toy-seal` is an HMAC of its body, and the key itself is never sent.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.toy.dialect import CHAT, EMBEDDINGS, ToyDialect
from tests.toy.jobs import ToyJobs, read_error

from batchway.domain.call import Call
from batchway.domain.remote import NativeTraits
from batchway.ports import (
    Allowance,
    Answer,
    Clock,
    Dialect,
    Refused,
    Request,
    Result,
    Scarce,
)
from batchway.providers.http.addresses import checked_base
from batchway.providers.http.session import TIMEOUTS, RemoteHttp, Timeouts

TRAITS: Final = NativeTraits(
    endpoints=frozenset({CHAT, EMBEDDINGS}), max_lines=1_000, max_bytes=1 << 20, min_lines=10
)


class ToyAccount:
    """An account with the toy at `options["url"]`; `options["key"]` seals what is sent.

    Raises:
        ValueError: an option is missing, or cannot be used.
    """

    traits = TRAITS

    def __init__(
        self,
        *,
        name: str,
        options: Mapping[str, Any],
        clock: Clock,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        if set(options) != {"url", "key"}:
            raise ValueError("the toy takes `url` and `key`")
        self.name = name
        self._base = checked_base(name, options["url"])
        self._key = str(options["key"]).encode()
        self._clock = clock
        self._timeouts = timeouts
        self._http: RemoteHttp | None = None

    def __repr__(self) -> str:
        return f"ToyAccount({self.name!r})"

    def online(self, call: Call) -> "ToyOnline | None":
        """See `ports.Account`."""
        if call.endpoint not in TRAITS.endpoints:
            return None
        dialect = ToyDialect(endpoint=call.endpoint, model=call.model)
        return ToyOnline(account=self, url=f"{self._base}/ask", dialect=dialect)

    def jobs(self, call: Call) -> ToyJobs | None:
        """See `ports.Account`."""
        if call.endpoint not in TRAITS.endpoints:
            return None
        if self._http is None:
            self._http = RemoteHttp(
                provider=self.name,
                headers=self._plain,
                read_error=read_error,
                clock=self._clock,
                timeouts=self._timeouts,
            )
        return ToyJobs(
            provider=self.name,
            http=self._http,
            seal=self.seal,
            base=self._base,
            call=call,
            traits=TRAITS,
        )

    def archive(self, overrides: object) -> None:
        """Nobody but us makes jobs there: there is nothing to look up."""
        del overrides

    async def health(self, model: str) -> Sequence[Request]:
        """See `ports.Account`."""
        return [Request(f"{self._base}/awake", self.seal(b""))]

    async def close(self) -> None:
        """See `ports.Account`."""
        if self._http is not None:
            await self._http.close()

    def seal(self, body: bytes) -> dict[str, str]:
        """The headers of a request with that body."""
        return {"toy-seal": hmac.new(self._key, body, hashlib.sha256).hexdigest()}

    async def _plain(self) -> Mapping[str, str]:
        return self.seal(b"")


class ToyNotes:
    """`ports.Notes`: the toy's headers are its own, and say of no limit how much is left."""

    def request_id(self, answer: Answer) -> str | None:
        """See `ports.Notes`."""
        return answer.header("toy-ticket")

    def allowance(self, answer: Answer, what: Scarce) -> Allowance | None:
        """See `ports.Notes`."""
        del answer, what

    def retry_after(self, answer: Answer, *, now: float) -> float | None:
        """See `ports.Notes`."""
        del now
        text = answer.header("toy-later") or ""
        return float(text) if text.isdigit() else None

    def refusal(self, answer: Answer, read: Refused) -> Refused:
        """See `ports.Notes`."""
        del answer
        return read

    def counted(self, answer: Answer, read: Result) -> Result:
        """See `ports.Notes`."""
        del answer
        return read


class ToyOnline:
    """`ports.Online` of the toy."""

    notes = ToyNotes()

    def __init__(self, *, account: ToyAccount, url: str, dialect: Dialect) -> None:
        self.dialect = dialect
        self._account = account
        self._url = url

    async def request(self, body: bytes) -> Request:
        """See `ports.Online`."""
        return Request(self._url, self._account.seal(body), body)
