"""No provider's words in the story of a native batch, nor in what the ledger keeps of it."""

import re
from pathlib import Path

import pytest

import batchway

SOURCES = Path(batchway.__file__).parent
ROOMS = (
    *sorted((SOURCES / "workflows" / "native").glob("*.py")),
    SOURCES / "domain" / "remote.py",
    SOURCES / "domain" / "fate.py",
    SOURCES / "ports" / "jobs.py",
    SOURCES / "storage" / "ledger" / "jobs.py",
)
# Ids, codes, headers and row shapes of OpenAI's batch API.
WORDS = re.compile(
    r"file_id|batch_expired|batch_cancelled|insufficient_quota|token_limit|billing_|means_"
    r"|status_code|x-tfy-|\"custom_id\"|request_counts|completion_window"
)


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_no_words_of_a_provider(room: Path) -> None:
    text = room.read_text()
    assert WORDS.findall(text) == []
    assert len(text.splitlines()) < 450
