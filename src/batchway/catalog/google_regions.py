"""Where Vertex AI's regions have their API, as data.

Source: docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations
"""

from typing import Final

GLOBAL: Final = "global"
# Multi-regions have hosts of another form than regions.
_MULTI_REGIONS: Final = frozenset({"us", "eu"})


def api_of(region: str) -> str:
    """The address of a region's API, before `/v1`: also of a multi-region, and of `global`."""
    if region == GLOBAL:
        return "https://aiplatform.googleapis.com"
    if region in _MULTI_REGIONS:
        return f"https://aiplatform.{region}.rep.googleapis.com"
    return f"https://{region}-aiplatform.googleapis.com"
