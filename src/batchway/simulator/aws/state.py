"""What the fake remembers of jobs. Rows are in buckets."""

from dataclasses import dataclass, field
from typing import Any, Final

TERMINAL: Final = frozenset({"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"})


@dataclass(slots=True, kw_only=True)
class Job:
    """A model invocation job.

    `shown` and `shown_until` are what a reader still sees after a change. Counts of a running job
    are of records that have been run, and final once it has ended. Times are of the fake's clock.
    """

    id: str
    number: int
    region: str
    account: str
    model: str
    family: str
    request: dict[str, Any]
    created: float
    state: str = "Submitted"
    shown: str = "Submitted"
    shown_until: float = 0.0
    sources: list[str] = field(default_factory=list[str])
    message: str | None = None
    records: int = 0
    done: int = 0
    succeeded: int = 0
    failed: int = 0
    stopping: bool = False
    started: float | None = None
    ended: float | None = None
    updated: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in TERMINAL

    @property
    def arn(self) -> str:
        """The job's name in every operation."""
        return f"arn:aws:bedrock:{self.region}:{self.account}:model-invocation-job/{self.id}"

    @property
    def converse(self) -> bool:
        """Whether its records are Converse's."""
        return self.request.get("modelInvocationType") == "Converse"

    @property
    def input(self) -> str:
        """The URI of its input: an object, or a folder."""
        return self.request["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]

    @property
    def output(self) -> str:
        """The URI of the folder of its output."""
        return self.request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]

    @property
    def hours(self) -> int | None:
        """After how many hours it expires."""
        return self.request.get("timeoutDurationInHours")
