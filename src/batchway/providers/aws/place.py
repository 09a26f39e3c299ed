"""Where an account's calls, its jobs and their files go.

    region         where models are called and jobs run
    bucket, prefix where inputs and results of jobs lie in S3
    bucket_owner   the account that the bucket has to belong to
    kms_key        what files there are encrypted with, in place of what the bucket says
    base_url       the address of the control plane, in place of the region's own
    runtime_url    the address of the models, likewise
    s3_url         the address of S3, likewise
    readable       below which addresses of objects lines may name any: `s3://bucket/prefix/`

A batch may name another bucket (`Overrides`).
"""

from dataclasses import dataclass, replace

from batchway.catalog.bedrock_regions import control_of, runtime_of, storage_of
from batchway.domain.overrides import Overrides


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One region, as an account uses it. `bucket` is `None` where none is named.

    Addresses have no slash at their end. Nothing of it is secret.
    """

    region: str
    bucket: str | None = None
    prefix: str = "batchway"
    bucket_owner: str | None = None
    kms_key: str | None = None
    base_url: str | None = None
    runtime_url: str | None = None
    s3_url: str | None = None
    readable: tuple[str, ...] = ()

    @property
    def control(self) -> str:
        """The address of the control plane, where jobs are."""
        return self.base_url or control_of(self.region)

    @property
    def runtime(self) -> str:
        """The address below which models are called."""
        return self.runtime_url or runtime_of(self.region)

    @property
    def storage(self) -> str:
        """The address of S3."""
        return self.s3_url or storage_of(self.region)

    def with_(self, overrides: Overrides) -> "Place":
        """The place that a batch asks for. Names are checked where they come in."""
        return replace(self, bucket=overrides.s3_bucket or self.bucket)
