"""What becomes of each of OpenAI's chat parameters at Gemini: one row each.

The sentences are read in the reference, in `batchway check`, in error files and in warnings.
"""

from typing import Final

from batchway.dialects.requests.parameters import Handling, Parameter, Parameters

_INFERENCE: Final = (
    "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference"
)
_FUNCTIONS: Final = (
    "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling"
)
_OUTPUT: Final = (
    "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/control-generated-output"
)
_SCHEMA: Final = "https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/Schema"
_THINKING: Final = "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking"
_SIGNATURES: Final = "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures"
_SAMPLING: Final = "https://ai.google.dev/gemini-api/docs/latest-model"
_COMPATIBLE: Final = "https://ai.google.dev/gemini-api/docs/openai"
_MODEL: Final = (
    "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/gemini/3-flash"
)
_BATCH: Final = (
    "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/"
    "batch-prediction-from-cloud-storage"
)


def _mapped(name: str, note: str, source: str = _INFERENCE) -> Parameter:
    return Parameter(name, Handling.MAPPED, note, source=source)


def _ignored(name: str, note: str, *idle: object, source: str = _INFERENCE) -> Parameter:
    return Parameter(name, Handling.IGNORED, note, idle, source)


def _rejected(name: str, note: str, *idle: object, source: str = _INFERENCE) -> Parameter:
    return Parameter(name, Handling.REJECTED, note, idle, source)


CHAT: Final = Parameters(
    [
        # ------------------------------------------------------------------ messages
        _mapped("model", "It stands in the address, or in the job."),
        _mapped(
            "messages",
            "Turns of user and model; calls and their results; a lone system prompt is the user's.",
        ),
        _mapped(
            "messages[].role",
            "System and developer prompts become systemInstruction, which stands before the whole "
            "conversation: one that stands later is moved there.",
        ),
        _mapped("messages[].content", "Texts, images, sound and files as parts."),
        _mapped(
            "messages[].content[].image_url.url",
            "A data URL is inlineData. A gs:// address below the setting `readable` is fileData, "
            "and so is an http(s) one online; batch jobs do not read those: there they are "
            "rejected. Where an address does not end in a type of image, it is taken for a JPEG.",
            _BATCH,
        ),
        _ignored(
            "messages[].content[].image_url.detail",
            "Gemini chooses the resolution itself.",
            "auto",
            source=_MODEL,
        ),
        _mapped("messages[].content[].input_audio", "inlineData of WAV or MP3.", _MODEL),
        _mapped("messages[].content[].file.file_data", "inlineData, such as of a PDF.", _MODEL),
        _mapped(
            "messages[].content[].file.file_id",
            "A gs:// address below the setting `readable` is fileData; others, and ids of OpenAI's "
            "files, are rejected.",
            _MODEL,
        ),
        _ignored("messages[].content[].file.filename", "Gemini is not told the names of files."),
        _ignored(
            "messages[].content[].prompt_cache_breakpoint",
            "Vertex AI caches common beginnings of prompts by itself.",
        ),
        _ignored("messages[].name", "Gemini does not tell participants of one role apart."),
        _ignored(
            "messages[].annotations",
            "Citations of an earlier answer are not sent back; its text is.",
        ),
        _ignored(
            "messages[].reasoning_content",
            "Thoughts of an earlier answer are not sent back; its text and calls are.",
            source=_SIGNATURES,
        ),
        _mapped("messages[].refusal", "A text of the model's turn."),
        _rejected("messages[].audio", "Gemini knows no audio of OpenAI's models."),
        _mapped(
            "messages[].tool_calls",
            "functionCall, its arguments as an object; Gemini 3 and later get the documented "
            "signature of calls that they did not make themselves.",
            _SIGNATURES,
        ),
        _mapped("messages[].function_call", "functionCall, as of tool_calls.", _FUNCTIONS),
        _mapped(
            "messages[].tool_call_id",
            "Results are grouped in one turn, in the order of their calls: Vertex AI takes no ids.",
            _FUNCTIONS,
        ),
        # ------------------------------------------------------------------ functions
        _mapped("tools", "functionDeclarations; custom tools are rejected.", _FUNCTIONS),
        _mapped(
            "tools[].function.parameters",
            "A schema of OpenAPI's subset, references written out. What the subset has no word for "
            "is left out: arguments may then differ from the schema. Where a part of it may be of "
            "any type, parametersJsonSchema online; batch jobs do not take it: there it is "
            "rejected.",
            _SCHEMA,
        ),
        Parameter(
            "tools[].function.strict",
            Handling.IGNORED,
            "Gemini is shown the schema and mostly keeps to it, but is not held to it: arguments "
            "may differ from it.",
            idle=(False,),
            source=_FUNCTIONS,
            promise=True,
        ),
        _mapped(
            "tool_choice",
            "functionCallingConfig: NONE, ANY, or ANY of the named ones; of allowed_tools with "
            "auto, only the allowed ones are declared.",
            _FUNCTIONS,
        ),
        _mapped(
            "parallel_tool_calls",
            "true is what Gemini does; false beside tools is rejected.",
            _FUNCTIONS,
        ),
        _mapped(
            "functions[].parameters",
            "A schema of OpenAPI's subset, references written out. What the subset has no word for "
            "is left out: arguments may then differ from the schema. Where a part of it may be of "
            "any type, parametersJsonSchema online; batch jobs do not take it: there it is "
            "rejected.",
            _SCHEMA,
        ),
        _mapped("functions", "As tools; the answer's call is its function_call.", _FUNCTIONS),
        _mapped("function_call", "As tool_choice.", _FUNCTIONS),
        # ------------------------------------------------------------------ sampling
        _mapped(
            "temperature",
            "temperature, 0 to 2; models from Gemini 3.6 on, and 3.5 Flash-Lite, sample their own "
            "way: there it is left out.",
            _SAMPLING,
        ),
        _mapped(
            "top_p",
            "topP, 0 to 1; models from Gemini 3.6 on, and 3.5 Flash-Lite, sample their own way: "
            "there it is left out.",
            _SAMPLING,
        ),
        _mapped("max_completion_tokens", "maxOutputTokens, from 1, thoughts included."),
        _mapped("max_tokens", "maxOutputTokens, from 1, thoughts included."),
        _mapped("stop", "stopSequences, up to 5, none of them empty."),
        _mapped("presence_penalty", "presencePenalty, -2 to 2."),
        _mapped("frequency_penalty", "frequencyPenalty, -2 to 2."),
        _mapped("seed", "seed; one that is not of 31 bits is folded into them, with a warning."),
        _mapped(
            "n",
            "candidateCount, up to 8; models from Gemini 3.6 on, and 3.5 Flash-Lite, give one "
            "answer: there it is rejected.",
            _MODEL,
        ),
        _mapped("logprobs", "responseLogprobs."),
        _mapped("top_logprobs", "logprobs, up to 20."),
        _rejected("logit_bias", "Gemini has no biases of tokens.", {}),
        _mapped(
            "reasoning_effort",
            "thinkingLevel from Gemini 3 on: the next one that the model has, xhigh and max being "
            "its highest; thinkingBudget for 2.5 (1024, 1024, 8192, 24576 tokens, and the most for "
            "xhigh and max). none is rejected where a model cannot be told not to think.",
            _COMPATIBLE,
        ),
        # ------------------------------------------------------------------ the answer's form
        _mapped(
            "response_format",
            "responseMimeType, and responseSchema for json_schema. Models before Gemini 3 take no "
            "functions beside it: rejected there.",
            _OUTPUT,
        ),
        _mapped(
            "response_format.json_schema.schema",
            "A schema of OpenAPI's subset, references written out. What the subset has no word for "
            "is left out: answers may then differ from the schema. Where a part of it may be of "
            "any type, responseJsonSchema online; batch jobs do not take it: there it is rejected.",
            _SCHEMA,
        ),
        _mapped(
            "response_format.json_schema.strict",
            "Gemini keeps to a schema always.",
            _OUTPUT,
        ),
        _rejected("modalities", "Answers are texts.", ["text"]),
        _rejected("audio", "Answers are texts."),
        _rejected("verbosity", "Gemini has no such parameter; say it in the prompt.", "medium"),
        _rejected("stream", "A batch has no streams.", False),
        _rejected("stream_options", "A batch has no streams."),
        # ------------------------------------------------------------------ what is OpenAI's own
        _rejected("web_search_options", "Searching the web is not asked of Gemini here."),
        _rejected("moderation", "OpenAI's moderation is not Gemini's."),
        _ignored("prediction", "It makes answers of some of OpenAI's models come sooner."),
        _ignored("store", "Answers are kept by Batchway only.", False),
        _ignored("metadata", "It labels stored answers of OpenAI's.", {}),
        _ignored("user", "Gemini is not told who asks."),
        _ignored("safety_identifier", "Gemini is not told who asks."),
        _ignored("service_tier", "There is one tier.", "auto", "default"),
        _ignored("prompt_cache_key", "Vertex AI caches common beginnings of prompts by itself."),
        _ignored(
            "prompt_cache_options", "Vertex AI caches common beginnings of prompts by itself."
        ),
        _ignored(
            "prompt_cache_retention", "Vertex AI caches common beginnings of prompts by itself."
        ),
    ]
)
