"""`Content-Disposition`, both ways: of a form's part, and of a download.

Sources: RFC 7578 and the WHATWG form encoding (parts), RFC 6266 and RFC 8187 (downloads).
"""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

_PARAMETER: Final = re.compile(r""";\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\([\"\\])")
# The three characters that browsers, curl and the OpenAI SDK escape in a quoted name.
_WHATWG: Final = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))


def parse_disposition(header: bytes) -> tuple[str | None, str | None]:
    """Name and filename of a form's part, `None` where absent; `filename*` wins."""
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(header.decode("utf-8", "replace")):
        name, value = match[1].lower(), match[2].strip()
        if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
            value = _ESCAPE.sub(r"\1", value[1:-1])
        found.setdefault(name, value)
    extended = found.get("filename*")
    filename = None if extended is None else _parse_extended(extended)
    if filename is None and "filename" in found:
        filename = found["filename"]
        for escape, character in _WHATWG:
            filename = filename.replace(escape, character)
    return found.get("name"), filename


def attachment(filename: str) -> str:
    """The header of a download: a plain name for old clients, the true one for all others."""
    plain = filename.encode("ascii", "replace").decode("ascii")
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    if plain == filename:
        return f'attachment; filename="{quoted}"'
    return f"attachment; filename=\"{quoted}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _parse_extended(value: str) -> str | None:
    charset, _, rest = value.partition("'")
    _, quote_mark, encoded = rest.partition("'")
    if not quote_mark or charset.lower() not in {"utf-8", "iso-8859-1"}:
        return None
    return unquote_to_bytes(encoded).decode(charset, "replace")
