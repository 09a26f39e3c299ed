"""What Gemini models differ in, as far as bodies go: a row a generation.

    thinking      levels from Gemini 3 on, budgets of tokens for 2.5, nothing before
    signatures    from Gemini 3 on, a call in the history carries one, or the request is refused
    sampling      from 3.6 on (and 3.5 Flash-Lite), temperature and top_p change nothing, and there
                  is one candidate
    JSON          before Gemini 3 an answer in JSON cannot be asked for beside functions

A model whose name tells no generation (a tuned one) is taken for a Gemini 3 whose sampling is free.
Sources, November 2026:
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-3-8-flash
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-4-argon
https://ai.google.dev/gemini-api/docs/openai (efforts to levels and budgets)
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from batchway.dialects.gemini.wire import ThinkingConfig

_NAME: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?:-(.*))?$")

_THREE: Final = ("LOW", "MEDIUM", "HIGH")
_FOUR: Final = ("MINIMAL", *_THREE)

# Which levels a model has; the first row that matches its name counts.
_LEVELS: Final = (
    (re.compile(r"gemini-3-pro"), ("LOW", "HIGH")),
    (re.compile(r"gemini-3(\.[1-6])?-flash"), _FOUR),
    (re.compile(r""), _THREE),
)


class Traits(msgspec.Struct, frozen=True):
    """What is to be known of a model. An effort without an entry cannot be asked of it."""

    efforts: Mapping[str, ThinkingConfig]
    signs_calls: bool
    samples: bool
    json_beside_functions: bool


def traits_of(model: str) -> Traits:
    """The traits of a model, by its name: with or without a path before it, or a version after."""
    name = model.rsplit("/", 1)[-1].lower().split("@", 1)[0]
    found = _NAME.match(name)
    if found is None:
        return Traits(_levels(_THREE), signs_calls=True, samples=True, json_beside_functions=True)
    version = (int(found[1]), int(found[2] or 0))
    kind = found[3] or ""
    if version < (3, 0):
        return Traits(
            _budgets(kind) if version >= (2, 5) else {},
            signs_calls=False,
            samples=True,
            json_beside_functions=False,
        )
    levels = next(levels for pattern, levels in _LEVELS if pattern.match(name))
    fixed = version >= (3, 6) or (version == (3, 5) and kind.startswith("flash-lite"))
    return Traits(_levels(levels), signs_calls=True, samples=not fixed, json_beside_functions=True)


def _levels(levels: tuple[str, ...]) -> dict[str, ThinkingConfig]:
    """Efforts as levels: one that the model does not have becomes the next one that it has."""
    lowest, highest = levels[0], levels[-1]
    wanted = {
        "minimal": lowest,
        "low": "LOW",
        "medium": "MEDIUM" if "MEDIUM" in levels else highest,
        "high": "HIGH",
        "xhigh": highest,
        "max": highest,
    }
    return {effort: ThinkingConfig(thinking_level=level) for effort, level in wanted.items()}


def _budgets(kind: str) -> dict[str, ThinkingConfig]:
    """Efforts as budgets of tokens. Gemini 2.5 Pro cannot be told not to think."""
    pro = kind.startswith("pro")
    most = 32_768 if pro else 24_576
    wanted = {
        "minimal": 1_024,
        "low": 1_024,
        "medium": 8_192,
        "high": 24_576,
        "xhigh": most,
        "max": most,
    }
    if not pro:
        wanted["none"] = 0
    return {effort: ThinkingConfig(thinking_budget=tokens) for effort, tokens in wanted.items()}
