"""How the ledger writes JSON: an entry is found in the text exactly when it is one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.storage.ledger.text import encode, has_item, has_pair, is_storable

# Everything that JSON gives a meaning, so that strings look like the text around them.
texts = st.text(alphabet='":,{}[]\\\n\0aü😀', max_size=5)


def found(texts: tuple[str, str], text: str) -> bool:
    return any(one in text for one in texts)


@given(st.dictionaries(texts, texts, max_size=4), texts, texts)
def test_a_pair_is_found_exactly_when_it_is_there(
    pairs: dict[str, str], key: str, value: str
) -> None:
    text = encode(pairs)
    assert json.loads(text) == pairs
    assert found(has_pair(key, value), text) is (pairs.get(key) == value)
    for one, other in pairs.items():
        assert found(has_pair(one, other), text)


@given(st.lists(texts, max_size=4), texts)
def test_an_item_is_found_exactly_when_it_is_there(items: list[str], item: str) -> None:
    text = encode(items)
    assert found(has_item(item), text) is (item in items)
    for one in items:
        assert found(has_item(one), text)


@pytest.mark.parametrize(
    ("pairs", "key", "value"),
    [
        ({'x"k': "v"}, "k", "v"),
        ({"x": '"k":"v"'}, "k", "v"),
        ({"x": '{"k":"v"'}, "k", "v"),
        ({"{": ":", "y": "z"}, ":", ","),
        ({"x": "{", ":": "d"}, ",", ":"),
        ({"k\\": "v"}, "k", "v"),
        ({"K": "v"}, "k", "v"),
        ({"k": "vv"}, "k", "v"),
    ],
)
def test_what_only_looks_like_the_pair_is_not_found(
    pairs: dict[str, str], key: str, value: str
) -> None:
    assert not found(has_pair(key, value), encode(pairs))


@pytest.mark.parametrize(
    ("text", "expected"), [("", True), ("ü 😀", True), ("a\0b", False), ("a\ud800", False)]
)
def test_what_databases_take(text: str, expected: bool) -> None:
    assert is_storable(text) is expected
