"""One line of a job's input, run: the row that it becomes.

Owns the forms of rows in each language. Sources: provider-protocols.md, sections A.3 to A.6.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from batchway.simulator.batches.behaviour import befalls
from batchway.simulator.google import claude, embeddings, gemini, gemini_rules
from batchway.simulator.google.behaviour import Behaviour
from batchway.simulator.google.models import Model
from batchway.simulator.google.parsing import read
from batchway.simulator.google.refusals import STATUS, Refused
from batchway.simulator.online import shapes, validation
from batchway.simulator.online.answers import answer, prompt_digest
from batchway.simulator.online.endpoints import Endpoint

_PHRASES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    499: "Client Closed Request",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_WORDS: Final = {
    400: "Request contains an invalid argument.",
    429: "Resource exhausted. Please try again later.",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
    504: "Deadline expired before operation could complete.",
}
_ENDPOINTS: Final = {
    "/v1/chat/completions": Endpoint.CHAT,
    "/v1/embeddings": Endpoint.EMBEDDINGS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A line that has been run: who it is, its row, and whether it succeeded."""

    id: str
    row: dict[str, Any]
    ok: bool
    digest: str | None


class Runner:
    """Runs the lines of one job; `keys` are what an echo of a request is filled up with."""

    def __init__(self, *, model: Model, keys: list[str], behaviour: Behaviour) -> None:
        self.language = model.language
        self._model = model
        self._keys = dict.fromkeys(keys)
        self._behaviour = behaviour
        self._canned = {"text": "x" * behaviour.discard_bytes} if behaviour.discard else None

    def run(self, line: Mapping[str, Any], *, number: int, now: float, when: str) -> Ran:
        """Run a line that was imported. `when` is the time `now` as RFC 3339."""
        name = line_id(line, number)
        refused = self._told(name)
        response: dict[str, Any] | None = None
        digest: str | None = None
        if refused is None:
            try:
                response, digest = self._answer(line, now=now, when=when)
            except Refused as error:
                refused = error
        status = "" if refused is None else _status(refused)
        row = self._row(line, response, status, refused, when)
        return Ran(id=name, row=row, ok=refused is None, digest=digest)

    def _told(self, name: str) -> Refused | None:
        for status, chosen in self._behaviour.fail_rows.items():
            if befalls(f"fail {status}", chosen, name, seed=self._behaviour.seed):
                code = int(status)
                return Refused(code, _WORDS.get(code, "The fake was told to fail this row."))
        return None

    def _answer(
        self, line: Mapping[str, Any], *, now: float, when: str
    ) -> tuple[dict[str, Any], str | None]:
        model, behaviour = self._model.name, self._behaviour
        match self._model.language:
            case "gemini":
                if self._canned is not None:
                    return self._quick(when), None
                body = read("GenerateContentRequest", line["request"])
                gemini_rules.check(body, model=model)
                _no_web_files(body)
                worked = gemini.worked_out(body, model=model)
                thoughts = behaviour.thoughts
                response = gemini.generated(
                    body, model=model, created=when, thoughts=thoughts, worked=worked
                )
                return response, worked.digest
            case "claude":
                body = claude.check(line["request"])
                worked = claude.worked_out(body, model=model)
                return claude.message(body, model=model, worked=worked), worked.digest
            case "embedding":
                body = read("EmbedRowRequest", line["request"])
                response = embeddings.embedded(body, model=model, dimensions=behaviour.dimensions)
                return response, prompt_digest(
                    "/v1/embeddings", {"input": embeddings.text_of(body)}, model=model
                )
            case "legacy":
                prediction = embeddings.instance_answer(
                    line, model=model, dimensions=behaviour.dimensions, further=True
                )
                return prediction, prompt_digest(
                    "/v1/embeddings", {"input": line["content"]}, model=model
                )
            case "openai":
                return self._openai(line, now)

    def _openai(self, line: Mapping[str, Any], now: float) -> tuple[dict[str, Any], str]:
        endpoint = _ENDPOINTS.get(str(line.get("url")))
        if endpoint is None or line.get("method") != "POST":
            raise Refused(400, "The line is not a POST to /v1/chat/completions or /v1/embeddings.")
        body = line["body"]
        refusal = validation.refuse(endpoint, body, model_in_path=False)
        if refusal is not None:
            raise Refused(refusal.status, refusal.message)
        model = str(body["model"])
        worked = answer(endpoint, body, model=model)
        rendered = shapes.render(
            endpoint,
            worked,
            body=body,
            model=model,
            unique=worked.digest * 2,
            created=int(now),
        )
        return rendered, worked.digest

    def _row(
        self,
        line: Mapping[str, Any],
        response: dict[str, Any] | None,
        status: str,
        refused: Refused | None,
        when: str,
    ) -> dict[str, Any]:
        row: dict[str, Any] = {} if self._behaviour.no_status and not status else {"status": status}
        match self._model.language:
            case "gemini":
                row["processed_time"] = when
                row |= self._echo(line, hidden=self._behaviour.no_custom_id)
                row["request"] = self._echoed(line["request"])
                row["response"] = response or {}
            case "claude":
                row["processed_time"] = when
                row |= self._echo(line, hidden=False)
                row["response"] = response
            case "embedding":
                row |= self._echo(line, hidden=False)
                row["request"] = self._echoed(line["request"])
                row["response"] = response or {}
            case "legacy":
                row["instance"] = {name: self._coerced(line[name]) for name in line}
                row["predictions"] = [] if response is None else [response]
            case "openai":
                row["processed_time"] = when
                row |= self._echo(line, hidden=False)
                code = 200 if refused is None else refused.code
                failure = None if refused is None else {
                    "message": refused.message, "type": refused.status, "code": refused.code
                }  # fmt: skip
                row["response"] = {
                    "status_code": code,
                    "request_id": None,
                    "body": response if refused is None else {"error": failure},
                }
                row["error"] = None
        return row

    def _echo(self, line: Mapping[str, Any], *, hidden: bool) -> dict[str, Any]:
        """What stands beside a request comes back beside it."""
        skipped = {"request", "body", "method", "url", *(("custom_id",) if hidden else ())}
        return {name: self._coerced(value) for name, value in line.items() if name not in skipped}

    def _echoed(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if not self._behaviour.echo_nulls:
            return dict(request)
        return {**self._keys, **request}

    def _coerced(self, value: Any) -> Any:
        if self._behaviour.coerce_ids and isinstance(value, str):
            return int(value) if re.fullmatch("[0-9]{1,18}", value) else value
        return value

    def _quick(self, when: str) -> dict[str, Any]:
        return {
            "candidates": [
                {
                    "content": {"role": "model", "parts": [self._canned]},
                    "finishReason": "STOP",
                }
            ],
            "modelVersion": self._model.name,
            "createTime": when,
            "responseId": "discarded",
            "usageMetadata": {
                "promptTokenCount": 1,
                "candidatesTokenCount": 1,
                "totalTokenCount": 2,
            },
        }


def line_id(line: Mapping[str, Any], number: int) -> str:
    """How the fake counts a line: by the id it carries, else by its place."""
    for name in ("custom_id", "key", "batchway_line"):
        value = line.get(name)
        if isinstance(value, str | int):
            return str(value)
    request = line.get("request")
    if isinstance(request, dict):
        labels = cast("dict[str, Any]", request).get("labels")
        if isinstance(labels, dict) and labels:
            return str(next(iter(cast("dict[str, Any]", labels).values())))
    return f"line {number}"


def encoded(row: Mapping[str, Any]) -> bytes:
    """A row as it is written."""
    return msgspec.json.encode(row)


def _status(refused: Refused) -> str:
    phrase = _PHRASES.get(refused.code, "Error")
    inner = {
        "code": refused.code,
        "message": refused.message,
        "status": STATUS.get(refused.code, refused.status),
    }
    return f"{phrase}: {json.dumps({'error': inner})}"


def _no_web_files(body: Mapping[str, Any]) -> None:
    """A batch fetches files from Cloud Storage alone, as far as the documentation says."""
    for content in body.get("contents") or []:
        for part in content.get("parts") or []:
            uri = (part.get("fileData") or {}).get("fileUri", "gs://")
            if not uri.startswith("gs://"):
                raise Refused(
                    400,
                    "Unable to submit request because the file URI is not one of Cloud Storage.",
                )
