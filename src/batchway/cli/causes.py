"""Why lines failed: the entries of an error file, counted by cause.

Owns reading them in bounded memory, the line numbers of some examples, and keeping prompts out of
what is shown: a message that repeats text of its own line loses that text.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from batchway.cli.console import count, printable

_EXAMPLES: Final = 3
_MOST_CAUSES: Final = 100
_MOST_MESSAGE: Final = 200
_MOST_OURS: Final = 1_000  # with the role or the setting to mend, which stand at the end
_REPEATED: Final = 8  # characters of a line's own text that a message may not repeat


@dataclass(slots=True, kw_only=True)
class Cause:
    """One cause: `what` it is, how many lines it took, and some of them.

    `ours` is whether Batchway words the message, which then repeats nothing of a line.
    """

    what: str
    message: str
    ours: bool = False
    count: int = 0
    ids: list[str] = field(default_factory=list[str])
    lines: list[int] = field(default_factory=list[int])

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "cause": self.what,
            "count": self.count,
            "message": self.message,
            "custom_ids": self.ids,
            "lines": self.lines,
        }


def causes_in(records: Iterable[bytes]) -> list[Cause]:
    """The causes in an error file's lines, the most frequent first."""
    found: dict[str, Cause] = {}
    for record in records:
        try:
            entry: Any = json.loads(record)
            what, message, ours = _cause(entry)
            custom_id = str(entry.get("custom_id"))
        except (ValueError, AttributeError, RecursionError):
            continue  # not ours
        if what not in found and len(found) >= _MOST_CAUSES:
            what, message, ours = "other causes", "", False
        cause = found.setdefault(what, Cause(what=what, message=message, ours=ours))
        cause.count += 1
        if len(cause.ids) < _EXAMPLES:
            cause.ids.append(custom_id)
    return sorted(found.values(), key=lambda cause: -cause.count)


def causes_of(errors: Path, lines: Path) -> list[Cause]:
    """The causes in an error file, with line numbers of the input that it belongs to."""
    with errors.open("rb") as file:
        causes = causes_in(file)
    wanted = {custom_id: cause for cause in causes for custom_id in cause.ids}
    for number, record in _records(lines):
        cause = wanted.pop(str(record.get("custom_id")), None)
        if cause is not None:
            cause.lines.append(number)
            cause.message = _without(cause.message, record.get("body"))
        if not wanted:
            break
    if wanted:  # an example whose line is not there: its text cannot be kept out
        for cause in wanted.values():
            cause.message = ""
    return causes


def told(causes: list[Cause]) -> Iterator[str]:
    """The causes as lines for a person."""
    for cause in causes:
        examples = cause.lines or cause.ids
        noun = "line" if cause.lines else "custom_id"
        more = ", ..." if cause.count > len(examples) else ""
        names = ", ".join(
            f"{each:,}" if isinstance(each, int) else printable(each[:40]) for each in examples
        )
        plural = "" if len(examples) == 1 else "s"
        yield f"{count(cause.count, 'line')} failed: {cause.what} ({noun}{plural} {names}{more})"
        if cause.message:
            yield f"    {cause.message}"


def _cause(entry: Any) -> tuple[str, str, bool]:
    """What it is, what is said of it, and whether that are Batchway's words."""
    response, error = entry.get("response"), entry.get("error")
    if not isinstance(response, dict):
        found = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
        message = _short(found.get("message"), most=_MOST_OURS)
        return printable(found.get("code") or "no answer")[:64], message, True
    answer = cast("dict[str, Any]", response)
    body: Any = answer.get("body")
    inner: Any = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    holder = inner if isinstance(inner, dict) else body if isinstance(body, dict) else {}
    found = cast("dict[str, Any]", holder)
    code = found.get("code")
    if not isinstance(code, str) or not code:
        code = found.get("type")
    named = f" {code}" if isinstance(code, str) and code else ""
    message = inner if isinstance(inner, str) else found.get("message") or found.get("detail")
    return printable(f"{answer.get('status_code')}{named}")[:64], _short(message), False


def _short(message: object, *, most: int = _MOST_MESSAGE) -> str:
    if not isinstance(message, str):
        return ""
    text = printable(" ".join(message.split()))
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record: Any = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                yield number, cast("dict[str, Any]", record)


def _without(message: str, body: object) -> str:
    """The message without what it repeats of the line's own texts, the model's name aside."""
    shown = message
    for text in _texts(body):
        plain = " ".join(text.split())
        if len(plain) < _REPEATED:
            continue
        shown = shown.replace(plain, "\u2026")
        # A message may quote the beginning of a text only.
        size = len(plain)
        while size >= _REPEATED and plain[:size] not in shown:
            size -= 1 if size <= _MOST_OURS else size - _MOST_OURS
        if size >= _REPEATED:
            shown = shown.replace(plain[:size], "\u2026")
    return shown


def _texts(value: object) -> Iterator[str]:
    pending: list[object] = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, list):
            pending += cast("list[object]", each)
        elif isinstance(each, dict):
            fields = cast("dict[str, object]", each)
            pending += [inner for name, inner in fields.items() if name != "model"]
