"""Every error text of a batch and of its lines, in one table each.

`BatchText` holds the entries of a batch's `errors.data`, and `LineText` the `error` of a line that
never got an HTTP answer. `recorded`, the last of each, tells whether the text is one that OpenAI's
service is known to send; the others are ours, in its house style.

Owns texts. Does not own where an entry stands in a result file (`results.records`).
"""

from enum import Enum

from batchway.domain.batch import BatchError


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
    UNFAITHFUL = (
        "unsupported_parameter",
        "This request cannot be sent to the provider '{provider}' without changing what it asks "
        "for: {why}",
        "{place}",
        False,
    )
    UNFAITHFUL_IN_JOBS = (
        "unsupported_parameter",
        "No job of the provider '{provider}' can be asked for this: {why} The line would end as an "
        "error. Change it, or set the provider's `mode` to `auto`, which sends such lines one by "
        "one.",
        "{place}",
        False,
    )
    TOO_MANY_SHAPES = (
        "too_many_shapes",
        "The batch API of the provider '{provider}' takes this line into no job with those before: "
        "its JSON (arguments of tools, schemas) has another kind of value in one of the places. "
        "Such lines are given jobs of their own, and the model '{model}' has {most} already. Set "
        "the provider's `mode` to `auto`, which sends further ones one by one, or split the file.",
        "body",
        False,
    )
    TOO_FEW_FOR_PROVIDER = (
        "too_few_requests",
        "The batch API of the provider '{provider}' takes no fewer than {least} requests at once, "
        "and would get {count} for the model '{model}'. Add requests, or set the provider's `mode` "
        "to `auto`, which sends so few one by one.",
        None,
        False,
    )
    NO_NATIVE_ENDPOINT = (
        "endpoint_not_supported",
        "The model '{model}' is to run on the batch API of the provider '{provider}', which does "
        "not run {endpoint} with it; it runs {endpoints}. Use one of these, another provider, or "
        "`mode: auto`, which sends the lines one by one instead.",
        "body.model",
        False,
    )
    NO_NATIVE_MODEL = (
        "endpoint_not_supported",
        "The model '{model}' is to run on the batch API of the provider '{provider}', which does "
        "not run it. {why} Or use another provider, or `mode: auto`, which sends the lines one by "
        "one instead.",
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
    JOB_NOT_JSON = (
        "invalid_provider_response",
        "The provider's batch answered with something that is not JSON.",
        False,
    )
    # -- of rows of a provider's own files, which are looked up
    ROW_TOO_LONG = (
        "provider_response_too_large",
        "This row of the provider's results is longer than {limit} bytes, and was not read.",
        False,
    )
    ROW_UNREADABLE = (
        "invalid_provider_response",
        "This row of the provider's results cannot be read: it is no object of JSON, is cut off, "
        "or nests too deep.",
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
    NO_JOB_OF_MODEL = (
        "model_not_found",
        "The provider '{provider}' takes no job of this model: its name leads to no address there.",
        False,
    )
    UNFAITHFUL = (
        "unsupported_parameter",
        "This request cannot be sent to the provider '{provider}' without changing what it asks "
        "for, because of '{place}': {why}",
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
