"""AWS's words, without the names of what the operator owns: tenants read them.

    who calls          arn:aws:iam::123456789012:user/x, arn:aws:sts::...:assumed-role/...
    an account         its number, in any other ARN
    an object          s3://bucket/..., of the account's own bucket

Models, regions and buckets stay: they are the configuration's or the line's, and advice names them.
"""

import re
from functools import lru_cache
from typing import Final

_MOST_READ: Final = 4_096  # characters: more of it is never quoted
_CUT: Final = "***"
_WHO: Final = re.compile(r"arn:aws[a-z-]{0,20}:(?:iam|sts)::[^\s'\"<>`),;]{1,512}", re.ASCII)
_ACCOUNT: Final = re.compile(r"(?<=:)[0-9]{12}(?=:)")


def discreet(text: str, bucket: str | None) -> str:
    """The words, as one may repeat them."""
    text = _ACCOUNT.sub(_CUT, _WHO.sub(_CUT, text[:_MOST_READ]))
    return text if not bucket else _objects(bucket).sub(_CUT, text)


@lru_cache(maxsize=64)
def _objects(bucket: str) -> re.Pattern[str]:
    name = re.escape(bucket)
    return re.compile(
        rf"(?<![\w.-])(?:s3://{name}/|arn:aws[a-z-]{{0,20}}:s3:::{name}/|{name}/)"
        r"""(?:[^\s'"<>`)]*[^\s'"<>`).,:;])?""",
        re.ASCII,
    )
