"""Refusals in rows of jobs, for `providers.http.advising`: rows have no headers to be named by.

Owns where a row's error says which exception it is: `rows` has put it into its body.
"""

from batchway.ports import Refused
from batchway.providers.aws.advice import Called
from batchway.providers.aws.refusal import kind_of, message_of, refused, told
from batchway.providers.http.advising import ReadRefusal


def row_refusals_of(called: Called) -> ReadRefusal:
    """What reads refusals in rows of a job of what was `called`."""

    def read(status: int, body: bytes, decoded: Refused) -> Refused:
        kind = kind_of(None, body)
        if not kind:
            return decoded
        return told(refused(status, kind, message_of(body)), called)

    return read
