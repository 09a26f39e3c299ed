"""What becomes of OpenAI's chat parameters at Converse and at Nova's own body alike."""

from typing import Final

from batchway.dialects.requests.parameters import Handling, Parameter
from batchway.dialects.requests.places import (
    ANNOTATIONS,
    BREAKPOINT,
    DETAIL,
    HOISTED,
    NAME,
    REASONING,
)

REFERENCE: Final = "https://docs.aws.amazon.com/bedrock/latest/APIReference/"
GUIDE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/"
NOVA: Final = "https://docs.aws.amazon.com/nova/latest/nova2-userguide/"
CONVERSE: Final = REFERENCE + "API_runtime_Converse.html"
MESSAGE: Final = REFERENCE + "API_runtime_Message.html"
INFERENCE: Final = REFERENCE + "API_runtime_InferenceConfiguration.html"
TOOLS: Final = REFERENCE + "API_runtime_ToolConfiguration.html"
CHOICE: Final = REFERENCE + "API_runtime_ToolChoice.html"
CACHING: Final = GUIDE + "prompt-caching.html"

_CACHED: Final = "No cache points are set: prompts are cached where a model does so by itself."
_NO_STREAM: Final = "The answers of a batch are no streams."


def mapped(name: str, note: str, source: str = CONVERSE) -> Parameter:
    """A row of what becomes something of the same meaning."""
    return Parameter(name, Handling.MAPPED, note, source=source)


def ignored(name: str, note: str, *idle: object, source: str = CONVERSE) -> Parameter:
    """A row of what is left out; `idle` are values that ask for nothing."""
    return Parameter(name, Handling.IGNORED, note, idle, source)


def not_promised(name: str, note: str, *idle: object, source: str) -> Parameter:
    """A row of what is left out, and asks for what an answer may fail to keep then."""
    return Parameter(name, Handling.IGNORED, note, idle, source, promise=True)


def rejected(name: str, note: str, *idle: object, source: str = CONVERSE) -> Parameter:
    """A row of what would be missed; `idle` are values that ask for nothing."""
    return Parameter(name, Handling.REJECTED, note, idle, source)


SHARED: Final = (
    # ------------------------------------------------------------------ messages
    mapped("model", "It stands in the address, or in the job."),
    mapped(
        "messages",
        "`messages`, user and assistant in turn, and the user first: neighbours of one role become "
        "one turn. A lone system prompt is the user's turn. Calls are followed by their results at "
        "once. Claude up to 4.5 and Nova go on writing a last turn of the assistant; others refuse "
        "it.",
        MESSAGE,
    ),
    mapped(
        HOISTED,
        "System and developer prompts become `system`, which stands before the whole "
        "conversation: one that stands later is moved there. A few old models take none.",
    ),
    mapped("messages[].content", "Blocks of words, images and files; blank words are left out."),
    mapped(
        "messages[].content[].image_url.url",
        "`image`: PNG, JPEG, GIF or WebP as a data URL. http(s) addresses are rejected: Bedrock "
        "fetches nothing from the web.",
        REFERENCE + "API_runtime_ImageBlock.html",
    ),
    ignored(DETAIL, "The model chooses the resolution itself.", "auto"),
    mapped(
        "messages[].content[].input_audio",
        "`audio`, at the few models that hear (Nova 2 Omni, Voxtral); rejected at others.",
        REFERENCE + "API_runtime_AudioBlock.html",
    ),
    ignored(BREAKPOINT, _CACHED, source=CACHING),
    ignored(NAME, "Participants of one role are not told apart."),
    ignored(ANNOTATIONS, "Citations of an earlier answer are not sent back; its text is."),
    ignored(
        REASONING,
        "Thoughts of an earlier answer are not sent back, as they have no signature.",
        source=REFERENCE + "API_runtime_ReasoningTextBlock.html",
    ),
    mapped("messages[].refusal", "Words of the assistant's turn."),
    rejected("messages[].audio", "Sound of OpenAI's models is not known here."),
    mapped(
        "messages[].tool_calls",
        "`toolUse`; ids with other characters than letters, digits and `_.:-`, or of more than 64, "
        "are replaced. Without `tools` beside them they are rejected.",
        TOOLS,
    ),
    mapped(
        "messages[].function_call",
        "`toolUse`, as of tool_calls, its id made up by its place.",
        TOOLS,
    ),
    mapped(
        "messages[].tool_call_id",
        "`toolResult` of the next turn; results that follow each other stand in one. Llama does "
        "not let the user speak in that turn: rejected there. OpenAI has no mark of an error: its "
        "words say so, and no `status` does.",
        REFERENCE + "API_runtime_ToolResultBlock.html",
    ),
    # ------------------------------------------------------------------ tools
    mapped(
        "tool_choice",
        "`any` for required, `tool` for a function; of allowed_tools only these are declared. none "
        "leaves the tools out, and is rejected where messages have calls. Models that cannot be "
        "made to call reject required and a function; where there is `any` only, a function is "
        "declared alone.",
        CHOICE,
    ),
    mapped(
        "parallel_tool_calls", "true is what the models do; false beside tools is rejected.", CHOICE
    ),
    mapped("functions", "As tools; the answer's call is its function_call.", TOOLS),
    mapped("function_call", "As tool_choice.", CHOICE),
    rejected("tools[].custom", "There are no custom tools here, only functions.", source=TOOLS),
    # ------------------------------------------------------------------ sampling
    mapped("max_completion_tokens", "`maxTokens`, from 1, thoughts included.", INFERENCE),
    mapped("max_tokens", "`maxTokens`, like max_completion_tokens.", INFERENCE),
    rejected("n", "There is one answer to a request.", 1),
    rejected("logprobs", "The models tell no probabilities.", False),
    rejected("top_logprobs", "The models tell no probabilities.", 0),
    rejected("logit_bias", "Tokens cannot be weighted.", {}, source=INFERENCE),
    rejected("frequency_penalty", "There are no penalties.", 0, source=INFERENCE),
    rejected("presence_penalty", "There are no penalties.", 0, source=INFERENCE),
    ignored(
        "seed",
        "There are no seeds: the same request may be answered otherwise.",
        source=INFERENCE,
    ),
    # ------------------------------------------------------------------ the answer's form
    rejected("modalities", "Answers are texts.", ["text"], []),
    rejected("audio", "Answers are texts."),
    rejected("verbosity", "There is no such parameter; say it in the prompt.", "medium"),
    rejected("stream", _NO_STREAM, False),
    rejected("stream_options", _NO_STREAM),
    # ------------------------------------------------------------------ what is OpenAI's own
    rejected("web_search_options", "Searching the web is not asked of the models here."),
    rejected("moderation", "It is a service of OpenAI's."),
    ignored("prediction", "It makes answers of some of OpenAI's models come sooner."),
    ignored("store", "Answers are kept by Batchway only.", False),
    ignored("metadata", "It labels stored answers of OpenAI's.", {}),
    ignored("user", "Bedrock is not told who asks."),
    ignored("safety_identifier", "Bedrock is not told who asks."),
    ignored(
        "service_tier",
        "It is not passed on: requests go at the account's own tier.",
        "auto",
        "default",
    ),
    ignored("prompt_cache_key", _CACHED, source=CACHING),
    ignored("prompt_cache_options", _CACHED, source=CACHING),
    ignored("prompt_cache_retention", _CACHED, source=CACHING),
)
