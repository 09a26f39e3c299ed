"""`completion_window`: how long a batch may take."""

import re
from dataclasses import dataclass
from typing import Final

DEFAULT_WINDOW: Final = "24h"
_MAX_SECONDS: Final = 30 * 86_400
_SHAPE: Final = re.compile(r"([1-9][0-9]{0,6})([mhd])")
_UNIT_SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window as it was written, and its length in seconds."""

    text: str
    seconds: int


def window_of(text: str) -> Window | None:
    """The window of a text such as `24h`, `90m` or `7d`; `None` unless 1 minute to 30 days.

    OpenAI takes `24h` alone; the rest is an extension.
    """
    seconds = window_seconds(text)
    return None if seconds is None else Window(text=text, seconds=seconds)


def window_seconds(text: str) -> int | None:
    """Seconds of a window, `None` where `window_of` is."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    return seconds if seconds <= _MAX_SECONDS else None
