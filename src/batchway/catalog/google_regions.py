"""Where Vertex AI is, and where its regions have their API, as data.

Source: docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations
"""

from typing import Final

GLOBAL: Final = "global"
# The regions that are known (2026-11, not read off one page). Another one may be new: it is used,
# and doubted only when nothing answers there.
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


def api_of(region: str) -> str:
    """The address of a region's API, before `/v1`: also of a multi-region, and of `global`."""
    if region == GLOBAL:
        return "https://aiplatform.googleapis.com"
    if region in _MULTI_REGIONS:
        return f"https://aiplatform.{region}.rep.googleapis.com"
    return f"https://{region}-aiplatform.googleapis.com"


def is_known(region: str) -> bool:
    """Whether a region is in the list."""
    return region in _REGIONS | _MULTI_REGIONS | {GLOBAL}
