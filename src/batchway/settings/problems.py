"""What is wrong with a configuration, as sentences for the person who wrote it.

Owns the one error of this package and the wording of every problem that pydantic finds. Values
are shown only when they cannot be secret: never those of secret settings, of `${...}`, or URLs
that hold credentials.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from batchway.settings.schema import Contradictions
from batchway.settings.tree import Path, dotted, fields_of, find, is_secret, keys, tags

_PLACES: Final = re.compile(r"\[\d+\]")
_SHOWN = 80  # longer values say nothing in a sentence


class SettingsError(Exception):
    """The configuration cannot be used. `problems` holds a sentence for each mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            text = self.problems[0]
        else:
            listed = "\n".join(f"  - {problem}" for problem in self.problems)
            text = f"The configuration has {len(self.problems)} problems:\n{listed}"
        super().__init__(text)


def explain(
    error: ValidationError, origin: Callable[[Path], str | None], hidden: Set[Path]
) -> list[str]:
    """A sentence for each problem that validation found."""
    sentences: list[str] = []
    for details in error.errors(include_url=False):
        for path, sentence in _problems(details, hidden):
            source = origin(path)
            where = "" if source is None else f" ({source})"
            sentences.append(f"{dotted(path)}: {sentence}{where}" + stop(sentence + where))
    return sentences


def suggestion(given: str, known: list[str]) -> str:
    """`; did you mean '...'?` when something known is close, else nothing."""
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.7)
    return f"; did you mean '{close[0]}'?" if close else ""


def stop(sentence: str) -> str:
    """The full stop of a sentence that does not end in a question mark."""
    return "" if sentence.endswith("?") else "."


def _problems(details: ErrorDetails, hidden: Set[Path]) -> Iterator[tuple[Path, str]]:
    context = details.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, Contradictions):
        yield from cause.found
        return
    loc = details["loc"]
    if loc[-1:] == ("[key]",):  # pydantic's mark for the name of a mapping's entry
        yield find(loc[:-2])[0], f"{loc[-2]!r} {cause}"
        return
    path, field, _ = find(loc)
    kind = details["type"]
    if kind == "extra_forbidden":
        yield path, "unknown setting" + _closest(loc)
        return
    if kind == "missing":
        yield path, "required" + _of_type(loc)
        return
    if kind == "union_tag_not_found":
        yield (*path, "type"), "required; one of " + _listed(_types(path))
        return
    if kind == "union_tag_invalid":
        expected = _listed(_types(path))
        given = str(context.get("tag", ""))
        yield (*path, "type"), f"must be one of {expected}, not '{given[:_SHOWN]}'"
        return
    sentence = str(cause) if kind == "value_error" else _WORDS.get(kind, "")
    if not sentence:
        sentence = _bounds(kind, context) or details["msg"][:1].lower() + details["msg"][1:]
    secret = (
        path in hidden
        or (field is not None and is_secret(field.annotation))
        # Where secrets are expected somewhere below, what stands there instead may be one.
        or (kind in _SHAPES and path[:1] in {("auth",), ("providers",)})
    )
    yield path, sentence + ("" if secret else _not(details["input"]))


_WORDS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text; put it in quotes",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "model_type": "must hold settings as 'name: value'",
    "model_attributes_type": "must hold settings as 'name: value'",
    "dict_type": "must hold 'name: value' pairs",
    "mapping_type": "must hold 'name: value' pairs",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "path_type": "must be a path",
    "too_short": "must not be empty",
    "invalid_key": "is no known setting",
}
_SHAPES: Final = frozenset(
    {
        "model_type",
        "model_attributes_type",
        "dict_type",
        "mapping_type",
        "tuple_type",
        "frozen_set_type",
    }
)


def _bounds(kind: str, context: dict[str, Any]) -> str:
    match kind:
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}"
        case "less_than_equal":
            return f"must be at most {context['le']:g}"
        case "greater_than":
            return f"must be more than {context['gt']:g}"
        case "literal_error" | "enum":
            # An enum's member is shown as <Mode.MANAGED: 'managed'>; people write the word.
            return "must be " + re.sub(r"<[^<>]*: ('[^']*')>", r"\1", context["expected"])
        case _:
            return ""


def _not(value: object) -> str:
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    if isinstance(value, int | float):
        return f", not {value}"
    if isinstance(value, str) and "@" not in value and len(value) <= _SHOWN:
        return f", not {value!r}"
    return ""


def _closest(loc: Path) -> str:
    parent, _, models = find(loc[:-1])
    given = str(loc[-1])
    siblings = [name for model in models for name in fields_of(model)]
    close = difflib.get_close_matches(given.lower().replace("-", "_"), siblings, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{dotted((*parent, close[0]))}'?"
    elsewhere = [key.path for key in keys() if key.path.rpartition(".")[2] == given]
    if _PLACES.sub("[]", dotted((*parent, given))) in elsewhere:
        return f"{_of_type(loc)}; known here: {', '.join(siblings)}"
    if elsewhere:
        return f"; did you mean '{elsewhere[0]}'?"
    return f"; known here: {', '.join(siblings)}" if siblings else ""


def _of_type(loc: Path) -> str:
    shown, _, _ = find(loc)
    tags = [part for part in loc if part not in shown]
    return f" for a provider of type '{tags[0]}'" if tags else ""


def _types(path: Path) -> list[str]:
    _, _, models = find(path)
    return [tag for model in models for tag in tags(model)]


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
