"""What open models on Bedrock take of OpenAI's chat bodies, as data: a row each, with its source.

A model is found by its name in any spelling of Bedrock's: `qwen.qwen3-32b-v1:0`, with a profile's
`us.` before it, or at the end of an ARN. The first row whose pattern is in the name counts; a model
without a row takes what the form has, and refuses the rest by itself.
"""

import re
from typing import Final

import msgspec

_GUIDE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/"
_OPENAI: Final = _GUIDE + "model-parameters-openai.html"
_CARDS: Final = _GUIDE + "model-cards.html"


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes.

    `sees` is whether it takes images, `developer` whether it tells developers' prompts from the
    system's, `efforts` whether it thinks as much as `reasoning_effort` says. `most` is its name for
    the limit of an answer.
    """

    sees: bool = True
    developer: bool = False
    efforts: bool = False
    most: str = "max_tokens"
    source: str
    date: str = "2026-11"


_OF_OPENAI: Final = Traits(
    sees=False, developer=True, efforts=True, most="max_completion_tokens", source=_OPENAI
)
_BLIND: Final = Traits(sees=False, source=_CARDS)

MODELS: Final[tuple[tuple[str, Traits], ...]] = (
    (r"gpt-oss", _OF_OPENAI),
    (r"openai\.", msgspec.structs.replace(_OF_OPENAI, sees=True)),
    (r"qwen3-(?!vl)", _BLIND),
    (r"deepseek", _BLIND),
    (r"minimax", _BLIND),
    (r"kimi-k2-", _BLIND),  # not 2.5 and later, which see
    (r"glm-[45](?![.\d]*v)", _BLIND),
    (r"nemotron-(nano-9b|nano-3|super)", _BLIND),
    (r"devstral|voxtral", _BLIND),
)
NEWER: Final = Traits(source=_CARDS)

_ROWS: Final = tuple((re.compile(pattern), traits) for pattern, traits in MODELS)


def traits_of(model: str) -> Traits:
    """What a model takes, by any of Bedrock's names of it."""
    name = model.rsplit("/", 1)[-1].lower()
    return next((traits for pattern, traits in _ROWS if pattern.search(name)), NEWER)
