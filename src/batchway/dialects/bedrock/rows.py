"""What becomes of OpenAI's chat parameters at models of few parameters, over InvokeModel."""

from collections.abc import Sequence
from typing import Final

from batchway.dialects.requests.chat import TextFormat
from batchway.dialects.requests.parameters import Handling, Parameter
from batchway.dialects.requests.places import ANNOTATIONS, BREAKPOINT, NAME, REASONING

GUIDE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/"
INVOKE: Final = (
    "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html"
)
CACHING: Final = GUIDE + "prompt-caching.html"
TIERS: Final = GUIDE + "service-tiers-inference.html"

_CACHED: Final = "Prompts are cached as the model's account has it."
_NO_STREAM: Final = "The answers of a batch are no streams."


def mapped(name: str, note: str, source: str) -> Parameter:
    """A row of what becomes something of the same meaning."""
    return Parameter(name, Handling.MAPPED, note, source=source)


def ignored(name: str, note: str, *idle: object, source: str) -> Parameter:
    """A row of what is left out; `idle` are values that ask for nothing."""
    return Parameter(name, Handling.IGNORED, note, idle, source)


def not_promised(name: str, note: str, *idle: object, source: str) -> Parameter:
    """A row of what is left out, and asks for what an answer may fail to keep then."""
    return Parameter(name, Handling.IGNORED, note, idle, source, promise=True)


def rejected(name: str, note: str, *idle: object, source: str) -> Parameter:
    """A row of what would be missed; `idle` are values that ask for nothing."""
    return Parameter(name, Handling.REJECTED, note, idle, source)


# What is about OpenAI's service, and said to no model of Bedrock's.
OF_OPENAI: Final = (
    ignored(NAME, "Participants of one role are not told apart.", source=INVOKE),
    ignored(ANNOTATIONS, "Citations of an earlier answer are not sent back.", source=INVOKE),
    ignored(REASONING, "Thoughts of an earlier answer are not sent back.", source=INVOKE),
    ignored(BREAKPOINT, _CACHED, source=CACHING),
    rejected("messages[].audio", "Sound of OpenAI's models is not known here.", source=INVOKE),
    rejected("audio", "Answers are texts.", source=INVOKE),
    rejected("modalities", "Answers are texts.", ["text"], [], source=INVOKE),
    rejected("stream", _NO_STREAM, False, source=INVOKE),
    rejected("stream_options", _NO_STREAM, source=INVOKE),
    rejected(
        "web_search_options", "Searching the web is not asked of the models here.", source=INVOKE
    ),
    rejected("moderation", "It is a service of OpenAI's.", source=INVOKE),
    ignored(
        "prediction", "It makes answers of some of OpenAI's models come sooner.", source=INVOKE
    ),
    ignored("store", "Answers are kept by Batchway only.", False, source=INVOKE),
    ignored("metadata", "It labels stored answers of OpenAI's.", {}, source=INVOKE),
    ignored("user", "Bedrock is not told who asks.", source=INVOKE),
    ignored("safety_identifier", "Bedrock is not told who asks.", source=INVOKE),
    ignored(
        "service_tier",
        "The tier is the account's, not the request's.",
        "auto",
        "default",
        source=TIERS,
    ),
    ignored("prompt_cache_key", _CACHED, source=CACHING),
    ignored("prompt_cache_options", _CACHED, source=CACHING),
    ignored("prompt_cache_retention", _CACHED, source=CACHING),
)


def lacking(source: str) -> Sequence[Parameter]:
    """What no model has whose page has only limits, sampling and words."""
    return (
        rejected("n", "There is one answer to a request.", 1, source=source),
        rejected("logprobs", "The model tells no probabilities.", False, source=source),
        rejected("top_logprobs", "The model tells no probabilities.", 0, source=source),
        rejected("logit_bias", "Tokens cannot be weighted.", {}, source=source),
        rejected("frequency_penalty", "There are no penalties.", 0, source=source),
        rejected("presence_penalty", "There are no penalties.", 0, source=source),
        ignored(
            "seed",
            "There are no seeds: the same request may be answered otherwise.",
            source=source,
        ),
        rejected(
            "verbosity",
            "There is no such parameter; say it in the prompt.",
            "medium",
            source=source,
        ),
        rejected(
            "response_format",
            "This model is bound to no form; say it in the prompt.",
            TextFormat(),
            source=source,
        ),
        rejected("functions", "They are taken in the form of `tools` only.", [], source=source),
        rejected(
            "function_call",
            "It is taken in the form of `tool_choice` only.",
            "auto",
            "none",
            source=source,
        ),
    )


def without_tools(source: str) -> Sequence[Parameter]:
    """What a model has not that is asked with a prompt."""
    return (
        rejected("tools", "This model is asked without tools.", [], source=source),
        rejected(
            "tool_choice", "This model is asked without tools.", "auto", "none", source=source
        ),
        ignored("parallel_tool_calls", "This model is asked without tools.", True, source=source),
        rejected(
            "messages[].content[].image_url", "This model takes no images here.", source=source
        ),
        rejected("messages[].content[].input_audio", "This model takes no sound.", source=source),
        rejected("messages[].content[].file", "This model takes no files.", source=source),
        rejected(
            "messages[].tool_calls",
            "Nor calls that it is told of, and their results.",
            source=source,
        ),
    )
