"""The results of a job: rows computed from its input, written to disk as they come.

Owns what each line gets. The answers are the simulator's, a pure function of a line's body, so that
a test can tell whose answer a line got.
"""

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import msgspec

from batchway.simulator.batches.behaviour import Behaviour, befalls, failure
from batchway.simulator.batches.dialects import Dialect
from batchway.simulator.batches.validation import lines_of
from batchway.simulator.online import errors, shapes, validation
from batchway.simulator.online.answers import answer, model_of
from batchway.simulator.online.endpoints import Endpoint, endpoint_named

# Two, three and four bytes in UTF-8: what a download in odd pieces splits.
_PADDING: Final = "é漢😀"
_ID: Final = re.compile(rb'"custom_id"\s*:\s*("(?:[^"\\]|\\.)*")')
_BATCH: Final = 1 << 20


@dataclass(slots=True, kw_only=True)
class Produced:
    """What became of a job's lines. `ids` and `digests` count the lines that were run."""

    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    ids: Counter[str] = field(default_factory=Counter[str])
    digests: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One job to run. `limit` lines of it are run; `unrun` is the code of the others, if any."""

    source: Path
    output: Path
    errors: Path
    endpoint: str
    unique: str
    created_at: int
    limit: int
    unrun: str | None


def endpoint_of(endpoint: str) -> Endpoint:
    """The endpoint behind every vendor's spelling.

    Raises:
        ValueError: the simulator does not answer it.
    """
    if endpoint in ("/v4/chat/completions", "/v1/chat/ds-test"):
        return Endpoint.CHAT
    return endpoint_named(endpoint)


def produce(run: Run, *, dialect: Dialect, behaviour: Behaviour) -> Produced:
    """Write the two files of results. Blocks: for a thread."""
    with run.output.open("wb") as output, run.errors.open("wb") as failures:
        if behaviour.discard:
            produced = _discard(run, output, behaviour)
        else:
            produced = _Running(run, dialect, behaviour, output, failures).run()
    for path in (run.output, run.errors):
        size = path.stat().st_size
        if behaviour.rows.torn and size > behaviour.rows.torn:
            with path.open("r+b") as file:
                file.truncate(size - behaviour.rows.torn)
    return produced


def _discard(run: Run, output: BinaryIO, behaviour: Behaviour) -> Produced:
    body = shapes.render(
        Endpoint.CHAT,
        answer(Endpoint.CHAT, {"messages": []}, model="discard"),
        body={},
        model="discard",
        unique=run.unique,
        created=run.created_at,
    )
    body["choices"][0]["message"]["content"] = "x" * behaviour.discard_bytes
    before = b'{"id":"batch_req_' + run.unique.encode() + b'","custom_id":'
    after = (
        b',"response":{"status_code":200,"request_id":"'
        + run.unique.encode()
        + b'","body":'
        + msgspec.json.encode(body)
        + b'},"error":null}\n'
    )
    produced = Produced()
    pending: list[bytes] = []
    size = 0
    with run.source.open("rb") as source:
        for line in source:
            found = _ID.search(line)
            if found is None or produced.completed == run.limit:
                continue
            produced.completed += 1
            pending += (before, found.group(1), after)
            size += len(after)
            if size > _BATCH:
                output.write(b"".join(pending))
                pending.clear()
                size = 0
    output.write(b"".join(pending))
    return produced


class _Running:
    """One pass over a job's lines."""

    def __init__(
        self,
        run: Run,
        dialect: Dialect,
        behaviour: Behaviour,
        output: BinaryIO,
        failures: BinaryIO,
    ) -> None:
        self._run = run
        self._dialect = dialect
        self._behaviour = behaviour
        self._output = output
        self._failures = failures
        self._endpoint = endpoint_of(run.endpoint)
        self._produced = Produced()
        self._held: list[tuple[BinaryIO, bytes]] = []

    def run(self) -> Produced:
        unrun = self._run.unrun
        with self._run.source.open("rb") as source:
            for index, line in enumerate(lines_of(source)):
                fields: dict[str, Any] = msgspec.json.decode(line)
                custom_id = str(fields["custom_id"])
                unique = f"{self._run.unique[:24]}{index:08x}"
                if index >= self._run.limit:
                    if unrun is not None:
                        self._unrun(custom_id, unrun, unique)
                else:
                    self._one(custom_id, fields["body"], unique)
        dice = random.Random(self._behaviour.seed)
        dice.shuffle(self._held)
        for file, row in self._held:
            file.write(row)
        return self._produced

    def _one(self, custom_id: str, body: object, unique: str) -> None:
        rows, seed = self._behaviour.rows, self._behaviour.seed
        if befalls("expire", rows.expire, custom_id, seed=seed):
            self._unrun(custom_id, "batch_expired", unique)
            return
        self._produced.ids[custom_id] += 1
        status, written = self._answered(custom_id, body, unique)
        if status == 200:
            self._produced.completed += 1
            row = self._dialect.row(self._echo(custom_id), body=written, unique=unique)
            self._write(self._output, custom_id, row)
        else:
            self._produced.failed += 1
            row = self._dialect.failed_row(
                self._echo(custom_id), status=status, body=written, unique=unique
            )
            self._write(self._failures, custom_id, row)

    def _answered(self, custom_id: str, body: object, unique: str) -> tuple[int, dict[str, Any]]:
        refusal = validation.refuse(self._endpoint, body, model_in_path=False)
        if refusal is not None:
            return refusal.status, msgspec.json.decode(refusal.body())
        fields = cast("dict[str, Any]", body)
        model = model_of(self._endpoint, fields)
        found = answer(self._endpoint, fields, model=model)
        self._produced.digests[found.digest] += 1
        status = failure(self._behaviour.rows, custom_id, seed=self._behaviour.seed)
        if status is not None:
            refusal = errors.by_chance(status, prompt_tokens=found.prompt_tokens)
            return status, msgspec.json.decode(refusal.body())
        written = shapes.render(
            self._endpoint,
            found,
            body=fields,
            model=model,
            unique=unique,
            created=self._run.created_at,
        )
        self._produced.input_tokens += found.prompt_tokens
        self._produced.output_tokens += found.output_tokens
        if self._behaviour.rows.fat:
            # Nine bytes each; no part of the answer, which stays the simulator's.
            written["padding"] = _PADDING * (self._behaviour.rows.fat // 9 + 1)
        return 200, written

    def _unrun(self, custom_id: str, code: str, unique: str) -> None:
        row = self._dialect.unrun_row(self._echo(custom_id), code=code, unique=unique)
        self._write(self._failures, custom_id, row)

    def _write(self, file: BinaryIO, custom_id: str, row: dict[str, Any]) -> None:
        rows, seed = self._behaviour.rows, self._behaviour.seed
        if befalls("drop", rows.drop, custom_id, seed=seed):
            return
        encoded = msgspec.json.encode(row) + b"\n"
        if befalls("duplicate", rows.duplicate, custom_id, seed=seed):
            encoded += encoded
        if rows.shuffle:
            self._held.append((file, encoded))
        else:
            file.write(encoded)

    def _echo(self, custom_id: str) -> object:
        echoes: dict[str, Callable[[str], object]] = {
            "same": str,
            "number": lambda text: int(text) if text.isdigit() else text,
            "upper": str.upper,
        }
        return echoes[self._behaviour.rows.echo](custom_id)
