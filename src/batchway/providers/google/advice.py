"""Refusals at Google, for `providers.http.advising`: in its form of errors, with what to do.

Owns the order of the readings: what stands before a model answers in Google's form of errors,
whatever the model's dialect is. What there is to be done is `refusal`'s.
"""

from batchway.dialects.answers.errors import advised
from batchway.dialects.gemini.error import refused
from batchway.ports import Refused
from batchway.providers.google.discretion import discreet
from batchway.providers.google.place import Place
from batchway.providers.google.refusal import advice_on
from batchway.providers.http.advising import ReadRefusal


def refusals_at(place: Place) -> ReadRefusal:
    """What reads refusals of models at a place."""

    def read(status: int, body: bytes, decoded: Refused) -> Refused:
        google = refused(status, body)
        refusal = google if google.kind else decoded
        advice = advice_on(refusal, place)
        if not advice:
            return refusal
        return advised(refusal, advice, message=discreet(refusal.message, place.bucket))

    return read
