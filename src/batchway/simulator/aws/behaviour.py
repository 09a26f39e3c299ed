"""What the fake of AWS is told to do: its dials, and its misbehaviour.

Owns the values that the start option and `POST /__control__` take. What befalls a line is a pure
function of the seed and the line's id (`batches.befalls`), so that a test can work it out too.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from batchway.simulator.batches.behaviour import Chosen

Kind = Literal[
    "*",
    "sts",
    "create",
    "job",
    "jobs",
    "stop",
    "models",
    "online",
    "bucket",
    "upload",
    "object",
    "objects",
    "content",
    "delete",
]
Doing = Literal["refuse", "lose", "disown", "stall", "cut", "page", "chop"]
State = Literal[
    "Submitted",
    "Validating",
    "Scheduled",
    "InProgress",
    "Stopping",
    "Completed",
    "PartiallyCompleted",
    "Failed",
    "Stopped",
    "Expired",
]
# What the caller, or the role that jobs assume, may not do with a bucket.
Denied = Literal["caller_read", "caller_write", "caller_delete", "role_read", "role_write"]


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Trouble with requests of one kind.

    refuse  answer `status` and do nothing
    lose    do it, then close the connection without an answer
    disown  do it, then answer `status`
    stall   do it, and answer `seconds` later
    cut     close the connection after `bytes` of the body of a download or an upload
    page    answer a download with an HTML page and a 200
    chop    send a download in pieces of 1 to 11 bytes: UTF-8 is split

    `times` is how often it strikes (`None`: until it is taken back), `after` how many requests it
    lets pass first, `share` the share of requests it strikes. `name` is the exception of a refusal
    (default: the usual one of `status`), `message` its text; `body` replaces the whole of it, and
    `retry_after` is a header's text.
    """

    on: Kind = "*"
    do: Doing = "refuse"
    times: int | None = None
    after: int = 0
    share: float = 1.0
    status: int = 503
    retry_after: str | None = None
    name: str | None = None
    message: str | None = None
    body: Any = None
    seconds: float = 1.0
    bytes: int = 100


class Fate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a job ends: after all its records, or otherwise after a `share` of them.

    `message` is that of the job. `jobs` are the numbers of the jobs it is for, in order of creation
    and from 0; empty: all.
    """

    outcome: Literal["Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"] = (
        "Completed"
    )
    share: float = 0.5
    message: str | None = None
    jobs: list[int] = []


class Behaviour(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be dialled. An empty object is a well-behaved AWS in a hurry.

    Jobs
        queue_seconds     in Submitted, Validating and Scheduled together, a third each
        run_seconds, stop_seconds   in InProgress and Stopping
        speed             records a second; `None`: all of them within `run_seconds`
        hold              states that no job leaves until the name is taken out again
        poll_delay        seconds for which a job that has ended still shows its last state
        list_lag, read_lag  seconds for which a new job is missing from the list, and by its ARN
        fates             the fates of jobs, the first that fits
        expire, partial   every job that has no fate expires, or ends PartiallyCompleted, half-way
        cancel_race       a stopped job says Stopping and ends Completed with all its rows
        late_stop         the exception of a stop that comes after the end
        lose_create_answer  how many creations work and then lose their connection
        throttle_polls, throttle_calls  how many looks at jobs, and calls of models, are throttled
        counts            the record counts of a job: `live`, `zero` until it has ended (as the page
                          on monitoring says they start), `absent`
        min_records, max_records, max_bytes, max_job_bytes   the quotas of a job's input
        max_jobs          unfinished jobs of a model that there may be
        job_hours         hours after which a job expires, where its request names none
    Input
        old_record_ids    a record id that is not 11 letters or digits fails the job
    Output
        shuffle, torn_end (bytes cut off each file), last_newline, no_manifest, empty_files
        shards            files a job's input is spread over in its output
        drop_rows, duplicate_rows, fail_rows (by HTTP status)   what befalls rows
        no_record_ids     rows lack the id
        discard           lines are not read: each row has the same answer, of `discard_bytes`
    Buckets
        bucket_denied     what callers, and the role that jobs assume, may not do
        page_size         the most objects a page
    Models
        models            the models that there are (ids); `None`: every one of a known vendor
        no_such_model, no_access, no_use_case, profile_only, end_of_life, not_in_batches
                          models, by id
        families          families of models whose name does not tell, by id or ARN
        reasoning         whether gpt-oss puts its reasoning before its answer, in the content
        dimensions        of a vector when a request names none (AWS: 1536 of Titan v1, Cohere v4;
                          3072 of Nova; 1024 of the others)
    Identity
        region            of a caller whose credential names none (API keys)
        check_signatures  whether signatures are worked out
        clock_skew        seconds that the fake's clock for signatures is ahead of the real one
        denied            actions the caller may not do: `bedrock:InvokeModel`, `iam:PassRole`, …
        untrusted_role    jobs cannot assume their role
        role_invokes      whether their role may call models: if not, they fail when they run
        external_id       what AssumeRole asks for
        session_seconds   how long a session lasts that names no duration
        bearer_keys       API keys that are accepted besides those given out
        revoked           every key is refused
    """

    queue_seconds: float = 0.03
    run_seconds: float = 0.05
    stop_seconds: float = 0.03
    speed: float | None = None
    hold: list[State] = []
    poll_delay: float = 0.0
    list_lag: float = 0.0
    read_lag: float = 0.0
    fates: list[Fate] = []
    expire: bool = False
    partial: bool = False
    cancel_race: bool = False
    late_stop: Literal["ConflictException", "ValidationException"] = "ConflictException"
    lose_create_answer: int = 0
    throttle_polls: int = 0
    throttle_calls: int = 0
    counts: Literal["live", "zero", "absent"] = "live"
    min_records: int = 100
    max_records: int = 50_000
    max_bytes: int = 1 << 30
    max_job_bytes: int = 5 << 30
    max_jobs: int = 20
    job_hours: int = 24

    old_record_ids: bool = False

    shuffle: bool = False
    shards: int = 1
    torn_end: int = 0
    last_newline: bool = True
    no_manifest: bool = False
    empty_files: bool = False
    drop_rows: Chosen = 0.0
    duplicate_rows: Chosen = 0.0
    fail_rows: dict[str, Chosen] = {}
    no_record_ids: bool = False
    discard: bool = False
    discard_bytes: int = 200

    bucket_denied: list[Denied] = []
    page_size: int = 1_000

    models: list[str] | None = None
    no_such_model: list[str] = []
    no_access: list[str] = []
    no_use_case: list[str] = []
    profile_only: list[str] = []
    end_of_life: list[str] = []
    not_in_batches: list[str] = []
    families: dict[str, str] = {}
    reasoning: bool = True
    dimensions: int = 8

    region: str = "us-east-1"
    check_signatures: bool = True
    clock_skew: float = 0.0
    denied: list[str] = []
    untrusted_role: bool = False
    role_invokes: bool = True
    external_id: str | None = None
    session_seconds: float = 3_600.0
    bearer_keys: list[str] = []
    revoked: bool = False

    seed: int = 0
    rules: list[Rule] = []

    def fate(self, number: int) -> Fate:
        """The fate of a job by its number."""
        for fate in self.fates:
            if not fate.jobs or number in fate.jobs:
                return fate
        if self.expire:
            return Fate(outcome="Expired")
        return Fate(outcome="PartiallyCompleted") if self.partial else Fate()

    def troubles(self) -> list[Rule]:
        """The rules, those that short dials stand for included."""
        short: tuple[tuple[Kind, int], ...] = (
            ("job", self.throttle_polls),
            ("jobs", self.throttle_polls),
            ("online", self.throttle_calls),
        )
        message = "Too many requests, please wait before trying again."
        throttled = [
            Rule(on=kind, status=429, times=times, message=message)
            for kind, times in short
            if times
        ]
        return [*throttled, *self.rules]


def parse(given: Mapping[str, Any]) -> Behaviour:
    """Read a behaviour from plain JSON values.

    Raises:
        msgspec.ValidationError: there is no such dial, or not with such a value.
    """
    return msgspec.convert(given, Behaviour)


def changed(behaviour: Behaviour, by: Mapping[str, Any]) -> Behaviour:
    """A behaviour with some of its dials replaced.

    Raises:
        msgspec.ValidationError: as for `parse`.
    """
    plain: dict[str, Any] = msgspec.to_builtins(behaviour)
    return parse({**plain, **by})
