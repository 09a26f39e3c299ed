"""Reads the fields of a JSON object, refusing wrong ones in OpenAI's words.

Owns types, presence and ranges, and purposes. Does not own what a field means. Unknown fields are
ignored.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from batchway.domain.errors import ApiError, ApiText
from batchway.domain.file import UPLOAD_PURPOSES, ExpiresAfter, Purpose

_SHORTEST_EXPIRY: Final = 3_600
_LONGEST_EXPIRY: Final = 2_592_000


def kind_of(value: object) -> str:
    """A JSON value's type with its article, as OpenAI's messages name it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def listed(values: Sequence[str]) -> str:
    """Values as OpenAI's messages list them."""
    *most, last = (f"'{value}'" for value in values)
    return f"{', '.join(most)}, and {last}"


def upload_purpose(given: str) -> Purpose:
    """The purpose a client asks for. Raises `ApiError` for one that cannot be asked for."""
    if given not in UPLOAD_PURPOSES:
        raise ApiError(ApiText.BAD_PURPOSE, given=given)
    return Purpose(given)


class Parameters:
    """One JSON object. `path` is how messages name it, empty for the body itself.

    Every reader raises `ApiError`. Readers named `maybe_...` take an absent field and `null` for
    `None`; the others want the field.
    """

    def __init__(self, fields: Mapping[str, object], *, path: str = "") -> None:
        self._fields = fields
        self._path = path

    def require(self, *names: str) -> None:
        """Refuse when one of these is absent."""
        for name in names:
            if name not in self._fields:
                raise ApiError(ApiText.MISSING_PARAMETER, param=self._name(name))

    def is_null(self, name: str) -> bool:
        """Whether the field is there and `null`."""
        return name in self._fields and self._fields[name] is None

    def string(self, name: str, *, longest: int | None = None) -> str:
        """A string of at most `longest` characters."""
        self.require(name)
        value = self._fields[name]
        if not isinstance(value, str):
            raise self._wrong_type(name, "a string")
        if longest is not None and len(value) > longest:
            raise self._too_long(name, value, longest)
        return value

    def maybe_string(self, name: str, *, longest: int | None = None) -> str | None:
        """Like `string`."""
        return None if self._fields.get(name) is None else self.string(name, longest=longest)

    def integer(self, name: str, *, lowest: int, highest: int) -> int:
        """An integer within bounds."""
        self.require(name)
        value = self._fields[name]
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong_type(name, "an integer")
        check_range(self._name(name), value, lowest=lowest, highest=highest)
        return value

    def strings(self, name: str) -> list[str]:
        """An array of strings."""
        self.require(name)
        value = self._fields[name]
        if not isinstance(value, list):
            raise self._wrong_type(name, "an array of strings")
        items: list[str] = []
        for index, item in enumerate(cast("list[object]", value)):
            if not isinstance(item, str):
                raise ApiError(
                    ApiText.WRONG_TYPE,
                    param=f"{self._name(name)}[{index}]",
                    expected="a string",
                    given=kind_of(item),
                )
            items.append(item)
        return items

    def maybe_object(self, name: str) -> "Parameters | None":
        """A nested object."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong_type(name, "an object")
        return Parameters(cast("dict[str, object]", value), path=self._name(name))

    def maybe_string_map(
        self, name: str, *, pairs: int, longest_key: int, longest_value: int
    ) -> dict[str, str] | None:
        """An object whose values are strings, within bounds."""
        nested = self.maybe_object(name)
        if nested is None:
            return None
        if len(nested._fields) > pairs:
            raise ApiError(
                ApiText.INVALID_PARAMETER,
                param=self._name(name),
                reason=f"too many properties. Expected an object with at most {pairs} properties, "
                f"but got an object with {len(nested._fields)} properties instead.",
            )
        result: dict[str, str] = {}
        for key in nested._fields:
            if len(key) > longest_key:
                raise ApiError(
                    ApiText.INVALID_PARAMETER,
                    param=self._name(name),
                    reason=f"property name too long. Expected names of at most {longest_key} "
                    f"characters, but got one of {len(key)} characters instead.",
                )
            result[key] = nested.string(key, longest=longest_value)
        return result

    def maybe_expiry(self, name: str) -> ExpiresAfter | None:
        """`{"anchor": "created_at", "seconds": 3600..2592000}`."""
        nested = self.maybe_object(name)
        if nested is None:
            return None
        nested.require("anchor", "seconds")
        anchor = nested.string("anchor")
        if anchor != "created_at":
            raise ApiError(
                ApiText.WRONG_VALUE,
                param=f"{self._name(name)}.anchor",
                given=anchor,
                supported="'created_at'",
            )
        seconds = nested.integer("seconds", lowest=_SHORTEST_EXPIRY, highest=_LONGEST_EXPIRY)
        return ExpiresAfter(seconds=seconds)

    def _name(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _wrong_type(self, name: str, expected: str) -> ApiError:
        return ApiError(
            ApiText.WRONG_TYPE,
            param=self._name(name),
            expected=expected,
            given=kind_of(self._fields[name]),
        )

    def _too_long(self, name: str, value: str, longest: int) -> ApiError:
        return ApiError(
            ApiText.INVALID_PARAMETER,
            param=self._name(name),
            reason=f"string too long. Expected a string with maximum length {longest}, but got a "
            f"string with length {len(value)} instead.",
        )


def check_range(name: str, value: int, *, lowest: int, highest: int) -> None:
    """Raises `ApiError` unless `lowest <= value <= highest`."""
    if value < lowest:
        reason = f"integer below minimum value. Expected a value >= {lowest}"
    elif value > highest:
        reason = f"integer above maximum value. Expected a value <= {highest}"
    else:
        return
    raise ApiError(
        ApiText.INVALID_PARAMETER, param=name, reason=f"{reason}, but got {value} instead."
    )
