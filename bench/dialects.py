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
from typing import Final

from bench.figures import Figure, Table
from bench.goals import Goal, publish
from bench.wires import (
    MODEL,
    answers,
    chat_bodies,
    embeddings_bodies,
    large_embeddings_bodies,
    plain_bodies,
    responses_bodies,
    unbound_bodies,
)

from batchway.dialects.anthropic.dialect import AnthropicDialect
from batchway.dialects.cohere.dialect import CohereEmbeddingsDialect
from batchway.dialects.converse.dialect import ConverseDialect, NovaDialect
from batchway.dialects.deepseek.dialect import DeepSeekDialect
from batchway.dialects.gemini.dialect import GeminiDialect
from batchway.dialects.gemini.embeddings import GeminiEmbeddingsDialect
from batchway.dialects.gemini.text_embeddings import TextEmbeddingsDialect
from batchway.dialects.llama.dialect import LlamaDialect
from batchway.dialects.mistral.chat_dialect import MistralChatDialect
from batchway.dialects.mistral.prompt_dialect import MistralPromptDialect
from batchway.dialects.nova_embeddings.dialect import NovaEmbeddingsDialect
from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.open_dialect import OpenModelDialect
from batchway.dialects.responses.dialect import ResponsesDialect
from batchway.dialects.titan.dialect import TitanEmbeddingsDialect
from batchway.ports.dialect import Dialect, Encoded, Result

_GOAL: Final = 20_000
_DIFFERENT: Final = 300  # lines; more of them do not fit the caches of a core
_ROUNDS: Final = 5
_AT: Final = 1_793_500_000


class UnsaidError(Exception):
    """A line of the benchmark is not said, or its answer not read: what was timed is no work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wire:
    """A dialect, the lines it is given and the wire of the answers."""

    name: str
    dialect: Dialect
    lines: Callable[[int], list[bytes]] = chat_bodies
    wire: str


def _base64(count: int) -> list[bytes]:
    return embeddings_bodies(count, base64=True)


_FLASH: Final = "gemini-2.5-flash"
_CLAUDE: Final = "claude-sonnet-4-5"
_WIRES: Final = (
    _Wire(
        name="openai",
        dialect=OpenAIDialect(endpoint="/v1/chat/completions", model=f"{MODEL}-upstream"),
        wire="openai",
    ),
    _Wire(name="gemini, online", dialect=GeminiDialect(model=_FLASH, batch=False), wire="gemini"),
    _Wire(name="gemini, batch", dialect=GeminiDialect(model=_FLASH, batch=True), wire="gemini"),
    _Wire(
        name="anthropic",
        dialect=AnthropicDialect(model=_CLAUDE, version="vertex-2023-10-16"),
        wire="anthropic",
    ),
    _Wire(
        name="responses over gemini",
        dialect=ResponsesDialect(inner=GeminiDialect(model=_FLASH, batch=False), model=_FLASH),
        lines=responses_bodies,
        wire="gemini",
    ),
    _Wire(
        name="gemini embeddings, online",
        dialect=GeminiEmbeddingsDialect(model="gemini-embedding-2", batch=False),
        lines=embeddings_bodies,
        wire="embedding",
    ),
    _Wire(
        name="gemini embeddings, batch",
        dialect=GeminiEmbeddingsDialect(model="gemini-embedding-001", batch=True),
        lines=embeddings_bodies,
        wire="embedding",
    ),
    _Wire(
        name="gemini embeddings, base64",
        dialect=GeminiEmbeddingsDialect(model="gemini-embedding-2", batch=False),
        lines=_base64,
        wire="embedding",
    ),
    _Wire(
        name="text embeddings, batch",
        dialect=TextEmbeddingsDialect(model="text-embedding-005", batch=True),
        lines=embeddings_bodies,
        wire="predictions",
    ),
    _Wire(
        name="converse",
        dialect=ConverseDialect(model=f"us.anthropic.{_CLAUDE}-20250929-v1:0", batch=False),
        wire="converse",
    ),
    _Wire(name="nova", dialect=NovaDialect(model="us.amazon.nova-2-lite-v1:0"), wire="converse"),
    _Wire(
        name="anthropic at Bedrock",
        dialect=AnthropicDialect(
            model=f"us.anthropic.{_CLAUDE}-20250929-v1:0", version="bedrock-2023-05-31"
        ),
        wire="anthropic",
    ),
    _Wire(
        name="open models at Bedrock",
        dialect=OpenModelDialect(model="openai.gpt-oss-120b-1:0"),
        wire="openai",
    ),
    _Wire(
        name="llama",
        dialect=LlamaDialect(model="us.meta.llama3-3-70b-instruct-v1:0"),
        lines=plain_bodies,
        wire="llama",
    ),
    _Wire(
        name="mistral, prompt",
        dialect=MistralPromptDialect(model="mistral.mistral-small-2402-v1:0"),
        lines=plain_bodies,
        wire="mistral",
    ),
    _Wire(
        name="mistral, chat",
        dialect=MistralChatDialect(model="mistral.mistral-large-2407-v1:0"),
        lines=unbound_bodies,
        wire="openai",
    ),
    _Wire(
        name="deepseek",
        dialect=DeepSeekDialect(model="us.deepseek.r1-v1:0"),
        lines=plain_bodies,
        wire="deepseek",
    ),
    _Wire(
        name="titan embeddings",
        dialect=TitanEmbeddingsDialect(model="amazon.titan-embed-text-v2:0"),
        lines=large_embeddings_bodies,
        wire="titan",
    ),
    _Wire(
        name="cohere embeddings",
        dialect=CohereEmbeddingsDialect(model="cohere.embed-v4:0"),
        lines=large_embeddings_bodies,
        wire="cohere",
    ),
    _Wire(
        name="nova embeddings",
        dialect=NovaEmbeddingsDialect(model="amazon.nova-2-multimodal-embeddings-v1:0"),
        lines=large_embeddings_bodies,
        wire="nova embedding",
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
    runs = {wire.name: _prepare(wire) for wire in _WIRES}
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
                "Models that are given a prompt get plain lines alone, Mistral Large no schemas.",
                f"Embeddings: a text of {_mean(runs[_WIRES[-1].name].lines):,} bytes and a vector "
                "of 768 numbers, at Bedrock 1,024, which stays as the provider wrote it unless "
                "base64 is wanted. Titan sends each vector twice.",
                f"Goal: at least {_GOAL:,} lines/s each way.",
            ),
        )
    )
    return goals


def _prepare(wire: _Wire) -> _Runs:
    """The lines and answers of a dialect, each of them checked once.

    Raises `UnsaidError` when it refuses one.
    """
    dialect = wire.dialect
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
