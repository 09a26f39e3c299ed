"""The fake of AWS, asked and told as the fakes of other batch APIs are.

Suites that run over every vendor speak the dials and the stats of `simulator.batches`. Owns what
these are called at Bedrock. Each fake has a bucket of its own (`bucket`): the buckets of all fakes
in a process are the same moto's. Its `base_url` is all that an account has to know: both origins
and the bucket, with spaces between. Jobs may have a single record, unless `min_records` says
otherwise.
"""

from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

from batchway.simulator.aws import handle
from batchway.simulator.aws.state import TERMINAL
from batchway.simulator.batches import Fake

REGION: Final = "us-east-1"
ROLE: Final = "arn:aws:iam::123456789012:role/BedrockBatch"
_STATUSES: Final = {
    "Submitted": "validating",
    "Validating": "validating",
    "Scheduled": "validating",
    "InProgress": "in_progress",
    "Completed": "completed",
    "PartiallyCompleted": "completed",
    "Failed": "failed",
    "Stopping": "cancelling",
    "Stopped": "cancelled",
    "Expired": "expired",
}
_HELD: Final = {
    status: [state for state, shown in _STATUSES.items() if shown == status]
    for status in _STATUSES.values()
}
_PHASES: Final = {
    "validating": "queue_seconds",
    "in_progress": "run_seconds",
    "cancelling": "stop_seconds",
}
_OUTCOMES: Final = {
    "completed": "Completed",
    "expired": "Expired",
    "failed": "Failed",
    "cancelled": "Stopped",
}
_ROWS: Final = {
    "fail": "fail_rows",
    "drop": "drop_rows",
    "duplicate": "duplicate_rows",
    "shuffle": "shuffle",
    "torn": "torn_end",
}
_NAMES: Final = {
    "cancel_loses": "cancel_race",
    "empty_error_file": "empty_files",
}
_KINDS: Final = {"files": "objects", "cancel": "stop"}
_FOR_OTHERS: Final = frozenset({"errors", "code"})
_NUMBER: Final = count()


class BedrockFake(Fake):
    """A running fake of AWS."""

    def __init__(self, aws: handle.BedrockFake) -> None:  # pyright: ignore[reportMissingSuperCall] - it has no vendor's path
        self.vendor = "bedrock"
        self.origin = aws.origin
        self.aws = aws
        self.bucket = aws.make_bucket(f"bucket-of-tests-{next(_NUMBER)}", region=REGION)
        self.base_url = f"{aws.origin} {aws.s3_url} {self.bucket}"

    def control(self, **dials: Any) -> dict[str, Any]:
        """Turn dials that other batch APIs have."""
        return self.aws.control(**dials_of(dials))

    def trouble(self, *rules: Mapping[str, Any]) -> None:
        """Replace the rules."""
        self.aws.trouble(
            *(
                {
                    **{name: value for name, value in rule.items() if name not in _FOR_OTHERS},
                    **({"on": _KINDS.get(rule["on"], rule["on"])} if "on" in rule else {}),
                }
                for rule in rules
            )
        )

    def stats(self) -> dict[str, Any]:
        """What has happened so far."""
        return _told(self.aws.stats(), self.aws.objects())

    def brief(self) -> dict[str, Any]:
        """The stats without what grows with the lines."""
        return _told(self.aws.brief(), {})


@contextmanager
def running(**dials: Any) -> Generator[BedrockFake]:
    """A fake in a thread of its own."""
    with handle.running(**{"min_records": 1, "max_jobs": 100, **dials_of(dials)}) as aws:
        yield BedrockFake(aws)


@contextmanager
def process(**dials: Any) -> Generator[BedrockFake]:
    """A fake in a process of its own."""
    with handle.process(**{"min_records": 1, **dials_of(dials)}) as aws:
        yield BedrockFake(aws)


def dials_of(dials: Mapping[str, Any]) -> dict[str, Any]:
    """Dials of other batch APIs as those of Bedrock."""
    found: dict[str, Any] = {}
    for name, value in dials.items():
        match name:
            case "hold":
                # Those who know Bedrock's own states may name them.
                found["hold"] = [state for held in value for state in _HELD.get(held, [held])]
            case "phases":
                found |= {_PHASES[phase]: n for phase, n in value.items() if phase in _PHASES}
            case "rows":
                found |= {_ROWS[row]: chosen for row, chosen in value.items()}
            case "counters_null":
                found["counts"] = "absent" if value else "live"
                found["no_manifest"] = value
            case "errors":
                said = "\n".join(error["message"] for error in value)
                found["fates"] = [{"outcome": "Failed", "share": 0.0, "message": said}]
            case "fates":
                found["fates"] = [
                    {**fate, "outcome": _OUTCOMES.get(fate["outcome"], fate["outcome"])}
                    for fate in value
                ]
            case "share" | "enqueued_tokens" | "keys":
                pass  # a job that is held has run half of its lines; there is no such limit
            case _:
                found[_NAMES.get(name, name)] = value
    return found


def _told(stats: dict[str, Any], objects: Mapping[str, int]) -> dict[str, Any]:
    """The stats, with what there is to tell in the words of other batch APIs.

    Without `objects`, which are slow to list, no files are told.
    """
    jobs = [
        {
            **job,
            "id": job["arn"],
            "status": _STATUSES[job["state"]],
            "filename": f"{job['name']}.jsonl",
            "input_file_id": job["input"],
            "output_file_id": _first(objects, job),
            "error_file_id": _manifest(objects, job),
        }
        for job in stats["jobs"]
    ]
    return {
        **stats,
        "objects": dict(objects),
        "jobs": jobs,
        "files": [{"id": uri, "filename": _filename(uri), "purpose": ""} for uri in objects],
        "creates": [{**made, "job_id": made["arn"]} for made in stats["creates"]],
        "creates_by_filename": dict(Counter(f"{made['name']}.jsonl" for made in stats["creates"])),
    }


def _filename(uri: str) -> str:
    """With the tag of whose it is."""
    _, _, _, _, tag, *rest = [*uri.split("/"), "", ""]
    whole = [part for part in rest if part]
    return f"{tag}.jsonl" if whole == ["input.jsonl"] else f"{tag}-{(whole or [''])[-1]}"


def _first(objects: Mapping[str, int], job: Mapping[str, Any]) -> str | None:
    """The first file of a job's output."""
    if job["state"] not in TERMINAL:
        return None
    folder = f"{job['output'].rstrip('/')}/{job['id']}/"
    return next((uri for uri in objects if uri.startswith(folder) and "manifest." not in uri), None)


def _manifest(objects: Mapping[str, int], job: Mapping[str, Any]) -> str | None:
    """What counts a job's output, and is left where that is."""
    uri = f"{job['output'].rstrip('/')}/{job['id']}/manifest.json.out"
    return uri if uri in objects else None
