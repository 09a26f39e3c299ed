"""One input line: `{custom_id, method, url, body}` and what of its body Batchway must know.

Owns the checks that a line must pass before a batch may start. Reading is in two gears: a typed
decode that takes about a microsecond and is enough for a good line, and a diagnosis that names
every mistake of a bad one. Does not know routes, duplicates or other lines.
"""

import re
from typing import Final

import msgspec

from batchway.dialects.openai.body import with_model
from batchway.domain.batch import Batch, BatchError
from batchway.domain.batch_errors import BatchText
from batchway.domain.endpoint import BODY_RULES, Endpoint

_MAX_DEPTH: Final = 256
MOST_MODEL_CHARACTERS: Final = 256
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_NO_BRACKET: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_NONE: Final = msgspec.Raw(b"null")


class Line(msgspec.Struct, gc=False):
    """A line as sent. `body` is the raw JSON of the request and is never re-encoded."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _BareLine(msgspec.Struct, gc=False):
    """A line as TrueFoundry's clients may send it, where headers say what it leaves out.

    "You can skip method, url and body.model fields since they are not used": of Vertex AI, in
    docs.truefoundry.com/gateway/batch-predictions-with-truefoundry-llm-gateway (2026).
    """

    custom_id: str
    body: msgspec.Raw
    method: str | None = None
    url: str | None = None


class _Body(msgspec.Struct, gc=False):
    model: str | msgspec.UnsetType | None = msgspec.UNSET
    stream: bool | None = None
    messages: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    prompt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Request(msgspec.Struct, gc=False):
    """A checked line: `body` is raw JSON, `model` as the body spells it.

    Where something stands in for a missing model, `body` names that already.
    """

    custom_id: str
    body: bytes
    model: str


def reader_of(batch: Batch) -> "LineReader":
    """The reader of a batch's lines: every pass over its input must read them alike."""
    return LineReader(endpoint=batch.endpoint, stand_in=batch.options.overrides.stand_in)


class LineReader:
    """Reads lines for one endpoint.

    `stand_in` is the model of a body that names none (`Overrides.stand_in`). Lines may then
    leave out `method` and `url`, too, since the batch says where they go.
    """

    def __init__(self, *, endpoint: str, stand_in: str | None = None) -> None:
        self._endpoint = endpoint
        self._stand_in = stand_in
        self._urls = frozenset({endpoint, endpoint.removeprefix("/v1")})
        rule = BODY_RULES[Endpoint(endpoint)]
        self._required = rule.required
        self._optional = frozenset[str]() if stand_in is None else frozenset({"method", "url"})
        self._default_model = rule.default_model
        self._line: msgspec.json.Decoder[Line | _BareLine] = msgspec.json.Decoder(
            Line if stand_in is None else _BareLine
        )
        self._body = msgspec.json.Decoder(_Body)
        self._fields = msgspec.json.Decoder(dict[str, msgspec.Raw])

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
        raw = line.body
        if model is msgspec.UNSET or not model:
            if self._stand_in is not None:
                # Written into the body here, once for every way that the line may go.
                raw = with_model(bytes(raw), self._stand_in)
                model = self._stand_in
            elif model is msgspec.UNSET:
                model = self._default_model
        if (
            body.stream
            or not model
            or len(model) > MOST_MODEL_CHARACTERS
            or not line.custom_id
            or (line.method != "POST" and line.method is not None)
            or (line.url not in self._urls and line.url is not None)
            or (self._required and getattr(body, self._required) is msgspec.UNSET)
        ):
            return None
        return Request(custom_id=line.custom_id, body=bytes(raw), model=model)

    def custom_id(self, data: bytes) -> str:
        """The custom_id of a line that was read before."""
        return self._line.decode(data).custom_id

    def glimpse(self, data: bytes) -> tuple[str, str]:
        """custom_id and model of a line that cannot be read; empty what not even that shows."""
        try:
            fields = self._fields.decode(data)
            body = fields.get("body", _NONE)
            model = self._fields.decode(body).get("model", _NONE) if _is_object(body) else _NONE
            return _text(fields.get("custom_id", _NONE)) or "", _text(model) or ""
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return "", ""

    def diagnose(self, data: bytes, number: int) -> list[BatchError]:
        """Every mistake of a line that `read` or the depth refused; never empty.

        `number` is the 1-based line number. Only what is checked is decoded: a number that is too
        large for this machine, somewhere else in the line, is the provider's to judge.
        """
        try:
            data.decode()
            fields = self._fields.decode(data)
            body = fields.get("body", _NONE)
            content = self._fields.decode(body) if _is_object(body) else None
        except RecursionError:
            return [BatchText.NESTED_TOO_DEEP.error(line=number)]
        except msgspec.ValidationError:
            return [BatchText.NOT_AN_OBJECT.error(line=number)]
        except UnicodeDecodeError:
            return [BatchText.NOT_UTF8.error(line=number)]
        except msgspec.DecodeError:
            return [BatchText.INVALID_JSON_LINE.error(line=number)]
        if nests_too_deep(data):
            return [BatchText.NESTED_TOO_DEEP.error(line=number)]
        errors = self._envelope(fields, number)
        if content is not None:
            errors += self._content(content, number)
        # A refused line without a mistake would vanish from the batch. One way to get here: a
        # name given twice, of which `read` refuses the first value and this looks at the last.
        return errors or [BatchText.INVALID_JSON_LINE.error(line=number)]

    def _envelope(self, fields: dict[str, msgspec.Raw], number: int) -> list[BatchError]:
        errors: list[BatchError] = []
        for name in ("custom_id", "method", "url", "body"):
            raw = fields.get(name)
            if name in self._optional and (raw is None or bytes(raw) == b"null"):
                continue
            if raw is None:
                errors.append(BatchText.MISSING_PARAMETER.error(line=number, name=name, param=name))
            elif name == "body":
                if not _is_object(raw):
                    errors.append(
                        BatchText.WRONG_TYPE.error(line=number, param=name, expected="an object")
                    )
            elif (given := _text(raw)) is None:
                errors.append(
                    BatchText.WRONG_TYPE.error(line=number, param=name, expected="a string")
                )
            elif name == "custom_id" and not given:
                errors.append(BatchText.EMPTY_CUSTOM_ID.error(line=number))
            elif name == "method" and given != "POST":
                errors.append(BatchText.WRONG_METHOD.error(line=number, method=given[:32]))
            elif name == "url" and given not in self._urls:
                errors.append(BatchText.WRONG_URL.error(line=number))
        return errors

    def _content(self, fields: dict[str, msgspec.Raw], number: int) -> list[BatchError]:
        errors: list[BatchError] = []
        raw = fields.get("model")
        model = self._default_model or "" if raw is None else _text(raw)
        if self._stand_in is not None and (raw is None or bytes(raw) in {b"null", b'""'}):
            model = self._stand_in
        if model is None:
            errors.append(
                BatchText.WRONG_TYPE.error(line=number, param="body.model", expected="a string")
            )
        elif len(model) > MOST_MODEL_CHARACTERS:
            limit = MOST_MODEL_CHARACTERS
            errors.append(BatchText.MODEL_TOO_LONG.error(line=number, limit=limit))
        elif not model:
            errors.append(
                BatchText.MISSING_PARAMETER.error(line=number, name="model", param="body.model")
            )
        if self._required and self._required not in fields:
            errors.append(
                BatchText.MISSING_PARAMETER.error(
                    line=number, name=self._required, param=f"body.{self._required}"
                )
            )
        stream = bytes(fields.get("stream", _NONE))
        if stream == b"true":
            errors.append(BatchText.STREAMING.error(line=number))
        elif stream not in (b"null", b"false"):
            errors.append(
                BatchText.WRONG_TYPE.error(line=number, param="body.stream", expected="a boolean")
            )
        return errors


def nests_too_deep(data: bytes) -> bool:
    """Whether valid JSON nests deeper than a reader may be asked to follow.

    Decoders stop at what is left of the interpreter's stack, which differs between the thread that
    validates a line and the loop that runs it: without a limit of our own far below, a line could
    pass here and be unreadable there.
    """
    if data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        return False
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NO_BRACKET):
        depth += 1 if bracket in b"[{" else -1
        if depth > _MAX_DEPTH:
            return True
    return False


def _is_object(raw: msgspec.Raw) -> bool:
    return bytes(raw).startswith(b"{")


def _text(raw: msgspec.Raw) -> str | None:
    """The value of a JSON string, `None` for any other value."""
    return msgspec.json.decode(raw, type=str) if bytes(raw).startswith(b'"') else None
