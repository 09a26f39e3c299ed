"""What tests of exchanges share: an upstream that says texts, and lines for it."""

import asyncio
import json
from collections.abc import Mapping, Sequence

from tests.tiny_dialect import TinyDialect
from tests.unit.dispatch_world import FakeAnswer, FakeTransport, Upstream

from batchway.dispatch.sender import Outcome, Sender, Work
from batchway.ports import Failure

Drawn = FakeAnswer | Failure

LETTERS = b'{"model":"m","input":["a","b","c"]}'
TINY = {"up": TinyDialect, "next": TinyDialect}
BUSY = FakeAnswer(200, b'{"oops":"busy"}')  # a 2xx that is an error
BROKEN = FakeAnswer(500, b'{"oops":"fire"}')
BROKE = FakeAnswer(403, b'{"oops":"broke"}')


def saying(script: Mapping[str, Sequence[Drawn]] | None = None, seconds: float = 1.0) -> Upstream:
    """Says texts in capitals; for a text in `script` what stands there comes first, in order."""
    left = {text: list(answers) for text, answers in (script or {}).items()}

    async def upstream(url: str, body: bytes) -> Drawn:
        if not body:
            return FakeAnswer(200)  # a look at its health
        await asyncio.sleep(seconds)
        text = json.loads(body)["say"]
        if left.get(text):
            return left[text].pop(0)
        said = json.dumps({"said": text.upper(), "paid": 2}).encode()
        return FakeAnswer(200, said, {"x-request-id": f"req-{text}"})

    return upstream


def texts_sent(transport: FakeTransport) -> list[tuple[str, str]]:
    """Who was sent which text, in order."""
    return [(url.split("/")[2], json.loads(body)["say"]) for _, url, body in transport.sent]


def to(provider: str, texts: str) -> list[tuple[str, str]]:
    return [(provider, text) for text in texts]


async def send(sender: Sender, work: Work) -> Outcome:
    permit = sender.try_admit(work) or await sender.admit(work)
    return await sender.run(work, permit)
