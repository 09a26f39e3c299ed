"""Why a body does not have OpenAI's form, from what the decoder says of it.

Owns the place and the sentence; quotes nothing of the line, and neither does the decoder but for
the value of a tag or an enum, which is cut off here.
"""

import re
from typing import Final

import msgspec

from batchway.ports.dialect import Unfaithful

_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]{1,100})`")
_MISSING: Final = re.compile(r"missing required field `([^`]{1,100})`")
_TYPES: Final = re.compile(r"^Expected (.+?), got (.+?)(?: - at|$)")
_INDEX: Final = "[...]"


def problem(error: Exception) -> Unfaithful:
    """What is wrong with a body that the decoder refused, as a place and a sentence."""
    if not isinstance(error, msgspec.ValidationError):
        return Unfaithful("", "It is no JSON object of the form that OpenAI's API takes.")
    text = str(error)
    found = _PLACE.search(text)
    place = "" if found is None else found[1].replace(_INDEX, "[]")
    unknown, missing = _UNKNOWN.search(text), _MISSING.search(text)
    if unknown is not None:
        return Unfaithful(_within(place, unknown[1]), "OpenAI's API has no parameter of this name.")
    if missing is not None:
        return Unfaithful(_within(place, missing[1]), "It is required.")
    types = _TYPES.match(text)
    if types is not None:
        expected, got = (part.replace("`", "") for part in types.groups())
        return Unfaithful(place, f"It is {got}, where OpenAI's API takes {expected}.")
    return Unfaithful(place, "OpenAI's API takes no such value here.")


def _within(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
