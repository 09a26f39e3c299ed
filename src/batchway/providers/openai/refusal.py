"""What the error body of a call to a batch API says, in OpenAI's words or a page's.

Owns which of these words decide more than the status does: those of a quota. The shapes are
`dialects.openai.error`'s. Pure.
"""

import re
from typing import Final

from batchway.dialects.openai.error import read_error
from batchway.dialects.openai.job_error import means_no_room
from batchway.dialects.tolerant_json import NoJson, json_in
from batchway.domain.remote import Trouble
from batchway.providers.http.trouble import Said

_TAGS: Final = re.compile(r"<[^>]{0,200}>")
_MOST_OF_A_PAGE: Final = 8_192


def read_refusal(body: bytes) -> Said:
    """See `providers.http.trouble.ReadError`."""
    if json_in(body) is NoJson.NO_JSON:
        # A proxy's page: its words without the markup.
        text = body[:_MOST_OF_A_PAGE].decode("utf-8", "replace")
        message, code, param, line = _TAGS.sub(" ", text), None, None, None
    else:
        said = read_error(body)
        message, code, param, line = said.message, said.code or None, said.param or None, said.line
    return Said(
        message=message,
        code=code,
        param=param,
        line=line,
        trouble=Trouble.BUSY if means_no_room(code, message) else None,
    )
