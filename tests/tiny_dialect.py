"""A dialect that shares nothing with OpenAI's wire, as small as one can be.

{"say": "text"}                 one text a request: a line's `input` of several fans out
{"said": "TEXT", "paid": 3}     an answer
{"oops": "busy"}                an error, whatever the status
"""

import json
from collections.abc import Sequence
from typing import Any

from batchway.domain.batch import Usage
from batchway.domain.call import Call
from batchway.ports import Encoded, Refused, Result, Size, Unfaithful

STATUS = {"busy": 503, "broke": 402, "no": 400}


class TinyDialect:
    """Texts to say; `logprobs` cannot be said."""

    faithful = False

    def __init__(self, call: Call) -> None:
        self._model = call.model

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        """One body for each text; the context says whether `input` was a list."""
        fields = json.loads(body)
        if "logprobs" in fields:
            return Unfaithful("logprobs", "It has no log probabilities.")
        given = fields["input"]
        texts = given if isinstance(given, list) else [given]
        bodies = tuple(json.dumps({"say": text, "as": self._model}).encode() for text in texts)
        return Encoded(bodies, b"many" if isinstance(given, list) else b"one")

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        """The text in a list of one."""
        try:
            fields: Any = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict) and "said" in fields and 200 <= status < 300:
            usage = Usage(input_tokens=fields.get("paid", 0))
            return Result(_body([fields["said"]], context), usage)
        word = fields.get("oops", "") if isinstance(fields, dict) else ""
        if not word and 200 <= status < 300:
            return None
        told = json.dumps({"error": {"message": word, "code": word or None}}).encode()
        return Refused(
            status=STATUS.get(word, 500) if 200 <= status < 300 else status,
            code=word,
            kind="",
            message=word,
            of_account=word == "broke",
            body=told,
            no_credit=word == "broke",
        )

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        """One list of all texts."""
        said = [text for result in results for text in json.loads(result.body)["data"]]
        usage = sum((result.usage for result in results), Usage())
        return Result(_body(said, context), usage)

    def measure(self, body: bytes) -> Size:
        """A token a letter."""
        try:
            given = json.loads(body)["input"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return Size(tokens=1)
        texts = given if isinstance(given, list) else [given]
        return Size(tokens=sum(len(str(text)) for text in texts), inputs=len(texts))


def _body(said: list[str], context: bytes) -> bytes:
    data = said if context == b"many" else said[:1]
    return json.dumps({"object": "list", "data": data}).encode()
