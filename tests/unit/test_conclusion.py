"""What is said of failed lines at the end of a run."""

import json

import pytest

from batchway.cli.causes import Cause, causes_in
from batchway.cli.conclusion import what_next


def of(what: str, count: int) -> Cause:
    return Cause(what=what, message="", count=count)


def test_what_is_said_of_lines_without_an_answer_keeps_the_role_to_mend() -> None:
    """A provider's answer may repeat a prompt; what Batchway words of a job repeats nothing."""
    role = "give it the role Storage Object Admin (roles/storage.objectAdmin) on the bucket."
    message = f"{'Vertex AI may not use it. ' * 12}{role}"
    answer = {"status_code": 400, "body": {"error": {"code": "c", "message": "You said: " * 99}}}
    records = [
        {"custom_id": "a", "response": None, "error": {"code": "denied", "message": message}},
        {"custom_id": "b", "response": answer, "error": None},
    ]
    ours, theirs = causes_in(json.dumps(record).encode() for record in records)
    assert (ours.what, ours.ours, ours.message) == ("denied", True, message)
    assert (theirs.what, theirs.ours, len(theirs.message)) == ("400 c", False, 200)


@pytest.mark.parametrize(
    ("failed", "begins", "holds"),
    [
        ([of("500", 2)], "`batchway retry` with", ""),
        ([of("unsupported_parameter", 2)], "Lines with unsupported_parameter fail again", "Then"),
        ([of("unsupported_parameter", 2), of("500", 1)], "`batchway retry` with", "`mode` to"),
    ],
)
def test_a_retry_is_advised_where_it_can_help(failed: list[Cause], begins: str, holds: str) -> None:
    told = what_next(failed)
    assert told.startswith(begins)
    assert holds in told
