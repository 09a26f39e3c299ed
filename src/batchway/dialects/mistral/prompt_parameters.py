"""What becomes of each of OpenAI's chat parameters in Mistral's prompts: `requests.parameters`."""

from typing import Final

from batchway.dialects.bedrock.rows import (
    GUIDE,
    OF_OPENAI,
    lacking,
    mapped,
    rejected,
    without_tools,
)
from batchway.dialects.requests.parameters import Parameters

_PAGE: Final = GUIDE + "model-parameters-mistral-text-completion.html"

CHAT: Final = Parameters(
    [
        *OF_OPENAI,
        *lacking(_PAGE),
        *without_tools(_PAGE),
        mapped("model", "It stands in the address, or in the job.", _PAGE),
        mapped(
            "messages",
            "`prompt`: `<s>[INST] ... [/INST] ...</s> [INST] ... [/INST]`. The model knows a user "
            "and an assistant, in turn: system and developer prompts are the user's words, where "
            "they stand, and neighbours of one role become one turn. A text that holds a mark of "
            "the template, such as `[INST]` or `</s>`, is rejected: it could speak in another "
            "role. So is a chat that begins or ends with the assistant's turn.",
            _PAGE,
        ),
        mapped("messages[].refusal", "Words of the assistant's turn.", _PAGE),
        mapped(
            "max_completion_tokens",
            "`max_tokens`; where the line gives none, 8,192, and 4,096 at Mixtral.",
            _PAGE,
        ),
        mapped("max_tokens", "`max_tokens`, like `max_completion_tokens`.", _PAGE),
        mapped("temperature", "`temperature`, 0 to 1.", _PAGE),
        mapped("top_p", "`top_p`, 0 to 1.", _PAGE),
        mapped("stop", "`stop`, up to 10 sequences.", _PAGE),
        rejected("reasoning_effort", "This model has no thinking.", "none", source=_PAGE),
    ]
)
