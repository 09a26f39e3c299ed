"""What the fake says to one request: a status, a body and headers, before any trouble."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchway.simulator.batches.state import StoredFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`body` is a JSON value; `file` is sent in its place when there is one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    file: StoredFile | None = None


class Refused(Exception):
    """The vendor says no; the words are put into its own envelope."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
