"""Whether a bucket can be used for jobs in a region, before anything is brought to it.

    it exists                                     its location is asked for, where that is allowed
    it is where the job runs                      Vertex AI tells otherwise hours later
    the account may write, see and remove there   a small object is

What was found to be well is believed for a while. The service agent of Vertex AI, which reads and
writes for the job, cannot be tried from here: what it may not do, the job says (`job_reading`).
"""

from typing import Final

from batchway.catalog.google_regions import GLOBAL
from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Clock
from batchway.providers.google.objects import GsPath, Objects
from batchway.providers.google.storage import CloudStorage

_BELIEVED_SECONDS: Final = 600.0
_MOST_REMEMBERED: Final = 100
# What a location that is no single region begins its regions with. Dual regions hold two of them:
# docs.cloud.google.com/storage/docs/locations
_WIDE: Final = {"us": ("us-",), "eu": ("europe-",), "asia": ("asia-",)}
_DUAL: Final = {
    "nam4": ("us-central1", "us-east1"),
    "eur4": ("europe-north1", "europe-west4"),
    "eur5": ("europe-west1", "europe-west2"),
    "eur7": ("europe-west2", "europe-west3"),
    "eur8": ("europe-west3", "europe-west6"),
    "asia1": ("asia-northeast1", "asia-northeast2"),
}


class Buckets:
    """What is known of an account's buckets. Belongs to one event loop."""

    def __init__(self, *, provider: str, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._well: dict[tuple[str, str], float] = {}

    async def check(
        self, at: GsPath, *, region: str, objects: Objects, storage: CloudStorage
    ) -> None:
        """Raises `RemoteError` when jobs in `region` cannot have their files at `at`."""
        key = (at.bucket, region)
        now = self._clock.monotonic()
        if now < self._well.get(key, 0.0):
            return
        location = await objects.location(at.bucket)
        if location is not None and not reaches(location, region):
            raise RemoteError(
                Trouble.REFUSED,
                f"The bucket '{at.bucket}' is in '{location}', and the provider "
                f"'{self._provider}' runs its jobs in '{region}': name a bucket in '{region}', or "
                "the region of the bucket.",
                code="bucket_in_another_region",
            )
        await storage.probe(at)
        while len(self._well) >= _MOST_REMEMBERED:
            del self._well[next(iter(self._well))]
        self._well[key] = now + _BELIEVED_SECONDS


def reaches(location: str, region: str) -> bool:
    """Whether a bucket's location holds a region. What is not known is not told to be wrong."""
    if region in {GLOBAL, location} or region in _WIDE:
        return True
    if location in _WIDE:
        return region.startswith(_WIDE[location])
    if location in _DUAL:
        return region in _DUAL[location]
    return "-" not in location
