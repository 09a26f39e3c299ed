"""Google's words, without the names of what the operator owns: tenants read them.

    an account         x@project.iam.gserviceaccount.com, a person's address
    an object          gs://bucket/..., bucket/..., of the account's own bucket

Projects, regions and buckets stay: they are the configuration's, and advice names them. What is in
a bucket of somebody else's stays too: a tenant's own file is what a line may be about.
"""

import re
from functools import lru_cache
from typing import Final

_MOST_READ: Final = 4_096  # characters: more of it is never quoted
_ADDRESS: Final = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,128}@(?:[\w-]{1,64}\.){1,8}[A-Za-z]{2,24}(?![\w-])", re.ASCII
)
_CUT: Final = "***"


def discreet(text: str, bucket: str | None) -> str:
    """The words, as one may repeat them."""
    text = _ADDRESS.sub(_CUT, text[:_MOST_READ])
    return text if not bucket else _objects(bucket).sub(_CUT, text)


@lru_cache(maxsize=64)
def _objects(bucket: str) -> re.Pattern[str]:
    name = re.escape(bucket)
    return re.compile(
        rf"(?<![\w.-])(?:gs://{name}/|(?:projects/_/)?buckets/{name}/objects/|b/{name}/o/|{name}/)"
        r"""(?:[^\s'"<>`)]*[^\s'"<>`).,:;])?""",
        re.ASCII,
    )
