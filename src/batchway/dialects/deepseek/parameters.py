"""What becomes of each of OpenAI's chat parameters at DeepSeek-R1: see `requests.parameters`."""

from typing import Final

from batchway.dialects.bedrock.rows import (
    GUIDE,
    OF_OPENAI,
    ignored,
    lacking,
    mapped,
    rejected,
    without_tools,
)
from batchway.dialects.requests.parameters import Parameters
from batchway.dialects.requests.places import HOISTED

_PAGE: Final = GUIDE + "model-parameters-deepseek.html"
_TEMPLATE: Final = "https://huggingface.co/deepseek-ai/DeepSeek-R1"

CHAT: Final = Parameters(
    [
        *OF_OPENAI,
        *lacking(_PAGE),
        *without_tools(_PAGE),
        mapped("model", "It stands in the address, or in the job.", _PAGE),
        mapped(
            "messages",
            "`prompt`, in the model's template, up to where it begins to think; thoughts of the "
            "answer are its reasoning_content. A text that holds what has the form of a token, "
            "such as `<｜User｜>`, is rejected: it could speak in another role.",
            _TEMPLATE,
        ),
        ignored(
            HOISTED,
            "Instructions after the first turn stand before all of them: the model has one place "
            "for instructions.",
            source=_TEMPLATE,
        ),
        mapped("messages[].refusal", "Words of the assistant's turn.", _TEMPLATE),
        mapped(
            "max_completion_tokens",
            "`max_tokens`, which counts thoughts too; 8,192 where the line gives none.",
            _PAGE,
        ),
        mapped("max_tokens", "`max_tokens`, like `max_completion_tokens`.", _PAGE),
        mapped("temperature", "`temperature`, 0 to 1.", _PAGE),
        mapped("top_p", "`top_p`, 0 to 1.", _PAGE),
        mapped("stop", "`stop`, up to 10 sequences.", _PAGE),
        rejected("reasoning_effort", "How this model thinks cannot be chosen here.", source=_PAGE),
    ]
)
