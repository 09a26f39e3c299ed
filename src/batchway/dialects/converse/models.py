"""What each family of Bedrock's models takes of a request, as data: a row each, with its source.

A model is found by its name in any spelling of Bedrock's: `amazon.nova-lite-v1:0`, with a profile's
`us.` before it, or at the end of an ARN. The first row whose pattern is in the name counts. A name
without a row is taken for a model that takes what the API has, but for sound, video and thinking,
which few take: what it does not take, the API refuses by name.

Most rows are of AWS's table of what models take over Converse; `schemas` are of the models' cards.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

from batchway.dialects.claude.models import Traits as ClaudeTraits
from batchway.dialects.claude.models import traits_of as claude_traits

_GUIDE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/"
_FEATURES: Final = _GUIDE + "conversation-inference-supported-models-features.html"
_SCHEMAS: Final = _GUIDE + "structured-output.html"
_LLAMA: Final = _GUIDE + "model-parameters-meta.html"
_OPENAI: Final = _GUIDE + "model-parameters-openai.html"
_NOVA: Final = "https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html"
_NOVA_2: Final = "https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html"


class Reasoning(StrEnum):
    """How a model is made to think before it answers."""

    NEVER = "never"  # it does not think
    FIXED = "fixed"  # it cannot be told, or how is not documented
    NOVA = "nova"  # `reasoningConfig`; without it, it does not
    OPENAI = "openai"  # `reasoning_effort`; it always does


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes.

    `claude` is what Claude takes of parameters, for Claude. `system` is whether it takes
    instructions; `stored` whether files may stand in S3, `stored_images` images too. `forced` are
    the choices that make it call a tool: `any`, or a named `tool`. `mixes` is whether the user may
    speak in the turn that has the results of calls, `stops` whether it takes sequences to stop at,
    `prefill` whether it goes on writing a turn that was begun for it. `schemas` is whether its text
    can be bound to a JSON schema; `schema_by_tool` whether it is asked for as a call of a tool.
    """

    claude: ClaudeTraits | None = None
    system: bool = True
    images: bool = True
    documents: bool = True
    video: bool = False
    audio: bool = False
    stored: bool = False
    stored_images: bool = False
    tools: bool = True
    forced: tuple[str, ...] = ("any", "tool")
    mixes: bool = True
    stops: bool = True
    prefill: bool = False
    schemas: bool = True
    schema_by_tool: bool = False
    reasoning: Reasoning = Reasoning.FIXED
    source: str
    date: str = "2026-11"


def _nova(*, sees: bool = True, hears: bool = False, thinks: bool = False) -> Traits:
    """Amazon Nova: what is bound to a schema is the input of its tools."""
    return Traits(
        images=sees,
        documents=sees,
        video=sees,
        audio=hears,
        stored=sees,
        stored_images=sees,
        prefill=True,
        schemas=False,
        schema_by_tool=True,
        reasoning=Reasoning.NOVA if thinks else Reasoning.NEVER,
        source=_NOVA_2 if thinks else _NOVA,
    )


def _llama(*, sees: bool = False, calls: bool = True) -> Traits:
    """Meta's Llama: a prompt with a few parameters, whatever is around it."""
    return Traits(
        images=sees,
        tools=calls,
        forced=(),
        mixes=False,
        stops=False,
        schemas=False,
        reasoning=Reasoning.NEVER,
        source=_LLAMA,
    )


def _older(
    *,
    system: bool = True,
    sees: bool = False,
    calls: bool = True,
    forced: tuple[str, ...] = (),
) -> Traits:
    """Models of 2024 and 2025 that neither think nor are bound to schemas."""
    return Traits(
        system=system,
        images=sees,
        tools=calls,
        forced=forced,
        schemas=False,
        reasoning=Reasoning.NEVER,
        source=_FEATURES,
    )


_CLAUDE: Final = "claude"
_NOVA_NEWEST: Final = _nova(thinks=True)

MODELS: Final[tuple[tuple[str, Traits], ...]] = (
    (r"nova-2-(omni|sonic)", _nova(hears=True, thinks=True)),
    (r"nova-2-", _NOVA_NEWEST),
    (r"nova-micro", _nova(sees=False)),
    (r"nova-(lite|pro|premier)", _nova()),
    (r"titan-t", _older(system=False, calls=False)),
    (r"llama4|llama3-2-(11|90)b", _llama(sees=True)),
    (r"llama3-[13]", _llama()),
    (r"llama", _llama(calls=False)),
    (r"mistral-7b|mixtral", _older(system=False, calls=False)),
    (r"mistral-(large|small)-24", _older(forced=("any",))),
    (r"pixtral", _older(sees=True, forced=("any",))),
    (r"voxtral", Traits(images=False, audio=True, source=_SCHEMAS)),
    (r"command-r", _older()),
    (r"jamba", _older()),
    (r"palmyra-x", _older()),
    (r"deepseek\.r1", Traits(images=False, tools=False, schemas=False, source=_FEATURES)),
    (r"deepseek", Traits(images=False, source=_SCHEMAS)),
    (r"gpt-oss", Traits(images=False, reasoning=Reasoning.OPENAI, source=_OPENAI)),
    (r"qwen3-(?!vl)", Traits(images=False, source=_SCHEMAS)),
)
NEWER: Final = Traits(source=_FEATURES)

_ROWS: Final = tuple((re.compile(pattern), traits) for pattern, traits in MODELS)


def traits_of(model: str) -> Traits:
    """What a model takes, by any of Bedrock's names of it."""
    name = _short(model)
    if _CLAUDE in name:
        known = claude_traits(name)
        return Traits(
            claude=known, prefill=known.prefill, schemas=known.schemas, source=known.source
        )
    return next((traits for pattern, traits in _ROWS if pattern.search(name)), NEWER)


def nova_traits(model: str) -> Traits:
    """What a Nova takes in a body of its own; one whose name tells nothing is taken for a Nova 2.

    Such a body has no documents, and images in it are bytes.
    """
    found = traits_of(model)
    traits = found if found.schema_by_tool else _NOVA_NEWEST
    return msgspec.structs.replace(traits, documents=False, stored_images=False)


def _short(model: str) -> str:
    """The last part of an ARN, or the name as it is."""
    return model.rsplit("/", 1)[-1].lower()
