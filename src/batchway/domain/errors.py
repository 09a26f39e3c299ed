"""Every answer of the HTTP API that is an error, in one table, and the errors of the core.

`recorded` tells whether a text is one that OpenAI's service is known to send; the others are ours,
in its house style, and can be corrected here without touching anything else. Texts of batches and
lines are `batch_errors`'.

    ApiError        an answer of the HTTP API, raised by services, rendered once at the edge
    Conflict        a compare-and-swap lost; the caller re-reads and decides
    Unavailable     a part that Batchway stands on (disk, database) failed; retry later

Owns texts and types. Does not own their JSON envelope (`api.envelope`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

INVALID_REQUEST = "invalid_request_error"

# Characters of a client's own text that an error message repeats.
_ECHO: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """One row of the API table. `retry` is whether the client's SDK should try again by itself."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    type: str = INVALID_REQUEST
    retry: bool = False
    recorded: bool = False


class ApiText(Enum):
    """Errors of the HTTP API."""

    # -- who is calling
    NO_KEY = ErrorText(
        status=401, message="Missing bearer or basic authentication in header", recorded=True
    )
    BAD_KEY = ErrorText(
        status=401,
        message="Incorrect API key provided: {hint}. Ask whoever runs this Batchway for a key, "
        "or make one with `batchway keys create`.",
        code="invalid_api_key",
    )
    PROVIDER_FORBIDDEN = ErrorText(
        status=403,
        message="This API key may not use the provider '{provider}'.",
        param="x-tfy-provider-name",
        code="provider_not_allowed",
        type="permission_error",
    )
    # -- the request's form
    NOT_HTTP = ErrorText(
        status=400,
        message="We could not parse your request: it is not valid HTTP/1.1.",
        code="invalid_http",
    )
    HEAD_TOO_LARGE = ErrorText(
        status=431,
        message="The head of this request, its headers included, is larger than {limit} bytes.",
        code="request_header_too_large",
    )
    TOO_MANY_HEADERS = ErrorText(
        status=431,
        message="This request has more than {limit} headers.",
        code="too_many_headers",
    )
    URL_TOO_LONG = ErrorText(
        status=414,
        message="The URL of this request is longer than {limit} bytes.",
        code="url_too_long",
    )
    HEAD_TIMEOUT = ErrorText(
        status=408,
        message="The head of this request did not arrive within {seconds} seconds.",
        code="request_timeout",
        retry=True,
    )
    TOO_MANY_CONNECTIONS = ErrorText(
        status=503,
        message="Batchway has as many connections as it can serve at once. Try again in a moment.",
        code="too_many_connections",
        type="server_error",
        retry=True,
    )
    NO_ROUTE = ErrorText(
        status=404, message="Invalid URL ({method} {path})", code="unknown_url", recorded=True
    )
    WRONG_METHOD = ErrorText(
        status=405,
        message="Not allowed to {method} on {path}. Allowed: {allowed}.",
        code="method_not_supported",
    )
    WRONG_CONTENT_TYPE = ErrorText(
        status=415,
        message="Unsupported content type '{given}'. This endpoint takes '{expected}'.",
        code="unsupported_content_type",
    )
    NOT_JSON = ErrorText(
        status=400,
        message="We could not parse the JSON body of your request. ({reason})",
        code="invalid_json",
    )
    BODY_NOT_OBJECT = ErrorText(
        status=400, message="The body of this request must be a JSON object.", code="invalid_type"
    )
    BODY_TOO_LARGE = ErrorText(
        status=413,
        message="The body of this request is larger than {limit} bytes.",
        code="request_too_large",
    )
    BODY_STALLED = ErrorText(
        status=408,
        message="The body of this request stopped arriving for {seconds} seconds. Nothing was "
        "kept; send it again.",
        code="request_timeout",
        retry=True,
    )
    BODY_TOO_SLOW = ErrorText(
        status=408,
        message="The body of this request arrived too slowly: less than {least} bytes in {seconds} "
        "seconds. Nothing was kept; send it again over a faster connection.",
        code="request_timeout",
        retry=True,
    )
    BAD_MULTIPART = ErrorText(
        status=400,
        message="We could not parse the multipart form of your request: {reason}.",
        code="invalid_multipart",
    )
    MISSING_PARAMETER = ErrorText(
        status=400,
        message="Missing required parameter: '{param}'.",
        param="{param}",
        code="missing_required_parameter",
        recorded=True,
    )
    WRONG_TYPE = ErrorText(
        status=400,
        message="Invalid type for '{param}': expected {expected}, but got {given} instead.",
        param="{param}",
        code="invalid_type",
        recorded=True,
    )
    WRONG_VALUE = ErrorText(
        status=400,
        message="Invalid value: '{given}'. Supported values are: {supported}.",
        param="{param}",
        code="invalid_value",
        recorded=True,
    )
    INVALID_PARAMETER = ErrorText(
        status=400,
        message="Invalid '{param}': {reason}",
        param="{param}",
        code="invalid_value",
    )
    BAD_HEADER = ErrorText(
        status=400,
        message="Invalid header '{param}': {reason}",
        param="{param}",
        code="invalid_header",
    )
    MALFORMED_ID = ErrorText(
        status=400,
        message="Invalid '{param}': '{given}'. Expected an ID that begins with '{prefix}'.",
        param="{param}",
        code="invalid_value",
        recorded=True,
    )
    # -- batches
    UNKNOWN_BATCH = ErrorText(status=404, message="No batch found with id '{id}'.", recorded=True)
    BATCH_WITHHELD = ErrorText(
        status=404,
        message="No batch found with id '{id}'. This API key may look up only what its own "
        "batches made; its right `passthrough` would let it look up other batches at a provider.",
    )
    NOT_CANCELLABLE = ErrorText(
        status=409, message="Cannot cancel a batch with status '{status}'.", recorded=True
    )
    UNKNOWN_PROVIDER = ErrorText(
        status=400,
        message="No provider named '{provider}' is configured. Configured: {configured}.",
        param="x-tfy-provider-name",
        code="provider_not_found",
    )
    UNKNOWN_CURSOR = ErrorText(
        status=400,
        message="Invalid 'after': '{given}' does not name an object of this list.",
        param="after",
        code="invalid_value",
    )
    # -- files
    UNKNOWN_FILE = ErrorText(
        status=404, message="No such File object: {id}", param="id", recorded=True
    )
    FILE_WITHHELD = ErrorText(
        status=404,
        message="No such File object: {id}. This API key may look up only what its own batches "
        "made; its right `passthrough` would let it look up other files at a provider.",
        param="id",
    )
    INPUT_TOO_LARGE = ErrorText(
        status=400,
        message="The input file is too large to be fetched from the provider. The limit is "
        "{limit} bytes.",
        param="input_file_id",
        code="file_too_large",
    )
    BAD_PURPOSE = ErrorText(
        status=400,
        message="'{given}' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', "
        "'vision', 'evals'] - 'purpose'",
        param="purpose",
        recorded=True,
    )
    NOT_JSONL = ErrorText(
        status=400,
        # OpenAI's own words end before `found`, which says what there is instead.
        message="Invalid file format for Batch API. Must be .jsonl. {found}",
    )
    FILE_TOO_LARGE = ErrorText(
        status=400,
        message="File is too large. The limit is {limit} bytes.",
        param="file",
        code="file_too_large",
    )
    NOT_DOWNLOADABLE = ErrorText(
        status=400,
        message="Not allowed to download files of purpose: {purpose}",
        recorded=True,
    )
    BYTES_MISSING = ErrorText(
        status=500,
        message="The bytes of {id} are missing from this server's storage, or part of them. Asking "
        "again will not bring them back; whoever runs this Batchway finds more in its log.",
        code="file_content_missing",
        type="server_error",
    )
    BAD_RANGE = ErrorText(
        status=416,
        message="The range '{given}' is outside of the file, which has {size} bytes.",
        param="Range",
        code="invalid_range",
    )
    # -- what lives at a provider
    NO_BATCH_API = ErrorText(
        status=400,
        message="Nothing of yours here has the id '{id}', and the provider '{provider}' has no "
        "batch API that could know it.",
        param="x-tfy-provider-name",
        code="provider_without_batches",
    )
    FILE_NOT_OURS = ErrorText(
        status=403,
        message="The file '{id}' is the provider's: it can be read here, and only deleted there.",
        param="id",
        code="file_not_ours",
        type="permission_error",
    )
    PROVIDER_REFUSED = ErrorText(status=400, message="{reason}", code="provider_refused")
    PROVIDER_DENIED = ErrorText(
        status=502,
        message="The provider '{provider}' does not let Batchway do this with the credentials that "
        "it is configured with. Whoever runs this Batchway can check them.",
        code="provider_denied",
        type="server_error",
    )
    PROVIDER_BUSY = ErrorText(
        status=429,
        message="{reason}",
        code="provider_busy",
        type="rate_limit_error",
        retry=True,
    )
    PROVIDER_UNREACHABLE = ErrorText(
        status=502,
        message="{reason}",
        code="provider_unreachable",
        type="server_error",
        retry=True,
    )
    PROVIDER_SILENT = ErrorText(
        status=504,
        message="{reason}",
        code="provider_not_answering",
        type="server_error",
        retry=True,
    )
    # -- models
    UNKNOWN_MODEL = ErrorText(
        status=404,
        message="The model '{model}' does not exist or you do not have access to it.",
        param="model",
        code="model_not_found",
    )
    # -- uploads
    UNKNOWN_UPLOAD = ErrorText(status=404, message="No such Upload object: {id}", param="id")
    UPLOAD_NOT_PENDING = ErrorText(
        status=400,
        message="Upload {id} is {status}; only a pending upload can be changed.",
        code="upload_not_pending",
    )
    UNKNOWN_PART = ErrorText(
        status=400,
        message="No part '{part}' in upload {id}.",
        param="part_ids",
        code="invalid_value",
    )
    UPLOAD_SIZE_MISMATCH = ErrorText(
        status=400,
        message="The parts hold {given} bytes, but the upload was created for {expected} bytes.",
        param="part_ids",
        code="invalid_value",
    )
    UPLOAD_CHECKSUM_MISMATCH = ErrorText(
        status=400,
        message="The MD5 of the parts is {given}, not {expected}.",
        param="md5",
        code="invalid_value",
    )
    PART_TOO_LARGE = ErrorText(
        status=400,
        message="The part is larger than {limit} bytes.",
        param="data",
        code="part_too_large",
    )
    # -- idempotency
    IDEMPOTENCY_MISMATCH = ErrorText(
        status=409,
        message="The Idempotency-Key '{key}' was already used with different parameters.",
        param="Idempotency-Key",
        code="idempotency_error",
    )
    # -- the server itself
    OUT_OF_SPACE = ErrorText(
        status=507,
        message="Batchway has no space left to store this. Nothing was kept; free some space on "
        "the server and send it again.",
        code="insufficient_storage",
        type="server_error",
    )
    READ_ONLY = ErrorText(
        status=503,
        message="Batchway cannot write to its storage at the moment. Nothing was kept; try again "
        "later.",
        code="storage_unavailable",
        type="server_error",
        retry=True,
    )
    NOT_READY = ErrorText(
        status=503,
        message="Batchway is not ready to serve. Its log says why.",
        code="not_ready",
        type="server_error",
        retry=True,
    )
    INTERNAL = ErrorText(
        status=500,
        message="The server had an error while processing your request. Please retry, and quote "
        "the request id {request_id} if it persists.",
        code="internal_error",
        type="server_error",
        retry=True,
    )


class ApiError(Exception):
    """An answer other than success: one row of `ApiText` with its blanks filled.

    `retry_after` is in seconds, for the header of that name.
    """

    def __init__(
        self, text: ApiText, /, *, retry_after: float | None = None, **blanks: object
    ) -> None:
        row = text.value
        shown = {name: _shown(blank) for name, blank in blanks.items()}
        self.text = text
        self.status = row.status
        self.message = row.message.format(**shown)
        self.param = None if row.param is None else row.param.format(**shown)
        self.code = row.code
        self.type = row.type
        self.retry = row.retry
        self.retry_after = retry_after
        super().__init__(self.message)


def _shown(blank: object) -> str:
    """A blank as it may be echoed: a client's own text is clipped, and always encodable."""
    text = str(blank).encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _ECHO else text[:_ECHO] + "…"


class Conflict(Exception):
    """A compare-and-swap lost: the row was not in the state that the change needs."""


class Unavailable(Exception):
    """Storage failed for a reason outside the request; `full` tells a full disk from the rest."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full
