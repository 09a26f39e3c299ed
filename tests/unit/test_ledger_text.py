"""How the ledger writes JSON: an entry is found in the text exactly when it is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchway.storage.ledger.text import encode, has_item, is_storable, stored

# Everything that JSON gives a meaning, so that strings look like the text around them.
texts = st.text(alphabet='":,{}[]\\\n\0aü😀', max_size=5)


def found(texts: tuple[str, str], text: str) -> bool:
    return any(one in text for one in texts)


@given(st.lists(texts, max_size=4), texts)
def test_an_item_is_found_exactly_when_it_is_there(items: list[str], item: str) -> None:
    text = encode(items)
    assert found(has_item(item), text) is (item in items)
    for one in items:
        assert found(has_item(one), text)


@given(texts, texts)
def test_different_texts_are_stored_as_different_ones(one: str, other: str) -> None:
    assert "\0" not in stored(one)
    assert (stored(one) == stored(other)) is (one == other)


@pytest.mark.parametrize(
    ("text", "expected"), [("ü 😀", "ü 😀"), ("a\0b", r"a\0b"), (r"a\0b", r"a\\0b"), ("\\", r"\\")]
)
def test_how_a_text_is_stored(text: str, expected: str) -> None:
    assert stored(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("", True), ("ü 😀", True), ("a\0b", False), ("a\ud800", False)]
)
def test_what_databases_take(text: str, expected: bool) -> None:
    assert is_storable(text) is expected
