"""Whether an input file is fit to be run: what a vendor's validator finds, and in which words.

Owns the reading of an input file before it is run. One pass, one line at a time.
Texts: openai-semantics.md, section 2.3 (OpenAI, graded there) and section 5 (Azure's codes [D], its
texts [?]). The other vendors get OpenAI's words: [?], except DashScope's, which copied them [C].
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import msgspec

from batchway.simulator.batches.behaviour import Behaviour
from batchway.simulator.batches.vendors import CHAT, Vendor

MODEL: Final = re.compile(rb'"model"\s*:\s*"([^"]*)"')
_SHOWN: Final = 50

Error = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Checked:
    """What a file holds; `errors` are in the form of `errors.data`, empty when it may be run."""

    lines: int = 0
    tokens: int = 0
    model: str | None = None
    errors: list[Error] = field(default_factory=list[Error])


def error(
    code: str | None, message: str, *, param: str | None = None, line: int | None = None
) -> Error:
    """One entry of `errors.data`; `line` is 1-based."""
    return {"code": code, "line": line, "message": message, "param": param}


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines that are not blank, without their ends."""
    for line in file:
        stripped = line.strip()
        if stripped:
            yield stripped


def first_model(path: Path) -> str | None:
    """The model that a file's first line names."""
    with path.open("rb") as file:
        found = MODEL.search(file.read(1 << 20).split(b"\n", 1)[0])
    return found.group(1).decode(errors="replace") if found else None


def check(path: Path, *, endpoint: str, vendor: Vendor, behaviour: Behaviour) -> Checked:
    """Read a whole file. Blocks: for a thread."""
    size = path.stat().st_size
    checked = Checked(tokens=max(1, size // 4), model=first_model(path) if size else None)
    if behaviour.discard:
        checked.lines = _counted(path)
    else:
        _Reading(vendor, endpoint, behaviour, checked).read(path)
    _limits(checked, size, vendor, behaviour)
    return checked


def _limits(checked: Checked, size: int, vendor: Vendor, behaviour: Behaviour) -> None:
    most, largest = behaviour.max_lines or vendor.max_lines, behaviour.max_bytes or vendor.max_bytes
    if checked.lines == 0 and not checked.errors:
        checked.errors.append(
            error(
                "empty_file",
                "The input file is empty. Please ensure that the batch contains at least one "
                "request.",
            )
        )
    if checked.lines > most:
        checked.errors.append(
            error(
                "too_many_tasks",
                f"The number of requests in the batch ({checked.lines}) exceeds the maximum of "
                f"{most}.",
            )
        )
    if size > largest:
        checked.errors.append(
            error(
                None,
                f"The batch input file is larger than the {largest} maximum for the "
                f"{checked.model} model",
            )
        )


def _counted(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    return count + (last != b"\n")


class _Reading:
    """One pass over a file."""

    def __init__(
        self, vendor: Vendor, endpoint: str, behaviour: Behaviour, checked: Checked
    ) -> None:
        self._vendor = vendor
        self._endpoint = endpoint
        self._behaviour = behaviour
        self._checked = checked
        self._seen: set[str] = set()
        self._url: str | None = None
        self._model: str | None = None

    def read(self, path: Path) -> None:
        with path.open("rb") as file:
            for number, line in enumerate(lines_of(file), start=1):
                self._checked.lines = number
                found = self._line(number, line)
                if found is not None and len(self._checked.errors) < _SHOWN:
                    self._checked.errors.append(found)

    def _line(self, number: int, line: bytes) -> Error | None:
        try:
            read: object = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            read = None
        if not isinstance(read, dict):
            return error(
                "invalid_json_line", "This line is not parseable as valid JSON.", line=number
            )
        fields = cast("dict[str, Any]", read)
        names = ("custom_id", "body") if self._vendor.bare_lines else _NAMES
        for name in names:
            if fields.get(name) is None:
                return error(
                    "missing_required_parameter",
                    f"Missing required parameter: '{name}'.",
                    param=name,
                    line=number,
                )
        custom_id = str(fields["custom_id"])
        if custom_id in self._seen:
            return error(
                "duplicate_custom_id",
                f"The custom_id '{custom_id}' for this request is a duplicate of another request. "
                "The custom_id parameter must be unique for each request in a batch.",
                param="custom_id",
                line=number,
            )
        self._seen.add(custom_id)
        return self._wrong_url(number, fields) or self._wrong_body(number, fields["body"])

    def _wrong_url(self, number: int, fields: dict[str, Any]) -> Error | None:
        url = fields.get("url")
        if url is None:
            return None
        azure = self._vendor.name == "azure"
        first = self._url is None
        self._url = url if first else self._url
        same = _bare(url) == _bare(self._endpoint) if azure else url == self._endpoint
        if same and url == self._url:
            return None
        return error(
            "url_mismatch" if azure else "invalid_url",
            "The URL provided for this request does not match the batch endpoint.",
            param="url",
            line=number,
        )

    def _wrong_body(self, number: int, body: object) -> Error | None:
        fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        model = fields.get("model")
        azure = self._vendor.name == "azure"
        if not isinstance(model, str):
            return error(
                "invalid_request", "Model parameter is required.", param="body.model", line=number
            )
        known = self._behaviour.models
        if known is not None and model not in known:
            return error(
                "model_not_found",
                f"The API deployment for this resource does not exist: '{model}'."
                if azure
                else f"The provided model '{model}' is not supported by the Batch API.",
                param="body.model",
                line=number,
            )
        self._model = self._model or model
        if model != self._model:
            return error(
                "model_mismatch" if azure else "mismatched_model",
                f"The model '{model}' for this request does not match the rest of the batch. Each "
                "batch must contain requests for a single model.",
                param="body.model",
                line=number,
            )
        if fields.get("stream"):
            return error(
                "streaming_unsupported",
                "Chat Completions: Streaming is not supported in the Batch API.",
                param="body.stream",
                line=number,
            )
        # The others find this out when they run the line.
        if self._vendor.name == "openai" and self._endpoint == CHAT and not fields.get("messages"):
            return error(
                "missing_required_parameter",
                "Missing required parameter: 'messages'.",
                param="body.messages",
                line=number,
            )
        return None


def _bare(url: object) -> str:
    return str(url).removeprefix("/v1")


_NAMES: Final = ("custom_id", "method", "url", "body")
