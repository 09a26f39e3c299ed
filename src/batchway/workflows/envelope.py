"""One input line: `{custom_id, method, url, body}` and what of its body Batchway must know.

Owns the checks that a line must pass before a batch may start. Reading is in two gears: a typed
decode that takes about a microsecond and is enough for a good line, and a diagnosis that names
every mistake of a bad one. Does not know routes, duplicates or other lines.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from batchway.domain.batch import BatchError
from batchway.domain.errors import BatchText

# What the body of each endpoint must hold; the rest of a body is the provider's to judge.
REQUIRED: Final[Mapping[str, str | None]] = {
    "/v1/chat/completions": "messages",
    "/v1/completions": "prompt",
    "/v1/embeddings": "input",
    "/v1/moderations": "input",
    # `input` may be replaced by a stored prompt or a conversation.
    "/v1/responses": None,
}
_DEFAULT_MODEL: Final[Mapping[str, str]] = {"/v1/moderations": "omni-moderation-latest"}


class Line(msgspec.Struct, gc=False):
    """A line as sent. `body` is the raw JSON of the request and is never re-encoded."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _Body(msgspec.Struct, gc=False):
    model: str | msgspec.UnsetType = msgspec.UNSET
    stream: bool | None = None
    messages: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    prompt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Request(msgspec.Struct, gc=False):
    """A checked line: `body` is raw JSON, `model` as the body spells it."""

    custom_id: str
    body: bytes
    model: str


class LineReader:
    """Reads lines for one endpoint."""

    def __init__(self, *, endpoint: str) -> None:
        self._endpoint = endpoint
        self._urls = frozenset({endpoint, endpoint.removeprefix("/v1")})
        self._required = REQUIRED[endpoint]
        self._default_model = _DEFAULT_MODEL.get(endpoint)
        self._line = msgspec.json.Decoder(Line)
        self._body = msgspec.json.Decoder(_Body)

    def read(self, data: bytes) -> Request | None:
        """The request of a good line, `None` for a bad one (ask `diagnose` why).

        `data` must be valid UTF-8: the typed decode does not look inside the body's strings.
        """
        try:
            line = self._line.decode(data)
            body = self._body.decode(line.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        model = body.model
        if model is msgspec.UNSET:
            if self._default_model is None:
                return None
            model = self._default_model
        if (
            body.stream
            or not model
            or not line.custom_id
            or line.method != "POST"
            or line.url not in self._urls
            or (self._required and getattr(body, self._required) is msgspec.UNSET)
        ):
            return None
        return Request(custom_id=line.custom_id, body=bytes(line.body), model=model)

    def custom_id(self, data: bytes) -> str:
        """The custom_id of a line that was read before."""
        return self._line.decode(data).custom_id

    def diagnose(self, data: bytes, number: int) -> list[BatchError]:
        """Every mistake of a line that `read` refused; `number` is its 1-based line number."""
        try:
            data.decode()
        except UnicodeDecodeError:
            return [BatchText.NOT_UTF8.error(line=number)]
        try:
            value = msgspec.json.decode(data)
        except RecursionError:
            return [BatchText.NESTED_TOO_DEEP.error(line=number)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [BatchText.INVALID_JSON_LINE.error(line=number)]
        if not isinstance(value, dict):
            return [BatchText.NOT_AN_OBJECT.error(line=number)]
        fields: dict[str, object] = value
        return [*self._envelope(fields, number), *self._content(fields.get("body"), number)]

    def _envelope(self, fields: dict[str, object], number: int) -> list[BatchError]:
        errors: list[BatchError] = []
        for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
            given = fields.get(name)
            if name not in fields:
                errors.append(BatchText.MISSING_PARAMETER.error(line=number, name=name, param=name))
            elif not isinstance(given, kind):
                expected = "a string" if kind is str else "an object"
                errors.append(
                    BatchText.WRONG_TYPE.error(line=number, param=name, expected=expected)
                )
            elif name == "custom_id" and not given:
                errors.append(BatchText.EMPTY_CUSTOM_ID.error(line=number))
            elif name == "method" and given != "POST":
                errors.append(BatchText.WRONG_METHOD.error(line=number, method=str(given)[:32]))
            elif name == "url" and given not in self._urls:
                errors.append(BatchText.WRONG_URL.error(line=number))
        return errors

    def _content(self, body: object, number: int) -> list[BatchError]:
        if not isinstance(body, dict):
            return []
        fields: dict[str, object] = body
        errors: list[BatchError] = []
        model = fields.get("model")
        if "model" not in fields or model == "":
            if self._default_model is None or model == "":
                errors.append(
                    BatchText.MISSING_PARAMETER.error(line=number, name="model", param="body.model")
                )
        elif not isinstance(model, str):
            errors.append(
                BatchText.WRONG_TYPE.error(line=number, param="body.model", expected="a string")
            )
        if self._required and self._required not in fields:
            errors.append(
                BatchText.MISSING_PARAMETER.error(
                    line=number, name=self._required, param=f"body.{self._required}"
                )
            )
        stream = fields.get("stream")
        if stream is True:
            errors.append(BatchText.STREAMING.error(line=number))
        elif stream not in (None, False):
            errors.append(
                BatchText.WRONG_TYPE.error(line=number, param="body.stream", expected="a boolean")
            )
        return errors
