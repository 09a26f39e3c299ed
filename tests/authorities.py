"""Whose certificates this process and those that it starts trust: one authority's, not all.

Every client of an SDK, and every process that sends, reads what the machine trusts: forty
milliseconds of processor for a hundred and forty authorities, of which no test meets one.
"""

import atexit
import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SETTING: Final = "SSL_CERT_FILE"
_PREFIX: Final = "batchway-authority-"
_END: Final = "-----END CERTIFICATE-----\n"


def trust_one() -> None:
    """Trust the first authority of the machine's; nothing, if something is set already."""
    known = ssl.get_default_verify_paths().cafile or ""  # none is known on some systems
    if not known or _SETTING in os.environ or "SSL_CERT_DIR" in os.environ:
        return
    first, end, _ = Path(known).read_text().partition(_END)
    if not end:
        return
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX)
    with os.fdopen(descriptor, "w") as file:
        file.write(first + end)
    atexit.register(os.unlink, name)
    os.environ[_SETTING] = name


def trusting_all(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment as it was before `trust_one`, for what must reach other machines."""
    ours = Path(environment.get(_SETTING, "")).name.startswith(_PREFIX)
    return {name: text for name, text in environment.items() if not (ours and name == _SETTING)}
