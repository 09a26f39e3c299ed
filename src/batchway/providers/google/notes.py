"""`ports.Notes` of Vertex AI: what an answer says beside its body.

    x-request-id, request-id       the request, as support knows it (models of partners alone)
    retry-after                    when to ask again
    error.details[].retryDelay     the same in a body, as `google.rpc.RetryInfo` has it: `31.5s`

No header tells what is left of a quota. Source: google/rpc/error_details.proto.
"""

import re
from typing import Final

from batchway.domain.retry_after import retry_after_of
from batchway.ports.dialect import Refused, Result
from batchway.ports.online import Allowance, Answer, Scarce

_DELAY: Final = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,7}(?:\.\d{1,9})?)s"')
_MOST_SEARCHED: Final = 16_384


class GoogleNotes:
    """Reads answers."""

    __slots__ = ()

    def request_id(self, answer: Answer) -> str | None:
        """The id that a partner's model gives."""
        return answer.header("x-request-id") or answer.header("request-id")

    def allowance(self, answer: Answer, what: Scarce) -> Allowance | None:  # noqa: ARG002 - the port's
        """Nothing is told."""
        return None

    def retry_after(self, answer: Answer, *, now: float) -> float | None:
        """The header's word, or else that of an error's body."""
        asked = retry_after_of(answer.header, now=now)
        if asked is not None or answer.status < 400:
            return asked
        found = _DELAY.search(answer.body[:_MOST_SEARCHED])
        return None if found is None else float(found[1])

    def refusal(self, answer: Answer, read: Refused) -> Refused:  # noqa: ARG002 - the port's
        """Bodies say it all."""
        return read

    def counted(self, answer: Answer, read: Result) -> Result:  # noqa: ARG002 - the port's
        """Headers count nothing."""
        return read


GOOGLE_NOTES: Final = GoogleNotes()
