"""What becomes of each of OpenAI's chat parameters at Claude: see `requests.parameters`."""

from typing import Final

from batchway.dialects.anthropic.tools import STRICT
from batchway.dialects.requests.parameters import Handling, Parameter, Parameters
from batchway.dialects.requests.places import (
    ANNOTATIONS,
    BREAKPOINT,
    DETAIL,
    HOISTED,
    NAME,
    REASONING,
)

_DOCS: Final = "https://platform.claude.com/docs/en/"
_CREATE: Final = _DOCS + "api/messages/create"
_COMPATIBLE: Final = _DOCS + "cli-sdks-libraries/libraries/openai-sdk"
_TOOLS: Final = _DOCS + "agents-and-tools/tool-use/define-tools"
_STRICT_TOOLS: Final = _DOCS + "agents-and-tools/tool-use/strict-tool-use"
_RESULTS: Final = _DOCS + "agents-and-tools/tool-use/handle-tool-calls"
_PARALLEL: Final = _DOCS + "agents-and-tools/tool-use/parallel-tool-use"
_THINKING: Final = _DOCS + "build-with-claude/thinking"
_EFFORT: Final = _DOCS + "build-with-claude/effort"
_SCHEMAS: Final = _DOCS + "build-with-claude/structured-outputs"
_VISION: Final = _DOCS + "build-with-claude/vision"
_PDF: Final = _DOCS + "build-with-claude/pdf-support"
_CACHING: Final = _DOCS + "build-with-claude/prompt-caching"
_VERTEX: Final = _DOCS + "build-with-claude/claude-on-vertex-ai"
_CACHED: Final = "Prompts are cached as the platform sees fit."


def _mapped(name: str, note: str, source: str = _CREATE) -> Parameter:
    return Parameter(name, Handling.MAPPED, note, source=source)


def _ignored(
    name: str, note: str, *, idle: tuple[object, ...] = (), source: str = _COMPATIBLE
) -> Parameter:
    return Parameter(name, Handling.IGNORED, note, idle=idle, source=source)


def _rejected(
    name: str, note: str, *, idle: tuple[object, ...] = (), source: str = _COMPATIBLE
) -> Parameter:
    return Parameter(name, Handling.REJECTED, note, idle=idle, source=source)


CHAT: Final = Parameters(
    [
        # ------------------------------------------------------------------ who is asked what
        _mapped("model", "The platform has it in its address; `model` at Anthropic's own API."),
        _mapped(
            "messages",
            "`system` and `messages`; neighbours of one role become one turn. Models from 4.6 on "
            "refuse a chat that ends with the assistant's turn, and older ones go on writing it.",
        ),
        _ignored(
            HOISTED,
            "Instructions after the first turn stand before all of them: Claude has one place for "
            "instructions.",
        ),
        _ignored(NAME, "Claude has no names of participants."),
        _ignored(
            REASONING,
            "Claude takes its own thoughts back only with the signature that it gave them.",
            source=_THINKING,
        ),
        _ignored(ANNOTATIONS, "What an answer cited is not part of what it said.", source=_CREATE),
        _ignored(BREAKPOINT, _CACHED, source=_CACHING),
        _rejected("messages[].audio", "Claude has no audio."),
        _mapped(
            "messages[].content[].image_url",
            "`image`: JPEG, PNG, GIF or WebP as a data URL; https addresses at Anthropic's own "
            "API.",
            _VISION,
        ),
        _ignored(DETAIL, "Claude sees every image in full.", source=_VISION),
        _rejected("messages[].content[].input_audio", "Claude takes no audio."),
        _mapped(
            "messages[].content[].file",
            "`document`: a PDF or a plain text as a data URL, with its name as the title.",
            _PDF,
        ),
        _rejected(
            "messages[].content[].file.file_id",
            "The file of an upload is not there; send it as a data URL.",
            source=_VERTEX,
        ),
        _mapped(
            "messages[].tool_calls",
            "`tool_use`; ids with other characters than letters, digits, `_` and `-` are replaced.",
            _RESULTS,
        ),
        _mapped(
            "messages[].function_call", "`tool_use`, with an id made up by its place.", _RESULTS
        ),
        # ------------------------------------------------------------------ tools
        _mapped(
            "tools",
            "`tools`, functions only. A chat with calls and no tools gets the names of those that "
            "it calls, and `tool_choice` none: Claude has to be told of them.",
            _TOOLS,
        ),
        Parameter(
            STRICT,
            Handling.IGNORED,
            "This model's calls are not bound to the schema: arguments may differ from it. On "
            "newer ones they are (`strict`).",
            source=_STRICT_TOOLS,
            promise=True,
        ),
        _rejected("tools[].custom", "Claude has no custom tools, only functions.", source=_TOOLS),
        _mapped(
            "tool_choice",
            "auto, none, any (for `required`) or tool; of `allowed_tools` only these are sent. "
            "Some models, and thinking with a budget, cannot be made to call one.",
            _TOOLS,
        ),
        _mapped("parallel_tool_calls", "`disable_parallel_tool_use` for false.", _PARALLEL),
        _mapped(
            "functions", "`tools`, one call at most; the answer has a `function_call`.", _TOOLS
        ),
        _mapped("function_call", "`tool_choice`.", _TOOLS),
        # ------------------------------------------------------------------ how it writes
        _mapped(
            "max_completion_tokens",
            "`max_tokens`, which counts thinking too; all that the model has where none is given.",
        ),
        _mapped("max_tokens", "`max_tokens`, like `max_completion_tokens`."),
        _mapped(
            "temperature",
            "The same, up to 1; 1 is left out. Models from Opus 4.7 and Claude 5 on take no other, "
            "nor do older ones while they think.",
            _THINKING,
        ),
        _mapped(
            "top_p",
            "The same; 1 is left out. Models from Opus 4.7 and Claude 5 on take no other, and "
            "those of Claude 4 take it without `temperature` only.",
            _THINKING,
        ),
        _mapped("stop", "`stop_sequences`, of other than white space."),
        _mapped(
            "reasoning_effort",
            "`output_config.effort`, with `thinking` on where it is off by default: the highest "
            "level up to the one given, `low` for `minimal`. Claude 4.5 and older: a budget of "
            "1,024 to 32,000 tokens, half of `max_tokens` at most. `none` turns thinking off. On "
            "Bedrock the body names the beta that Opus 4.5 needs for it.",
            _EFFORT,
        ),
        _mapped(
            "response_format",
            "`output_config.format` for `json_schema`, strict or not, on models from 4.5 on: what "
            "Claude's grammar has no word for goes into descriptions. There is no `json_object`.",
            _SCHEMAS,
        ),
        _rejected(
            "verbosity",
            "Claude has no such setting; ask for it in the prompt.",
            idle=("medium",),
            source=_CREATE,
        ),
        # ------------------------------------------------------------------ what would be missed
        _rejected("n", "Claude gives one answer to a request.", idle=(1,)),
        _rejected("logprobs", "Claude tells no probabilities.", idle=(False,)),
        _rejected("top_logprobs", "Claude tells no probabilities.", idle=(0,)),
        _rejected("logit_bias", "Claude's tokens are others, and cannot be weighted.", idle=({},)),
        _rejected("frequency_penalty", "Claude has no penalties.", idle=(0,)),
        _rejected("presence_penalty", "Claude has no penalties.", idle=(0,)),
        _rejected("audio", "Claude has no audio."),
        _rejected("modalities", "Claude writes text only.", idle=(["text"], [])),
        _rejected("stream", "The answers of a batch are no streams.", idle=(False,)),
        _rejected("stream_options", "The answers of a batch are no streams."),
        _rejected(
            "web_search_options",
            "Searching the web is not offered here.",
            source=_VERTEX,
        ),
        _rejected("moderation", "It is a service of OpenAI's.", source=_CREATE),
        # ------------------------------------------------------------------ what changes no answer
        _ignored("seed", "Claude has no seeds: the same request may be answered otherwise."),
        _ignored("metadata", "It stays on OpenAI's side of the API.", idle=({},)),
        _ignored("store", "Claude stores no answers.", idle=(False,)),
        _ignored(
            "service_tier",
            "The tier is the account's, not the request's.",
            idle=("auto", "default"),
        ),
        _ignored("user", "It is not passed on: Claude wants no names or addresses of users."),
        _ignored("safety_identifier", "It is not passed on.", source=_CREATE),
        _ignored("prediction", "It only makes OpenAI's models faster."),
        _ignored("prompt_cache_key", _CACHED, source=_CACHING),
        _ignored("prompt_cache_options", _CACHED, source=_CACHING),
        _ignored(
            "prompt_cache_retention",
            _CACHED,
            source=_CACHING,
        ),
    ]
)
