"""The fake of Google, asked and told as the fakes of other batch APIs are.

Suites that run over every vendor speak the dials and the stats of `simulator.batches`. Owns what
these are called at Google.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, Final

from batchway.simulator.batches import Fake
from batchway.simulator.google import handle
from batchway.simulator.google.state import TERMINAL

BUCKET: Final = "bucket-of-tests"
PROJECT: Final = "fake-project"
_STATUSES: Final = {
    "PENDING": "validating",
    "RUNNING": "in_progress",
    "SUCCEEDED": "completed",
    "PARTIALLY_SUCCEEDED": "completed",
    "FAILED": "failed",
    "CANCELLING": "cancelling",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}
_STATES: Final = {status: state for state, status in reversed(_STATUSES.items())}
_PHASES: Final = {
    "validating": "queue_seconds",
    "in_progress": "run_seconds",
    "cancelling": "cancel_seconds",
}
_ROWS: Final = {
    "fail": "fail_rows",
    "drop": "drop_rows",
    "duplicate": "duplicate_rows",
    "shuffle": "shuffle",
    "torn": "torn_end",
}
_NAMES: Final = {"keys": "tokens", "cancel_loses": "cancel_race", "empty_error_file": "empty_files"}
_KINDS: Final = {"files": "objects"}
_FOR_OTHERS: Final = frozenset({"share", "errors", "code"})


class VertexFake(Fake):
    """A running fake of Google."""

    def __init__(self, google: handle.GoogleFake) -> None:  # pyright: ignore[reportMissingSuperCall] - it has no vendor's path
        self.vendor = "vertex"
        self.origin = google.origin
        self.base_url = google.origin
        self.google = google

    def control(self, **dials: Any) -> dict[str, Any]:
        """Turn dials that other batch APIs have."""
        return self.google.control(**dials_of(dials))

    def trouble(self, *rules: Mapping[str, Any]) -> None:
        """Replace the rules."""
        self.google.trouble(
            *(
                {
                    **{name: value for name, value in rule.items() if name not in _FOR_OTHERS},
                    **({"share": rule["share"]} if "share" in rule else {}),
                    **({"on": _KINDS.get(rule["on"], rule["on"])} if "on" in rule else {}),
                }
                for rule in rules
            )
        )

    def stats(self) -> dict[str, Any]:
        """What has happened so far."""
        return _told(self.google.stats())

    def brief(self) -> dict[str, Any]:
        """The stats without what grows with the lines."""
        return _told(self.google.brief())


@contextmanager
def running(**dials: Any) -> Generator[VertexFake]:
    """A fake in a thread of its own."""
    with handle.running(**dials_of(dials)) as google:
        yield VertexFake(google)


@contextmanager
def process(**dials: Any) -> Generator[VertexFake]:
    """A fake in a process of its own."""
    with handle.process(**dials_of(dials)) as google:
        yield VertexFake(google)


def dials_of(dials: Mapping[str, Any]) -> dict[str, Any]:
    """Dials of other batch APIs as those of Google."""
    found: dict[str, Any] = {}
    for name, value in dials.items():
        match name:
            case "hold":
                found["hold"] = [_STATES[status] for status in value]
            case "phases":
                found |= {_PHASES[phase]: n for phase, n in value.items() if phase in _PHASES}
            case "rows":
                found |= {_ROWS[row]: chosen for row, chosen in value.items()}
            case "counters_null":
                found["stats"] = "null" if value else "strings"
            case "errors":
                found["fates"] = [{"outcome": "failed", "code": 3, "share": 0.0}]
            case "models":
                found["models"] = [f"google/{model}" for model in value]
            case "share" | "enqueued_tokens":
                pass  # a job that is held has run half of its lines; there is no such limit
            case _:
                found[_NAMES.get(name, name)] = value
    return found


def _told(stats: dict[str, Any]) -> dict[str, Any]:
    """The stats, with what there is to tell in the words of other batch APIs."""
    names = {job["id"]: job["name"] for job in [*stats["deleted"], *stats["jobs"]]}
    jobs = [
        {
            **job,
            "id": job["name"],
            "status": _STATUSES[job["state"]],
            "filename": f"{job['display_name']}.jsonl",
            "input_file_id": job["sources"][0],
            "output_file_id": _first(stats["objects"], job["directory"]),
            # The job itself, which is left there as its files are until it is removed.
            "error_file_id": job["name"],
        }
        for job in [*stats["deleted"], *stats["jobs"]]
    ]
    return {
        **stats,
        "jobs": jobs,
        "files": [
            *({"id": uri, "filename": _filename(uri), "purpose": ""} for uri in stats["objects"]),
            *(
                {"id": job["name"], "filename": job["display_name"], "purpose": "a job"}
                for job in stats["jobs"]
                if job["state"] in TERMINAL
            ),
        ],
        "creates": [{**made, "job_id": names[made["id"]]} for made in stats["creates"]],
        "creates_by_filename": dict(
            Counter(f"{made['display_name']}.jsonl" for made in stats["creates"])
        ),
    }


def _filename(uri: str) -> str:
    """With the tag of whose it is."""
    _, _, _, _, tag, *rest = uri.split("/")
    return f"{tag}.jsonl" if rest == ["input.jsonl"] else f"{tag}-{rest[-1]}"


def _first(uris: Iterable[str], directory: str | None) -> str | None:
    """The first file of a directory."""
    return next((uri for uri in uris if directory and uri.startswith(directory)), None)
