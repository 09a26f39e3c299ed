"""`ports.Framing` of Bedrock's jobs: `{"recordId": ID, "modelInput": BODY}`, for every model.

Owns lines. Rows are `rows`', bodies the dialects'. Pure, and the hot path of a native batch.
Source: docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html
"""

from batchway.dialects.line_ids import line_id
from batchway.providers.aws.rows import read_row


class BedrockFraming:
    """Of every model."""

    row = staticmethod(read_row)

    def line(self, *, line: int, part: int, body: bytes) -> bytes:
        """See `ports.Framing`."""
        return b'{"recordId":"%b","modelInput":%b}' % (line_id(line, part), body)
