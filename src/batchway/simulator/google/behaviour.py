"""What the fake of Google is told to do: its dials, and its misbehaviour.

Owns the values that the start option and `POST /__control__` take. What befalls a line is a pure
function of the seed and the line's id (`batches.befalls`), so that a test can work it out too.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from batchway.simulator.batches.behaviour import Chosen

Kind = Literal[
    "*",
    "token",
    "create",
    "job",
    "jobs",
    "cancel",
    "remove",
    "online",
    "bucket",
    "upload",
    "object",
    "objects",
    "content",
    "delete",
]
Doing = Literal["refuse", "lose", "disown", "stall", "cut", "page", "chop"]
Outcome = Literal["succeeded", "partially_succeeded", "failed", "expired", "cancelled"]
# What the caller, or the service agent that runs jobs, may not do with a bucket.
Denied = Literal["caller_read", "caller_write", "caller_delete", "agent_read", "agent_write"]


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
    lets pass first, `share` the share of requests it strikes. `message`, or the whole `body`,
    replaces the words of a refusal; `retry_after` is a header's text.
    """

    on: Kind = "*"
    do: Doing = "refuse"
    times: int | None = None
    after: int = 0
    share: float = 1.0
    status: int = 503
    retry_after: str | None = None
    message: str | None = None
    body: Any = None
    seconds: float = 1.0
    bytes: int = 100


class Fate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a job ends: after all its lines, or otherwise after a `share` of them.

    `code` is that of a failed job's `error`: 1, 3, 7, 9 or 13. `jobs` are the numbers of the jobs
    it is for, in order of creation and from 0; empty: all.
    """

    outcome: Outcome = "succeeded"
    share: float = 0.5
    code: int = 13
    jobs: list[int] = []


class Behaviour(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be dialled. An empty object is a well-behaved Google in a hurry.

    Jobs
        queue_seconds, run_seconds, cancel_seconds   in JOB_STATE_PENDING, RUNNING and CANCELLING
        speed             rows a second; `None`: all of them within `run_seconds`
        hold              states that no job leaves until the name is taken out again
        poll_delay        seconds for which a job that has ended still shows its last state
        list_lag          seconds for which a new job is missing from the list
        fates             the fates of jobs, the first that fits
        expire            every job that has no fate expires half-way
        cancel_race       a cancelled job says CANCELLING and ends SUCCEEDED with all its rows
        lose_create_answer  how many creations work and then lose their connection
        stats             what `completionStats` looks like: `strings`, `null`: missing,
                          `partial`: without keys that are 0, `minus_one`: `incompleteCount` "-1"
        max_jobs          unfinished jobs of a partner's model that there may be
    Input
        enforce           whether the importer's limits of Gemini's lines hold
        max_lines, max_bytes, max_depth   those limits
    Output
        shuffle, shards, torn_end (bytes cut off each file), last_newline, folder_markers,
        empty_files       the form of the files
        drop_rows, duplicate_rows, fail_rows (by HTTP status)   what befalls rows
        no_custom_id      rows of Gemini have no `custom_id`, only the echo of the request
        coerce_ids        ids that look like numbers come back as numbers: `"000042"` as `42`
        echo_nulls        an echo has every key that any line had, with nulls
        no_status         rows of success have no `status`
        discard           lines are not read: each row has the same answer, of `discard_bytes`
    Buckets
        bucket_region     a location, or locations by bucket
        no_such_bucket    buckets that there are not; every other one exists
        bucket_denied     what is not allowed
        page_size         the most objects a page
    The platform
        models            the models that there are (`publisher/name`); `None`: every one
        no_such_model     models that there are not (names)
        api_disabled, billing_disabled, quota (kinds of request), denied (permissions)
        token_ttl         seconds for which a token is good
        tokens            tokens that are accepted besides those given out; `None`: any
        revoked           every key and token is refused
        thoughts          tokens of thinking that every answer of Gemini counts
        dimensions        of a vector when a request names none (Google: 3072 and 768)
    """

    queue_seconds: float = 0.02
    run_seconds: float = 0.05
    cancel_seconds: float = 0.03
    speed: float | None = None
    hold: list[str] = []
    poll_delay: float = 0.0
    list_lag: float = 0.0
    fates: list[Fate] = []
    expire: bool = False
    cancel_race: bool = False
    lose_create_answer: int = 0
    stats: Literal["strings", "null", "partial", "minus_one"] = "strings"
    max_jobs: int | None = None

    enforce: bool = True
    max_lines: int = 200_000
    max_bytes: int = 1 << 30
    max_depth: int = 15

    shuffle: bool = False
    shards: int = 1
    torn_end: int = 0
    last_newline: bool = True
    folder_markers: bool = False
    empty_files: bool = False
    drop_rows: Chosen = 0.0
    duplicate_rows: Chosen = 0.0
    fail_rows: dict[str, Chosen] = {}
    no_custom_id: bool = False
    coerce_ids: bool = True
    echo_nulls: bool = True
    no_status: bool = False
    discard: bool = False
    discard_bytes: int = 200

    bucket_region: str | dict[str, str] = "US-CENTRAL1"
    no_such_bucket: list[str] = []
    bucket_denied: list[Denied] = []
    page_size: int = 1_000

    models: list[str] | None = None
    no_such_model: list[str] = []
    api_disabled: bool = False
    billing_disabled: bool = False
    quota: list[Kind] = []
    denied: list[str] = []
    token_ttl: float = 3_599.0
    tokens: list[str] | None = None
    revoked: bool = False
    thoughts: int = 0
    dimensions: int = 8

    seed: int = 0
    rules: list[Rule] = []

    def fate(self, number: int) -> Fate:
        """The fate of a job by its number."""
        for fate in self.fates:
            if not fate.jobs or number in fate.jobs:
                return fate
        return Fate(outcome="expired") if self.expire else Fate()

    def location(self, bucket: str) -> str:
        """Where a bucket is, in upper case as Cloud Storage says it."""
        if isinstance(self.bucket_region, str):
            return self.bucket_region.upper()
        return self.bucket_region.get(bucket, "US-CENTRAL1").upper()


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
