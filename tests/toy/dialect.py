"""The toy's bodies, which share nothing with OpenAI's.

    {"say": [["user", "hi"]], "to": MODEL, "most": 9, "warmth": 0.5}
        --> {"said": "text", "coins": [3, 4], "whole": true, "at": 1700000000}
    {"weigh": "text", "to": MODEL}
        --> {"heft": [0.1, 0.2], "coins": [3, 0]}                one text a request
    anything
        --> {"oops": "busy", "tell": "words for people"}         whatever the status

What else OpenAI's body may ask for cannot be said.
"""

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from batchway.domain.batch import Usage
from batchway.ports import Encoded, Refused, Result, Size, Unfaithful

CHAT: Final = "/v1/chat/completions"
EMBEDDINGS: Final = "/v1/embeddings"
# What its words stand for.
STATUS: Final[Mapping[str, int]] = {
    "no": 400,
    "stranger": 401,
    "broke": 402,
    "nowhere": 404,
    "nobody": 404,
    "slow": 429,
    "ill": 500,
    "busy": 503,
}
_OF_ACCOUNT: Final = frozenset({"stranger", "broke"})
_SAID: Final = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "temperature"}
)
_WEIGHED: Final = frozenset({"model", "input", "encoding_format"})
_GARBAGE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_encode: Final = msgspec.json.Encoder().encode


class _Answer(msgspec.Struct):
    said: str | None = None
    heft: list[float] | None = None
    coins: tuple[int, int] = (0, 0)
    whole: bool = True
    at: int = 0
    oops: str = ""
    tell: str = ""


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    role: str
    content: str


class ToyDialect:
    """Bodies of one endpoint for one model."""

    faithful = False

    def __init__(self, *, endpoint: str, model: str) -> None:
        self._weighs = endpoint == EMBEDDINGS
        self._model = model

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        """See `ports.Dialect`. The context is how vectors are to be written."""
        fields = _fields(body)
        for name, value in fields.items():
            if value is not None and name not in (_WEIGHED if self._weighs else _SAID):
                return Unfaithful(name, f"The toy knows no {name[:40]}.")
        return self._weigh(fields) if self._weighs else self._say(fields)

    def _say(self, fields: Mapping[str, Any]) -> Encoded | Unfaithful:
        said: list[tuple[str, str]] = []
        for place, message in enumerate(fields.get("messages") or ()):
            try:
                turn = msgspec.convert(message, _Turn)
            except msgspec.ValidationError:
                return Unfaithful(f"messages[{place}]", "The toy hears a role and a text.")
            said.append((turn.role, turn.content))
        asked = {"say": said, "to": self._model}
        most = fields.get("max_completion_tokens") or fields.get("max_tokens")
        more = {"most": most, "warmth": fields.get("temperature")}
        asked |= {name: value for name, value in more.items() if value is not None}
        return Encoded((_encode(asked),))

    def _weigh(self, fields: Mapping[str, Any]) -> Encoded | Unfaithful:
        given = fields.get("input")
        texts = cast("list[object]", given) if isinstance(given, list) else [given]
        if not texts or not all(isinstance(text, str) for text in texts):
            return Unfaithful("input", "The toy weighs texts.")
        bodies = tuple(_encode({"weigh": text, "to": self._model}) for text in texts)
        return Encoded(bodies, b"packed" if fields.get("encoding_format") == "base64" else b"plain")

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """See `ports.Dialect`."""
        answer = _answer(body)
        fine = 200 <= status < 300
        if answer is None and fine:
            return None if _is_garbage(body) else _refused(502, _Answer())
        if answer is None:
            return _refused(status, _Answer())
        if not fine:
            return _refused(status, answer)
        if answer.oops:
            return _refused(STATUS.get(answer.oops, 500), answer)
        if self._weighs and answer.heft is not None:
            return self._embedding(answer, context)
        if not self._weighs and answer.said is not None:
            return self._chat(answer)
        return _refused(502, answer)

    def _chat(self, answer: _Answer) -> Result:
        asked, given = answer.coins
        reply = {
            "id": "toy",
            "object": "chat.completion",
            "created": answer.at,
            "model": self._model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": answer.said},
                    "finish_reason": "stop" if answer.whole else "length",
                }
            ],
            "usage": _usage(asked, given),
        }
        return Result(_encode(reply), Usage(input_tokens=asked, output_tokens=given))

    def _embedding(self, answer: _Answer, context: bytes) -> Result:
        vector: object = answer.heft or []
        if context == b"packed":
            packed = struct.pack(f"<{len(answer.heft or ())}f", *(answer.heft or ()))
            vector = base64.b64encode(packed).decode()
        return self._embeddings([vector], Usage(input_tokens=answer.coins[0]))

    def _embeddings(self, vectors: Sequence[object], usage: Usage) -> Result:
        reply = {
            "object": "list",
            "model": self._model,
            "data": [
                {"object": "embedding", "index": place, "embedding": vector}
                for place, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens},
        }
        return Result(_encode(reply), usage)

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        """See `ports.Dialect`."""
        items = [msgspec.json.decode(result.body)["data"][0] for result in results]
        usage = sum((result.usage for result in results), Usage())
        return self._embeddings([item["embedding"] for item in items], usage)

    def measure(self, body: bytes) -> Size:
        """Four bytes a token."""
        try:
            given = _fields(body).get("input")
        except ValueError:
            given = None
        inputs = len(cast("list[object]", given)) if isinstance(given, list) else 1
        return Size(tokens=len(body) // 4, inputs=inputs)


def error_of(body: bytes) -> tuple[str, str]:
    """An error in one word, and in words for people; empty for what is none."""
    answer = _answer(body)
    return ("", "") if answer is None else (answer.oops, answer.tell)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except _GARBAGE as error:
        raise ValueError("no body of a request") from error


def _answer(body: bytes) -> _Answer | None:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except _GARBAGE:
        return None


def _is_garbage(body: bytes) -> bool:
    try:
        _fields(body)
    except ValueError:
        return True
    return False


def _refused(status: int, answer: _Answer) -> Refused:
    word = answer.oops if answer.oops in STATUS else ""
    tell = answer.tell[:1_000] or "The toy does not say why."
    error = {"message": tell, "type": "toy", "param": None, "code": word or None}
    return Refused(
        status=status,
        code=word,
        kind="toy",
        message=tell,
        of_account=word in _OF_ACCOUNT,
        body=_encode({"error": error}),
        no_credit=word == "broke",
        of_model=word == "nobody",
    )


def _usage(asked: int, given: int) -> dict[str, int]:
    return {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given}
