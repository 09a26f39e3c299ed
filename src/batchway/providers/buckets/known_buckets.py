"""Whether a bucket can be used for jobs in a region, before anything is brought to it.

    it exists                                     its location is asked for, where that is allowed
    it is where the job runs                      services tell otherwise when the job has waited
    the account may write, see and remove there   a small object is

What was found to be well is believed for a while. What the service itself may do there, which reads
and writes for the job, cannot be tried from here.
"""

from collections.abc import Callable
from typing import Final

from batchway.domain.remote import RemoteError, Trouble
from batchway.ports import Clock
from batchway.providers.buckets.addresses import Address
from batchway.providers.buckets.objects import Objects
from batchway.providers.buckets.transfer import Transfer

_BELIEVED_SECONDS: Final = 600.0
_MOST_REMEMBERED: Final = 100

# Whether jobs in a region can use a bucket at a location: `(location, region)`.
Reaches = Callable[[str, str], bool]


class KnownBuckets:
    """What is known of an account's buckets. Belongs to one event loop."""

    def __init__(self, *, provider: str, clock: Clock, reaches: Reaches) -> None:
        self._provider = provider
        self._clock = clock
        self._reaches = reaches
        self._well: dict[tuple[str, str], float] = {}

    async def check(
        self, at: Address, *, region: str, objects: Objects, transfer: Transfer
    ) -> None:
        """Raises `RemoteError` when jobs in `region` cannot have their files at `at`."""
        key = (at.bucket, region)
        now = self._clock.monotonic()
        if now < self._well.get(key, 0.0):
            return
        location = await objects.location(at.bucket)
        if location is not None and not self._reaches(location, region):
            raise RemoteError(
                Trouble.REFUSED,
                f"The bucket '{at.bucket}' is in '{location}', and the provider "
                f"'{self._provider}' runs its jobs in '{region}': name a bucket in '{region}', or "
                "the region of the bucket.",
                code="bucket_in_another_region",
            )
        await transfer.probe(at)
        while len(self._well) >= _MOST_REMEMBERED:
            del self._well[next(iter(self._well))]
        self._well[key] = now + _BELIEVED_SECONDS
