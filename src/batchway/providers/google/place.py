"""Where an account's calls, its jobs and their files go.

    project, region    whose they are, and where they run: `global`, a multi-region, or a region
    bucket, prefix     where inputs and results of jobs lie in Cloud Storage
    base_url           the address of the API, in place of the region's own
    storage_url        the address of Cloud Storage
    readable           below which addresses of objects lines may name any: `gs://bucket/prefix/`

A batch may name another region and another bucket (`Overrides`).
"""

from dataclasses import dataclass, replace
from typing import Final

from batchway.catalog.google_regions import api_of, is_known
from batchway.domain.overrides import Overrides

STORAGE_URL: Final = "https://storage.googleapis.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One project in one region. `bucket` is `None` where none is named.

    Addresses have no slash at their end. Nothing of it is secret.
    """

    project: str
    region: str
    bucket: str | None = None
    prefix: str = "batchway"
    base_url: str | None = None
    storage_url: str = STORAGE_URL
    readable: tuple[str, ...] = ()

    @property
    def api(self) -> str:
        """The address of the API, before `/v1`."""
        return self.base_url or api_of(self.region)

    @property
    def parent(self) -> str:
        """The resource below which jobs and models are: `projects/P/locations/R`."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def is_known(self) -> bool:
        """Whether the region is in the list."""
        return is_known(self.region)

    def with_(self, overrides: Overrides) -> "Place":
        """The place that a batch asks for. Names are checked where they come in."""
        region = overrides.vertex_region or self.region
        bucket = overrides.vertex_bucket or self.bucket
        return replace(self, region=region, bucket=bucket)
