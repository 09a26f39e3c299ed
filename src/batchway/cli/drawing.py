"""Progress drawn on a terminal: a line with a bar, and below it why the batch waits
and which lines run online instead of in a job.

Owns control codes and colours (which `NO_COLOR` turns off). What stands in the line is
`progress.picture`'s.
"""

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.constrain import Constrain
from rich.live import Live
from rich.text import Text

from batchway.cli.progress import Pace, Snapshot, picture

_FULL, _EMPTY = "\u2501", "\u2500"
_PLAIN_FULL, _PLAIN_EMPTY = "#", "-"
_PULSE_SECONDS: Final = 2.0


class Drawing:
    """A `progress.Display`. Use it as a context: afterwards the last picture stays."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._pace = Pace()
        self._rate: float | None = None
        self._look = Snapshot(status="starting", total=0, completed=0, failed=0, tokens=0)
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def update(self, look: Snapshot) -> None:
        """Show a look at the batch."""
        self._rate = self._pace.add(time.monotonic(), look.done)
        self._look = look

    def tell(self, text: str) -> None:
        """A line above the bar."""
        self._console.print(Text(text))

    def _render(self) -> Group:
        look = self._look
        # The last column stays free: some terminals wrap when it is written.
        width = max(self._console.width - 1, 20)
        before, columns, behind = picture(self._label, look, self._rate, width)
        line = Text.assemble(before, "  ", *self._bar(columns), "  ", behind, no_wrap=True)
        told = list(look.online) if look.waits is None else [f"Waits: {look.waits}", *look.online]
        below = (Constrain(Text(each, style="yellow"), width) for each in told)
        return Group(line, *below)

    def _bar(self, columns: int) -> list[tuple[str, str]]:
        look = self._look
        unicode = self._console.encoding.startswith("utf")
        full, empty = (_FULL, _EMPTY) if unicode else (_PLAIN_FULL, _PLAIN_EMPTY)
        if not look.total:
            at = int(time.monotonic() / _PULSE_SECONDS * columns) % columns
            return [(empty * at, "dim"), (full, "cyan"), (empty * (columns - at - 1), "dim")]
        filled = columns * look.done // look.total
        style = "green" if look.done == look.total else "cyan"
        return [(full * filled, style), (empty * (columns - filled), "dim")]
