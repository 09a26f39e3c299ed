"""Answers that a model has cut within a character: every dialect reads them, and none raises.

A character of four bytes is half a surrogate pair, or a byte that is no UTF-8, where the model ran
into its limit within it. Such an answer was paid for: refused, it would be asked for again.
"""

import json
from typing import Any, Final

import pytest

from batchway.dialects.anthropic.dialect import AnthropicDialect
from batchway.dialects.converse.dialect import ConverseDialect, NovaDialect
from batchway.dialects.deepseek.dialect import DeepSeekDialect
from batchway.dialects.gemini.dialect import GeminiDialect
from batchway.dialects.llama.dialect import LlamaDialect
from batchway.dialects.mistral.chat_dialect import MistralChatDialect
from batchway.dialects.mistral.prompt_dialect import MistralPromptDialect
from batchway.dialects.openai.open_dialect import OpenModelDialect
from batchway.ports.dialect import Dialect, Encoded, Result

_CUT: Final = "CUT"
_LINE: Final = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'


def _converse(*blocks: Any) -> Any:
    return {"output": {"message": {"content": blocks}}, "stopReason": "max_tokens"}


def _openai(**message: Any) -> Any:
    return {"choices": [{"index": 0, "message": message, "finish_reason": "length"}]}


_CALLED: Final = {"name": "f", "input": {"a": _CUT}}
_TEXTS: Final[dict[str, tuple[Dialect, Any]]] = {
    "anthropic": (AnthropicDialect(model="m"), {"content": [{"type": "text", "text": _CUT}]}),
    "converse": (ConverseDialect(model="m", batch=False), _converse({"text": _CUT})),
    "nova": (NovaDialect(model="m"), _converse({"text": _CUT})),
    "gemini": (
        GeminiDialect(model="gemini-2.5-flash", batch=False),
        {"candidates": [{"content": {"parts": [{"text": _CUT}]}}]},
    ),
    "open": (OpenModelDialect(model="m"), _openai(content=_CUT)),
    "open, thoughts": (OpenModelDialect(model="m"), _openai(content=f"<reasoning>{_CUT}")),
    "llama": (LlamaDialect(model="m"), {"generation": _CUT}),
    "mistral chat": (MistralChatDialect(model="m"), _openai(content=_CUT)),
    "mistral prompt": (MistralPromptDialect(model="m"), {"outputs": [{"text": _CUT}]}),
    "deepseek": (DeepSeekDialect(model="m"), {"choices": [{"text": f"</think>{_CUT}"}]}),
    # What is not looked into before it is passed on.
    "anthropic, a call": (
        AnthropicDialect(model="m"),
        {"content": [{"type": "tool_use", "id": "1", **_CALLED}]},
    ),
    "converse, a call": (
        ConverseDialect(model="m", batch=False),
        _converse({"toolUse": {"toolUseId": "1", **_CALLED}}),
    ),
    "gemini, a call": (
        GeminiDialect(model="gemini-2.5-flash", batch=False),
        {
            "candidates": [
                {"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": _CUT}}}]}}
            ]
        },
    ),
}


@pytest.mark.parametrize("cut", [b"\\ud83d", b"\xf0\x9f\x98"], ids=["pair", "bytes"])
@pytest.mark.parametrize("name", _TEXTS)
def test_an_answer_that_ends_within_a_character(name: str, cut: bytes) -> None:
    dialect, answer = _TEXTS[name]
    encoded = dialect.encode(_LINE, named="m")
    assert isinstance(encoded, Encoded)
    body = json.dumps(answer).encode().replace(_CUT.encode(), b"Hello " + cut)
    read = dialect.decode(200, body, encoded.context)
    assert isinstance(read, Result)
    choice = json.loads(read.body)["choices"][0]
    said = json.dumps(choice, ensure_ascii=False)
    assert "Hello \ufffd" in said or "Hello \\\\ufffd" in said
