"""What becomes of each of OpenAI's chat parameters in Mistral's chats: `requests.parameters`."""

from typing import Final

from batchway.dialects.bedrock.rows import (
    GUIDE,
    OF_OPENAI,
    ignored,
    lacking,
    mapped,
    not_promised,
    rejected,
)
from batchway.dialects.mistral.tools import STRICT
from batchway.dialects.requests.parameters import Parameters
from batchway.dialects.requests.places import DETAIL

_PAGE: Final = GUIDE + "model-parameters-mistral-chat-completion.html"
_PIXTRAL: Final = GUIDE + "model-parameters-mistral-pixtral-large.html"

CHAT: Final = Parameters(
    [
        *OF_OPENAI,
        *lacking(_PAGE),
        mapped("model", "It stands in the address, or in the job.", _PAGE),
        mapped(
            "messages",
            "`messages`; developer prompts are system prompts, and parts of a content one text. A "
            "chat that ends with the assistant's turn is rejected.",
            _PAGE,
        ),
        mapped(
            "messages[].content[].image_url",
            "The same at Pixtral, as a data URL: JPEG, PNG, GIF or WebP. https addresses, and "
            "images at other models, are rejected.",
            _PIXTRAL,
        ),
        ignored(DETAIL, "The model sees every image in full.", "auto", source=_PIXTRAL),
        rejected("messages[].content[].input_audio", "This model takes no sound.", source=_PAGE),
        rejected("messages[].content[].file", "This model takes no files.", source=_PAGE),
        mapped("messages[].refusal", "Words of the assistant's turn.", _PAGE),
        mapped(
            "messages[].tool_calls",
            "The same; ids of other than nine letters and digits are replaced, in their results "
            "too.",
            _PAGE,
        ),
        rejected("messages[].function_call", "Calls are taken as `tool_calls` only.", source=_PAGE),
        mapped("tools", "`tools`, functions only.", _PAGE),
        not_promised(
            STRICT,
            "This model is shown the schema, but is not held to it: arguments may differ from it.",
            False,
            source=_PAGE,
        ),
        rejected("tools[].custom", "There are no custom tools, only functions.", source=_PAGE),
        mapped(
            "tool_choice",
            "auto, none, or `any` for required; for a function `any`, with no other declared; of "
            "allowed_tools only these are.",
            _PAGE,
        ),
        rejected(
            "parallel_tool_calls",
            "How many calls there are cannot be chosen.",
            True,
            source=_PAGE,
        ),
        mapped("max_completion_tokens", "`max_tokens`.", _PAGE),
        mapped("max_tokens", "`max_tokens`, like `max_completion_tokens`.", _PAGE),
        mapped("temperature", "`temperature`, 0 to 1.", _PAGE),
        mapped("top_p", "`top_p`, 0 to 1.", _PAGE),
        rejected("stop", "This model takes no sequences to stop at.", [], source=_PAGE),
        rejected("reasoning_effort", "This model has no thinking.", "none", source=_PAGE),
    ]
)
