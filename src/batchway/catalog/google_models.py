"""What is known of the models on Vertex AI, as data: a row for each family, the first that fits.

A row is a `families.Family`, and says whether jobs run at `global` too. Owns facts, and which part
of a name rows are about: a new family is a row. A configuration replaces the dialect of any model
(`models`).

Read on `_READ`, when Google's pages called the service Gemini Enterprise Agent Platform.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from batchway.catalog.families import Families, Family, Grade
from batchway.domain.endpoint import Endpoint
from batchway.domain.remote import NativeTraits

_READ: Final = "2026-11-28"
_DOCS: Final = "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models"

_EMBEDDINGS_PAGE: Final = (
    "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/embeddings/"
    "batch-prediction-genai-embeddings"
)
_GIGABYTE: Final = 1_000_000_000
_CHAT: Final = frozenset({Endpoint.CHAT_COMPLETIONS, Endpoint.RESPONSES})
_EMBEDDINGS: Final = frozenset({Endpoint.EMBEDDINGS})


class GoogleDialect(StrEnum):
    """What models speak."""

    GEMINI = "gemini"  # generateContent
    GEMINI_EMBEDDING = "gemini-embedding"  # embedContent
    TEXT_EMBEDDING = "text-embedding"  # predict
    ANTHROPIC = "anthropic"  # rawPredict, Anthropic's Messages
    OPENAI = "openai"  # the endpoint that takes OpenAI's bodies


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleModels(Family[GoogleDialect]):
    """A family there; its `pattern` is of names without a publisher.

    `everywhere` is whether jobs run at the location `global` too.
    """

    read: str = _READ
    everywhere: bool = False

    def traits_at(self, region: str) -> NativeTraits | None:
        """What a job of them takes there; `None` where there are no jobs."""
        return None if region == "global" and not self.everywhere else self.traits


_GEMINI_EMBEDDING_001: Final = GoogleModels(
    pattern="gemini-embedding-001",
    publisher="google",
    # `predict` takes many texts a request, and does for this one alone of Gemini's.
    online=GoogleDialect.TEXT_EMBEDDING,
    jobs=GoogleDialect.GEMINI_EMBEDDING,
    endpoints=_EMBEDDINGS,
    source=_EMBEDDINGS_PAGE,
    max_lines=1_000_000,
    max_bytes=_GIGABYTE,
    notes=("Jobs run in seven regions, not at `global`.",),
)
_GEMINI_EMBEDDING: Final = GoogleModels(
    pattern="gemini-embedding-*",
    publisher="google",
    online=GoogleDialect.GEMINI_EMBEDDING,
    jobs=GoogleDialect.GEMINI_EMBEDDING,
    endpoints=_EMBEDDINGS,
    source=_EMBEDDINGS_PAGE,
    everywhere=True,
    max_lines=1_000_000,
    max_bytes=_GIGABYTE,
    notes=("One text a request: an array of texts becomes several.",),
)
_TEXT_EMBEDDING: Final = GoogleModels(
    pattern="text-embedding-*",
    publisher="google",
    online=GoogleDialect.TEXT_EMBEDDING,
    jobs=GoogleDialect.TEXT_EMBEDDING,
    endpoints=_EMBEDDINGS,
    source=_EMBEDDINGS_PAGE,
    max_lines=30_000,
)
_GEMINI: Final = GoogleModels(
    pattern="gemini-*",
    publisher="google",
    online=GoogleDialect.GEMINI,
    jobs=GoogleDialect.GEMINI,
    endpoints=_CHAT,
    source=f"{_DOCS}/capabilities/batch-inference",
    everywhere=True,
    max_lines=200_000,
    max_bytes=_GIGABYTE,
    notes=("A job waits for room for up to 72 hours, and runs for up to 24.",),
)
_CLAUDE: Final = GoogleModels(
    pattern="claude-*",
    publisher="anthropic",
    online=GoogleDialect.ANTHROPIC,
    jobs=GoogleDialect.ANTHROPIC,
    endpoints=_CHAT,
    source=f"{_DOCS}/partner-models/claude/batch",
    notes=(
        "Four jobs of a project at once, unless Google has raised it; more wait.",
        "Jobs do not run at `global`. Newer models are offered at `global`, `us` and `eu` only.",
    ),
)
_OPEN: Final = GoogleModels(
    pattern="*-maas",
    publisher="",
    online=GoogleDialect.OPENAI,
    jobs=None,
    endpoints=_CHAT,
    source=f"{_DOCS}/maas/use-open-models",
    notes=("Jobs of them are in no list of Google's.",),
)


def _open(pattern: str, publisher: str) -> GoogleModels:
    return replace(
        _OPEN,
        pattern=pattern,
        publisher=publisher,
        jobs=GoogleDialect.OPENAI,
        source="https://docs.cloud.google.com/vertex-ai/generative-ai/docs/maas/capabilities/"
        "batch-prediction",
        notes=("Jobs do not run at `global`.",),
    )


GOOGLE_MODELS: Final = (
    _GEMINI_EMBEDDING_001,
    _GEMINI_EMBEDDING,
    _TEXT_EMBEDDING,
    replace(_TEXT_EMBEDDING, pattern="text-multilingual-embedding-*"),
    replace(_TEXT_EMBEDDING, pattern="textembedding-gecko*"),
    _GEMINI,
    _CLAUDE,
    _open("llama-*-maas", "meta"),
    _open("gpt-oss-*-maas", "openai"),
    _open("qwen*-maas", "qwen"),
    _open("deepseek-*-maas", "deepseek-ai"),
    replace(
        _open("multilingual-e5-*-maas", "intfloat"),
        endpoints=_EMBEDDINGS,
        grade=Grade.REPORTED,
    ),
    replace(_OPEN, pattern="kimi-*-maas", publisher="moonshotai"),
    replace(_OPEN, pattern="minimax-*-maas", publisher="minimaxai"),
    replace(_OPEN, pattern="glm-*-maas", publisher="zai-org"),
    replace(_OPEN, pattern="gemma-*-maas", publisher="google"),
    replace(_OPEN, pattern="grok-*", publisher="xai", grade=Grade.REPORTED),
    _OPEN,
)

_FAMILIES: Final = Families(
    rows=GOOGLE_MODELS,
    by_dialect=MappingProxyType(
        {
            GoogleDialect.GEMINI: _GEMINI,
            GoogleDialect.GEMINI_EMBEDDING: _GEMINI_EMBEDDING,
            GoogleDialect.TEXT_EMBEDDING: _TEXT_EMBEDDING,
            GoogleDialect.ANTHROPIC: _CLAUDE,
            GoogleDialect.OPENAI: replace(
                _OPEN, jobs=GoogleDialect.OPENAI, endpoints=_CHAT | _EMBEDDINGS
            ),
        }
    ),
)

GOOGLE_MOST: Final = _FAMILIES.most


def family_of(written: str, configured: Mapping[str, GoogleDialect]) -> GoogleModels | None:
    """What is known of a model by its name, in any of the forms in which names are written.

    `configured` are dialects by name or pattern, and win. `None` where nothing is known.
    """
    parts = written.split("/")
    name, kind = parts[-1], parts[-2] if len(parts) > 1 else ""
    published = kind != "endpoints" and (kind != "models" or parts[-4:-3] == ["publishers"])
    publisher = parts[-3] if published and kind == "models" else kind
    if published:
        return _FAMILIES.find((written, f"{publisher}/{name}", name), configured)
    chosen = _FAMILIES.chosen((written, f"{kind}/{name}"), configured)
    return _tuned(chosen or _GEMINI, kind)


def is_foreign(written: str, project: str) -> bool:
    """Whether a model's name says another project than the one that it is called in."""
    parts = written.split("/")
    return parts[0] == "projects" and parts[1:2] != [project]


def _tuned(row: GoogleModels, kind: str) -> GoogleModels:
    """A tuned model is one thing online, an endpoint, and another in jobs, a model."""
    endpoint = kind == "endpoints"
    return replace(
        row,
        publisher="",
        online=row.online if endpoint else None,
        jobs=None if endpoint else row.jobs,
        everywhere=False,
    )
