"""The small values of `domain`: windows, ids, usage, principals."""

import re

import pytest

from batchway.domain.batch import Usage
from batchway.domain.ids import Ids, is_batch_id, is_file_id
from batchway.domain.keys import Principal
from batchway.domain.window import DEFAULT_WINDOW, window_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (DEFAULT_WINDOW, 86_400),
        ("1m", 60),
        ("90m", 5_400),
        ("7d", 604_800),
        ("30d", 2_592_000),
        ("720h", 2_592_000),
        ("43200m", 2_592_000),
        ("31d", None),
        ("721h", None),
        ("43201m", None),
        ("0h", None),
        ("01h", None),
        ("-1h", None),
        ("1.5h", None),
        ("24", None),
        ("h", None),
        ("", None),
        ("24H", None),
        ("24 h", None),
        (" 24h", None),
        ("24h\n", None),
        ("24s", None),
        ("1d12h", None),
        ("٢h", None),
        ("99999999m", None),
    ],
)
def test_windows(text: str, seconds: int | None) -> None:
    assert window_seconds(text) == seconds


ZERO = Ids(random_bytes=lambda size: b"\0" * size)
FULL = Ids(random_bytes=lambda size: b"\xff" * size)


def test_the_shapes_of_ids() -> None:
    assert (ZERO.file(), ZERO.batch(), ZERO.upload(), ZERO.part(), ZERO.request(), ZERO.key()) == (
        "file-" + "0" * 22,
        "batch_" + "0" * 32,
        "upload_" + "0" * 32,
        "part_" + "0" * 32,
        "req_" + "0" * 32,
        "sk-bw-" + "0" * 48,
    )
    assert FULL.batch() == "batch_" + "f" * 32
    assert re.fullmatch("file-[0-9A-Za-z]{22}", FULL.file())


@pytest.mark.parametrize("ids", [ZERO, FULL])
def test_ids_know_themselves(ids: Ids) -> None:
    assert is_file_id(ids.file())
    assert is_batch_id(ids.batch())
    assert not is_file_id(ids.batch())
    assert not is_batch_id(ids.file())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "file-",
        "file-" + "0" * 21,
        "file-" + "0" * 23,
        "file-" + "0" * 21 + "-",
        "file-" + "0" * 21 + "é",
        "file-" + "0" * 22 + "\n",
        "file_" + "0" * 22,
        "batch_" + "0" * 31,
        "batch_" + "0" * 31 + "F",
        "batch_" + "0" * 32 + "\n",
        "BATCH_" + "0" * 32,
        "gs://bucket/file",
    ],
)
def test_foreign_ids(text: str) -> None:
    assert not is_file_id(text)
    assert not is_batch_id(text)


def test_usage_adds_up() -> None:
    one = Usage(input_tokens=1, cached_tokens=2, output_tokens=3, reasoning_tokens=4)
    ten = Usage(input_tokens=10, cached_tokens=20, output_tokens=30, reasoning_tokens=40)
    assert one + ten == Usage(
        input_tokens=11, cached_tokens=22, output_tokens=33, reasoning_tokens=44
    )
    assert one + Usage() == one
    assert one.total_tokens == 4


@pytest.mark.parametrize(
    ("providers", "provider", "may"),
    [
        (None, "a", True),
        (frozenset({"a"}), "a", True),
        (frozenset({"a"}), "b", False),
        (frozenset[str](), "a", False),
    ],
)
def test_principals(providers: frozenset[str] | None, provider: str, may: bool) -> None:
    principal = Principal(tenant="t", key_name="k", providers=providers)
    assert principal.may_use(provider) is may
