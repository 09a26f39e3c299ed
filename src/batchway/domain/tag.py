"""The name that Batchway gives a job and its files at a provider: found again by it, and
known by it to be ours.

    batchway-{32 hex digits of the batch's id}-{shard}-{attempt}

Owns how it is written and read. Pure.
"""

import re
from collections.abc import Iterator
from typing import Final

# What a tag is called in the metadata of a job that keeps any.
METADATA_KEY: Final = "batchway"

_TAG: Final = re.compile(r"batchway-([0-9a-f]{32})-[0-9]+-[0-9]+")


def new_tag(batch_id: str, shard: int, attempt: int) -> str:
    """The tag of one attempt at one shard of a batch."""
    return f"batchway-{batch_id.removeprefix('batch_')}-{shard}-{attempt}"


def is_tag(text: str) -> bool:
    """Whether a text is a tag, and nothing beside."""
    return _TAG.fullmatch(text) is not None


def tag_in(text: str) -> str | None:
    """The first tag in a text, such as the name of a file."""
    found = _TAG.search(text)
    return None if found is None else found[0]


def batches_in(text: str) -> Iterator[str]:
    """The ids of the batches whose tags stand in a text."""
    return (f"batch_{digits}" for digits in _TAG.findall(text))
