"""A conversation as the prompt that Llama was trained on.

    Llama 3   <|begin_of_text|><|start_header_id|>user<|end_header_id|>\\n\\n...<|eot_id|>...
    Llama 4   <|begin_of_text|><|header_start|>user<|header_end|>\\n\\n...<|eot|>...

Every message is a turn with its role above it, system prompts too, wherever they stand; the header
of the assistant's turn ends the prompt. Texts that hold what has the form of a token (`<|eot_id|>`)
are refused by name: in a prompt they would end their turn and begin another in any role, so that
a user could speak as the system, and taking them out would change what was said.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html,
https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/,
https://www.llama.com/docs/model-cards-and-prompt-formats/llama4/.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from batchway.dialects.bedrock.turns import Turn
from batchway.dialects.unsayable import Unsayable


class Template(msgspec.Struct, frozen=True):
    """The tokens of one generation of Llama."""

    begin: str
    header: str
    header_end: str
    end: str


LLAMA_3: Final = Template(
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"
)
LLAMA_4: Final = Template("<|begin_of_text|>", "<|header_start|>", "<|header_end|>", "<|eot|>")

# Their names are of these characters: https://github.com/meta-llama/llama-models (tokenizer.py).
_TOKEN: Final = re.compile(r"<\|[A-Za-z0-9_]+\|>")
_FORGED: Final = "It holds what has the form of a token of the model's prompt, such as <|name|>."
_FOURTH: Final = re.compile(r"llama-?4")


def template_of(model: str) -> Template:
    """The template of a model, by any of Bedrock's names; Llama 3's where one tells nothing."""
    return LLAMA_4 if _FOURTH.search(model.lower()) else LLAMA_3


def prompt_of(turns: Sequence[Turn], template: Template) -> str:
    """The prompt.

    Raises:
        Unsayable: a text would be read as a part of the template.
    """
    header, header_end, end = template.header, template.header_end, template.end
    pieces = [template.begin]
    for turn in turns:
        if "<|" in turn.text and _TOKEN.search(turn.text):
            raise Unsayable(turn.place, _FORGED)
        pieces += (header, turn.role, header_end, "\n\n", turn.text, end)
    pieces += (header, "assistant", header_end, "\n\n")
    return "".join(pieces)
