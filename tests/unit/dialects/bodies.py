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

WORDS: Final = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)
NAMES: Final = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,12}", fullmatch=True)
_ANY_TEXT: Final = st.text(st.characters(codec="utf-8"), max_size=12)


def _mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What no dialect minds, and now and then what one of them cannot say."""
    return st.integers(0, 24).flatmap(lambda drawn: usual if drawn else odd)


TEXTS: Final = _mostly(WORDS, _ANY_TEXT)
_SCALARS: Final = st.one_of(
    st.booleans(),
    st.integers(-(2**31), 2**31),
    st.floats(-1e6, 1e6, allow_nan=False),
    TEXTS,
)
_KEYS: Final = _mostly(
    st.sampled_from(["a", "b", "c", "items"]), st.sampled_from(["A", "$ref", "x y", "é"])
)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, min_size=1, max_size=3) | st.dictionaries(
        _KEYS, inner, min_size=1, max_size=3
    )


VALUES: Final[st.SearchStrategy[Any]] = _mostly(
    st.recursive(_SCALARS, _deeper, max_leaves=4),
    st.sampled_from([None, [], {}, [None], [[1]], [{"a": 1}, 2]]),
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
_PROPERTIES: Final = _mostly(st.sampled_from(["a", "b", "c"]), st.sampled_from(["c d", "$x"]))


def _object(properties: JSON, strict: bool) -> JSON:
    rest = {"required": sorted(properties), "additionalProperties": False} if strict else {}
    return {"type": "object", "properties": properties, **rest}


def _array(items: JSON) -> JSON:
    return {"type": "array", "items": items}


def _any_of(schemas: list[JSON]) -> JSON:
    return {"anyOf": schemas}


def _map(values: JSON) -> JSON:
    return {"type": "object", "additionalProperties": values}


def _nested(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    properties = st.dictionaries(_PROPERTIES, inner, max_size=3)
    return st.one_of(
        st.builds(_object, properties, st.booleans()),
        inner.map(_array),
        st.lists(inner, min_size=1, max_size=2).map(_any_of),
        inner.map(_map),
    )


def _schema(root: JSON) -> JSON:
    definitions = {"node": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    schema = root if root.get("type") == "object" else _object({"v": root}, strict=False)
    return {**schema, "$defs": definitions} if "$ref" in json.dumps(schema) else schema


SCHEMAS: Final[st.SearchStrategy[JSON]] = st.recursive(_LEAVES, _nested, max_leaves=4).map(_schema)

# ----------------------------------------------------------------------------- parts and tools


def _part(kind: str, value: object) -> JSON:
    return {"type": kind, kind: value}


def _text_part(text: str) -> JSON:
    return _part("text", text)


def _refusal(text: str) -> JSON:
    return _part("refusal", text)


def _image(image: JSON) -> JSON:
    return _part("image_url", image)


_TEXT_PARTS: Final = TEXTS.map(_text_part)
_DETAILS: Final = st.sampled_from(["auto", "low", "high"])
_DATA: Final = st.just(f"data:image/png;base64,{_PNG}")
_INLINE: Final = _with({"url": _DATA}, detail=_DETAILS).map(_image)
_PDF_FILE: Final = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{_PDF}"}
_USER_PARTS: Final = _mostly(
    st.one_of(_TEXT_PARTS, _TEXT_PARTS, _INLINE, st.just(_part("file", _PDF_FILE))),
    st.sampled_from(
        [
            _image({"url": "https://example.com/a.png"}),
            _part("file", {"file_id": "file-abc"}),
            _part("input_audio", {"data": _WAV, "format": "wav"}),
        ]
    ),
)
_REFUSALS: Final = TEXTS.map(_refusal)

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
    ids = st.sampled_from(["", "x", ".é"]).map(lambda tail: f"call_{next(numbers)}{tail}")
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


def _format(schema: JSON, strict: bool | None) -> JSON:
    return _part("json_schema", {"name": "n", "schema": schema, "strict": strict})


_FORMATS: Final = st.one_of(
    st.just({"type": "text"}),
    st.just({"type": "json_object"}),
    st.builds(_format, SCHEMAS, st.none() | st.booleans()),
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
_FEW: Final = st.lists(st.sampled_from(sorted(_SETTINGS)), max_size=2, unique=True)


def _reference(name: str) -> JSON:
    return {"type": "function", "function": {"name": name}}


def _allowed(mode: str, names: list[str]) -> JSON:
    return _part("allowed_tools", {"mode": mode, "tools": [_reference(each) for each in names]})


def _choices(names: Sequence[str]) -> st.SearchStrategy[Any]:
    name = st.sampled_from(names)
    allowed = st.builds(
        _allowed,
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
    return _with(
        {"model": st.just("m"), "input": inputs},
        dimensions=_mostly(st.integers(1, 768), st.integers(769, 4_000)),
        encoding_format=st.sampled_from(["float", "base64"]),
        user=WORDS,
    )
