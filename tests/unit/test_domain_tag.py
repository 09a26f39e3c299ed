"""Tags: written in one way, and found wherever a provider shows them."""

import pytest

from batchway.domain.tag import batches_in, is_tag, new_tag, tag_in

ID = "batch_" + "0a" * 16
TAG = f"batchway-{'0a' * 16}-12-3"


@pytest.mark.parametrize(
    ("text", "whole", "found", "batches"),
    [
        (TAG, True, TAG, [ID]),
        (f"{TAG}.jsonl", False, TAG, [ID]),
        (f"gs://b/batchway/{TAG}/out-1/{TAG}", False, TAG, [ID, ID]),
        ("batchway-0a-12-3", False, None, []),
        (TAG.upper(), False, None, []),
        ("", False, None, []),
    ],
)
def test_tags_in_a_text(text: str, whole: bool, found: str | None, batches: list[str]) -> None:
    assert (is_tag(text), tag_in(text), list(batches_in(text))) == (whole, found, batches)


def test_a_tag_tells_its_batch() -> None:
    assert new_tag(ID, 12, 3) == TAG
