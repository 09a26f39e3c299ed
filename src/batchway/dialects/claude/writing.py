"""How much and how a model writes, as Claude's parameters.

    max_completion_tokens, max_tokens   max_tokens, which Claude needs: else all that the model has
    temperature, top_p                  the same, on models that take them, up to 1
    stop                                stop_sequences
    reasoning_effort                    effort, or on older models a budget of thinking
    response_format: json_schema        output_config.format

What a model takes is a row of `models`. Owns what such parameters forbid each other, and what they
forbid of tools and turns. Sources:
https://platform.claude.com/docs/en/build-with-claude/thinking (sampling, forced calls, prefill),
https://platform.claude.com/docs/en/build-with-claude/extended-thinking (budgets),
https://platform.claude.com/docs/en/build-with-claude/effort,
https://platform.claude.com/docs/en/build-with-claude/structured-outputs,
https://platform.claude.com/docs/en/api/versioning (no sampling from 2026-10-21 on).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from batchway.dialects.claude.models import Thinking, Traits
from batchway.dialects.grammars.translations import answer_of
from batchway.dialects.requests.chat import ChatRequest, JsonObjectFormat, JsonSchemaFormat
from batchway.dialects.requests.schemas import bytes_of
from batchway.ports.dialect import Unfaithful

Fields = dict[str, Any]

_encode: Final = msgspec.json.Encoder().encode

_LEVELS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_LEAST_BUDGET: Final = 1_024
# Tokens of thinking for each effort: those of Google's endpoint in OpenAI's form, and above them
# what Anthropic advises not to exceed in one answer.
_BUDGETS: Final[Mapping[str, int]] = {
    "minimal": 1_024,
    "low": 1_024,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 32_000,
    "max": 32_000,
}


class Writing(msgspec.Struct, gc=False):
    """A request's parameters of writing, as its `fields`; `thinks` is whether it turns on thinking.

    `budgeted` is whether it does so with a budget, which goes with fewer of the other parameters.
    """

    fields: Fields
    thinks: bool = False
    budgeted: bool = False


def writing(request: ChatRequest, traits: Traits) -> Writing | Unfaithful:
    """The parameters of a request at a model."""
    most = _most(request, traits)
    if isinstance(most, Unfaithful):
        return most
    written = _reasoning(request.reasoning_effort, traits, most)
    if isinstance(written, Unfaithful):
        return written
    for wrong in (
        _stop(request.stop, written.fields),
        _sampling(request, traits, written),
        _format(request, traits, written.fields),
    ):
        if wrong is not None:
            return wrong
    return written


def clash_of(
    written: Writing, traits: Traits, *, forced: str, unanswered: bool, begun: bool
) -> Unfaithful | None:
    """What parts of a request forbid each other at a model.

    `forced` is the parameter that makes it call a tool, empty where none does. `unanswered` is
    whether the chat ends with what calls gave, `begun` whether in the assistant's turn.
    """
    if forced and not traits.forced:
        return Unfaithful(forced, "This model cannot be made to call a tool.")
    if forced and written.budgeted:
        return Unfaithful(
            forced, "With `reasoning_effort` this model cannot be made to call a tool."
        )
    if unanswered and written.budgeted:
        why = "This model thinks on only with its thoughts before the calls, which are not here."
        return Unfaithful("reasoning_effort", why)
    if begun:
        if not traits.prefill:
            return Unfaithful(
                "messages", "The last is the assistant's, where this model needs a user's."
            )
        if written.thinks or "output_config" in written.fields:
            why = "The last is the assistant's, which goes with no thinking and no schema."
            return Unfaithful("messages", why)
    return None


def _most(request: ChatRequest, traits: Traits) -> int | Unfaithful:
    """How many tokens the answer may have, thinking included, here and there."""
    most, older = request.max_completion_tokens, request.max_tokens
    if most is not None and older is not None:
        return Unfaithful(
            "max_tokens", "It is given beside `max_completion_tokens`, which replaces it."
        )
    name = "max_tokens" if most is None else "max_completion_tokens"
    most = older if most is None else most
    if most is None:
        return traits.most
    return most if most > 0 else Unfaithful(name, "OpenAI's API takes 1 or more here.")


def _reasoning(effort: str | None, traits: Traits, most: int) -> Writing | Unfaithful:
    fields: Fields = {"max_tokens": most}
    written = Writing(fields)
    if effort is None:
        return written
    place = "reasoning_effort"
    if effort not in _LEVELS:
        return Unfaithful(place, f"OpenAI's API takes one of {', '.join(_LEVELS)} here.")
    thinking = traits.thinking
    if effort == "none":
        if thinking is Thinking.ALWAYS:
            return Unfaithful(place, "This model's thinking cannot be turned off.")
        if thinking is Thinking.DEFAULT:
            fields["thinking"] = {"type": traits.off}
        return written
    written.thinks = True
    match thinking:
        case Thinking.NONE:
            return Unfaithful(place, "This model has no thinking.")
        case Thinking.BUDGET:
            if most <= _LEAST_BUDGET:
                why = f"Thinking takes {_LEAST_BUDGET} tokens at least, and the answer some more."
                return Unfaithful(place, why)
            # Half of it at most: the rest is for the answer itself.
            budget = max(_LEAST_BUDGET, min(_BUDGETS[effort], most // 2))
            fields["thinking"] = {"type": "enabled", "budget_tokens": budget}
            written.budgeted = True
        case Thinking.ADAPTIVE:
            fields["thinking"] = {"type": "adaptive"}
        case Thinking.DEFAULT | Thinking.ALWAYS:
            pass
    if traits.efforts:
        fields["output_config"] = {"effort": _level(effort, traits.efforts)}
    return written


def _level(effort: str, known: tuple[str, ...]) -> str:
    """The effort, or the highest below it that the model has; the lowest for less than that."""
    rank = _LEVELS.index(effort)
    return next((level for level in reversed(known) if _LEVELS.index(level) <= rank), known[0])


def _stop(stop: str | list[str] | None, fields: Fields) -> Unfaithful | None:
    sequences = [stop] if isinstance(stop, str) else stop
    if not sequences:
        return None
    if not all(sequence.strip() for sequence in sequences):
        return Unfaithful("stop", "Claude takes no sequence of white space only.")
    fields["stop_sequences"] = sequences
    return None


def _sampling(request: ChatRequest, traits: Traits, written: Writing) -> Unfaithful | None:
    """Temperature and top_p. 1 is what both vendors do unasked, and is left out."""
    warmth = None if request.temperature == 1 else request.temperature
    share = None if request.top_p == 1 else request.top_p
    if warmth is None and share is None:
        return None
    place = "top_p" if warmth is None else "temperature"
    if not traits.samples:
        return Unfaithful(place, "This model takes no other than 1.")
    if warmth is not None:
        if not 0 <= warmth <= 1:
            return Unfaithful(place, "Claude takes 0 to 1, where OpenAI's models take up to 2.")
        if written.thinks:
            return Unfaithful(place, "With `reasoning_effort` this model takes no other than 1.")
        if share is not None and not traits.both:
            return Unfaithful("top_p", "This model takes either `temperature` or `top_p`.")
        written.fields["temperature"] = warmth
    if share is not None:
        if not (0.95 if written.thinks else 0) <= share <= 1:
            least = "0.95 to 1 with `reasoning_effort`" if written.thinks else "0 to 1"
            return Unfaithful("top_p", f"This model takes {least}.")
        written.fields["top_p"] = share
    return None


def _format(request: ChatRequest, traits: Traits, fields: Fields) -> Unfaithful | None:
    wanted = request.response_format
    if isinstance(wanted, JsonObjectFormat):
        why = "Claude has no JSON mode; give a schema, with the type json_schema."
        return Unfaithful("response_format", why)
    if not isinstance(wanted, JsonSchemaFormat):
        return None
    if not traits.schemas:
        return Unfaithful("response_format", "This model cannot be bound to a JSON schema.")
    place = "response_format.json_schema.schema"
    given = wanted.json_schema
    text = bytes_of(given.schema)
    if not text:
        return Unfaithful(place, "A schema is required.")
    translated = answer_of(text, True)
    if translated.why:
        return Unfaithful(place, translated.why)
    schema = translated.json
    if given.description and translated.describable:
        # Never an empty object: Claude has to be told a type.
        schema = b'%b,"description":%b}' % (schema[:-1], _encode(given.description))
    config = fields.setdefault("output_config", {})
    config["format"] = {"type": "json_schema", "schema": msgspec.Raw(schema)}
    return None
