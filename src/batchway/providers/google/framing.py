"""`ports.Framing` of Vertex AI's batch files: one shape of a line for each family of models.

    GeminiFraming          {"custom_id": ID, "request": BODY with "labels": {"batchway_line": ID}}
    EmbeddingsFraming      {"key": ID, "request": BODY}                   gemini-embedding
    TextEmbeddingsFraming  BODY with "batchway_line": ID                  text-embedding
    ClaudeFraming          {"custom_id": ID, "request": BODY}
    OpenModelFraming       OpenAI's own line                              Llama, gpt-oss, Qwen, ...

The importer turns what looks like a number into one, and no page promises that a key beside
`request` comes back: so Gemini's lines carry theirs twice. Owns lines. Does not own rows, which are
read alike (`rows`), or bodies (`dialects`). Pure, and the hot path of a native batch. Source:
docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage
"""

from typing import Final

import msgspec

from batchway.dialects.line_ids import line_id
from batchway.dialects.openai.framing import OpenAIFraming
from batchway.dialects.tolerant_json import object_in
from batchway.providers.google.rows import LABEL, read_row

_encode: Final = msgspec.json.Encoder().encode


class GeminiFraming:
    """Of `generateContent`."""

    row = staticmethod(read_row)

    def line(self, *, line: int, part: int, body: bytes) -> bytes:
        """See `ports.Framing`."""
        ours = line_id(line, part)
        return b'{"custom_id":"%b","request":%b}' % (ours, _labelled(body, ours))


class EmbeddingsFraming:
    """Of `embedContent`."""

    row = staticmethod(read_row)

    def line(self, *, line: int, part: int, body: bytes) -> bytes:
        """See `ports.Framing`."""
        return b'{"key":"%b","request":%b}' % (line_id(line, part), body)


class TextEmbeddingsFraming:
    """Of `predict`, for the older models of embeddings: a body is an instance."""

    row = staticmethod(read_row)

    def line(self, *, line: int, part: int, body: bytes) -> bytes:
        """See `ports.Framing`."""
        return _with_field(body, b'"batchway_line":"%b"' % line_id(line, part))


class ClaudeFraming:
    """Of Anthropic's models."""

    row = staticmethod(read_row)

    def line(self, *, line: int, part: int, body: bytes) -> bytes:
        """See `ports.Framing`."""
        return b'{"custom_id":"%b","request":%b}' % (line_id(line, part), body)


class OpenModelFraming:
    """Of models that take OpenAI's lines as they are; no page shows their rows."""

    row = staticmethod(read_row)

    def __init__(self, *, endpoint: str) -> None:
        self.line = OpenAIFraming(endpoint=endpoint).line


def _labelled(body: bytes, ours: bytes) -> bytes:
    """The request with our label among its own."""
    if b'"labels"' not in body:
        return _with_field(body, b'"labels":{"batchway_line":"%b"}' % ours)
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    own = object_in(bytes(fields.get("labels", b"{}"))) or {}
    fields["labels"] = msgspec.Raw(_encode({**own, LABEL: ours.decode()}))
    return _encode(fields)


def _with_field(body: bytes, field: bytes) -> bytes:
    """A JSON object with one more field at its end."""
    inside = body.rstrip()[:-1].rstrip()
    return b"%b%b%b}" % (inside, b"" if inside.endswith(b"{") else b",", field)
