"""What a fake remembers: its files and its jobs. The rows are on disk, never here."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

TERMINAL: Final = frozenset({"completed", "failed", "expired", "cancelled"})


@dataclass(slots=True, kw_only=True)
class StoredFile:
    """A file. `pending` is how many more looks find it not ready."""

    id: str
    path: Path
    bytes: int
    filename: str
    purpose: str
    created_at: int
    created: float = 0.0
    expires_at: int | None = None
    pending: int = 0
    lines: int = 0


@dataclass(slots=True, kw_only=True)
class Job:
    """A job, in OpenAI's words; `times` holds what is `<state>_at` on the wire.

    `created` and `started` are instants of the fake's clock, `run` the share of the lines that
    have been run, `tokens` what it takes of its model's quota until it ends. Counts are final once
    it has ended.
    """

    id: str
    endpoint: str
    input_file_id: str
    filename: str
    completion_window: str
    window: int
    metadata: dict[str, str] | None
    created: float
    number: int
    source: Path | None = None
    status: str = "validating"
    model: str | None = None
    tokens: int = 0
    lines: int = 0
    bytes: int = 0
    run: float = 0.0
    started: float | None = None
    completed: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    errors: list[dict[str, Any]] | None = None
    delete_input: bool = False
    cancelling: bool = False
    times: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def created_at(self) -> int:
        """Unix seconds."""
        return int(self.created)

    @property
    def expires_at(self) -> int:
        """Unix seconds at which the window is over."""
        return int(self.created) + self.window

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL
