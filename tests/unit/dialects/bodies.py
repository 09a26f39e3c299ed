"""Hypothesis strategies of valid OpenAI bodies, with every part that OpenAI's types have.

Valid is what the official SDK's types say (`test_properties` asks them), and what OpenAI's API says
of a chat beside: each call has its result, before anybody else says anything. Owns the strategies.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

JSON = dict[str, Any]

_PNG: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()
_PDF: Final = base64.b64encode(b"%PDF-1.4\n").decode()
_WAV: Final = base64.b64encode(b"RIFF\0\0\0\0WAVE").decode()

TEXTS: Final = st.text(st.characters(codec="utf-8"), max_size=12)
WORDS: Final = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)
NAMES: Final = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,12}", fullmatch=True)
_SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31)
    | st.floats(-1e6, 1e6, allow_nan=False)
    | TEXTS
)
_KEYS: Final = st.sampled_from(["a", "b", "A", "items", "$ref", "x y", "é", "type"])
VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS: Final[st.SearchStrategy[JSON]] = st.dictionaries(_KEYS, VALUES, max_size=3)



def _with(
    fixed: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[JSON]:
    return st.fixed_dictionaries(fixed, optional=optional)


# ----------------------------------------------------------------------------- schemas

_LEAVES: Final[st.SearchStrategy[JSON]] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "enum": ["a", "b"]},
        {"type": "string", "format": "date-time", "description": "when"},
        {"type": "integer", "minimum": 1, "maximum": 5},
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["string", "null"]},
        {"type": ["integer", "string"]},
        {"const": "x"},
        {"$ref": "#/$defs/node"},
        {},
    ]
)


def _nested(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    properties = st.dictionaries(st.sampled_from(["a", "b", "c d", "$x"]), inner, max_size=3)
    return (
        st.builds(
            lambda fields, strict: {
                "type": "object",
                "properties": fields,
                **({"required": sorted(fields), "additionalProperties": False} if strict else {}),
            },
            properties,
            st.booleans(),
        )
        | st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda any_of: {"anyOf": any_of}, st.lists(inner, min_size=1, max_size=2))
        | st.builds(lambda values: {"type": "object", "additionalProperties": values}, inner)
    )


def _schema(root: JSON) -> JSON:
    definitions = {"node": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    schema = root if root.get("type") == "object" else {"type": "object", "properties": {"v": root}}
    return {**schema, "$defs": definitions} if "$ref" in json.dumps(schema) else schema


SCHEMAS: Final[st.SearchStrategy[JSON]] = st.recursive(_LEAVES, _nested, max_leaves=5).map(_schema)

# ----------------------------------------------------------------------------- parts and tools

_TEXT_PARTS: Final = st.builds(lambda text: {"type": "text", "text": text}, TEXTS)
_IMAGES: Final = _with(
    {"url": st.sampled_from([f"data:image/png;base64,{_PNG}", "https://example.com/a.png"])},
    detail=st.sampled_from(["auto", "low", "high"]),
).map(lambda image: {"type": "image_url", "image_url": image})
_FILES: Final = st.sampled_from(
    [
        {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{_PDF}"},
        {"file_id": "file-abc"},
    ]
).map(lambda file: {"type": "file", "file": file})
_AUDIO: Final = st.just(
    {"type": "input_audio", "input_audio": {"data": _WAV, "format": "wav"}},
)
_USER_PARTS: Final = st.one_of(_TEXT_PARTS, _TEXT_PARTS, _TEXT_PARTS, _IMAGES, _FILES, _AUDIO)
_REFUSALS: Final = st.builds(lambda text: {"type": "refusal", "refusal": text}, TEXTS)

FUNCTIONS: Final = _with(
    {"name": NAMES}, description=TEXTS, parameters=SCHEMAS, strict=st.booleans() | st.none()
)


def _texts_of(parts: st.SearchStrategy[JSON]) -> st.SearchStrategy[Any]:
    """A content: a text, or parts."""
    return TEXTS | st.lists(parts, min_size=1, max_size=3)


# ----------------------------------------------------------------------------- messages


@st.composite
def _called(draw: st.DrawFn, ids: st.SearchStrategy[str]) -> list[JSON]:
    """A message of the assistant with calls, and their results in any order."""
    names = draw(st.lists(NAMES, min_size=1, max_size=2))
    calls = [
        {
            "id": draw(ids),
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(draw(OBJECTS))},
        }
        for name in names
    ]
    said = draw(st.none() | TEXTS)
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": draw(_texts_of(_TEXT_PARTS))}
        for call in calls
    ]
    message = {"role": "assistant", "tool_calls": calls}
    message |= {} if said is None and draw(st.booleans()) else {"content": said}
    return [message, *draw(st.permutations(results))]


@st.composite
def messages(draw: st.DrawFn) -> list[JSON]:
    """A conversation that ends with the user, or with what calls gave."""
    numbers = iter(range(1_000))
    ids = st.builds(lambda tail: f"call_{next(numbers)}{tail}", st.sampled_from(["", "x", ".é"]))
    said: list[JSON] = draw(
        st.lists(
            _with(
                {
                    "role": st.sampled_from(["system", "developer"]),
                    "content": _texts_of(_TEXT_PARTS),
                },
                name=NAMES,
            ),
            max_size=2,
        )
    )
    user = _with({"role": st.just("user"), "content": _texts_of(_USER_PARTS)}, name=NAMES)
    assistant = _with(
        {
            "role": st.just("assistant"),
            "content": _texts_of(_TEXT_PARTS | _REFUSALS),
        },
        refusal=TEXTS | st.none(),
        name=NAMES,
    )
    for kind in draw(st.lists(st.sampled_from(["user", "said", "called"]), max_size=4)):
        match kind:
            case "user":
                said.append(draw(user))
            case "said":
                said.append(draw(assistant))
            case _:
                said += [draw(user), *draw(_called(ids))]
    return said if said and said[-1]["role"] == "tool" else [*said, draw(user)]


# ----------------------------------------------------------------------------- whole bodies

_FORMATS: Final = st.one_of(
    st.just({"type": "text"}),
    st.just({"type": "json_object"}),
    st.builds(
        lambda schema, strict: {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": schema, "strict": strict},
        },
        SCHEMAS,
        st.booleans() | st.none(),
    ),
)

_SETTINGS: Final = {
    "temperature": st.floats(0, 2, allow_nan=False),
    "top_p": st.floats(0.01, 1, allow_nan=False),
    "frequency_penalty": st.sampled_from([0, 0.5, -2]),
    "presence_penalty": st.sampled_from([0, 1.5]),
    "n": st.integers(1, 3),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "stop": WORDS | st.lists(WORDS, max_size=4),
    "max_tokens": st.integers(1, 100_000),
    "max_completion_tokens": st.integers(1, 100_000),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "logit_bias": st.sampled_from([{}, {"50256": -100}]),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"]),
    "response_format": _FORMATS,
    "parallel_tool_calls": st.booleans(),
    "user": WORDS,
    "metadata": st.dictionaries(WORDS, WORDS, max_size=2),
    "store": st.booleans(),
    "service_tier": st.sampled_from(["auto", "default", "flex", "priority"]),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "modalities": st.sampled_from([["text"], ["text", "audio"]]),
    "prompt_cache_key": WORDS,
    "safety_identifier": WORDS,
    "prediction": st.just({"type": "content", "content": "so"}),
    "web_search_options": st.just({}),
}
# Each body has a few of them: one that has all is refused for the first.
_FEW: Final = st.lists(st.sampled_from(sorted(_SETTINGS)), max_size=4, unique=True)


def _reference(name: str) -> JSON:
    return {"type": "function", "function": {"name": name}}


def _choices(names: Sequence[str]) -> st.SearchStrategy[Any]:
    name = st.sampled_from(names)
    allowed = st.builds(
        lambda mode, only: {
            "type": "allowed_tools",
            "allowed_tools": {"mode": mode, "tools": [_reference(each) for each in only]},
        },
        st.sampled_from(["auto", "required"]),
        st.lists(name, min_size=1, max_size=2, unique=True),
    )
    return st.sampled_from(["auto", "none", "required"]) | name.map(_reference) | allowed


@st.composite
def chat_bodies(draw: st.DrawFn) -> JSON:
    """The body of a chat line."""
    body: JSON = {"model": "m", "messages": draw(messages())}
    for name in draw(_FEW):
        body[name] = draw(_SETTINGS[name])
    # Without `logprobs` OpenAI refuses it.
    if body.get("top_logprobs") is not None:
        body["logprobs"] = True
    functions = draw(st.lists(FUNCTIONS, max_size=2, unique_by=lambda each: each["name"]))
    if functions:
        body["tools"] = [{"type": "function", "function": each} for each in functions]
        if draw(st.booleans()):
            body["tool_choice"] = draw(_choices([each["name"] for each in functions]))
    elif body.get("parallel_tool_calls") is not None:
        del body["parallel_tool_calls"]  # OpenAI takes it with tools only
    return body


@st.composite
def plain_chats(draw: st.DrawFn) -> JSON:
    """A chat that every dialect can say: words, calls and their results, and functions."""
    said: list[JSON] = draw(
        st.lists(st.fixed_dictionaries({"role": st.just("system"), "content": WORDS}), max_size=1)
    )
    functions = draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
    number = 0
    for kind in draw(st.lists(st.sampled_from(["said", "called"]), max_size=3)):
        said.append({"role": "user", "content": draw(WORDS)})
        if kind == "said":
            said.append({"role": "assistant", "content": draw(WORDS)})
            continue
        calls = [
            {
                "id": f"call_{number + n}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps({"q": draw(WORDS)})},
            }
            for n, name in enumerate(draw(st.permutations(functions)))
        ]
        number += len(calls)
        said.append({"role": "assistant", "content": draw(st.none() | WORDS), "tool_calls": calls})
        said += [
            {"role": "tool", "tool_call_id": call["id"], "content": draw(WORDS)} for call in calls
        ]
    said.append({"role": "user", "content": draw(WORDS)})
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    tools = [
        {"type": "function", "function": {"name": name, "parameters": schema}} for name in functions
    ]
    return {"model": "m", "messages": said, "tools": tools}


_TOKENS: Final = st.lists(st.integers(0, 100_000), min_size=1, max_size=3)


def embeddings_bodies() -> st.SearchStrategy[JSON]:
    """The body of an embeddings line."""
    inputs = st.one_of(
        WORDS,
        st.lists(WORDS, min_size=1, max_size=4),
        TEXTS,
        _TOKENS,
        st.lists(_TOKENS, min_size=1, max_size=2),
    )
    return st.builds(
        lambda given, rest: {"model": "m", "input": given, **rest},
        inputs,
        st.fixed_dictionaries(
            {},
            optional={
                "dimensions": st.integers(1, 4_000),
                "encoding_format": st.sampled_from(["float", "base64"]),
                "user": WORDS,
            },
        ),
    )
