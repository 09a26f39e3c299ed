"""What callers ask of services, as values: parsed and checked for form where they came in.

    NewBatch     `POST /batches`, and the batch of `batchway run`
    NewUpload    `POST /uploads`
    Elsewhere    a look-up that may go on to a provider

Owns the values. Does not own how a request spells them (`api`), nor whether there is such a file,
provider or right (the services).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from batchway.domain.endpoint import Endpoint
from batchway.domain.errors import ApiError
from batchway.domain.file import ExpiresAfter, Purpose
from batchway.domain.idempotency import IdempotencyKey
from batchway.domain.overrides import NO_OVERRIDES, Overrides
from batchway.domain.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A batch to be made over a file of the caller's.

    `spelled` is the endpoint as the caller wrote it, where that was otherwise. `metadata` are
    OpenAI's pairs, `tfy_metadata` TrueFoundry's. `provider` is the one that was asked for; it may
    be unknown.
    """

    input_file_id: str
    endpoint: Endpoint
    window: Window
    spelled: str | None = None
    metadata: Mapping[str, str] | None = None
    output_expires_after: ExpiresAfter | None = None
    provider: str | None = None
    job_name: str | None = None
    tfy_metadata: Mapping[str, str] | None = None
    overrides: Overrides = NO_OVERRIDES
    idempotency: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """A file of so many `bytes` that will come in parts."""

    bytes: int
    filename: str
    mime_type: str
    purpose: Purpose
    expires_after: ExpiresAfter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """The provider to look at for what is not here, and the settings to reach it with.

    Those are needed, and what is wrong with them is told, only where it comes to asking there.
    """

    provider: str
    overrides: Overrides | ApiError = NO_OVERRIDES
