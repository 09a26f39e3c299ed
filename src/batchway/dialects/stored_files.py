"""Objects of Cloud Storage and S3 that lines may name: those below addresses the operator chose.

A vendor reads them with rights of the operator's, whoever sends the line. What lies in a folder of
a job of Batchway's is never read so: it may be another tenant's. Pure.
"""

from collections.abc import Sequence
from typing import Final

from batchway.domain.tag import tag_in

NOT_READABLE: Final = (
    "Files in Cloud Storage are read only below the addresses that the provider's setting "
    "`readable` lists, and this one is not."
)


def may_read(address: str, readable: Sequence[str]) -> bool:
    """Whether `gs://bucket/name`, or `s3://bucket/name`, lies below one of these; each ends in a
    slash.

    Names of objects are plain texts: dots and slashes in them lead nowhere else.
    """
    return tag_in(address) is None and address.startswith(tuple(readable))
