"""Reading fields, in OpenAI's words; filenames, masks and echoes of what clients sent."""

import pytest

from batchway.api.asked import checked_key
from batchway.api.parameters import kind_of
from batchway.domain.errors import ApiError, ApiText
from batchway.domain.idempotency import idempotency_key
from batchway.service.filename import clean_filename
from batchway.service.keys import hint_of


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "an integer"),
        (1.5, "a decimal"),
        ("", "a string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_types_have_their_article(value: object, kind: str) -> None:
    assert kind_of(value) == kind


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", "upload"),
        ("/", "upload"),
        ("..", "upload"),
        ("a/..", "upload"),
        (" a.jsonl ", "a.jsonl"),
        ("a\x00\n\x1b[31mb", "a[31mb"),
        ("\ud800x\u2028y", "xy"),
        ("..\\..\\x.jsonl", "x.jsonl"),
        ("日本語.jsonl", "日本語.jsonl"),
        ("x" * 300, "x" * 255),
        ("x" * 300 + ".jsonl", "x" * 249 + ".jsonl"),
        ("x." + "y" * 300, "x." + "y" * 253),
    ],
)
def test_a_filename_is_its_clean_base(given: str, kept: str) -> None:
    assert clean_filename(given) == kept


@pytest.mark.parametrize(
    ("secret", "hint"),
    [("", "****"), ("0123456789abcde", "****"), ("sk-bw-0123456789", "sk-****6789")],
)
def test_a_hint_gives_little_away(secret: str, hint: str) -> None:
    assert hint_of(secret) == hint


def test_an_error_echoes_only_so_much_and_only_what_can_be_encoded() -> None:
    error = ApiError(ApiText.UNKNOWN_FILE, id="\ud800" + "x" * 9_000)
    assert error.message == "No such File object: ?" + "x" * 511 + "…"
    braces = ApiError(ApiText.UNKNOWN_FILE, id="{id}{0}")
    assert braces.message == "No such File object: {id}{0}"


def test_an_idempotency_key_is_what_was_said_and_by_which_key() -> None:
    assert idempotency_key(None, "a") is None
    assert idempotency_key("k", "a", {"x": 1, "y": None}) == idempotency_key(
        "k", "a", {"y": None, "x": 1}
    )
    assert idempotency_key("k", "a") != idempotency_key("k", "b")
    assert idempotency_key("k", "a", "b") != idempotency_key("k", "ab")


@pytest.mark.parametrize("key", ["", "\n", "é", "k" * 256])
def test_an_idempotency_key_is_plain(key: str) -> None:
    with pytest.raises(ApiError) as caught:
        checked_key(key)
    assert caught.value.text is ApiText.BAD_HEADER
