"""What the fake remembers of jobs. Rows are on disk, in buckets."""

from dataclasses import dataclass, field
from typing import Any, Final

from batchway.simulator.google.models import Model

TERMINAL: Final = frozenset({"SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"})


@dataclass(slots=True, kw_only=True)
class Job:
    """A batch prediction job; `state` is without its `JOB_STATE_`.

    `shown` and `shown_until` are what a reader still sees after a change. Counts of a running job
    are of rows that have been run, and final once it has ended. Times are of the fake's clock.
    """

    id: str
    number: int
    project: str
    location: str
    model: Model
    display_name: str
    request: dict[str, Any]
    created: float
    version: str
    state: str = "PENDING"
    shown: str = "PENDING"
    shown_until: float = 0.0
    sources: list[str] = field(default_factory=list[str])
    prefix: str = ""
    directory: str | None = None
    lines: int = 0
    done: int = 0
    succeeded: int = 0
    failed: int = 0
    error: dict[str, Any] | None = None
    cancelling: bool = False
    started: float | None = None
    ended: float | None = None
    updated: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in TERMINAL

    @property
    def name(self) -> str:
        """The resource's name, with the number of the project."""
        return f"projects/{NUMBER}/locations/{self.location}/batchPredictionJobs/{self.id}"


# Every project of the fake has this number.
NUMBER: Final = "123456789012"
SERVICE_AGENT: Final = f"service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com"
