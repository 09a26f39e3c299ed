"""What a fake is told to do: its dials, and its misbehaviour.

Owns the values that the start option and `POST /__control__` take, and the fate of each line. The
fate is a pure function of the seed and the line's custom_id, so that a test can work it out too.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal
from zlib import crc32

import msgspec

# A share of all lines (0 to 1), or the custom_ids of the lines it befalls.
Chosen = float | list[str]

Kind = Literal[
    "*", "upload", "file", "files", "content", "delete", "create", "job", "jobs", "cancel", "online"
]
Doing = Literal[
    "refuse", "lose", "disown", "stall", "cut", "unended", "packed", "page", "chop", "redirect"
]
Outcome = Literal["completed", "failed", "expired", "cancelled"]


class Phases(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How long a job stays in each state, in seconds of the fake's clock."""

    validating: float = 0.02
    in_progress: float = 0.05
    finalizing: float = 0.02
    cancelling: float = 0.03


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Trouble with requests of one kind.

    refuse    answer `status` and do nothing
    lose      do it, then close the connection without an answer
    disown    do it, then answer `status`
    stall     do it, and answer `seconds` later
    cut       close the connection after `bytes` of the body (of a download, or of an upload)
    unended   as `cut`, of a body in chunks: its last one never comes
    packed    as `cut`, of a body packed with gzip whose end is missing
    page      answer a download with somebody's HTML page and a 200
    chop      send a download in pieces of 1, 2, 3, 5, 7 and 11 bytes: UTF-8 is split
    redirect  answer a download with a 302 to another path

    `times` is how often it strikes (`None`: until it is taken back), `after` how many requests
    it lets pass first, `share` the share of requests it strikes. `message` and `code` replace the
    words of a refusal, `body` (a JSON value) the whole of it. `retry_after` is a header's text.
    """

    on: Kind = "*"
    do: Doing = "refuse"
    times: int | None = None
    after: int = 0
    share: float = 1.0
    status: int = 503
    retry_after: str | None = None
    message: str | None = None
    code: str | None = None
    body: Any = None
    seconds: float = 1.0
    bytes: int = 100


class Rows(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What happens to the rows of results.

    `fail` chooses lines by the HTTP status that they fail with. `fat` is a number of bytes that
    every answer is padded with, all of them beyond ASCII. `echo` sends ids back in another form:
    digits as a number (`"007"` as `7`), or upper-cased. `torn` cuts that many bytes off the end of
    each file. `leftovers` says whether lines that were not run have a row that says so; `None`
    leaves it to the vendor.
    """

    shuffle: bool = False
    drop: Chosen = 0.0
    duplicate: Chosen = 0.0
    expire: Chosen = 0.0
    fail: dict[str, Chosen] = {}
    fat: int = 0
    echo: Literal["same", "number", "upper"] = "same"
    torn: int = 0
    leftovers: bool | None = None


class Fate(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a job ends.

    After all its lines, or otherwise after a `share` of them; `errors`, as `errors.data`, are what
    it fails validation with. `jobs` are the numbers of the jobs it is for, in order of creation
    and from 0; empty: all.
    """

    outcome: Outcome = "completed"
    share: float = 0.5
    errors: list[dict[str, Any]] = []
    jobs: list[int] = []


class Behaviour(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be dialled. An empty object is a well-behaved vendor in a hurry.

    hold             states that no job leaves until the name is taken out again
    files_late       seconds for which a job that has ended shows no ids of its results
    input_late       seconds for which a new file is not seen by a creation
    ranges           how downloads answer `Range`: by parts, by the whole file, or by parts that
                     claim to be of another file
    list_lag         seconds for which a new job is missing from the list of jobs
    pending_polls    how many looks at a file find it `pending`; `None` leaves it to the vendor
    keys             the API keys that are accepted; `None` accepts any
    revoked          answer 401 to everything
    models           the models or deployments there are; `None`: every one
    max_lines, max_bytes  instead of the vendor's
    enqueued_tokens  the most tokens of a model (four bytes a token) in unfinished jobs
    token_limit      whether going over it shows when a job is created, or fails the job later
    outcome, share, errors  the fate of every job that has none among `fates`
    fates            the fates of single jobs, the first that fits
    cancel_loses     a cancelled job says `cancelling` and ends completed all the same
    counters_null    jobs come without counters
    empty_error_file a job without failures has an error file of no bytes
    discard          do not read the lines: answer each with a fixed text of `discard_bytes`
    """

    phases: Phases = msgspec.field(default_factory=Phases)
    hold: list[str] = []
    rules: list[Rule] = []
    rows: Rows = msgspec.field(default_factory=Rows)
    seed: int = 0
    files_late: float = 0.0
    input_late: float = 0.0
    ranges: Literal["parts", "whole", "other"] = "parts"
    list_lag: float = 0.0
    pending_polls: int | None = None
    keys: list[str] | None = None
    revoked: bool = False
    models: list[str] | None = None
    max_lines: int | None = None
    max_bytes: int | None = None
    enqueued_tokens: int | None = None
    token_limit: Literal["create", "job"] | None = None
    outcome: Outcome = "completed"
    share: float = 0.5
    errors: list[dict[str, Any]] = []
    fates: list[Fate] = []
    cancel_loses: bool = False
    counters_null: bool = False
    empty_error_file: bool = False
    discard: bool = False
    discard_bytes: int = 200

    def fate(self, number: int) -> Fate:
        """The fate of a job by its number."""
        for fate in self.fates:
            if not fate.jobs or number in fate.jobs:
                return fate
        return Fate(outcome=self.outcome, share=self.share, errors=self.errors)


def parse(given: Mapping[str, Any]) -> Behaviour:
    """Read a behaviour from plain JSON values.

    Raises:
        msgspec.ValidationError: there is no such dial, or not with such a value.
    """
    return msgspec.convert(given, Behaviour)


def changed(behaviour: Behaviour, by: Mapping[str, Any]) -> Behaviour:
    """A behaviour with some of its dials replaced, `phases` and `rows` dial by dial.

    Raises:
        msgspec.ValidationError: as for `parse`.
    """
    plain: dict[str, Any] = msgspec.to_builtins(behaviour)
    for name, value in by.items():
        if name in ("phases", "rows") and isinstance(value, dict):
            plain[name] = {**plain[name], **value}
        else:
            plain[name] = value
    return parse(plain)


_WHOLE: Final = 1 << 32


def befalls(what: str, chosen: Chosen, custom_id: str, *, seed: int) -> bool:
    """Whether a line is among the chosen."""
    if isinstance(chosen, list):
        return custom_id in chosen
    if not chosen:
        return False
    return crc32(f"{seed}:{what}:{custom_id}".encode()) < chosen * _WHOLE


def failure(rows: Rows, custom_id: str, *, seed: int) -> int | None:
    """The HTTP status that a line fails with, `None` when it succeeds."""
    for status, chosen in rows.fail.items():
        if befalls(f"fail {status}", chosen, custom_id, seed=seed):
            return int(status)
    return None
