"""The output of a job: rows, from its input to files.

Owns the form of rows and of the manifest, which rows there are, and their order. Not what a model
answers (`speaking`).
Source: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from batchway.simulator.aws.answering import canned
from batchway.simulator.aws.behaviour import Behaviour
from batchway.simulator.aws.reading import DECODER, Input, Record, lines_of
from batchway.simulator.aws.refusals import Refused
from batchway.simulator.aws.speaking import run
from batchway.simulator.batches.behaviour import befalls

_WORDS: Final = {
    400: "The provided request is not valid.",
    424: "The model returned an error.",
    429: "Too many requests, please wait before trying again.",
    500: "An internal server error occurred. Retry your request.",
    503: "The service is currently unavailable.",
}


@dataclass(slots=True, kw_only=True)
class Produced:
    """What came of a job's records. `ids` and `digests` count what was run: what is paid."""

    succeeded: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    ids: Counter[str] = field(default_factory=Counter[str])
    digests: Counter[str] = field(default_factory=Counter[str])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def manifest(self, total: int) -> bytes:
        """The manifest, for a job of `total` records."""
        return msgspec.json.encode(
            {
                "totalRecordCount": total,
                "processedRecordCount": self.succeeded + self.failed,
                "successRecordCount": self.succeeded,
                "errorRecordCount": self.failed,
                "inputTokenCount": self.input_tokens,
                "outputTokenCount": self.output_tokens,
            }
        )


class Runner:
    """Runs the records of one job."""

    def __init__(
        self, *, family: str, model: str, batch: bool, behaviour: Behaviour, now: float
    ) -> None:
        self._family = family
        self._model = model
        self._batch = batch
        self._behaviour = behaviour
        self._now = now
        self._canned = canned(family, "x" * behaviour.discard_bytes)

    def run(self, line: bytes, number: int, into: Produced) -> tuple[str, bytes]:
        """Run a record: its id and its row. Counts what came of it."""
        record = DECODER.decode(line)
        # What has no id is given one.
        name = record.record_id or f"REC{number:08}"
        into.ids[name] += 1
        outcome: dict[str, Any]
        try:
            outcome = {"modelOutput": self._output(name, record, into)}
            into.succeeded += 1
        except Refused as refused:
            outcome = {"error": {"errorCode": refused.code, "errorMessage": refused.message}}
            into.failed += 1
        ids = {} if self._behaviour.no_record_ids else {"recordId": name}
        row = msgspec.json.encode({**ids, "modelInput": record.model_input, **outcome})
        return name, row

    def _output(self, name: str, record: Record, into: Produced) -> dict[str, Any]:
        if self._behaviour.discard:
            return self._canned
        self._told(name)
        ran = run(
            msgspec.json.decode(record.model_input),
            family=self._family,
            model=self._model,
            behaviour=self._behaviour,
            now=self._now,
            batch=self._batch,
        )
        into.input_tokens += ran.input_tokens
        into.output_tokens += ran.output_tokens
        into.digests[ran.digest] += 1
        return ran.response

    def _told(self, name: str) -> None:
        behaviour = self._behaviour
        for status, chosen in behaviour.fail_rows.items():
            if befalls(f"fail {status}", chosen, name, seed=behaviour.seed):
                code = int(status)
                raise Refused(code, _WORDS.get(code, "The fake was told to fail this row."))


def produced(inputs: list[Input], *, runner: Runner, behaviour: Behaviour, limit: int) -> Produced:
    """Run the first `limit` records and write their rows. Belongs in a thread."""
    result = Produced()
    number = 0
    for given in inputs:
        rows: list[bytes] = []
        for line in lines_of(given.path):
            if number >= limit:
                break
            name, row = runner.run(line, number, result)
            number += 1
            if befalls("drop", behaviour.drop_rows, name, seed=behaviour.seed):
                continue
            rows.append(row)
            if befalls("duplicate", behaviour.duplicate_rows, name, seed=behaviour.seed):
                rows.append(row)
        if behaviour.shuffle:
            random.Random(behaviour.seed).shuffle(rows)
        result.files |= _files(given.name, rows, behaviour)
    return result


def _files(name: str, rows: list[bytes], behaviour: Behaviour) -> dict[str, bytes]:
    shards = behaviour.shards
    stem = name.removesuffix(".jsonl")
    files = {
        f"{name}.out" if shards == 1 else f"{stem}-{shard:05}.jsonl.out": _joined(
            rows[shard::shards], behaviour
        )
        for shard in range(shards)
    }
    if behaviour.empty_files:
        files[f"{stem}-empty.jsonl.out"] = b""
    return files


def _joined(rows: list[bytes], behaviour: Behaviour) -> bytes:
    whole = b"".join(row + b"\n" for row in rows)
    if not behaviour.last_newline:
        whole = whole.removesuffix(b"\n")
    return whole[: len(whole) - behaviour.torn_end] if behaviour.torn_end else whole


def kept(uris: list[str], *, get: Callable[[str], bytes], folder: Path, job: str) -> list[Input]:
    """The objects of an input, copied to disk: what is deleted later changes nothing."""
    inputs: list[Input] = []
    for number, uri in enumerate(uris):
        path = folder / f"{job}-{number}.jsonl"
        path.write_bytes(get(uri))
        inputs.append(Input(uri=uri, name=uri.rpartition("/")[2], path=path))
    return inputs
