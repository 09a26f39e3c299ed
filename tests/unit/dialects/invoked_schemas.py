"""InvokeModel's bodies of Llama, Mistral and DeepSeek-R1 as JSON Schemas, every object closed.

Written from AWS's pages, and knowing nothing of the dialects:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html,
.../model-parameters-mistral-text-completion.html,
.../model-parameters-mistral-chat-completion.html,
.../model-parameters-mistral-pixtral-large.html, .../model-parameters-deepseek.html.
A prompt is also read back: `turns_of_llama` and its like raise for one of another template.
"""

import re
from typing import Any, Final

from jsonschema import Draft202012Validator

JSON = dict[str, Any]
Turns = list[tuple[str, str]]


def _object(required: str, **properties: JSON) -> JSON:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


_SHARE: Final[JSON] = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT: Final[JSON] = {"type": "string"}
_SOME: Final[JSON] = {"type": "string", "minLength": 1}
_COUNT: Final[JSON] = {"type": "integer", "minimum": 1}
_STOPS: Final[JSON] = {"type": "array", "items": _SOME, "minItems": 1, "maxItems": 10}

_LLAMA: Final = Draft202012Validator(
    _object("prompt", prompt=_SOME, temperature=_SHARE, top_p=_SHARE, max_gen_len=_COUNT)
)
_PROMPT: Final = Draft202012Validator(
    _object(
        "prompt", prompt=_SOME, max_tokens=_COUNT, stop=_STOPS, temperature=_SHARE, top_p=_SHARE
    )
)
_ID: Final[JSON] = {"type": "string", "pattern": "^[A-Za-z0-9]{9}$"}
_CALL: Final = _object(
    "id function", id=_ID, function=_object("name arguments", name=_SOME, arguments=_SOME)
)
_URL: Final[JSON] = {"type": "string", "pattern": r"^data:image/[a-z]+;base64,.+"}
_PART: Final[JSON] = {
    "oneOf": [
        _object("type text", type={"const": "text"}, text=_TEXT),
        _object("type image_url", type={"const": "image_url"}, image_url=_object("url", url=_URL)),
    ]
}
_FUNCTION: Final = _object(
    "name parameters", name=_SOME, description=_TEXT, parameters={"type": "object"}
)
_CHAT: Final = Draft202012Validator(
    _object(
        "messages",
        messages={
            "type": "array",
            "minItems": 1,
            "items": {
                "oneOf": [
                    _object("role content", role={"const": "system"}, content=_TEXT),
                    _object(
                        "role content",
                        role={"const": "user"},
                        content={"oneOf": [_TEXT, {"type": "array", "items": _PART}]},
                    ),
                    _object(
                        "role content",
                        role={"const": "assistant"},
                        content=_TEXT,
                        tool_calls={"type": "array", "items": _CALL, "minItems": 1},
                    ),
                    _object(
                        "role tool_call_id content",
                        role={"const": "tool"},
                        tool_call_id=_ID,
                        content=_TEXT,
                    ),
                ]
            },
        },
        tools={
            "type": "array",
            "minItems": 1,
            "items": _object("type function", type={"const": "function"}, function=_FUNCTION),
        },
        tool_choice={"enum": ["auto", "any", "none"]},
        max_tokens=_COUNT,
        top_p=_SHARE,
        temperature=_SHARE,
    )
)

_LLAMA_TURN: Final = re.compile(
    r"<\|(?:start_header_id|header_start)\|>(system|user|assistant)<\|(?:end_header_id|header_end)\|>"
    r"\n\n((?:(?!<\|[a-z0-9_]+\|>).)*)<\|eot(?:_id)?\|>",
    re.DOTALL,
)
_LLAMA_BEGIN: Final = "<|begin_of_text|>"
_LLAMA_ENDS: Final = (
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<|header_start|>assistant<|header_end|>\n\n",
)
_MISTRAL_TURN: Final = re.compile(
    r"(?P<user>\[INST\] (?P<heard>(?:(?!\[/INST\]|</s>).)*) \[/INST\])"
    r"|(?P<said>(?:(?!\[INST\]|</s>).)*)</s>",
    re.DOTALL,
)
_R1_WORDS: Final = r"((?:(?!<｜[^｜<>]+｜>).)*)"
_R1_TURN: Final = re.compile(
    f"<｜User｜>{_R1_WORDS}|<｜Assistant｜>{_R1_WORDS}<｜end▁of▁sentence｜>", re.DOTALL
)
_R1_BEGIN: Final = "<｜begin▁of▁sentence｜>"
_R1_END: Final = "<｜Assistant｜><think>\n"


def sent_to_llama(body: JSON) -> None:
    _LLAMA.validate(body)
    turns_of_llama(body["prompt"])


def sent_to_mistral(body: JSON) -> None:
    if "prompt" not in body:
        _CHAT.validate(body)
        return
    _PROMPT.validate(body)
    turns_of_mistral(body["prompt"])


def sent_to_r1(body: JSON) -> None:
    _PROMPT.validate(body)
    turns_of_r1(body["prompt"])


def turns_of_llama(prompt: str) -> Turns:
    """What a prompt says, turn by turn."""
    end = next(end for end in _LLAMA_ENDS if prompt.endswith(end))
    assert prompt.startswith(_LLAMA_BEGIN)
    return _walked(_LLAMA_TURN, prompt[len(_LLAMA_BEGIN) : -len(end)])


def turns_of_mistral(prompt: str) -> Turns:
    """The same; roles take turns, the user first and last."""
    assert prompt.startswith("<s>[INST] ")
    assert prompt.endswith(" [/INST]")
    turns: Turns = []
    position = len("<s>")
    while position < len(prompt):
        found = _MISTRAL_TURN.match(prompt, position)
        assert found is not None, prompt[position:]
        user = found["user"] is not None
        turns.append(("user", found["heard"]) if user else ("assistant", found["said"]))
        position = found.end()
        assert position == len(prompt) or prompt[position] == " "
        position += 1
    assert [role for role, _ in turns] == [
        ("user", "assistant")[at % 2] for at in range(len(turns))
    ]
    return turns


def turns_of_r1(prompt: str) -> Turns:
    """The same; what stands before the first turn is the system's."""
    assert prompt.startswith(_R1_BEGIN)
    assert prompt.endswith(_R1_END)
    rest = prompt[len(_R1_BEGIN) : -len(_R1_END)]
    system, mark, turns = rest.partition("<｜User｜>")
    before, spoken, _ = system.partition("<｜Assistant｜>")
    turns = rest[len(before) :] if spoken else mark + turns  # the assistant's may be the first
    said: Turns = [("system", before)] if before else []
    return said + _walked(_R1_TURN, turns)


def _walked(turn: re.Pattern[str], text: str) -> Turns:
    turns: Turns = []
    position = 0
    while position < len(text):
        found = turn.match(text, position)
        assert found is not None, text[position:]
        if turn is _LLAMA_TURN:
            turns.append((found[1], found[2]))
        else:
            said = found[1] is None
            turns.append(("assistant", found[2]) if said else ("user", found[1]))
        position = found.end()
    return turns
