"""Naming another model changes nothing else in a body, whatever the body looks like."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.dialects.openai.body import count_inputs, estimate_tokens, with_model, without_stream


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a","x":1.0}', b'{"model":"new","x":1.0}'),
        (b'{"x":1e400,"model":"a"}', b'{"x":1e400,"model":"new"}'),
        (b' {\n "model" :\t"a" , "x":[ ]}\n', b' {\n "model" :\t"new" , "x":[ ]}\n'),
        (b'{"model":"new","x":1}', b'{"model":"new","x":1}'),
        (b'{"model":"n\\u0065w"}', b'{"model":"n\\u0065w"}'),
        (b'{"model":"a","model":"b"}', b'{"model":"new","model":"new"}'),
        (b'{"model":"new","model":"new"}', b'{"model":"new","model":"new"}'),
        (
            b'{"model":"a","x":{"model":"b","model":1}}',
            b'{"model":"new","x":{"model":"b","model":1}}',
        ),
        (b'{"x":[{"model":"b"}],"model":"a"}', b'{"x":[{"model":"b"}],"model":"new"}'),
        (b'{"x":"model","model":"a"}', b'{"x":"model","model":"new"}'),
        (b'{"x":"say \\"model","model":"a"}', b'{"x":"say \\"model","model":"new"}'),
        (b'{"mod\\u0065l":"a","x":"model"}', b'{"mod\\u0065l":"new","x":"model"}'),
        (b'{"mod\\u0065l":"a","x":{"model":"a"}}', b'{"mod\\u0065l":"new","x":{"model":"a"}}'),
        (b'{"model":null}', b'{"model":"new"}'),
        (b'{"model":{"model":["a"]},"x":1}', b'{"model":"new","x":1}'),
        (
            b'{"model":12,"model":[1,{"a":"]"}],"x":"model"}',
            b'{"model":"new","model":"new","x":"model"}',
        ),
        (b'{"x":1}', b'{"model":"new","x":1}'),
        (b"{ }", b'{ "model":"new"}'),
        (b'{"x":"\\ud800","model":"a"}', b'{"x":"\\ud800","model":"new"}'),
        (b'{"x":"\xc3\xa9","model":"\xc3\xa9"}', b'{"x":"\xc3\xa9","model":"new"}'),
    ],
)
def test_replaces_the_top_level_model_only(body: bytes, expected: bytes) -> None:
    assert with_model(body, "new") == expected


@pytest.mark.parametrize("body", [b"", b"[]", b'"model"', b"12", b'["model"]'])
def test_refuses_what_is_not_an_object(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        with_model(body, "new")


_KEYS = st.sampled_from(["model", "x", 'say "model', "mod\\el", "é", "mode", "usage"]) | st.text(
    max_size=5
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | _KEYS | st.floats()


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(_KEYS, values), max_size=4).map(_Pairs)


class _Pairs(list[tuple[str, Any]]):
    """An object's members in order, duplicates included."""


def _values() -> st.SearchStrategy[Any]:
    return st.recursive(
        _LEAVES, lambda inner: st.lists(inner, max_size=3) | _objects(inner), max_leaves=12
    )


def _render(value: object, *, ascii_only: bool, space: str) -> str:
    if isinstance(value, _Pairs):
        members = f",{space}".join(
            json.dumps(key, ensure_ascii=ascii_only)
            + f"{space}:{space}"
            + _render(member, ascii_only=ascii_only, space=space)
            for key, member in value
        )
        return "{" + space + members + space + "}"
    if isinstance(value, list):
        items: list[object] = value
        return (
            "["
            + f"{space},".join(_render(i, ascii_only=ascii_only, space=space) for i in items)
            + "]"
        )
    if isinstance(value, float) and not math.isfinite(value):
        return "1e400"
    return json.dumps(value, ensure_ascii=ascii_only)


@given(
    members=_objects(_values()),
    model=st.text(max_size=10),
    ascii_only=st.booleans(),
    space=st.sampled_from(["", " ", "\n\t "]),
)
def test_agrees_with_the_json_module(
    members: _Pairs, model: str, ascii_only: bool, space: str
) -> None:
    text = _render(members, ascii_only=ascii_only, space=space)
    body = text.encode("utf-8", "surrogatepass")
    if not _encodable(model) or not _encodable(text):
        return
    changed = with_model(body, model)
    names = [key for key, _ in members]
    expected = _Pairs((key, model if key == "model" else value) for key, value in members)
    if "model" not in names:
        expected.insert(0, ("model", model))
    assert _parse(changed) == _parse(_render(expected, ascii_only=ascii_only, space="").encode())
    if names.count("model") and all(value == model for key, value in members if key == "model"):
        assert changed == body


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse(body: bytes) -> object:
    return json.loads(body, object_pairs_hook=list, parse_float=str, parse_int=str)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"m"}', 4),
        (b'{"model":"m","max_tokens":100}', 108),
        (b'{"max_completion_tokens":100,"max_tokens":7}', 112),
        (b'{"max_output_tokens":100,"n":3}', 308),
        (b'{"max_tokens":null}', 5),
        (b'{"max_tokens":"many"}', 6),
        (b'{"max_tokens":-5}', 5),
        (b"not json", 3),
    ],
)
def test_estimates_tokens(body: bytes, expected: int) -> None:
    assert estimate_tokens(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"input":"one text"}', 1),
        (b'{"input":["one","two","three"]}', 3),
        (b'{"input":[15496,995]}', 1),
        (b'{"input":[[15496],[995,1]]}', 2),
        (b'{"input":[]}', 0),
        (b'{"input":{"odd":1}}', 1),
        (b"not json", 1),
    ],
)
def test_counts_the_texts_of_an_embeddings_request(body: bytes, expected: int) -> None:
    assert count_inputs(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"input":"x"}', b'{"stream":false,"input":"x"}'),
        (b"{}", b'{"stream":false}'),
        (b'{ "n":1.0}', b'{ "stream":false,"n":1.0}'),
        (b'{"stream":false,"n":1}', b'{"stream":false,"n":1}'),
        (b'{"stream":null}', b'{"stream":null}'),
        (b'{"\\u0073tream":false}', b'{"\\u0073tream":false}'),
        (b'{"x":{"stream":true}}', b'{"stream":false,"x":{"stream":true}}'),
        (b'{"x":"\\"stream\\""}', b'{"stream":false,"x":"\\"stream\\""}'),
    ],
)
def test_asks_for_no_stream_where_nothing_is_said_of_it(body: bytes, expected: bytes) -> None:
    assert without_stream(body) == expected
