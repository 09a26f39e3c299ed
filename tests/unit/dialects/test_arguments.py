"""`dialects.requests.arguments`: what a text of arguments is, or why it is none."""

import pytest

from batchway.dialects.requests.arguments import arguments_in

LARGE = "A number in it is larger than can be sent on: up to 1.8e308 can."
DEEP = "Its values are nested too deep to be read."
NONE = "It is no JSON object."


@pytest.mark.parametrize("text", ["", "  \n", "{}", " { } "])
def test_none_are_no_arguments(text: str) -> None:
    assert arguments_in(text) == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a":1e400}', LARGE),
        ('{"a":[-1e400]}', LARGE),
        ('{"a":' + "1" * 5_000 + "}", LARGE),
        ('{"a":' + "[" * 3_000 + "]" * 3_000 + "}", DEEP),
        ("[1]", NONE),
        ("null", NONE),
        ('{"a":NaN}', NONE),
        ('{"a":', NONE),
        ('{"a":"\\ud800"}', NONE),
        ("\ud800", NONE),
        # No words of the text decide.
        ('"a number out of range"', NONE),
    ],
)
def test_what_is_said_of_others(text: str, why: str) -> None:
    assert arguments_in(text) == why


def test_arguments_are_read() -> None:
    assert arguments_in('{"a": {"b": [1, 2.5, null]}}') == {"a": {"b": [1, 2.5, None]}}
