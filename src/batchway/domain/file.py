"""A File: bytes that a tenant uploaded, or that a batch wrote."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Purpose(StrEnum):
    """Why a file exists. The first six may be asked for; `batch_output` is written by batches."""

    ASSISTANTS = "assistants"
    BATCH = "batch"
    FINE_TUNE = "fine-tune"
    VISION = "vision"
    USER_DATA = "user_data"
    EVALS = "evals"
    BATCH_OUTPUT = "batch_output"


# The order is that of OpenAI's own error message.
UPLOAD_PURPOSES: Final = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")
# What a list may be asked for: OpenAI's own results of other kinds, too, of which there are none.
LISTED_PURPOSES: Final = (*Purpose, "assistants_output", "fine-tune-results")
DOWNLOADABLE: Final = frozenset({Purpose.BATCH, Purpose.BATCH_OUTPUT, Purpose.FINE_TUNE})


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One stored file.

    `bytes` is its size; `created_at` and `expires_at` are Unix seconds; `blob` is where its bytes
    live in the blob store and is never shown; `sha256` is the digest of its content, in
    hex, and empty for result files: it serves to tell whether an upload is a repetition.
    """

    id: str
    tenant: str
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Purpose
    blob: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiresAfter:
    """`expires_after` of a file: `seconds` from its creation, 3,600 to 2,592,000."""

    seconds: int
