"""No credential of ours in what an upstream says of an error: it goes into a tenant's file.

Owns the answer without them. Which headers are credentials is `domain.secret_headers`'. Results
are never touched.
"""

from collections.abc import Mapping

from batchway.domain.secret_headers import secrets_in
from batchway.ports import Answer


class _Clean:
    """`ports.Answer`: another one with another body."""

    __slots__ = ("body", "header", "status")

    def __init__(self, answer: Answer, body: bytes) -> None:
        self.status = answer.status
        self.header = answer.header
        self.body = body


def discreet(answer: Answer, headers: Mapping[str, str]) -> Answer:
    """The answer without the credentials among the headers of its request; itself without any."""
    body = answer.body
    for secret in secrets_in(headers):
        body = body.replace(secret.encode(), b"***")
    return answer if body == answer.body else _Clean(answer, body)
