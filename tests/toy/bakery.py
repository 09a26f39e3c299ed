"""What the toy's server remembers: dough, loaves and trays; and what it makes of a body.

    dough --> baking --> cooling --> bread
      |         |           |
      |         +--> cold   +--> (taking-out)      `cold` and `burnt` with a part of the rows
      +--> burnt            `taking-out` --> out, or bread where a cancel loses its race

Every state is worked out when somebody looks, by the clock and the dials (`Behaviour`).
"""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from batchway.simulator.batches.behaviour import Behaviour, befalls, changed, failure, parse
from batchway.simulator.batches.state import StoredFile
from batchway.simulator.online.answers import answer, expected_embedding
from batchway.simulator.online.endpoints import Endpoint

# Its words for the states that the dials are named by.
_STATES: Final = {
    "validating": "dough",
    "in_progress": "baking",
    "finalizing": "cooling",
    "completed": "bread",
    "failed": "burnt",
    "expired": "cold",
    "cancelling": "taking-out",
    "cancelled": "out",
}
_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_WORDS: Final = {400: "no", 401: "stranger", 402: "broke", 429: "slow", 500: "ill", 503: "busy"}


Why = tuple[str, str, int | None]


class Oops(Exception):
    """A refusal, in one word and in a sentence."""

    def __init__(self, word: str, tell: str, status: int) -> None:
        super().__init__(word)
        self.word = word
        self.tell = tell
        self.status = status


@dataclass(slots=True, kw_only=True)
class Loaf:
    """A job; `entered` is when it came into its state."""

    number: int
    label: str
    spot: str
    rows: list[bytes]
    model: str
    at: float
    entered: float
    state: str = "validating"
    lit: float | None = None
    run: float = 0.0
    good: int = 0
    bad: int = 0
    trays: list[str] = field(default_factory=list[str])
    why: list[tuple[str, str, int | None]] = field(
        default_factory=list[tuple[str, str, int | None]]
    )


class Bakery:
    """One account. `least` is the lines that a loaf needs at least."""

    def __init__(self, *, behaviour: Mapping[str, Any], least: int) -> None:
        self.behaviour: Behaviour = parse(behaviour)
        self.online: Counter[str] = Counter()
        self._least = least
        self._folder = Path(tempfile.mkdtemp(prefix="toy-"))
        self._files: dict[str, StoredFile] = {}
        self._loaves: dict[int, Loaf] = {}
        self._count = 0
        self._ids: Counter[str] = Counter()
        self._digests: Counter[str] = Counter()
        self._lines = 0

    def change(self, dials: Mapping[str, Any]) -> None:
        """Turn some dials. What came about by the earlier ones stays."""
        self._look()
        self.behaviour = changed(self.behaviour, dials)

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one body at once."""
        known = self.behaviour.models
        if known is not None and asked["to"] not in known:
            raise Oops("nobody", "The toy knows no such model.", 404)
        said, digest = baked(asked)
        self.online[digest] += 1
        return said

    # Shelf and trays

    def put(self, label: str, dough: bytes) -> dict[str, Any]:
        return _spot(self._keep("s", label, dough))

    def spots(self) -> list[dict[str, Any]]:
        return [_spot(file) for file in self._files.values() if file.id.startswith("s")]

    def tray(self, id: str) -> StoredFile:
        if id not in self._files:
            raise Oops("nowhere", "There is no such place.", 404)
        return self._files[id]

    def remove(self, id: str) -> dict[str, Any]:
        self.tray(id).path.unlink()
        del self._files[id]
        return {}

    def _keep(self, letter: str, label: str, data: bytes) -> StoredFile:
        self._count += 1
        name = f"{letter}{self._count}"
        path = self._folder / name
        path.write_bytes(data)
        file = StoredFile(
            id=name,
            path=path,
            bytes=len(data),
            filename=label,
            purpose="shelf" if letter == "s" else "tray",
            created_at=int(time.time()),
        )
        self._files[name] = file
        return file

    # Loaves

    def bake(self, *, spot: str, label: str) -> dict[str, Any]:
        rows = self.tray(spot).path.read_bytes().splitlines()
        if len(rows) < self._least:
            raise Oops("no", f"A loaf takes {self._least} lines.", 400)
        first = msgspec.json.decode(rows[0].partition(b" ")[2])
        now = time.time()
        made = Loaf(
            number=len(self._loaves) + 1,
            label=label,
            spot=spot,
            rows=rows,
            model=first["to"],
            at=now,
            entered=now,
        )
        self._loaves[made.number] = made
        return self._shown(made)

    def loaf(self, id: str) -> dict[str, Any]:
        return self._shown(self._found(id))

    def loaves(self) -> list[dict[str, Any]]:
        horizon = time.time() - self.behaviour.list_lag
        return [self._shown(each) for each in self._loaves.values() if each.at <= horizon]

    def take_out(self, id: str) -> dict[str, Any]:
        found = self._found(id)
        if found.state not in _ENDED and found.state != "cancelling":
            found.state, found.entered = "cancelling", time.time()
        return self._shown(found)

    def _found(self, id: str) -> Loaf:
        found = self._loaves.get(int(id)) if id.isdigit() else None
        if found is None:
            raise Oops("nowhere", "There is no such loaf.", 404)
        self._advance(found)
        return found

    def _shown(self, loaf: Loaf) -> dict[str, Any]:
        self._advance(loaf)
        tally = None if self.behaviour.counters_null else (len(loaf.rows), loaf.good, loaf.bad)
        return {
            "loaf": loaf.number,
            "label": loaf.label,
            "spot": loaf.spot,
            "to": loaf.model,
            "state": _STATES[loaf.state],
            "at": int(loaf.at),
            "lit": None if loaf.lit is None else int(loaf.lit),
            "tally": tally,
            "trays": loaf.trays,
            "why": loaf.why,
        }

    def _look(self) -> None:
        for each in self._loaves.values():
            self._advance(each)

    def _advance(self, loaf: Loaf) -> None:
        """Bring a loaf to the state in which it is by now."""
        now, dials = time.time(), self.behaviour
        while loaf.state not in _ENDED:
            if loaf.state == "in_progress":
                self._count_run(loaf, now)
            over = loaf.entered + getattr(dials.phases, loaf.state)
            if now < over or loaf.state in dials.hold:
                return
            loaf.entered = max(over, loaf.entered)
            loaf.state = self._next(loaf)

    def _count_run(self, loaf: Loaf, now: float) -> None:
        dials = self.behaviour
        most = dials.fate(loaf.number - 1).share if "in_progress" in dials.hold else 1.0
        seconds = dials.phases.in_progress
        loaf.run = min(most, (now - loaf.entered) / seconds if seconds else most)
        loaf.good = int(len(loaf.rows) * loaf.run)

    def _next(self, loaf: Loaf) -> str:
        fate = self.behaviour.fate(loaf.number - 1)
        match loaf.state:
            case "validating":
                loaf.why = [(w["code"], w["message"], w["line"]) for w in fate.errors]
                known = self.behaviour.models
                if known is not None and loaf.model not in known:
                    loaf.why = [("model_not_found", "The toy knows no such model.", 1)]
                loaf.lit = None if loaf.why else loaf.entered
                return "failed" if loaf.why else "in_progress"
            case "in_progress" if fate.outcome != "completed":
                self._fill(loaf, int(len(loaf.rows) * fate.share))
                return fate.outcome
            case "in_progress":
                return "finalizing"
            case "cancelling" if not self.behaviour.cancel_loses:
                self._fill(loaf, loaf.good)
                return "cancelled"
            case _:
                self._fill(loaf, len(loaf.rows))
                return "completed"

    def _fill(self, loaf: Loaf, count: int) -> None:
        """A tray of rows of the first lines."""
        rows, seed = self.behaviour.rows, self.behaviour.seed
        loaf.good = loaf.bad = 0
        tray: list[bytes] = []
        for line in loaf.rows[:count]:
            who, _, body = line.partition(b" ")
            name = who.decode()
            row = self._row(loaf, name, body)
            if not befalls("drop", rows.drop, name, seed=seed):
                tray += [row] * (1 + befalls("duplicate", rows.duplicate, name, seed=seed))
        if rows.shuffle:
            random.Random(seed).shuffle(tray)
        loaf.trays = [self._keep("t", loaf.label, b"".join(row + b"\n" for row in tray)).id]

    def _row(self, loaf: Loaf, name: str, body: bytes) -> bytes:
        rows, seed = self.behaviour.rows, self.behaviour.seed
        if befalls("expire", rows.expire, name, seed=seed):
            return f"{name} .".encode()
        said, digest = baked(msgspec.json.decode(body))
        self._ids[name] += 1
        self._digests[digest] += 1
        self._lines += 1
        status = failure(rows, name, seed=seed)
        if status is None:
            loaf.good += 1
            return b"%b + %b" % (name.encode(), msgspec.json.encode(said))
        loaf.bad += 1
        oops = {"oops": _WORDS[status], "tell": "It was burnt."}
        return b"%b - %b" % (name.encode(), msgspec.json.encode(oops))

    def stats(self, *, brief: bool) -> dict[str, Any]:
        """What has happened so far, in the words of the other fakes."""
        self._look()
        lines = {
            "lines_by_id": dict(self._ids),
            "lines_by_digest": dict(self._digests),
            "online_by_digest": dict(self.online),
        }
        made = list(self._loaves.values())
        return {
            **({} if brief else lines),
            "vendor": "toy",
            "creates": [
                {"job_id": str(loaf.number), "filename": _named(loaf.label)} for loaf in made
            ],
            "creates_by_filename": dict(Counter(_named(loaf.label) for loaf in made)),
            "jobs": [
                {
                    "id": str(loaf.number),
                    "status": loaf.state,
                    "filename": _named(loaf.label),
                    "model": loaf.model,
                    "total": len(loaf.rows),
                    "input_file_id": loaf.spot,
                    "output_file_id": next(iter(loaf.trays), None),
                    "error_file_id": None,
                }
                for loaf in made
            ],
            "lines": self._lines,
            "files": [
                {"id": file.id, "filename": _named(file.filename), "purpose": file.purpose}
                for file in self._files.values()
            ],
        }


def baked(asked: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The answer to a body, and the digest of what it asks."""
    model = asked["to"]
    if "weigh" in asked:
        found = answer(Endpoint.EMBEDDINGS, {"input": asked["weigh"]}, model=model)
        heft = expected_embedding(asked["weigh"], model)
        return {"heft": heft, "coins": (found.prompt_tokens, 0)}, found.digest
    turns = [{"role": role, "content": content} for role, content in asked["say"]]
    body = {"messages": turns, "max_tokens": asked.get("most")}
    found = answer(Endpoint.CHAT, body, model=model)
    (output,) = found.outputs
    said = {
        "said": output.text,
        "coins": (found.prompt_tokens, found.output_tokens),
        "whole": output.finish == "stop",
        "at": int(time.time()),
    }
    return said, found.digest


def _spot(file: StoredFile) -> dict[str, Any]:
    return {"spot": file.id, "label": file.filename, "weight": file.bytes}


def _named(label: str) -> str:
    """As the other fakes name the file of a job."""
    return f"{label}.jsonl"
