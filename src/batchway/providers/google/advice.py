"""Refusals that say what to do about them: a wrapper of a dialect.

Owns the order of the readings: what stands before a model answers in Google's form of errors,
whatever the model's dialect is. What there is to be done is `refusal`'s.
"""

import msgspec

from batchway.dialects.answers.errors import error_body
from batchway.dialects.gemini.error import refused
from batchway.ports import Dialect, Refused, Result
from batchway.providers.google.discretion import discreet
from batchway.providers.google.place import Place
from batchway.providers.google.refusal import advice_on


class AdvisingDialect:
    """`ports.Dialect`: `dialect`, whose refusals say what to do at Google about them."""

    def __init__(self, dialect: Dialect, *, place: Place) -> None:
        self.faithful = dialect.faithful
        self.encode = dialect.encode
        self.join = dialect.join
        self.measure = dialect.measure
        self._decode = dialect.decode
        self._place = place

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        decoded = self._decode(status, body, context, at=at)
        if not isinstance(decoded, Refused):
            return decoded
        # What stands before a model speaks Google's way, whatever the model's dialect is.
        google = refused(status, body)
        refusal = google if google.kind else decoded
        advice = advice_on(refusal, self._place)
        if not advice:
            return refusal
        words = discreet(refusal.message, self._place.bucket)
        said = f"{words.rstrip('. ')}. To mend it: {advice}."
        told = error_body(refusal.status, said, code=refusal.code)
        return msgspec.structs.replace(refusal, advice=advice, message=words, body=told)
