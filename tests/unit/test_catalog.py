"""The catalog: what every row must say, and what stands in each. A new provider is a row and a line
here."""

import re
from pathlib import Path

import pytest

from batchway.catalog.openai_family import AZURE, CATALOG, OPENAI, CatalogEntry, LineShape
from batchway.domain.status import BatchStatus
from batchway.providers.http.addresses import checked_base
from batchway.providers.openai import reading as remote_reading

ALL = [OPENAI, AZURE, *CATALOG.values()]
MB = 1_000_000
HOUR = 3_600
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("name", "base_url", "lines", "size", "windows"),
    [
        ("groq", "https://api.groq.com/openai/v1", 50_000, 100 * MB, (DAY, 7 * DAY)),
        ("together", "https://api.together.ai/v1", 50_000, 100 * MB, (DAY,)),
        ("deepinfra", "https://api.deepinfra.com/v1/openai", 50_000, 200 * MB, (DAY,)),
        ("parasail", "https://api.parasail.io/v1", 50_000, 1_000 * MB, (DAY,)),
        ("nebius", "https://api.tokenfactory.nebius.com/v1", 5_000_000, 10_000 * MB, (DAY,)),
        ("doubleword", "https://api.doubleword.ai/v1", 50_000, 200 * MB, (DAY,)),
        ("novita", "https://api.novita.ai/openai/v1", 50_000, 100 * MB, (2 * DAY,)),
        ("siliconflow", "https://api.siliconflow.cn/v1", 5_000, 1_000 * MB, (DAY, 14 * DAY)),
        (
            "dashscope",
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            50_000,
            500 * MB,
            (DAY, 14 * DAY),
        ),
        ("zhipu", "https://open.bigmodel.cn/api/paas/v4", 50_000, 100 * MB, (DAY,)),
    ],
)
def test_a_row(name: str, base_url: str, lines: int, size: int, windows: tuple[int, ...]) -> None:
    entry = CATALOG[name]
    traits = entry.traits
    assert (entry.base_url, traits.max_lines, traits.max_bytes, traits.windows) == (
        base_url,
        lines,
        size,
        windows,
    )
    assert "/v1/chat/completions" in traits.endpoints


def test_the_rows_are_those_above() -> None:
    assert list(CATALOG) == [
        "groq",
        "together",
        "deepinfra",
        "parasail",
        "nebius",
        "doubleword",
        "novita",
        "siliconflow",
        "dashscope",
        "zhipu",
    ]


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.name)
def test_every_row_is_whole(entry: CatalogEntry) -> None:
    assert re.fullmatch(r"[a-z][a-z-]*", entry.name)
    assert entry.title
    assert re.fullmatch(r"[A-Z_]+_API_KEY", entry.key_variable)
    assert entry.source.startswith("https://")
    assert all(note.endswith(".") for note in entry.notes)
    traits, quirks = entry.traits, entry.quirks
    assert traits.max_lines > 0
    assert traits.max_bytes > 0
    assert list(traits.windows) == sorted(set(traits.windows))
    assert all(window % HOUR == 0 for window in traits.windows)
    assert all(endpoint.startswith("/v1/") for endpoint in traits.endpoints)
    for path in (quirks.upload, quirks.files, quirks.batches):
        assert re.fullmatch(r"(/[a-z]+)+", path)
    assert set(quirks.endpoints) <= traits.endpoints
    assert set(quirks.urls) <= traits.endpoints
    assert set(quirks.windows) <= set(traits.windows)
    assert all(word == word.lower() for word in quirks.statuses)
    assert 1 <= quirks.page <= 100


@pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
def test_an_address_can_be_used(entry: CatalogEntry) -> None:
    assert checked_base(entry.name, entry.base_url) == entry.base_url


@pytest.mark.parametrize(
    ("name", "word", "status"),
    [
        ("novita", "VALIDATING", BatchStatus.VALIDATING),
        ("novita", "PROGRESS", BatchStatus.IN_PROGRESS),
        ("novita", "COMPLETED", BatchStatus.COMPLETED),
        ("siliconflow", "in_queue", BatchStatus.VALIDATING),
        ("together", "IN_PROGRESS", BatchStatus.IN_PROGRESS),
        ("together", "CANCELING", BatchStatus.CANCELLING),
        ("together", "CANCELLED", BatchStatus.CANCELLED),
        ("groq", "expired", BatchStatus.EXPIRED),
    ],
)
def test_words_of_a_status(name: str, word: str, status: BatchStatus) -> None:
    assert remote_reading.status_of(word, CATALOG[name].quirks) is status


def test_lines_without_method_and_url() -> None:
    bare = {name for name, entry in CATALOG.items() if entry.quirks.line is LineShape.BARE}
    assert bare == {"together", "novita"}


def test_the_reference_page_names_every_row() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "providers.md").read_text()
    for entry in ALL:
        assert entry.title in page
        assert entry.source in page
        assert all(note in page for note in entry.notes)
