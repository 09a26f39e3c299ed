"""Where an account's calls, its jobs and their files go.

    project, region    whose they are, and where they run: `global`, a multi-region, or a region
    bucket, prefix     where inputs and results of jobs lie in Cloud Storage
    base_url           the address of the API, in place of the region's own
    storage_url        the address of Cloud Storage
    readable           below which addresses of objects lines may name any: `gs://bucket/prefix/`

A batch may name another region and another bucket (`Overrides`). Source:
docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations
"""

from dataclasses import dataclass, replace
from typing import Final

from batchway.domain.overrides import Overrides

STORAGE_URL: Final = "https://storage.googleapis.com"
GLOBAL: Final = "global"
# Where Vertex AI is: docs.cloud.google.com/vertex-ai/docs/general/locations (2026-11). Another one
# may be new: it is used, and doubted only when nothing answers there.
_NUMBERS: Final = {
    "africa-south": (1,),
    "asia-east": (1, 2),
    "asia-northeast": (1, 2, 3),
    "asia-south": (1, 2),
    "asia-southeast": (1, 2),
    "australia-southeast": (1, 2),
    "europe-central": (2,),
    "europe-north": (1, 2),
    "europe-southwest": (1,),
    "europe-west": (1, 2, 3, 4, 6, 8, 9, 10, 12),
    "me-central": (1, 2),
    "me-west": (1,),
    "northamerica-northeast": (1, 2),
    "northamerica-south": (1,),
    "southamerica-east": (1,),
    "southamerica-west": (1,),
    "us-central": (1,),
    "us-east": (1, 4, 5),
    "us-south": (1,),
    "us-west": (1, 2, 3, 4),
}
_REGIONS: Final = frozenset(f"{area}{n}" for area, numbers in _NUMBERS.items() for n in numbers)
# Multi-regions have hosts of another form than regions.
_MULTI_REGIONS: Final = frozenset({"us", "eu"})


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
        if self.base_url is not None:
            return self.base_url
        if self.region == GLOBAL:
            return "https://aiplatform.googleapis.com"
        if self.region in _MULTI_REGIONS:
            return f"https://aiplatform.{self.region}.rep.googleapis.com"
        return f"https://{self.region}-aiplatform.googleapis.com"

    @property
    def parent(self) -> str:
        """The resource below which jobs and models are: `projects/P/locations/R`."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def is_known(self) -> bool:
        """Whether the region is in the list."""
        return self.region in _REGIONS | _MULTI_REGIONS | {GLOBAL}

    def with_(self, overrides: Overrides) -> "Place":
        """The place that a batch asks for. Names are checked where they come in."""
        region = overrides.vertex_region or self.region
        bucket = overrides.vertex_bucket or self.bucket
        return replace(self, region=region, bucket=bucket)
