"""Checking bodies by the `TypedDict`s of a vendor's SDK, unknown keys refused.

Pydantic passes over keys that a `TypedDict` does not have, and looks at the items of an `Iterable`
only when somebody takes them: neither would find a misspelled parameter. Here every `TypedDict`
that a type reaches is made to forbid other keys while its validator is built (those that allow them
by themselves stay as they are), and every iterator of what was validated is run to its end.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_args

from pydantic import TypeAdapter
from typing_extensions import get_type_hints, is_typeddict

_CONFIG = "__pydantic_config__"


def strict(kind: Any) -> Callable[[object], None]:
    """A check that raises `pydantic.ValidationError` for what is no value of `kind`."""
    with _closed(kind):
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return lambda value: _exhaust(adapter.validate_python(value))


@contextmanager
def _closed(kind: Any) -> Generator[None]:
    before: list[tuple[Any, Mapping[str, Any] | None]] = []
    for each in _reached(kind, set()):
        config = getattr(each, _CONFIG, None)
        before.append((each, config))
        setattr(each, _CONFIG, {"extra": "forbid", **(config or {})})
    try:
        yield
    finally:
        for each, config in before:
            if config is None:
                delattr(each, _CONFIG)
            else:
                setattr(each, _CONFIG, config)


def _reached(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """Every `TypedDict` in a type, each once."""
    if is_typeddict(kind) and kind not in seen:
        seen.add(kind)
        yield kind
        for hint in get_type_hints(kind, include_extras=True).values():
            yield from _reached(hint, seen)
    for part in get_args(kind):
        yield from _reached(part, seen)


def _exhaust(value: object) -> None:
    if isinstance(value, Mapping):
        for each in value.values():
            _exhaust(each)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for each in value:
            _exhaust(each)
