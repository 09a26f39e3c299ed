"""No credential in anything that a provider says: what an account sends is cut out of its texts.

Owns which credentials are remembered, and the bounds of what is quoted from a provider. Does not
own which headers are credentials (`domain.secret_headers`), or what a text says.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final

from batchway.domain.secret_headers import LONGEST_HARMLESS, secrets_in

_MOST_REMEMBERED: Final = 32
_MOST_TEXT: Final = 1_000
_MOST_CODE: Final = 256

# Providers repeat a wrong key in part: `sk-proj-****abcd`.
# Each run of characters is tried from its start alone: a long one would be read again and again.
_MASKED: Final = re.compile(r"(?<![\w-])[\w-]*\*{3,}[\w*-]*")
_SPACE: Final = re.compile(r"[\s\x00-\x1f\x7f]+")


class SentSecrets:
    """The credentials that an account sent lately.

    A token lives for an hour or a day; what was said with an earlier one is read later.
    """

    def __init__(self) -> None:
        self._sent: dict[str, None] = {}

    def note(self, headers: Mapping[str, str]) -> None:
        """These headers are about to be sent."""
        self.keep(*secrets_in(headers))

    def keep(self, *secrets: str) -> None:
        """What these give access to is about to be used."""
        sent = {name: None for name in self._sent if name not in secrets}
        sent |= dict.fromkeys(secrets)
        # Replaced, not changed: connections of obstore's ask for credentials in threads.
        self._sent = dict.fromkeys(tuple(sent)[-_MOST_REMEMBERED:])

    def all(self) -> tuple[str, ...]:
        """The credentials, the latest one last."""
        return tuple(self._sent)


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """The text as one line of at most 1,000 characters, without credentials or parts of them."""
    for secret in secrets:
        if len(secret) > LONGEST_HARMLESS:
            text = text.replace(secret, "***")
    text = _SPACE.sub(" ", _MASKED.sub("***", text)).strip()
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"


def bounded(text: str | None, secrets: Collection[str]) -> str | None:
    """A code or the name of a parameter, in at most 256 characters; `None` for an empty one."""
    return None if text is None else without_secrets(text, secrets)[:_MOST_CODE] or None
