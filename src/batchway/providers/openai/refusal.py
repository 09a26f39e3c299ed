"""What the error body of a call to a batch API says, in OpenAI's words or a page's.

Owns which of these words decide more than the status does: those of a quota. The shapes are
`dialects.openai.error`'s. Pure.
"""

import re
from typing import Final

from batchway.dialects.openai.error import Words, read_words
from batchway.dialects.openai.job_error import means_no_room
from batchway.dialects.tolerant_json import NoJson, json_in
from batchway.domain.remote import Trouble
from batchway.providers.http.trouble import Header, Said

_TAGS: Final = re.compile(r"<[^>]{0,200}>")
_MOST_OF_A_PAGE: Final = 8_192


def read_refusal(body: bytes, _header: Header) -> Said:
    """See `providers.http.trouble.ReadError`."""
    value = json_in(body)
    if value is NoJson.NO_JSON:
        # A proxy's page: its words without the markup.
        words = Words(message=_TAGS.sub(" ", body[:_MOST_OF_A_PAGE].decode("utf-8", "replace")))
    else:
        words = read_words(value)
    code = words.code or None
    return Said(
        message=words.message,
        code=code,
        param=words.param or None,
        line=words.line,
        trouble=Trouble.BUSY if means_no_room(code, words.message) else None,
    )
