"""What answers of AWS say beside their bodies: which exception they are, and what time it is there.

    x-amzn-requestid    the id that AWS's support asks for
    x-amzn-errortype    the name of an exception; what it means is `refusal`'s
    date                what signatures are dated by after one was refused for its date
    x-amzn-bedrock-input-token-count, x-amzn-bedrock-output-token-count
                        of InvokeModel's answers: for the bodies that do not count tokens themselves

Nothing is told of what is left of a quota. What follows from a refusal for the requests to come
(another clock, other keys) is `signing`'s, which is told of it.
"""

from typing import Final

from batchway.dialects.answers.usage import with_usage
from batchway.domain.batch import Usage
from batchway.domain.retry_after import retry_after_of
from batchway.ports import Refused, Result
from batchway.ports.online import Allowance, Answer, Scarce
from batchway.providers.aws.advice import Called
from batchway.providers.aws.refusal import ERROR_HEADER, kind_of, message_of, refused, told
from batchway.providers.aws.signing import Authorization

_INPUTS: Final = "x-amzn-bedrock-input-token-count"
_OUTPUTS: Final = "x-amzn-bedrock-output-token-count"
_MOST_DIGITS: Final = 9  # of a count: no answer has a thousand million tokens


class AwsNotes:
    """Reads answers of what was `called`, with that authorization."""

    __slots__ = ("_authorization", "_called")

    def __init__(self, *, called: Called, authorization: Authorization) -> None:
        self._called = called
        self._authorization = authorization

    def request_id(self, answer: Answer) -> str | None:
        """AWS's own."""
        return answer.header("x-amzn-requestid")

    def allowance(self, answer: Answer, what: Scarce) -> Allowance | None:  # noqa: ARG002 - the port's
        """Nothing is told."""
        return None

    def retry_after(self, answer: Answer, *, now: float) -> float | None:
        """The header's word; AWS sends none, what stands before it may."""
        return retry_after_of(answer.header, now=now)

    def refusal(self, answer: Answer, read: Refused) -> Refused:
        """As AWS names it; what does not come from AWS is as the dialect has read it."""
        kind = kind_of(answer.header(ERROR_HEADER), answer.body)
        if not kind:
            return read
        refusal = refused(answer.status, kind, message_of(answer.body))
        self._authorization.refused(refusal, answer.header("date"))
        return told(refusal, self._called)

    def counted(self, answer: Answer, read: Result) -> Result:
        """With the counts of InvokeModel's headers."""
        inputs, outputs = _count(answer.header(_INPUTS)), _count(answer.header(_OUTPUTS))
        if not inputs and not outputs:
            return read
        return with_usage(read, Usage(input_tokens=inputs, output_tokens=outputs))


def _count(header: str | None) -> int:
    text = header or ""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0
