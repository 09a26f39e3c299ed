"""What becomes of each of OpenAI's chat parameters at Llama: see `requests.parameters`."""

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

_PAGE: Final = GUIDE + "model-parameters-meta.html"
_FORMAT: Final = "https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/"

CHAT: Final = Parameters(
    [
        *OF_OPENAI,
        *lacking(_PAGE),
        *without_tools(_PAGE),
        mapped("model", "It stands in the address, or in the job.", _PAGE),
        mapped(
            "messages",
            "`prompt`, in the template of Llama 3 or Llama 4: a turn for each message, system and "
            "developer prompts where they stand. A text that holds what has the form of a token, "
            "such as `<|eot_id|>`, is rejected: it could speak in another role.",
            _FORMAT,
        ),
        mapped("messages[].refusal", "Words of the assistant's turn.", _FORMAT),
        mapped("max_completion_tokens", "`max_gen_len`; 2,048 where the line gives none.", _PAGE),
        mapped("max_tokens", "`max_gen_len`, like `max_completion_tokens`.", _PAGE),
        mapped("temperature", "`temperature`, 0 to 1; the model's own is 0.5.", _PAGE),
        mapped("top_p", "`top_p`, 0 to 1; the model's own is 0.9.", _PAGE),
        rejected("stop", "Llama takes no sequences to stop at.", [], source=_PAGE),
        rejected("reasoning_effort", "Llama has no thinking.", "none", source=_PAGE),
    ]
)
