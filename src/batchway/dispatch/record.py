"""What one line has been through at one lane, for `lane` to judge by and `retry` to count.

Times are in monotonic seconds.
"""

import math


class Record:
    """What one line has been through at one lane."""

    __slots__ = (
        "attempts",
        "denials",
        "denied_at",
        "failed_at",
        "proofs",
        "refusals",
        "refused_at",
        "sent",
        "tries",
    )

    def __init__(self) -> None:
        self.attempts = 0
        self.tries = 0
        self.failed_at = math.inf  # the latest failure
        self.sent = math.inf  # when the request of the latest denial was sent
        self.denied_at = 0.0  # the first denial
        self.denials = 0
        self.proofs = 0  # intervals between two denials in which another line was answered
        self.refusals = 0  # as coming too fast
        self.refused_at = 0.0  # the first of them
