"""An Upload: a File that arrives in parts."""

from dataclasses import dataclass
from enum import StrEnum

from batchway.domain.file import Purpose


class UploadStatus(StrEnum):
    """`pending` may become any of the other three, which are final."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One upload. `bytes` is the size that the client promised; times are Unix seconds."""

    id: str
    tenant: str
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    mime_type: str
    purpose: Purpose
    status: UploadStatus
    file_expires_after: int | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPart:
    """One part of an upload; `blob` names its bytes."""

    id: str
    upload_id: str
    created_at: int
    bytes: int
    blob: str
