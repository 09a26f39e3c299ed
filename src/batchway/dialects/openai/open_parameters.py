"""What becomes of each of OpenAI's chat parameters at open models on Bedrock."""

from typing import Final

from batchway.dialects.bedrock.rows import GUIDE, OF_OPENAI, mapped, rejected
from batchway.dialects.requests.parameters import Parameters

_PAGE: Final = GUIDE + "model-parameters-openai.html"
_SCHEMAS: Final = GUIDE + "structured-output.html"
_CARDS: Final = GUIDE + "model-cards.html"
_SAME: Final = "The same."

CHAT: Final = Parameters(
    [
        *OF_OPENAI,
        mapped("model", "It stands in the address, or in the job, and is taken out here.", _PAGE),
        mapped(
            "messages",
            "The same, byte for byte but for what other rows name. Developer prompts are system "
            "prompts at models other than OpenAI's.",
            _PAGE,
        ),
        mapped(
            "messages[].content[].image_url",
            "The same, as a data URL, at models that see. https addresses are rejected: Bedrock "
            "fetches nothing from the web.",
            _CARDS,
        ),
        rejected(
            "messages[].content[].input_audio", "The models take no sound here.", source=_CARDS
        ),
        rejected("messages[].content[].file", "The models take no files here.", source=_CARDS),
        mapped("messages[].refusal", "Words of the assistant's turn.", _PAGE),
        mapped("messages[].tool_calls", _SAME, _PAGE),
        rejected("messages[].function_call", "Calls are taken as `tool_calls` only.", source=_PAGE),
        mapped("tools", "The same, functions only.", _PAGE),
        mapped(
            "tools[].function.strict",
            "The same; the parameters of a strict function are written in the words that Bedrock "
            "takes, as a schema of the answer is.",
            _SCHEMAS,
        ),
        rejected("tools[].custom", "The models have no custom tools.", source=_PAGE),
        mapped("tool_choice", "The same; of allowed_tools only these are declared.", _PAGE),
        mapped("parallel_tool_calls", _SAME, _PAGE),
        rejected("functions", "They are taken in the form of `tools` only.", [], source=_PAGE),
        rejected(
            "function_call",
            "It is taken in the form of `tool_choice` only.",
            "auto",
            "none",
            source=_PAGE,
        ),
        mapped(
            "max_completion_tokens",
            "The same at OpenAI's models, `max_tokens` at others.",
            _PAGE,
        ),
        mapped("max_tokens", "Like `max_completion_tokens`.", _PAGE),
        mapped("temperature", _SAME, _PAGE),
        mapped("top_p", _SAME, _PAGE),
        mapped("stop", _SAME, _PAGE),
        mapped("frequency_penalty", _SAME, _PAGE),
        mapped("presence_penalty", _SAME, _PAGE),
        mapped("logit_bias", _SAME, _PAGE),
        mapped("logprobs", _SAME, _PAGE),
        mapped("top_logprobs", _SAME, _PAGE),
        mapped("n", _SAME, _PAGE),
        mapped("seed", _SAME, _PAGE),
        mapped(
            "reasoning_effort",
            "low (minimal too), medium, high (xhigh, max too) at OpenAI's models. How others think "
            "cannot be chosen here: rejected.",
            _PAGE,
        ),
        mapped(
            "response_format",
            "The same; what Bedrock's subset of JSON Schema has no word for goes into "
            "descriptions. Which models are bound to schemas, their cards say.",
            _SCHEMAS,
        ),
        rejected(
            "verbosity",
            "Open models have no such parameter; say it in the prompt.",
            "medium",
            source=_PAGE,
        ),
    ]
)
