"""What is known of the models on AWS Bedrock, as data: a row for each family, the first that fits.

A row is a `families.Family`, and says what a job's input may hold beside its lines. Owns facts, and
which part of a name rows are about: a new family is a row. A configuration replaces the dialect of
any model (`models`).

Online, a family whose own bodies say less than Converse does (prompts without tools, images or
roles) is spoken to in Converse; in jobs in its own, since jobs of Converse take no tools either.
Which models jobs run is from the quotas of batch inference, which AWS has for each model. Limits
that no page gives in numbers are those that accounts have by default, as others report them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from batchway.catalog.families import Families, Family, Grade
from batchway.domain.endpoint import Endpoint

_READ: Final = "2026-11-28"
_GUIDE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide"
_JOBS: Final = f"{_GUIDE}/batch-inference-supported.html"
_CONVERSE: Final = f"{_GUIDE}/conversation-inference-supported-models-features.html"
_BODIES: Final = f"{_GUIDE}/model-parameters.html"
_CARDS: Final = f"{_GUIDE}/model-cards.html"
_GIGABYTE: Final = 1_000_000_000
_CHAT: Final = frozenset({Endpoint.CHAT_COMPLETIONS, Endpoint.RESPONSES})
_EMBEDDINGS: Final = frozenset({Endpoint.EMBEDDINGS})

# "us.", "us-gov.", "apac.", "global.": profiles of a geography, whatever it will be called.
_GEOGRAPHY: Final = re.compile(r"^(?:[a-z]{2}(?:-gov)?|apac|global)\.(?=[a-z0-9-]+\.)")


class BedrockDialect(StrEnum):
    """What models speak."""

    CONVERSE = "converse"  # Converse, for whatever AWS translates it to
    ANTHROPIC = "anthropic"  # InvokeModel, as all below: Anthropic's Messages
    OPENAI = "openai"  # OpenAI's chat
    NOVA = "nova"  # Nova's messages-v1
    LLAMA = "llama"  # a prompt
    MISTRAL = "mistral"  # a prompt
    MISTRAL_CHAT = "mistral-chat"  # Mistral's chat
    DEEPSEEK = "deepseek"  # a prompt
    TITAN_EMBEDDING = "titan-embedding"
    COHERE_EMBEDDING = "cohere-embedding"
    NOVA_EMBEDDING = "nova-embedding"


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockModels(Family[BedrockDialect]):
    """A family there; its `pattern` is of ids of foundation models, without a geography."""

    read: str = _READ
    min_lines: int = 100
    max_bytes: int = _GIGABYTE


_ONLINE: Final = ("AWS lists no jobs of them.",)
_UNCOUNTED: Final = "In a job, answers have no count of tokens: their usage is 0."

_CLAUDE: Final = BedrockModels(
    pattern="anthropic.claude*",
    publisher="Anthropic",
    online=BedrockDialect.ANTHROPIC,
    jobs=BedrockDialect.ANTHROPIC,
    endpoints=_CHAT,
    source=_JOBS,
    notes=("Newer models are called by an inference profile only: `us.anthropic.claude-...`.",),
)
_NOVA: Final = BedrockModels(
    pattern="amazon.nova-*",
    publisher="Amazon",
    online=BedrockDialect.NOVA,
    jobs=BedrockDialect.NOVA,
    endpoints=_CHAT,
    source=_JOBS,
)
_OPENAI: Final = BedrockModels(
    pattern="openai.*",
    publisher="OpenAI",
    online=BedrockDialect.OPENAI,
    jobs=BedrockDialect.OPENAI,
    endpoints=_CHAT,
    source=_JOBS,
)
# Which of them jobs run is from quotas that others list: AWS's page names a few of each maker.
_OPEN: Final = replace(_OPENAI, source=_CARDS, grade=Grade.REPORTED)
_LLAMA: Final = BedrockModels(
    pattern="meta.llama*",
    publisher="Meta",
    online=BedrockDialect.CONVERSE,
    jobs=BedrockDialect.LLAMA,
    endpoints=_CHAT,
    source=_JOBS,
    notes=("Tools and images go online only: in a job these models take a prompt.",),
)
_MISTRAL: Final = BedrockModels(
    pattern="mistral.mistral-small-24*",
    publisher="Mistral AI",
    online=BedrockDialect.CONVERSE,
    jobs=BedrockDialect.MISTRAL,
    endpoints=_CHAT,
    source=_JOBS,
    notes=("Tools go online only: in a job these models take a prompt.", _UNCOUNTED),
)
_MISTRAL_CHAT: Final = BedrockModels(
    pattern="mistral.mistral-large-2407*",
    publisher="Mistral AI",
    online=BedrockDialect.MISTRAL_CHAT,
    jobs=BedrockDialect.MISTRAL_CHAT,
    endpoints=_CHAT,
    source=_JOBS,
)
_TITAN_EMBEDDING: Final = BedrockModels(
    pattern="amazon.titan-embed-*",
    publisher="Amazon",
    online=BedrockDialect.TITAN_EMBEDDING,
    jobs=BedrockDialect.TITAN_EMBEDDING,
    endpoints=_EMBEDDINGS,
    source=_JOBS,
    notes=("One text a request: an array of texts becomes several.",),
)
_NOVA_EMBEDDING: Final = replace(
    _TITAN_EMBEDDING,
    notes=(*_TITAN_EMBEDDING.notes, _UNCOUNTED),
    pattern="amazon.nova-*embeddings*",
    online=BedrockDialect.NOVA_EMBEDDING,
    jobs=BedrockDialect.NOVA_EMBEDDING,
)
_COHERE_EMBEDDING: Final = BedrockModels(
    pattern="cohere.embed-*",
    publisher="Cohere",
    online=BedrockDialect.COHERE_EMBEDDING,
    jobs=None,
    endpoints=_EMBEDDINGS,
    source=_BODIES,
    notes=_ONLINE,
)
_ANY: Final = BedrockModels(
    pattern="*.*",
    publisher="",
    online=BedrockDialect.CONVERSE,
    jobs=BedrockDialect.CONVERSE,
    endpoints=_CHAT,
    source=_CONVERSE,
    grade=Grade.REPORTED,
    notes=("Any other model that Converse takes. Tools go online only.",),
)


def _converse(pattern: str, publisher: str) -> BedrockModels:
    """Models that Converse takes and no job runs."""
    return replace(
        _ANY,
        pattern=pattern,
        publisher=publisher,
        jobs=None,
        grade=Grade.DOCUMENTED,
        notes=_ONLINE,
    )


BEDROCK_MODELS: Final = (
    _CLAUDE,
    _NOVA_EMBEDDING,
    _NOVA,
    _OPENAI,
    replace(_OPENAI, pattern="qwen.*", publisher="Qwen"),
    _converse("deepseek.r1*", "DeepSeek"),
    replace(_OPENAI, pattern="deepseek.*", publisher="DeepSeek"),
    _LLAMA,
    _MISTRAL,
    _MISTRAL_CHAT,
    replace(_MISTRAL_CHAT, pattern="mistral.pixtral-*", jobs=None, notes=_ONLINE),
    _converse("mistral.mistral-7b-*", "Mistral AI"),
    _converse("mistral.mistral-large-2402*", "Mistral AI"),
    _converse("mistral.mixtral-*", "Mistral AI"),
    replace(_OPEN, pattern="mistral.*", publisher="Mistral AI"),
    replace(_OPEN, pattern="minimax.*", publisher="MiniMax"),
    replace(_OPEN, pattern="moonshot*.*", publisher="Moonshot AI"),
    replace(_OPEN, pattern="zai.*", publisher="Z.AI"),
    replace(_OPEN, pattern="google.gemma-*", publisher="Google"),
    replace(_OPEN, pattern="nvidia.nemotron-*", publisher="NVIDIA"),
    _converse("amazon.titan-text-*", "Amazon"),
    replace(_TITAN_EMBEDDING, pattern="amazon.titan-embed-text-v1*", jobs=None, notes=_ONLINE),
    replace(_TITAN_EMBEDDING, pattern="amazon.titan-embed-g1-*", jobs=None, notes=_ONLINE),
    _TITAN_EMBEDDING,
    _COHERE_EMBEDDING,
    _converse("cohere.command-*", "Cohere"),
    _converse("ai21.jamba-*", "AI21 Labs"),
    _converse("writer.palmyra-*", "Writer"),
    _ANY,
)

_FAMILIES: Final = Families(
    rows=BEDROCK_MODELS,
    by_dialect=MappingProxyType(
        {
            BedrockDialect.CONVERSE: _ANY,
            BedrockDialect.ANTHROPIC: _CLAUDE,
            BedrockDialect.OPENAI: _OPENAI,
            BedrockDialect.NOVA: _NOVA,
            BedrockDialect.LLAMA: replace(_LLAMA, online=BedrockDialect.LLAMA),
            BedrockDialect.MISTRAL: replace(_MISTRAL, online=BedrockDialect.MISTRAL),
            BedrockDialect.MISTRAL_CHAT: _MISTRAL_CHAT,
            BedrockDialect.DEEPSEEK: replace(
                _OPENAI, online=BedrockDialect.DEEPSEEK, jobs=BedrockDialect.DEEPSEEK
            ),
            BedrockDialect.TITAN_EMBEDDING: _TITAN_EMBEDDING,
            BedrockDialect.NOVA_EMBEDDING: _NOVA_EMBEDDING,
            BedrockDialect.COHERE_EMBEDDING: replace(
                _COHERE_EMBEDDING, jobs=BedrockDialect.COHERE_EMBEDDING
            ),
        }
    ),
)

BEDROCK_MOST: Final = _FAMILIES.most


def base_of(name: str) -> str:
    """The id of a foundation model, of the name of an inference profile of it or its own."""
    return _GEOGRAPHY.sub("", name, count=1)


def known(model: str) -> BedrockModels | None:
    """What is known of a foundation model, by its id."""
    return _FAMILIES.known(model)


def find(names: tuple[str, ...], configured: Mapping[str, BedrockDialect]) -> BedrockModels | None:
    """What is known of a model by its names, the id of its foundation model last.

    `configured` are dialects by name or pattern, and win. `None` where nothing is known.
    """
    return _FAMILIES.find(names, configured)


def chosen(
    names: tuple[str, ...], configured: Mapping[str, BedrockDialect]
) -> BedrockModels | None:
    """What a configuration says of a model whose names tell no family."""
    return _FAMILIES.chosen(names, configured)
