"""Lines and rows of a batch API as a native batch has them, framing x dialect, for tables."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from batchway.catalog.openai_family import Quirks
from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.dialects.openai.framing import OpenAIFraming
from batchway.domain.batch import Usage
from batchway.ports import Dialect, Encoded, Framing
from batchway.providers.http.secrecy import DiscreetDialect, DiscreetFraming
from batchway.workflows.native.results import outcome_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRow:
    """What a row comes to: an HTTP answer (`status` and `body`), or none (`code` and `message`)."""

    line: int
    status: int | None = None
    request_id: str | None = None
    body: bytes = b""
    code: str = ""
    message: str = ""
    usage: Usage = field(default_factory=Usage)


def read_row(raw: bytes, framing: Framing, dialect: Dialect) -> ReadRow | None:
    """One row; `None` when it is not one of ours."""
    row = framing.row(raw)
    if row is None:
        return None
    read = outcome_of(row, dialect, b"")
    return ReadRow(
        line=row.line,
        status=read.status,
        request_id=read.request_id,
        body=read.body,
        code=read.code,
        message=read.message,
        usage=read.usage,
    )


def written_line(
    framing: Framing, dialect: Dialect, *, line: int, body: bytes, named: str
) -> bytes:
    """One line of input."""
    encoded = dialect.encode(body, named=named)
    assert isinstance(encoded, Encoded)
    (sent,) = encoded.bodies
    return framing.line(line=line, part=0, body=sent)


def no_secrets() -> Collection[str]:
    return ()


class BatchLines:
    """Lines and rows of one provider of OpenAI's family."""

    def __init__(
        self, quirks: Quirks | None = None, *, secrets: Callable[[], Collection[str]] = no_secrets
    ) -> None:
        self._quirks = quirks or Quirks()
        self._secrets = secrets

    def encode(self, *, line: int, endpoint: str, model: str, body: bytes) -> bytes:
        framing, dialect = self._parts(endpoint, model)
        return written_line(framing, dialect, line=line, body=body, named="")

    def decode(self, row: bytes) -> ReadRow | None:
        return read_row(row, *self._parts("/v1/chat/completions", "m"))

    def _parts(self, endpoint: str, model: str) -> tuple[Framing, Dialect]:
        framing = OpenAIFraming(endpoint=endpoint, shape=self._quirks.line, urls=self._quirks.urls)
        return (
            DiscreetFraming(framing, secrets=self._secrets),
            DiscreetDialect(OpenAIDialect(endpoint=endpoint, model=model), secrets=self._secrets),
        )
