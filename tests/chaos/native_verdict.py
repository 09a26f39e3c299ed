"""Is a native batch that has ended right, and did nobody pay twice?

A line's right result follows from its vendor's behaviour, which is a pure function of the line:
what its row says, whether it has one, and how the job of its shard ended. Owns the judgement of one
batch from what a client can download, and of a vendor's jobs from what the vendor knows.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from tests.chaos.native_arena import behaviour
from tests.chaos.native_campaign import NativeOrder
from tests.chaos.verdict import (
    ENDED,
    Batch,
    Record,
    answer_faults,
    missing_faults,
    order_faults,
    records,
    status_faults,
)

from batchway.simulator.batches import befalls, failure

_TAG: Final = re.compile(r"batchway-([0-9a-f]{32})-(\d+)-(\d+)")
_WITHHELD: Final = {"cancelled": "batch_cancelled", "expired": "batch_expired"}
_ANSWER: Final = "answer"
# Results that another try may mend: never final where lines are rescued.
_MENDABLE: Final = frozenset({"429", "500", "batch_expired", "missing_result"})

Stats = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One job of a shard at its vendor."""

    number: int
    job_id: str
    status: str


def jobs_of(stats: Stats) -> dict[tuple[str, int], list[Attempt]]:
    """A vendor's jobs by batch and shard, in order of attempts."""
    found: dict[tuple[str, int], list[Attempt]] = defaultdict(list)
    for job in stats["jobs"]:
        match = _TAG.match(job["filename"])
        assert match is not None, f"a job over a file of no tag: {job['filename']}"
        key = f"batch_{match[1]}", int(match[2])
        found[key].append(Attempt(number=int(match[3]), job_id=job["id"], status=job["status"]))
    return {key: sorted(jobs, key=lambda job: job.number) for key, jobs in found.items()}


# ----------------------------------------------------------------------------- one batch


def faults(
    order: NativeOrder,
    batch: Batch,
    output: bytes | None,
    errors: bytes | None,
    jobs: Mapping[tuple[str, int], Sequence[Attempt]],
) -> list[str]:
    """Everything that is wrong with an ended batch; `None` for a file that there is not."""
    if batch["status"] not in ENDED:
        return [f"{order.tag} is {batch['status']}"]
    done, failed = records(output), records(errors)
    if order.doomed:
        found = list(_refusal_faults(order, batch, done, failed))
    else:
        found = [
            *status_faults(order, batch),
            *missing_faults(order, batch, done, failed),
            *order_faults(order, done),
            *order_faults(order, failed),
            *answer_faults(order, done),
            *_outcome_faults(order, batch, done, failed, jobs),
            *_count_faults(order, batch, done, failed),
        ]
    about = f"{order.tag} ({batch['id']} at {order.account.name}, {batch['status']})"
    return [f"{about}: {fault}" for fault in found]


def _refusal_faults(
    order: NativeOrder, batch: Batch, done: list[Record], failed: list[Record]
) -> Iterator[str]:
    if batch["status"] != "failed":
        yield "its model was to be refused"
        return
    told = (batch["errors"] or {"data": []})["data"]
    if not told or any(error["code"] != "model_not_found" for error in told):
        yield f"it does not say why it was refused: {told[:3]}"
    # A vendor names the first lines of each job, and counts from 1 in each.
    lines = [error["line"] for error in told]
    places = [(line - 1) % order.account.lines for line in lines]
    starts = [index for index, place in enumerate(places) if place == 0] + [len(places)]
    if lines != sorted(set(lines)) or not set(lines) <= set(range(1, len(order.lines) + 1)):
        yield f"it was refused for lines that it does not have: {lines}"
    elif any(
        places[start:end] != list(range(end - start)) for start, end in pairwise([0, *starts[1:]])
    ):
        yield f"it was refused for lines that its vendor did not name: {lines}"
    if done or failed:
        yield "it has results although it was refused"


def _outcome_faults(
    order: NativeOrder,
    batch: Batch,
    done: list[Record],
    failed: list[Record],
    jobs: Mapping[tuple[str, int], Sequence[Attempt]],
) -> Iterator[str]:
    numbers = {line.custom_id: number for number, line in enumerate(order.lines)}
    got = [(record, _ANSWER) for record in done] + [(record, _failure(record)) for record in failed]
    for record, outcome in got:
        number = numbers.get(record["custom_id"])
        if number is None:
            continue
        allowed = _allowed(order, batch, number, jobs)
        if outcome not in allowed:
            job = jobs.get((batch["id"], number // order.account.lines), ())
            yield (
                f"line {record['custom_id']} is {outcome}, not {sorted(allowed)}; "
                f"jobs of its shard: {[(job.number, job.status) for job in job]}"
            )


def _failure(record: Record) -> str:
    response = record["response"]
    return str(response["status_code"]) if response is not None else record["error"]["code"]


def fate(vendor: str, number: int) -> str:
    """What a vendor makes of a line of that number when its job is run to the end."""
    dials = behaviour(vendor)
    # A vendor knows a line by our id only, which is its number in the file.
    name, rows, seed = f"r{number:010d}", dials.rows, dials.seed
    if befalls("drop", rows.drop, name, seed=seed):
        return "missing_result"
    if befalls("expire", rows.expire, name, seed=seed):
        return "batch_expired"
    status = failure(rows, name, seed=seed)
    return _ANSWER if status is None else str(status)


def _allowed(
    order: NativeOrder,
    batch: Batch,
    number: int,
    jobs: Mapping[tuple[str, int], Sequence[Attempt]],
) -> set[str]:
    """Every right outcome of a line."""
    row = fate(order.account.vendor, number)
    rescued = order.account.rescue
    allowed = {_ANSWER} if rescued and row in _MENDABLE else {row}
    if "missing_result" in allowed:
        # What is said of it where the job's own counts say that it ran.
        allowed.add("result_not_fetched")
    size = order.account.lines
    last = (jobs.get((batch["id"], number // size)) or [None])[-1]
    if last is not None and last.status in {"expired", "failed"}:
        # It ran a part of its lines.
        allowed |= {_ANSWER} if rescued else {"batch_expired"}
        first = number // size * size
        shard = range(first, min(first + size, len(order.lines)))
        if any(fate(order.account.vendor, each) == "missing_result" for each in shard):
            # It counts a row that it did not give: any line without one may be the one that ran.
            allowed |= set() if rescued else {"result_not_fetched"}
    withheld = _WITHHELD.get(batch["status"])
    if withheld is not None or order.overdue:
        # Whatever is there when it ends counts, and what is not there is the batch's own end.
        allowed |= {row} - {"batch_expired", "missing_result"}
        allowed |= set() if withheld is None else {withheld}
        if row == "missing_result":
            # It ran by its job's own counts, and there was no time left to rescue it.
            allowed.add("result_not_fetched")
    return allowed


def _count_faults(
    order: NativeOrder, batch: Batch, done: list[Record], failed: list[Record]
) -> Iterator[str]:
    ran = batch["in_progress_at"] is not None
    withheld = _WITHHELD.get(batch["status"])
    ended_by_us = sum(_failure(record) == withheld for record in failed)
    counts = batch["request_counts"]
    # A provider's `batch_expired` row is a failed line; the same code of our own is not counted.
    most = len(failed) if batch["status"] == "expired" else len(failed) - ended_by_us
    if (
        counts["total"] != (len(order.lines) if ran else 0)
        or counts["completed"] != len(done)
        or not len(failed) - ended_by_us <= counts["failed"] <= most
    ):
        yield (
            f"its request_counts are {counts}, its files say {len(done)} completed, "
            f"{len(failed)} failed ({ended_by_us} of them {withheld})"
        )
    for name, reported in (
        ("input_tokens", "prompt_tokens"),
        ("output_tokens", "completion_tokens"),
    ):
        tokens = sum(record["response"]["body"]["usage"][reported] for record in done)
        if batch["usage"][name] != tokens:
            yield f"its {name} are {batch['usage'][name]}, its files say {tokens}"


# ----------------------------------------------------------------------------- one vendor


def payment_faults(
    vendor: str, stats: Stats, orders: Sequence[NativeOrder], batches: Mapping[str, Batch]
) -> list[str]:
    """Everything that a vendor was asked for twice, or needlessly, and what is left at it."""
    jobs = jobs_of(stats)
    mine = [order for order in orders if order.account.vendor == vendor]
    known = {order.batch_id: order for order in mine}
    found = [*_job_faults(jobs, known), *_files_left(stats, vendor, known)]
    ran, asked = stats["lines_by_digest"], stats["online_by_digest"]
    for order in mine:
        batch = batches.get(order.batch_id or "")
        if batch is None:
            continue
        for number, line in enumerate(order.lines):
            shard = jobs.get((batch["id"], number // order.account.lines), [])
            told = [(job.number, job.job_id, job.status) for job in shard]
            if ran.get(line.digest, 0) > 1:
                found.append(f"{line.custom_id} was run {ran[line.digest]} times by jobs: {told}")
            partly = any(job.status in {"expired", "failed"} for job in shard)
            if asked.get(line.digest) and not (
                order.account.rescue and (partly or fate(vendor, number) in _MENDABLE)
            ):
                found.append(
                    f"{line.custom_id} was asked for online although its job had its result: {told}"
                )
    return [f"{vendor}: {fault}" for fault in found]


def _job_faults(
    jobs: Mapping[tuple[str, int], Sequence[Attempt]],
    known: Mapping[str | None, NativeOrder],
) -> Iterator[str]:
    for (batch_id, shard), attempts in jobs.items():
        order = known.get(batch_id)
        name = f"job {shard} of {order.tag if order else 'nobody'} ({batch_id})"
        told = [(job.number, job.job_id, job.status) for job in attempts]
        if order is None:
            yield f"{name} belongs to no batch of ours: {told}"
        times = Counter(job.number for job in attempts)
        for number, count in times.items():
            if count > 1:
                yield f"{name} was submitted {count} times under the tag of {number}: {told}"
        for job in attempts:
            if job.status not in ENDED:
                yield f"{name} is still {job.status} at the provider: {told}"
        # A job is made anew only when the provider itself failed the one before for want of room.
        for job in attempts[:-1]:
            if job.status != "failed":
                yield f"{name} was submitted again after one that was {job.status}: {told}"


def _files_left(
    stats: Stats, vendor: str, known: Mapping[str | None, NativeOrder]
) -> Iterator[str]:
    """Files nobody needs any more.

    Those of a job that gave fewer rows than it counts are kept: what is missing is paid for.
    """
    short: set[str | None] = set()
    for job in stats["jobs"]:
        match = _TAG.match(job["filename"])
        order = known.get(f"batch_{match[1]}") if match else None
        if match is None or order is None:
            continue
        size = order.account.lines
        first = int(match[2]) * size
        numbers = range(first, min(first + size, len(order.lines)))
        if any(fate(vendor, number) == "missing_result" for number in numbers):
            short |= {job[f"{name}_file_id"] for name in ("input", "output", "error")}
    left = [file for file in stats["files"] if file["id"] not in short]
    if left:
        names = [f"{file['filename']} ({file['purpose']})" for file in left]
        yield f"{len(names)} files are left at the provider: {names[:6]}"
