"""Lines/s through each dialect, encoding and decoding, on one core.

    .venv/bin/python -m bench dialects

Both are on the path of every line of a batch, once each. Nothing else is measured: no reading of
files, no framing, no network. Owns what is measured and how, not the lines (`bench.wires`).
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from bench.figures import Figure, Table
from bench.goals import Goal, publish
from bench.wires import MODEL, answers, chat_bodies, embeddings_bodies, responses_bodies

from batchway.ports.dialect import Dialect, Encoded, Result

_GOAL: Final = 20_000
_DIFFERENT: Final = 300  # lines; more of them do not fit the caches of a core
_ROUNDS: Final = 5
_AT: Final = 1_793_500_000


class UnsaidError(Exception):
    """A line of the benchmark is not said, or its answer not read: what was timed is no work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wire:
    """A dialect, the lines it is given and the wire of the answers.

    `where` is a module below `batchway.dialects` and the class in it, imported when it is measured.
    """

    name: str
    where: str
    given: dict[str, Any]
    lines: Callable[[int], list[bytes]] = chat_bodies
    wire: str
    inner: "_Wire | None" = None

    @property
    def there(self) -> bool:
        """Whether there is such a dialect yet."""
        family, module = self.where.partition(":")[0].split(".")
        return (
            find_spec(f"batchway.dialects.{family}") is not None
            and find_spec(f"batchway.dialects.{family}.{module}") is not None
            and (self.inner is None or self.inner.there)
        )

    def make(self) -> Dialect:
        """The dialect."""
        module, _, name = self.where.partition(":")
        inner = {} if self.inner is None else {"inner": self.inner.make()}
        return getattr(import_module(f"batchway.dialects.{module}"), name)(**self.given, **inner)


def _base64(count: int) -> list[bytes]:
    return embeddings_bodies(count, base64=True)


_FLASH: Final = "gemini-2.5-flash"
_GEMINI: Final = _Wire(
    name="gemini, online",
    where="gemini.dialect:GeminiDialect",
    given={"model": _FLASH, "batch": False},
    wire="gemini",
)
_EMBEDDINGS: Final = "gemini.embeddings:GeminiEmbeddingsDialect"
_WIRES: Final = (
    _Wire(
        name="openai",
        where="openai.dialect:OpenAIDialect",
        given={"endpoint": "/v1/chat/completions", "model": f"{MODEL}-upstream"},
        wire="openai",
    ),
    _GEMINI,
    _Wire(
        name="gemini, batch",
        where="gemini.dialect:GeminiDialect",
        given={"model": _FLASH, "batch": True},
        wire="gemini",
    ),
    _Wire(
        name="anthropic",
        where="anthropic.dialect:AnthropicDialect",
        given={"model": "claude-sonnet-4-5", "version": "vertex-2023-10-16"},
        wire="anthropic",
    ),
    _Wire(
        name="responses over gemini",
        where="responses.dialect:ResponsesDialect",
        given={"model": _FLASH},
        lines=responses_bodies,
        wire="gemini",
        inner=_GEMINI,
    ),
    _Wire(
        name="gemini embeddings, online",
        where=_EMBEDDINGS,
        given={"model": "gemini-embedding-2", "batch": False},
        lines=embeddings_bodies,
        wire="embedding",
    ),
    _Wire(
        name="gemini embeddings, batch",
        where=_EMBEDDINGS,
        given={"model": "gemini-embedding-001", "batch": True},
        lines=embeddings_bodies,
        wire="embedding",
    ),
    _Wire(
        name="gemini embeddings, base64",
        where=_EMBEDDINGS,
        given={"model": "gemini-embedding-2", "batch": False},
        lines=_base64,
        wire="embedding",
    ),
    _Wire(
        name="text embeddings, batch",
        where="gemini.text_embeddings:TextEmbeddingsDialect",
        given={"model": "text-embedding-005", "batch": True},
        lines=embeddings_bodies,
        wire="predictions",
    ),
)


@dataclass(slots=True)
class _Runs:
    """A dialect's lines, encoded once, and the lines/s of each round."""

    dialect: Dialect
    lines: list[bytes]
    contexts: list[bytes]
    answers: list[bytes]
    encode: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)

    def round(self, count: int) -> None:
        """Measure both ways once, `count` lines each."""
        self.encode.append(_rate(self._encode, count))
        self.decode.append(_rate(self._decode, count))

    def _encode(self) -> None:
        encode = self.dialect.encode
        for line in self.lines:
            encode(line, named=MODEL)

    def _decode(self) -> None:
        decode = self.dialect.decode
        for answer, context in zip(self.answers, self.contexts, strict=True):
            decode(200, answer, context, at=_AT)


def dialects(scale: float) -> list[Goal]:
    """Lines/s of every dialect, both ways, by CPU time; rounds of all dialects in turns."""
    count = max(_DIFFERENT, int(20_000 * scale))
    runs = {wire.name: _prepare(wire) for wire in _WIRES if wire.there}
    for _ in range(_ROUNDS):
        for each in runs.values():
            each.round(count)
    figures: list[Figure] = []
    goals: list[Goal] = []
    for name, each in runs.items():
        for way, rates in (("encode", each.encode), ("decode", each.decode)):
            got = statistics.median(rates)
            figures.append(
                Figure(series=name, at=way, value=got, unit="lines/s", runs=tuple(rates))
            )
            what = f"{name}, {way}, lines/s"
            met = got >= _GOAL
            goals.append(Goal(what=what, goal=f"at least {_GOAL:,}", got=got, met=met))
    publish(
        Table(
            name="dialects",
            title="Lines/s through each dialect, on one core",
            command="python -m bench dialects",
            figures=tuple(figures),
            notes=(
                f"By CPU time; medians of {_ROUNDS} rounds of {count:,} lines, all dialects in "
                "turns, garbage collection as in a server.",
                f"Chat of {_mean(runs['openai'].lines):,} bytes a line: plain, with two tools, and "
                "with a strict schema, a third each; answers of "
                f"{_mean(runs['openai'].answers):,} bytes on OpenAI's wire. `responses` reads and "
                "writes the same as `/v1/responses` has it, through gemini's dialect.",
                f"Embeddings: a text of {_mean(runs[_WIRES[-1].name].lines):,} bytes and a vector "
                "of 768 numbers, which stays as the provider wrote it unless base64 is wanted.",
                f"Goal: at least {_GOAL:,} lines/s each way.",
            ),
        )
    )
    return goals


def _prepare(wire: _Wire) -> _Runs:
    """The lines and answers of a dialect, each of them checked once.

    Raises `UnsaidError` when it refuses one.
    """
    dialect = wire.make()
    lines, given = wire.lines(_DIFFERENT), answers(wire.wire, _DIFFERENT)
    contexts: list[bytes] = []
    for line, answer in zip(lines, given, strict=True):
        encoded = dialect.encode(line, named=MODEL)
        if not isinstance(encoded, Encoded) or len(encoded.bodies) != 1:
            raise UnsaidError(f"{wire.name}: {encoded}")
        read = dialect.decode(200, answer, encoded.context, at=_AT)
        if not isinstance(read, Result):
            raise UnsaidError(f"{wire.name}: {read}")
        contexts.append(encoded.context)
    return _Runs(dialect, lines, contexts, given)


def _rate(all_lines: Callable[[], None], count: int) -> float:
    """Lines a second of this process's CPU."""
    gc.collect()
    times = -(-count // _DIFFERENT)
    began = time.process_time()
    for _ in range(times):
        all_lines()
    return times * _DIFFERENT / (time.process_time() - began)


def _mean(items: Sequence[bytes]) -> int:
    return round(statistics.mean(map(len, items)))
