"""Which family a model is of: what its bodies are written in.

Owns the reading of ids, inference profiles and ARNs. A name that does not tell (an application's
inference profile, an imported or custom model) is told by the dial `families`.
Source: https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

Family = Literal[
    "anthropic",
    "nova",
    "openai",
    "llama",
    "deepseek",
    "mistral",
    "mistral-chat",
    "titan-v1",
    "titan-v2",
    "titan-image",
    "cohere-v3",
    "cohere-v4",
    "nova-embedding",
    "converse",
]
# Whose answers are vectors: Converse does not take them.
VECTORS: Final[frozenset[str]] = frozenset(
    {
        "titan-v1",
        "titan-v2",
        "titan-image",
        "cohere-v3",
        "cohere-v4",
        "nova-embedding",
    }
)
FAMILIES: Final[frozenset[str]] = frozenset(get_args(Family))
_GEOGRAPHY: Final = re.compile(r"([a-z]{2}|us-gov|apac|global)\.")
_RULES: Final[tuple[tuple[str, Family], ...]] = (
    (r"anthropic\.claude", "anthropic"),
    (r"amazon\.nova-.*embed", "nova-embedding"),
    (r"amazon\.nova-", "nova"),
    (r"amazon\.titan-embed-text-v1|amazon\.titan-embed-g1", "titan-v1"),
    (r"amazon\.titan-embed-text", "titan-v2"),
    (r"amazon\.titan-embed-image", "titan-image"),
    (r"cohere\.embed-v4", "cohere-v4"),
    (r"cohere\.embed", "cohere-v3"),
    (r"meta\.llama", "llama"),
    (r"deepseek\.r1", "deepseek"),
    (r"mistral\.(mistral-large-2407|pixtral)", "mistral-chat"),
    (r"mistral\.(mistral-(7b|large-2402|small)|mixtral)", "mistral"),
    (r"(openai|qwen|deepseek|mistral|minimax|moonshot(ai)?|google|nvidia|zai|writer)\.", "openai"),
    (r"(ai21|amazon|cohere)\.", "converse"),
)


def family_of(model: str, told: Mapping[str, str]) -> str | None:
    """The family of a model, by its id or ARN; `None` where there is no such model."""
    name = named(model)
    for known in (model, name):
        if known in told:
            return told[known]
    bare = name[found.end() :] if (found := _GEOGRAPHY.match(name)) else name
    return next((family for rule, family in _RULES if re.match(rule, bare)), None)


def in_geography(model: str) -> bool:
    """Whether a model is an inference profile across regions, by its id: `us.`, `global.`, …"""
    return _GEOGRAPHY.match(model) is not None


def named(model: str) -> str:
    """The last part of an ARN, or the id as it is."""
    if not model.startswith("arn:"):
        return model
    resource = model.split(":", 5)[-1]
    kind, _, name = resource.partition("/")
    # `custom-model/<base>/<id>` has its base's name.
    return name.partition("/")[0] if kind == "custom-model" else name
