"""What becomes of each parameter of OpenAI's Responses API on an account that has only chat.

A parameter that chat has too is mapped here; whether the account's model takes it, the table of its
chat dialect says. Kinds of items, tools and choices are rows of their own: `tools[].type: mcp`.
"""

from collections.abc import Mapping
from typing import Final

from batchway.dialects.requests.parameters import Handling, Parameter, Parameters

_RESOURCES: Final = "https://developers.openai.com/api/reference/resources/"
_CREATE: Final = _RESOURCES + "responses/methods/create"
_GUIDES: Final = "https://developers.openai.com/api/docs/guides/"

_STATE: Final = _GUIDES + "conversation-state"
_TOOLS: Final = _GUIDES + "tools"
_CALLING: Final = _GUIDES + "function-calling"
_REASONING: Final = _GUIDES + "reasoning"
_CACHING: Final = _GUIDES + "prompt-caching"

_STORED: Final = "Nothing is stored between lines; send the whole conversation as input."
_HOSTED: Final = "It is a tool of OpenAI's own; only functions can be called here."
_HOSTED_ITEM: Final = "It belongs to a tool of OpenAI's own; only functions can be called here."
_CUSTOM: Final = "Tools that take any text are not translated; declare a function instead."
_BY_MODEL: Final = "Calls are made by the model only, not by programs."
_SHOWN: Final = (
    "How it is told is the provider's choice: what it shows of its reasoning is the summary."
)
_IN_TURN: Final = "Calls are answered in their turn in chat."
_ALREADY: Final = "A line of a batch already runs in the background."
_ONLY_TEXT: Final = "Only the text of an earlier answer is sent."
_NO_STREAM: Final = "A line of a batch is not streamed."
_NO_NAMESPACES: Final = "Functions have no namespaces in chat."
_CACHED: Final = "Caching is the provider's own here."


def _mapped(name: str, note: str, source: str = _CREATE) -> Parameter:
    return Parameter(name, Handling.MAPPED, note, source=source)


def _ignored(
    name: str, note: str, source: str = _CREATE, idle: tuple[object, ...] = ()
) -> Parameter:
    return Parameter(name, Handling.IGNORED, note, idle, source)


def _rejected(
    name: str, note: str, source: str = _CREATE, idle: tuple[object, ...] = ()
) -> Parameter:
    return Parameter(name, Handling.REJECTED, note, idle, source)


_TOP: Final = [
    _rejected(
        "access_programs",
        "These are programs of OpenAI's own models.",
        idle=({}, {"cyber": "standard"}),
    ),
    _rejected(
        "background",
        _ALREADY,
        _GUIDES + "background",
        idle=(False,),
    ),
    _rejected(
        "background_options",
        _ALREADY,
        _GUIDES + "background",
        idle=({}, {"completion_window": "soonest"}),
    ),
    _rejected("context_management", "No compaction of the input is made here.", _STATE, idle=([],)),
    _rejected("conversation", _STORED, _STATE),
    _ignored(
        "image",
        "Images are sent as they are.",
        _GUIDES + "images-vision",
        idle=({}, {"context_compression": "auto"}, {"context_compression": "disabled"}),
    ),
    _mapped("include", "`logprobs`; what is of OpenAI's own tools changes nothing."),
    _mapped("input", "`messages`."),
    _mapped("instructions", "The first message, of role `system`. They are not repeated."),
    _mapped("max_output_tokens", "`max_completion_tokens`."),
    _ignored("max_tool_calls", "It counts calls of OpenAI's own tools: there are none.", _TOOLS),
    _mapped("metadata", "Repeated in the response, where it has no more than about 400 bytes."),
    _mapped("model", "The model of the account."),
    _rejected("moderation", "The input and the output are not moderated here."),
    _mapped("parallel_tool_calls", "`parallel_tool_calls`, where there are tools.", _CALLING),
    _rejected("previous_response_id", _STORED, _STATE),
    _rejected("prompt", "Stored prompts are kept at OpenAI.", _GUIDES + "text"),
    _mapped("prompt_cache_key", "`prompt_cache_key`.", _CACHING),
    _ignored(
        "prompt_cache_options",
        _CACHED,
        _CACHING,
        idle=({}, {"mode": "implicit"}, {"prewarm": False}),
    ),
    _mapped("prompt_cache_retention", "`prompt_cache_retention`.", _CACHING),
    _mapped("reasoning", "Its effort is `reasoning_effort`.", _REASONING),
    _mapped("safety_identifier", "`safety_identifier`.", _GUIDES + "safety-best-practices"),
    _mapped("service_tier", "`service_tier`."),
    _ignored("store", "The response is not stored: it is in the batch's output.", idle=(False,)),
    _rejected("stream", _NO_STREAM, idle=(False,)),
    _ignored("stream_options", _NO_STREAM, idle=({},)),
    _mapped("temperature", "`temperature`."),
    _mapped("text", "Its format is `response_format`.", _GUIDES + "structured-outputs"),
    _mapped("tool_choice", "`tool_choice`, where there are tools.", _CALLING),
    _mapped(
        "tools",
        "`tools`; the response repeats their names, of no more than about 400 bytes.",
        _CALLING,
    ),
    _mapped("top_logprobs", "`logprobs` and `top_logprobs`."),
    _mapped("top_p", "`top_p`."),
    _ignored(
        "truncation",
        "The input is sent whole: one that is too long for the model is an error of its line.",
        idle=("disabled",),
    ),
    _mapped("user", "`user`."),
]

_NESTED: Final = [
    _rejected(
        "prompt_cache_options.prewarm", "A line without an answer is no line of a batch.", _CACHING
    ),
    _mapped("include[]: message.output_text.logprobs", "`logprobs`."),
    _ignored(
        "include[]: reasoning.encrypted_content",
        "What the provider shows of its reasoning comes as text.",
        _REASONING,
    ),
    _ignored("input[].phase", "Chat does not tell commentary and final answers apart.", _REASONING),
    _ignored("input[].content[].annotations", _ONLY_TEXT),
    _ignored("input[].content[].logprobs", _ONLY_TEXT),
    _mapped("input[].content[].type: input_text", "`text`."),
    _mapped("input[].content[].type: output_text", "`text`."),
    _mapped("input[].content[].type: refusal", "`refusal`, in a message of the assistant."),
    _mapped(
        "input[].content[].type: input_image",
        "`image_url`, in a message of the user.",
        _GUIDES + "images-vision",
    ),
    _mapped(
        "input[].content[].type: input_file",
        "`file`, in a message of the user.",
        _GUIDES + "file-inputs",
    ),
    _mapped("input[].content[].type: input_audio", "`input_audio`, in a message of the user."),
    _rejected(
        "input[].content[].file_id",
        "Chat has no images by the id of an upload; send a data URL.",
        _GUIDES + "images-vision",
    ),
    _mapped(
        "input[].content[].file_url",
        "`file.file_data`, where the model reads addresses; others refuse it by name.",
        _GUIDES + "file-inputs",
    ),
    _ignored(
        "input[].content[].detail: of a file",
        "Files are read as the provider reads them.",
        _GUIDES + "file-inputs",
    ),
    _rejected(
        "input[].output[].type",
        "What a function gives is text in chat; send images as the user.",
        _CALLING,
    ),
    _rejected("input[].caller", _BY_MODEL, _CALLING),
    _rejected("input[].namespace", _NO_NAMESPACES, _CALLING),
    _rejected("input[].async", _IN_TURN, _CALLING),
    _mapped("reasoning.effort", "`reasoning_effort`.", _REASONING),
    _ignored(
        "reasoning.summary",
        _SHOWN,
        _REASONING,
    ),
    _ignored(
        "reasoning.generate_summary",
        _SHOWN,
        _REASONING,
    ),
    _ignored("reasoning.context", "Reasoning of earlier turns is not sent.", _REASONING),
    _rejected("reasoning.mode", "Only the standard mode is there in chat.", _REASONING),
    _mapped("text.format", "`response_format`.", _GUIDES + "structured-outputs"),
    _mapped("text.verbosity", "`verbosity`."),
    _mapped(
        "tools[].strict",
        "`strict`. Where it is not given, nothing makes sure of the schema, as in chat.",
        _CALLING,
    ),
    _ignored("tools[].output_schema", "It changes nothing for the model in chat.", _CALLING),
    _rejected("tools[].defer_loading", "Tools are all there from the start.", _TOOLS),
    _rejected("tools[].allowed_callers", _BY_MODEL, _TOOLS),
    _rejected("tools[].async", _IN_TURN, _CALLING),
]

_ITEMS: Final = [
    _mapped("input[].type: message", "A message."),
    _mapped("input[].type: function_call", "One of the `tool_calls` of a message.", _CALLING),
    _mapped("input[].type: function_call_output", "A message of role `tool`.", _CALLING),
    _ignored(
        "input[].type: reasoning",
        "What a model thought in earlier turns is not sent: no provider takes another's.",
        _REASONING,
    ),
    _rejected("input[].type: item_reference", _STORED, _STATE),
    _rejected("input[].type: additional_tools", "Tools are declared in `tools`.", _TOOLS),
    _rejected("input[].type: configuration_update", "A line has one configuration."),
    _rejected("input[].type: compaction", "It can be read by OpenAI's models only.", _STATE),
    _rejected("input[].type: compaction_trigger", "No compaction is made here.", _STATE),
    _rejected("input[].type: custom_tool_call", _CUSTOM, _CALLING),
    _rejected("input[].type: custom_tool_call_output", _CUSTOM, _CALLING),
    *(
        _rejected(f"input[].type: {kind}", _HOSTED_ITEM, _TOOLS)
        for kind in (
            "apply_patch_call",
            "apply_patch_call_output",
            "code_interpreter_call",
            "computer_call",
            "computer_call_output",
            "file_search_call",
            "image_generation_call",
            "local_shell_call",
            "local_shell_call_output",
            "mcp_approval_request",
            "mcp_approval_response",
            "mcp_call",
            "mcp_list_tools",
            "program",
            "program_output",
            "shell_call",
            "shell_call_output",
            "tool_search_call",
            "tool_search_output",
            "web_search_call",
        )
    ),
]

_KINDS_OF_TOOLS: Final = [
    _mapped("tools[].type: function", "`function`.", _CALLING),
    _rejected("tools[].type: custom", _CUSTOM, _CALLING),
    _rejected("tools[].type: namespace", _NO_NAMESPACES, _CALLING),
    *(
        _rejected(f"tools[].type: {kind}", _HOSTED, _TOOLS)
        for kind in (
            "apply_patch",
            "code_interpreter",
            "computer",
            "computer_use_preview",
            "file_search",
            "image_generation",
            "local_shell",
            "mcp",
            "programmatic_tool_calling",
            "shell",
            "tool_search",
            "web_search",
            "web_search_2025_08_26",
            "web_search_preview",
            "web_search_preview_2025_03_11",
        )
    ),
    _mapped("tool_choice.type: function", "`function`.", _CALLING),
    _mapped("tool_choice.type: allowed_tools", "`allowed_tools`.", _CALLING),
    _rejected("tool_choice.type: custom", _CUSTOM, _CALLING),
    *(
        _rejected(f"tool_choice.type: {kind}", _HOSTED, _TOOLS)
        for kind in (
            "apply_patch",
            "code_interpreter",
            "computer",
            "computer_use",
            "computer_use_preview",
            "file_search",
            "image_generation",
            "mcp",
            "programmatic_tool_calling",
            "shell",
            "web_search_preview",
            "web_search_preview_2025_03_11",
        )
    ),
]

RESPONSES: Final = Parameters([*_TOP, *_NESTED, *_ITEMS, *_KINDS_OF_TOOLS])

# Of OpenAI's own tools, or of what its store shows of an input: without those, nothing.
IDLE_INCLUDES: Final = frozenset(
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)

_UNKNOWN: Final = "OpenAI's API takes no such value here."
_NOTES: Final[Mapping[str, str]] = {row.name: row.note for row in RESPONSES.rows}


def why_not(name: str) -> str:
    """Why a row is rejected; what is in no row, OpenAI's API does not know either."""
    return _NOTES.get(name, _UNKNOWN)
