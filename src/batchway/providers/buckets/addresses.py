"""Addresses of objects: `gs://bucket/name`, `s3://bucket/name`.

Owns how they are read and written. What a vendor lets its buckets be called is data (`Names`), its
patterns are the domain's (`domain.cloud_names`).
"""

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An object, or everything below a directory where `name` ends with a slash."""

    scheme: str
    bucket: str
    name: str

    @property
    def uri(self) -> str:
        """The address that jobs and people know it by."""
        return f"{self.scheme}://{self.bucket}/{self.name}"

    def named(self, name: str) -> "Address":
        """Another name in the same bucket."""
        return replace(self, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A vendor's addresses. `bucket` is a pattern, `longest` the bytes that a name may have."""

    scheme: str
    bucket: str
    longest: int = 1_024

    def at(self, bucket: str, name: str) -> Address:
        """An address of parts that were checked."""
        return Address(scheme=self.scheme, bucket=bucket, name=name)

    def read(self, uri: str) -> Address | None:
        """The address that is written so; `None` for anything else."""
        scheme, _, rest = uri.partition("://")
        bucket, _, name = rest.partition("/")
        if scheme != self.scheme or re.fullmatch(self.bucket, bucket) is None or not name:
            return None
        return self.at(bucket, name) if len(name.encode()) <= self.longest else None
