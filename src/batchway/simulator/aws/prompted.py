"""Llama, Mistral and DeepSeek-R1 as bodies of InvokeModel that hold one prompt.

Owns the tables, and the reading of prompts back into messages by the models' templates, so that an
answer is one to the conversation and not to its spelling. A prompt by no template is what a user
says.
Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html,
https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3/,
https://www.llama.com/docs/model-cards-and-prompt-formats/llama4/,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html,
https://huggingface.co/deepseek-ai/DeepSeek-R1 (its chat template).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from batchway.simulator.aws.answering import Ran, chat, ended
from batchway.simulator.aws.schema import Table, checked, table
from batchway.simulator.languages.prompts import Message, merged

_TABLES: Final[Mapping[str, Table]] = {
    "Llama": table("prompt!=s temperature=f:0:1 top_p=f:0:1 max_gen_len=i:1:8192 images=*s"),
    "DeepSeek": table("prompt!=s max_tokens=i:1:32768 stop=*s temperature=f:0:1 top_p=f:0:1"),
    "Mistral": table(
        "prompt!=s max_tokens=i:1:8192 stop=*s temperature=f:0:1 top_p=f:0:1 top_k=i:1:200"
    ),
}
_LLAMA_3: Final = re.compile(
    r"<\|start_header_id\|>(\w+)<\|end_header_id\|>\n\n(.*?)(?:<\|eot_id\|>|<\|eom_id\|>|\Z)",
    re.DOTALL,
)
_LLAMA_4: Final = re.compile(
    r"<\|header_start\|>(\w+)<\|header_end\|>\n\n(.*?)(?:<\|eot\|>|<\|eom\|>|\Z)", re.DOTALL
)
_MISTRAL: Final = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=(?:</s>)?\s*\[INST\]|\Z)", re.DOTALL)
_DEEPSEEK: Final = re.compile(r"<｜(User|Assistant)｜>")
_DEEPSEEK_BEGIN: Final = "<｜begin▁of▁sentence｜>"
_DEEPSEEK_END: Final = "<｜end▁of▁sentence｜>"
_SYSTEM: Final = re.compile(r"\[SYSTEM_PROMPT\](.*?)\[/SYSTEM_PROMPT\]", re.DOTALL)


def run_llama(body: object, *, model: str) -> Ran:
    """Answer a body of Llama's. Raises `Refused`."""
    fields = checked(body, "Llama", _TABLES)
    worked = chat(of_llama(fields["prompt"]), model=model, cap=fields.get("max_gen_len"))
    output = worked.outputs[0]
    return Ran(
        response={
            "generation": output.text,
            "prompt_token_count": worked.prompt_tokens,
            "generation_token_count": output.tokens,
            "stop_reason": output.finish,
        },
        digest=worked.digest,
        input_tokens=worked.prompt_tokens,
        output_tokens=output.tokens,
    )


def run_mistral(body: object, *, model: str) -> Ran:
    """Answer a body of Mistral's text completion, which has no counts. Raises `Refused`."""
    fields = checked(body, "Mistral", _TABLES)
    worked = chat(of_mistral(fields["prompt"]), model=model, cap=fields.get("max_tokens"))
    output = worked.outputs[0]
    text, stop = ended(output, fields.get("stop") or [])
    written: dict[str, Any] = {
        "text": f" {text}",
        "stop_reason": output.finish if stop is None else "stop",
    }
    return Ran(
        response={"outputs": [written]},
        digest=worked.digest,
        input_tokens=worked.prompt_tokens,
        output_tokens=output.tokens,
    )


def run_deepseek(body: object, *, model: str) -> Ran:
    """Answer a body of DeepSeek-R1's: thoughts, then what is said. Raises `Refused`."""
    fields = checked(body, "DeepSeek", _TABLES)
    worked = chat(of_deepseek(fields["prompt"]), model=model, cap=fields.get("max_tokens"))
    output = worked.outputs[0]
    text, stop = ended(output, fields.get("stop") or [])
    choice = {
        "text": f"Thinking of {worked.digest}.\n</think>\n\n{text}",
        "stop_reason": output.finish if stop is None else "stop",
    }
    return Ran(
        response={"choices": [choice]},
        digest=worked.digest,
        input_tokens=worked.prompt_tokens,
        output_tokens=output.tokens,
    )


def of_deepseek(prompt: str) -> list[Message]:
    """The messages of a prompt for DeepSeek-R1."""
    system, *turns = _DEEPSEEK.split(prompt.removeprefix(_DEEPSEEK_BEGIN))
    if not turns:
        return merged([("user", system)])
    said = [("system", system)]
    # The last turn is the assistant's, whose thoughts are begun for it.
    for role, text in zip(turns[0::2], turns[1::2], strict=True):
        said.append((role.lower(), text.removesuffix(_DEEPSEEK_END)))
    if said[-1][0] == "assistant":
        said.pop()
    return merged(said)


def of_llama(prompt: str) -> list[Message]:
    """The messages of a prompt for Llama 3 or 4."""
    rule = _LLAMA_4 if "<|header_start|>" in prompt else _LLAMA_3
    turns: list[tuple[str, str]] = rule.findall(prompt)
    if not turns:
        return merged([("user", prompt)])
    return merged([("tool" if role == "ipython" else role, text) for role, text in turns])


def of_mistral(prompt: str) -> list[Message]:
    """The messages of a prompt for Mistral."""
    said: list[tuple[str, str]] = [("system", text.strip()) for text in _SYSTEM.findall(prompt)]
    turns = _MISTRAL.findall(prompt)
    if not turns:
        return merged([("user", prompt.removeprefix("<s>"))])
    for asked, answered in turns:
        said.append(("user", asked.strip()))
        said.append(("assistant", answered.strip().removesuffix("</s>").strip()))
    return merged(said)
