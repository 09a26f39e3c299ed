"""The objects of the API as pydantic models, for the OpenAPI document alone.

Answers are rendered by `api.objects` and requests read by `api.parameters`, which speak
OpenAI's error texts; a contract test holds every answer to these models.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from batchway.domain.endpoint import Endpoint
from batchway.domain.file import Purpose
from batchway.domain.reason import ReasonKind
from batchway.domain.status import BatchStatus
from batchway.domain.upload import UploadStatus

UnixTime = Annotated[int, Field(description="Unix seconds")]
RequestPurpose = Literal["fine-tune", "assistants", "batch", "user_data", "vision", "evals"]
MetadataValue = Annotated[str, Field(max_length=512)]


class _Answer(BaseModel):
    """Every key is always there."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(_Answer):
    """What went wrong. `code` is for programs, `message` for people."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(_Answer):
    """Every answer other than success."""

    error: ErrorBody


class RequestCounts(_Answer):
    """Lines of a batch; expired and cancelled ones are in `total` only."""

    total: int
    completed: int
    failed: int


class InputTokensDetails(_Answer):
    """Of the input tokens."""

    cached_tokens: int


class OutputTokensDetails(_Answer):
    """Of the output tokens."""

    reasoning_tokens: int


class Usage(_Answer):
    """Tokens that providers reported, summed over lines."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class BatchErrorEntry(_Answer):
    """Why validation failed. `line` counts from 1."""

    code: str
    message: str
    param: str | None
    line: int | None


class BatchErrorList(_Answer):
    """Every reason why validation failed."""

    object: Literal["list"]
    data: list[BatchErrorEntry]


class RunOnlineObject(_Answer):
    """Lines that run online instead of in a job."""

    lines: int
    reason: str = Field(description="Why no job runs them, in words")


class BatchObject(_Answer):
    """A batch. The last seven fields are Batchway's own.

    One that is looked up at its provider has the provider's ids, and zeros or empty texts for what
    the provider leaves out.
    """

    id: str
    object: Literal["batch"]
    endpoint: str
    model: str | None
    errors: BatchErrorList | None
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: UnixTime
    in_progress_at: UnixTime | None
    expires_at: UnixTime
    finalizing_at: UnixTime | None
    completed_at: UnixTime | None
    failed_at: UnixTime | None
    expired_at: UnixTime | None
    cancelling_at: UnixTime | None
    cancelled_at: UnixTime | None
    request_counts: RequestCounts
    usage: Usage
    metadata: dict[str, str] | None
    job_name: str | None
    provider: str | None = Field(
        description="The provider that was asked for, else those that the lines may go to"
    )
    tfy_metadata: dict[str, str] | None
    status_details: str | None = Field(description="Why the batch waits, in a sentence")
    status_reason: ReasonKind | None = Field(
        default=None, description="What has to change, in a word; not there where it is not known"
    )
    warnings: dict[str, int] | None = Field(
        default=None,
        description="Of how many lines a parameter was left out, by its name, because it changes "
        "nothing where they run, or asks for a promise that is not made there; not there where "
        "none was",
    )
    run_online: list[RunOnlineObject] | None = Field(
        default=None,
        description="Lines that run online, at the online price, although the mode prefers jobs; "
        "not there where none do",
    )


class BatchPage(_Answer):
    """A page of batches, newest first."""

    object: Literal["list"]
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileObject(_Answer):
    """A file."""

    object: Literal["file"]
    id: str
    purpose: str = Field(
        description="One of "
        + ", ".join(f"`{purpose}`" for purpose in Purpose)
        + "; of a provider's file what the provider says"
    )
    filename: str
    bytes: int
    created_at: UnixTime
    expires_at: UnixTime | None
    status: Literal["uploaded", "processed", "error"] = Field(
        description="`processed`, unless it is a provider's file that is not ready"
    )
    status_details: None


class FilePage(_Answer):
    """A page of files in order of creation."""

    object: Literal["list"]
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(_Answer):
    """The answer to a deletion."""

    object: Literal["file"]
    id: str
    deleted: Literal[True]


class UploadObject(_Answer):
    """A file that arrives in parts."""

    id: str
    object: Literal["upload"]
    bytes: int
    created_at: UnixTime
    filename: str
    purpose: Purpose
    status: UploadStatus
    expires_at: UnixTime
    file: FileObject | None


class UploadPartObject(_Answer):
    """One part of an upload."""

    id: str
    object: Literal["upload.part"]
    created_at: UnixTime
    upload_id: str


class ModelObject(_Answer):
    """A name that lines may give as their model."""

    id: str
    object: Literal["model"]
    created: UnixTime = Field(description="Always 0: nothing here knows")
    owned_by: str = Field(description="The provider, or `batchway` for a route")


class ModelList(_Answer):
    """What the key may name. `providers` and `patterns` are Batchway's own."""

    object: Literal["list"]
    data: list[ModelObject]
    providers: list[str] = Field(
        description="Of each of these, any model may be named, as `provider/model`"
    )
    patterns: list[str] = Field(
        description="What names of further models are like, where that is known: `vertex/gemini-*`"
    )


class Health(_Answer):
    """The server answers."""

    status: Literal["ok"]


class Expiry(BaseModel):
    """When a file goes by itself, counted from its creation."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3_600, le=2_592_000)


class CreateBatchRequest(BaseModel):
    """The body of `POST /batches`. Other fields are ignored."""

    input_file_id: str = Field(pattern="^file[!-~]{0,255}$")
    endpoint: str = Field(json_schema_extra={"enum": [*Endpoint, *(e.path for e in Endpoint)]})
    completion_window: str | None = Field(
        pattern="^([1-9][0-9]{0,6})([mhd])$",
        description="`24h`, or any window from `1m` to `30d`; null is `24h`",
    )
    metadata: dict[str, MetadataValue] | None = Field(None, max_length=16)
    output_expires_after: Expiry | None = None
    job_name: str | None = Field(None, max_length=512, description="Batchway's own: a name")


class CreateUploadRequest(BaseModel):
    """The body of `POST /uploads`. Other fields are ignored."""

    bytes: int = Field(ge=1)
    filename: str = Field(max_length=4_096)
    mime_type: str = Field(max_length=255)
    purpose: RequestPurpose
    expires_after: Expiry | None = None


class CompleteUploadRequest(BaseModel):
    """The body of `POST /uploads/{id}/complete`. Other fields are ignored."""

    part_ids: list[str]
    md5: str | None = None
