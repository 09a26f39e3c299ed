"""Joining a provider's address with an endpoint, and making headers that can be sent.

Owns what every provider needs before its first request; the providers own their differences.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote, urlsplit

# What servers and what stands in front of them resolve in a path, some of them unescaped first.
_SEPARATORS: Final = re.compile(r"[/\\]")
_UNESCAPINGS: Final = 3


def checked_base(provider: str, base_url: str) -> str:
    """The address without a slash at its end.

    Raises:
        ValueError: it is not an absolute http(s) URL without query and fragment. The message does
            not repeat it: it may hold a password.
    """
    base = base_url.strip().rstrip("/")
    try:
        parts = urlsplit(base)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or parts.query or parts.fragment:
        raise ValueError(
            f"The address of the provider '{provider}' is not an http:// or https:// URL "
            "without query."
        )
    return base


def below(base: str, endpoint: str) -> str:
    """The address of an endpoint such as `/v1/chat/completions` below a base address.

    The base stands for `/v1`, as it does in OpenAI's SDKs: `http://gpu:8000/v1`,
    `https://host/api/v3` and `https://host` are each followed by `/chat/completions`.
    """
    return base + endpoint.removeprefix("/v1")


def segment(name: str) -> str:
    """A name of somebody else's (a model, a deployment, an id) as one segment of a path.

    The only place where a name becomes a part of an address.

    Raises:
        ValueError: it is empty, or holds a dot segment: it would reach another address, with the
            account's key.
    """
    plain = name
    for _ in range(_UNESCAPINGS):
        if not plain or any(part in {".", ".."} for part in _SEPARATORS.split(plain)):
            raise ValueError("The name cannot stand in an address.")
        plain = unquote(plain)
    return quote(name, safe="")


def checked_headers(provider: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, names in lower case.

    Raises:
        ValueError: one cannot be sent. The message names it and never repeats its value: it may
            be a key.
    """
    checked: dict[str, str] = {}
    for name, value in headers.items():
        sendable = value.strip()  # a key read from a file often ends with a line break
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"The provider '{provider}' has a header that is not a name.")
        if not all(" " <= character <= "~" for character in sendable):
            raise ValueError(
                f"The header '{name}' of the provider '{provider}' holds characters that cannot "
                "be sent."
            )
        checked[name.lower()] = sendable
    return checked
