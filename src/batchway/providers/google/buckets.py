"""Which of Vertex AI's regions a bucket's location holds.

Source: docs.cloud.google.com/storage/docs/locations
"""

from typing import Final

from batchway.catalog.google_regions import GLOBAL

# What a location that is no single region begins its regions with. Dual regions hold two of them.
_WIDE: Final = {"us": ("us-",), "eu": ("europe-",), "asia": ("asia-",)}
_DUAL: Final = {
    "nam4": ("us-central1", "us-east1"),
    "eur4": ("europe-north1", "europe-west4"),
    "eur5": ("europe-west1", "europe-west2"),
    "eur7": ("europe-west2", "europe-west3"),
    "eur8": ("europe-west3", "europe-west6"),
    "asia1": ("asia-northeast1", "asia-northeast2"),
}


def reaches(location: str, region: str) -> bool:
    """Whether a bucket's location holds a region. What is not known is not told to be wrong."""
    if region in {GLOBAL, location} or region in _WIDE:
        return True
    if location in _WIDE:
        return region.startswith(_WIDE[location])
    if location in _DUAL:
        return region in _DUAL[location]
    return "-" not in location
