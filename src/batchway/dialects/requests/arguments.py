"""The arguments of a call in an earlier turn: JSON as text, as the model wrote it.

Owns why a text cannot be arguments elsewhere; quotes nothing of it. Pure.
"""

from typing import Any, Final

import msgspec

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_NO_OBJECT: Final = "It is no JSON object."
_NUMBER: Final = "A number in it is larger than can be sent on: up to 1.8e308 can."
_DEPTH: Final = "Its values are nested too deep to be read."
# What the decoder says of a number, whole or not.
_OUT_OF_RANGE: Final = "out of range"


def arguments_in(text: str) -> dict[str, Any] | str:
    """The arguments, none for an empty text; or a sentence that says why they are none."""
    if not text or text.isspace():
        return {}
    try:
        return _decode(text.encode())
    except RecursionError:
        return _DEPTH
    except (msgspec.MsgspecError, UnicodeError) as error:
        return _NUMBER if _OUT_OF_RANGE in str(error) else _NO_OBJECT
