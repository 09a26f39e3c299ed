"""Is a batch that has ended right? Every line once, its own answer, in order, and rightly counted.

Owns the judgement of one batch from what a client can download. Knows no files and no tables.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.chaos.orders import ENDPOINT, MODEL, Order

from batchway.simulator.online import verify

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_WITHHELD = {"cancelled": "batch_cancelled", "expired": "batch_expired"}
_MOMENTS = ("created_at", "in_progress_at", "finalizing_at", "completed_at")
_TOKENS = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}

Batch = dict[str, Any]
Record = dict[str, Any]


def faults(order: Order, batch: Batch, output: bytes | None, errors: bytes | None) -> list[str]:
    """Everything that is wrong with an ended batch; `None` for a file that there is not."""
    if batch["status"] not in ENDED:
        return [f"{order.tag} is {batch['status']}"]
    done, failed = records(output), records(errors)
    found = [
        *status_faults(order, batch),
        *missing_faults(order, batch, done, failed),
        *order_faults(order, done),
        *order_faults(order, failed),
        *answer_faults(order, done),
        *_error_faults(order, batch, failed),
        *_count_faults(order, batch, done, failed),
    ]
    return [f"{order.tag} ({batch['id']}, {batch['status']}): {fault}" for fault in found]


def result_faults(order: Order, output: bytes, errors: bytes) -> list[str]:
    """What is wrong with the two files of a run that completed."""
    done, failed = records(output), records(errors)
    batch: Batch = {"status": "completed", "in_progress_at": 0}
    return [
        *missing_faults(order, batch, done, failed),
        *order_faults(order, done),
        *order_faults(order, failed),
        *answer_faults(order, done),
        *_error_faults(order, batch, failed),
    ]


def answered_lines(order: Order, output: bytes | None) -> list[str]:
    """The digests of the prompts whose answers are in an output file."""
    digests = {line.custom_id: line.digest for line in order.lines}
    return [digests[record["custom_id"]] for record in records(output)]


def records(data: bytes | None) -> list[Record]:
    """The lines of a result file; none for a file that there is not."""
    if data is None:
        return []
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data[:-1].split(b"\n")]


def status_faults(order: Order, batch: Batch) -> Iterator[str]:
    """Whether it ended as it may, and its times run forward."""
    if order.cancelled and batch["status"] != "cancelled":
        yield "its cancel was accepted"
    if order.cancelled is False and batch["status"] == "cancelled":
        yield "nobody cancelled it"
    if batch["status"] == "expired" and order.window == "24h":
        yield "it expired before its time"
    if batch["status"] == "failed":
        yield f"its input was refused: {batch['errors']}"
    moments = [batch[name] for name in _MOMENTS if batch[name] is not None]
    if moments != sorted(moments):
        yield f"its times run backwards: {moments}"


def missing_faults(
    order: Order, batch: Batch, done: list[Record], failed: list[Record]
) -> Iterator[str]:
    """Whether every line is there once, and no other."""
    if batch["status"] in _WITHHELD and batch["in_progress_at"] is None:
        # Ended while validating: no line was ever planned, and OpenAI shows none either.
        if done or failed:
            yield "it has results although it never ran"
        return
    seen = Counter(record["custom_id"] for record in (*done, *failed))
    wanted = {line.custom_id for line in order.lines}
    for custom_id in sorted(wanted - seen.keys())[:3]:
        yield f"line {custom_id} is lost"
    for custom_id in sorted(seen.keys() - wanted)[:3]:
        yield f"line {custom_id} is not its own"
    for custom_id in sorted(name for name, times in seen.items() if times > 1)[:3]:
        yield f"line {custom_id} is there {seen[custom_id]} times"
    ids = Counter(record["id"] for record in (*done, *failed))
    if any(times > 1 for times in ids.values()):
        yield "two results share an id"


def order_faults(order: Order, found: list[Record]) -> Iterator[str]:
    """Whether the results of one file are in the order of the input."""
    place = {line.custom_id: index for index, line in enumerate(order.lines)}
    places = [place.get(record["custom_id"], -1) for record in found]
    if places != sorted(places):
        yield "results are not in the order of the input"


def answer_faults(order: Order, done: list[Record]) -> Iterator[str]:
    """Whether every answer is that to its own line."""
    lines = {line.custom_id: line for line in order.lines}
    for record in done:
        line = lines.get(record["custom_id"])
        if line is None:
            continue
        response = record["response"]
        if response is None or response["status_code"] != 200 or record["error"] is not None:
            yield f"line {line.custom_id} is in the output file without an answer"
            continue
        wrong = verify(ENDPOINT, line.body, response["body"], model=MODEL)
        if wrong is not None:
            yield f"line {line.custom_id} has a wrong answer: {wrong}"
        if line.refused:
            yield f"line {line.custom_id} was answered although its prompt is refused"


def _error_faults(order: Order, batch: Batch, failed: list[Record]) -> Iterator[str]:
    lines = {line.custom_id: line for line in order.lines}
    for record in failed:
        line, response, error = lines.get(record["custom_id"]), record["response"], record["error"]
        if line is None:
            continue
        if response is not None:
            if not line.refused or response["status_code"] != 400 or error is not None:
                yield f"line {line.custom_id} failed with {response['status_code']}"
        elif error["code"] != _WITHHELD.get(batch["status"]):
            yield f"line {line.custom_id} failed with {error['code']}: {error['message']}"


def _count_faults(
    order: Order, batch: Batch, done: list[Record], failed: list[Record]
) -> Iterator[str]:
    ran = batch["in_progress_at"] is not None
    counts = {
        "total": len(order.lines) if ran else 0,
        "completed": len(done),
        "failed": sum(record["response"] is not None for record in failed),
    }
    if batch["request_counts"] != counts:
        yield f"its request_counts are {batch['request_counts']}, its files say {counts}"
    for name, reported in _TOKENS.items():
        tokens = sum(record["response"]["body"]["usage"][reported] for record in done)
        if batch["usage"][name] != tokens:
            yield f"its {name} are {batch['usage'][name]}, its files say {tokens}"
