"""Every error text that a client can meet, in one table each.

`ApiText` holds answers of the HTTP API, `BatchText` the entries of a batch's `errors.data`, and
`LineText` the `error` of a line that never got an HTTP answer. `recorded` tells whether the text
is one that OpenAI's service is known to send; the others are ours, in its house style, and can be
corrected here without touching anything else.

    ApiError        an answer of the HTTP API, raised by services, rendered once at the edge
    Conflict        a compare-and-swap lost; the caller re-reads and decides
    Unavailable     a part that Batchway stands on (disk, database) failed; retry later

Owns texts and types. Does not own their JSON envelope (`api.envelope`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from batchway.domain.batch import BatchError

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


class BatchText(Enum):
    """Entries of `errors.data`: (code, message, param, recorded)."""

    INVALID_JSON_LINE = (
        "invalid_json_line",
        "This line is not parseable as valid JSON.",
        None,
        True,
    )
    NOT_UTF8 = ("invalid_json_line", "This line is not valid UTF-8.", None, False)
    NOT_AN_OBJECT = ("invalid_json_line", "This line is not a JSON object.", None, False)
    NESTED_TOO_DEEP = (
        "invalid_json_line",
        "This line nests arrays or objects deeper than this server reads.",
        None,
        False,
    )
    LINE_TOO_LONG = (
        "line_too_long",
        "This line is {size} bytes long. The limit is {limit} bytes a line: the setting "
        "`limits.max_line_bytes` of this server.",
        None,
        False,
    )
    MISSING_PARAMETER = (
        "missing_required_parameter",
        "Missing required parameter: '{name}'.",
        "{param}",
        True,
    )
    WRONG_TYPE = (
        "invalid_type",
        "Invalid type for '{param}': expected {expected}.",
        "{param}",
        False,
    )
    MODEL_TOO_LONG = (
        "invalid_value",
        "The model's name is longer than {limit} characters.",
        "body.model",
        False,
    )
    STREAMING = (
        "streaming_unsupported",
        "Chat Completions: Streaming is not supported in the Batch API.",
        "body.stream",
        True,
    )
    WRONG_METHOD = (
        "invalid_method",
        "The method '{method}' is not supported. Each line's method must be 'POST'.",
        "method",
        False,
    )
    WRONG_URL = (
        "invalid_url",
        "The URL provided for this request does not match the batch endpoint.",
        "url",
        True,
    )
    NO_ROUTE_TO_MODEL = (
        "model_not_found",
        "No provider serves the model '{model}'. {advice}",
        "body.model",
        False,
    )
    PROVIDER_FORBIDDEN = (
        "provider_not_allowed",
        "This API key may not use the provider '{provider}' that the model '{model}' needs.",
        "body.model",
        False,
    )
    MODEL_FORBIDDEN = (
        "provider_not_allowed",
        "This API key may not use any provider that serves the model '{model}'.",
        "body.model",
        False,
    )
    NO_NATIVE_ENDPOINT = (
        "endpoint_not_supported",
        "The model '{model}' is to run on the batch API of the provider '{provider}', which does "
        "not run {endpoint}; it runs {endpoints}. Use one of these, another provider, or "
        "`mode: auto`, which sends the lines one by one instead.",
        "body.model",
        False,
    )
    TOO_LONG_FOR_PROVIDER = (
        "line_too_long",
        "This line is {size} bytes long as the provider '{provider}' would get it. Its batch API "
        "takes at most {limit} bytes in one file.",
        None,
        False,
    )
    DUPLICATE_CUSTOM_ID = (
        "duplicate_custom_id",
        "The custom_id '{custom_id}' for this request is a duplicate of another request. The "
        "custom_id parameter must be unique for each request in a batch.",
        "custom_id",
        True,
    )
    EMPTY_CUSTOM_ID = (
        "invalid_value",
        "The custom_id must be a non-empty string.",
        "custom_id",
        False,
    )
    UNKNOWN_FILE = (
        "invalid_request",
        "Cannot find file {file_id}, or organization {tenant} does not have access to it.",
        "file_id",
        True,
    )
    WRONG_PURPOSE = (
        "invalid_request",
        "The file {file_id} has the purpose '{purpose}'. A batch reads files of purpose 'batch'.",
        "file_id",
        False,
    )
    EMPTY_FILE = (
        "empty_file",
        "The input file is empty. Please ensure that the batch contains at least one request.",
        None,
        True,
    )
    TOO_MANY_LINES = (
        "too_many_tasks",
        "The input file holds more than {limit} requests, which is the limit of this server.",
        None,
        False,
    )
    TOO_MANY_MODELS = (
        "too_many_models",
        "The input file names more than {limit} different models.",
        "body.model",
        False,
    )
    WINDOW_PASSED = (
        "batch_expired",
        "The completion window ended before the file was validated.",
        None,
        False,
    )
    EXPIRED = (
        "batch_expired",
        "The completion window of {window} ended before {count} of the {total} requests had a "
        "result.",
        None,
        False,
    )
    INPUT_LOST = (
        "input_lost",
        "{count} of the requests have no line in the result files: the server's storage lost "
        "their part of the input file while the batch ran.",
        "input_file_id",
        False,
    )

    def error(self, *, line: int | None = None, **blanks: object) -> BatchError:
        """The entry with its blanks filled; `line` is 1-based."""
        code, message, param, _ = self.value
        return BatchError(
            code=code,
            message=message.format(**blanks),
            param=None if param is None else param.format(**blanks),
            line=line,
        )


class LineText(Enum):
    """The `error` of a result line without an HTTP answer: (code, message, recorded)."""

    EXPIRED = (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
        True,
    )
    CANCELLED = (
        "batch_cancelled",
        "This request was not executed: the batch was cancelled.",
        False,
    )
    TIMEOUT = ("request_timeout", "The provider did not answer within {seconds} seconds.", True)
    UNREACHABLE = ("provider_unreachable", "The provider '{provider}' could not be reached.", False)
    NO_DESCRIPTORS = (
        "out_of_file_descriptors",
        "This request was not sent: Batchway's process had no file descriptor left for it.",
        False,
    )
    INTERRUPTED = (
        "connection_interrupted",
        "The connection to the provider '{provider}' broke before its answer was complete.",
        False,
    )
    NOT_JSON = (
        "invalid_provider_response",
        "The provider '{provider}' answered {status} with a body that is not JSON.",
        False,
    )
    # -- of one line at one target, for good
    STREAMED = (
        "streamed_provider_response",
        "The provider '{provider}' answered {status} with a stream (text/event-stream) although "
        "none was asked for. Send '\"stream\": false' in the body, or use an endpoint that answers "
        "in one piece.",
        False,
    )
    UNSENDABLE = (
        "invalid_request",
        "No request to the provider '{provider}' can be made of this line: its body cannot be "
        "written as JSON with the model's name there, or the model's name is no part of an "
        "address.",
        False,
    )
    UNREADABLE = (
        "invalid_json_line",
        "This line cannot be read as a request any more, although it could when the file was "
        "checked.",
        False,
    )
    TOO_LARGE = (
        "provider_response_too_large",
        "The provider '{provider}' answered with more than {limit} bytes.",
        False,
    )
    MISSING_RESULT = (
        "missing_result",
        "The provider '{provider}' returned no result for this request.",
        False,
    )
    UNFETCHED = (
        "result_not_fetched",
        "The provider '{provider}' counts {counted} of the {total} requests that were sent "
        "together with this one as processed, but the result of this one could not be fetched.",
        False,
    )
    RESULT_LOST = (
        "result_lost",
        "This request may have been executed, but its result was lost: the server's storage "
        "damaged it.",
        False,
    )

    def pair(self, **blanks: object) -> tuple[str, str]:
        """Code and message with its blanks filled."""
        code, message, _ = self.value
        return code, message.format(**blanks)


class Conflict(Exception):
    """A compare-and-swap lost: the row was not in the state that the change needs."""


class Unavailable(Exception):
    """Storage failed for a reason outside the request; `full` tells a full disk from the rest."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full
