"""What each Claude model takes of a request, as data: a row for each, with its source and date.

A model is found by its name without what platforms add to it: `claude-haiku-4-5@20251001` on
Google Cloud, `us.anthropic.claude-haiku-4-5-20251001-v1:0` on Bedrock. A name without a row is
taken for a model that is newer than the rows, and gets the newest ones' `NEWER`.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec


class Thinking(StrEnum):
    """How a model is made to think before it answers, and whether it does so unasked."""

    NONE = "none"  # it has no thinking
    BUDGET = "budget"  # with a budget of tokens, where one is given
    ADAPTIVE = "adaptive"  # as much as it sees fit, where it is turned on
    DEFAULT = "default"  # the same, unless it is turned off
    ALWAYS = "always"  # the same, and it cannot be turned off


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes.

    `most` is how many tokens it writes at most, thinking included. `off` is the type of thinking
    that turns it off, where it is on by default. `efforts` are the levels of effort, the lowest
    first. `samples` is whether `temperature` and `top_p` can be chosen, `both` whether together;
    `forced` whether it can be made to call a tool, `prefill` whether it goes on writing a turn that
    was begun for it, `schemas` whether its output can be bound to a JSON schema. `effort_beta` is
    the beta that Bedrock wants named with an effort, empty where it wants none.
    """

    most: int
    thinking: Thinking
    off: str = ""
    efforts: tuple[str, ...] = ()
    samples: bool = False
    both: bool = False
    forced: bool = True
    prefill: bool = False
    schemas: bool = True
    effort_beta: str = ""
    source: str
    date: str = "2026-11"


_DOCS: Final = "https://platform.claude.com/docs/en/"
_TABLE: Final = _DOCS + "build-with-claude/thinking-troubleshooting#supported-models"
_DEPRECATED: Final = _DOCS + "about-claude/model-deprecations"
_UP_TO_HIGH: Final = ("low", "medium", "high")
_EVERY: Final = (*_UP_TO_HIGH, "xhigh", "max")
_WITHOUT_XHIGH: Final = (*_UP_TO_HIGH, "max")


def _always(source: str, *, forced: bool = False) -> Traits:
    """Fable, Mythos and Opus from 5.5 on: thinking is always on, sampling is fixed."""
    return Traits(
        most=128_000,
        thinking=Thinking.ALWAYS,
        efforts=_EVERY,
        forced=forced,
        source=_DOCS + source,
    )


def _by_default(source: str, *, off: str = "disabled", forced: bool = True) -> Traits:
    """Thinking is on by default and can be turned off up to effort `high`; sampling is fixed."""
    return Traits(
        most=128_000,
        thinking=Thinking.DEFAULT,
        off=off,
        efforts=_EVERY,
        forced=forced,
        source=_DOCS + source,
    )


def _on_demand(*, efforts: tuple[str, ...] = _EVERY, samples: bool = False) -> Traits:
    """Opus 4.6 to 4.8 and Sonnet 4.6: adaptive thinking that is off unless it is turned on."""
    return Traits(
        most=128_000, thinking=Thinking.ADAPTIVE, efforts=efforts, samples=samples, source=_TABLE
    )


def _budgeted(
    most: int, *, efforts: tuple[str, ...] = (), schemas: bool = True, effort_beta: str = ""
) -> Traits:
    """Claude 4.5 and before, down to 3.7: thinking with a budget, free sampling, prefill."""
    return Traits(
        most=most,
        thinking=Thinking.BUDGET,
        efforts=efforts,
        samples=True,
        prefill=True,
        schemas=schemas,
        effort_beta=effort_beta,
        source=_TABLE,
    )


def _old(most: int) -> Traits:
    """Claude 3 and 3.5, which some platforms still serve."""
    return Traits(
        most=most,
        thinking=Thinking.NONE,
        samples=True,
        both=True,
        prefill=True,
        schemas=False,
        source=_DEPRECATED,
    )


_SONNET_4: Final = _budgeted(64_000, schemas=False)
_OPUS_4: Final = _budgeted(32_000, schemas=False)

MODELS: Final[Mapping[str, Traits]] = MappingProxyType(
    {
        "claude-fable-5-2": _always("models/fable-5-2/migration-guide"),
        "claude-mythos-5-2": _always("models/fable-5-2/migration-guide"),
        "claude-fable-5-1": _always("models/fable-5-1/migration-guide"),
        "claude-mythos-5-1": _always("models/fable-5-1/migration-guide"),
        "claude-fable-5": _always("models/fable-5-1/migration-guide", forced=True),
        "claude-mythos-5": _always("models/fable-5-1/migration-guide", forced=True),
        "claude-mythos-preview": Traits(
            most=128_000, thinking=Thinking.ALWAYS, efforts=_WITHOUT_XHIGH, source=_TABLE
        ),
        "claude-opus-5-5": _always("models/opus-5-5/migration-guide"),
        "claude-opus-5": _by_default("models/opus-5/migration-guide"),
        "claude-sonnet-5-5": _by_default(
            "models/sonnet-5-5/migration-guide", off="between_tools", forced=False
        ),
        "claude-sonnet-5": _by_default("models/sonnet-5/whats-new-sonnet-5"),
        "claude-haiku-5-5": _by_default("models/haiku-5-5/migration-guide"),
        "claude-opus-4-8": _on_demand(),
        "claude-opus-4-7": _on_demand(),
        "claude-opus-4-6": _on_demand(efforts=_WITHOUT_XHIGH, samples=True),
        "claude-sonnet-4-6": _on_demand(efforts=_WITHOUT_XHIGH, samples=True),
        "claude-opus-4-5": _budgeted(64_000, efforts=_UP_TO_HIGH, effort_beta="effort-2025-11-24"),
        "claude-sonnet-4-5": _budgeted(64_000),
        "claude-haiku-4-5": _budgeted(64_000),
        "claude-opus-4-1": _OPUS_4,
        "claude-opus-4-0": _OPUS_4,
        "claude-opus-4": _OPUS_4,
        "claude-sonnet-4-0": _SONNET_4,
        "claude-sonnet-4": _SONNET_4,
        "claude-3-7-sonnet": _SONNET_4,
        "claude-3-5-sonnet": _old(8_192),
        "claude-3-5-haiku": _old(8_192),
        "claude-3-opus": _old(4_096),
        "claude-3-sonnet": _old(4_096),
        "claude-3-haiku": _old(4_096),
    }
)

# What the newest models have in common; fewer tokens than any of them, lest a small one refuse.
NEWER: Final = Traits(
    most=64_000,
    thinking=Thinking.DEFAULT,
    off="disabled",
    efforts=_UP_TO_HIGH,
    source=_DOCS + "models/overview",
)

_NAME: Final = re.compile(
    r"(claude-[a-z0-9-]+?)(?:-v\d+)?(?:[-@](?:20\d{6}|default|latest))?(?:-v\d+(?::\d+)?(?::\d+k)?)?$"
)


def traits_of(model: str) -> Traits:
    """What a model takes, by any platform's name of it."""
    found = _NAME.search(model.lower())
    return NEWER if found is None else MODELS.get(found[1], NEWER)
