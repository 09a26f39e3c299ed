"""Buckets and their objects, on disk in a folder of the fake's own.

Owns what an object is, preconditions, listing and checksums; not the two APIs that serve it
(`storage_json`, `storage_xml`). Bodies are never held in memory.
"""

import base64
import hashlib
import os
import shutil
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from batchway.simulator.batches.clock import Clock
from batchway.simulator.google.behaviour import Behaviour, Denied
from batchway.simulator.google.checksums import Crc32c
from batchway.simulator.google.refusals import Refused

_PIECE: Final = 1 << 20
CALLER: Final = "caller@fake-project.iam.gserviceaccount.com"
# The permission whose lack is told for each thing that a caller may not do.
_PERMISSIONS: Final[Mapping[Denied, str]] = {
    "caller_read": "storage.objects.get",
    "caller_write": "storage.objects.create",
    "caller_delete": "storage.objects.delete",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One generation of an object. `md5` is None for what was uploaded in parts (XML API)."""

    bucket: str
    name: str
    path: Path
    size: int
    generation: int
    content_type: str
    crc32c: str
    md5: bytes | None
    created: float
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def etag(self) -> str:
        """As the XML API says it, quoted."""
        if self.md5 is not None:
            return f'"{self.md5.hex()}"'
        return f'"-{self.generation:x}"'

    @property
    def md5_hash(self) -> str | None:
        """Base64, as the JSON API says it."""
        return None if self.md5 is None else base64.b64encode(self.md5).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a listing; `after` is the last name on it when there are more."""

    items: list[StoredObject]
    prefixes: list[str]
    after: str | None


class Objects:
    """All buckets. Every bucket exists, but for those that the behaviour names."""

    def __init__(self, *, folder: Path, clock: Clock, behaviour: Callable[[], Behaviour]) -> None:
        self.deletes: list[str] = []
        self._objects: dict[str, dict[str, StoredObject]] = {}
        self._names: dict[str, list[str]] = {}
        self._folder = folder
        self._clock = clock
        self._behaviour = behaviour
        self._count = 0
        self._generation = 0

    def place(self) -> Path:
        """A path for bytes that are about to come."""
        self._count += 1
        return self._folder / f"{self._count:06}"

    def allowed(self, what: Denied, bucket: str, name: str = "") -> None:
        """Refuse a caller what the behaviour denies. Raises `Refused`."""
        self.there(bucket)
        if what in self._behaviour().bucket_denied:
            resource = f"buckets/{bucket}" + (f"/objects/{name}" if name else "")
            raise Refused(
                403,
                f"{CALLER} does not have {_PERMISSIONS[what]} access to the Google Cloud Storage "
                f"object. Permission '{_PERMISSIONS[what]}' denied on resource "
                f"'//storage.googleapis.com/projects/_/{resource}' (or it may not exist).",
            )

    def there(self, bucket: str) -> None:
        """Raises `Refused` when there is no such bucket."""
        if bucket in self._behaviour().no_such_bucket:
            raise Refused(404, "The specified bucket does not exist.", code_name="NoSuchBucket")

    def put(
        self,
        bucket: str,
        name: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        if_generation: int | None = None,
        in_parts: bool = False,
        metadata: Mapping[str, str] | None = None,
        expected: Mapping[str, str | None] | None = None,
    ) -> StoredObject:
        """Take in bytes that lie at `path`.

        `expected` are checksums that the caller says they have, `md5` and `crc32c` in Base64.

        Raises:
            Refused: the precondition fails, or a checksum is another.
        """
        present = self._objects.get(bucket, {}).get(name)
        if if_generation is not None and if_generation != (
            0 if present is None else present.generation
        ):
            path.unlink(missing_ok=True)
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")
        md5, crc = hashlib.md5(usedforsecurity=False), Crc32c()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                md5.update(piece)
                crc.update(piece)
        sums = {"md5": base64.b64encode(md5.digest()).decode(), "crc32c": crc.base64()}
        for kind, value in (expected or {}).items():
            if value is not None and sums.get(kind, value) != value:
                path.unlink(missing_ok=True)
                raise Refused(
                    400,
                    f"Provided {kind.upper()} hash {value!r} doesn't match calculated "
                    f"{kind.upper()} hash {sums[kind]!r}.",
                    code_name="BadDigest",
                )
        # A generation is the microsecond of its writing, and no two are the same.
        self._generation = max(self._generation + 1, int(self._clock.now() * 1e6))
        stored = StoredObject(
            bucket=bucket,
            name=name,
            path=path,
            size=path.stat().st_size,
            generation=self._generation,
            content_type=content_type,
            crc32c=sums["crc32c"],
            md5=None if in_parts else md5.digest(),
            created=self._clock.now(),
            metadata=dict(metadata or {}),
        )
        objects = self._objects.setdefault(bucket, {})
        if present is not None:
            present.path.unlink()
        else:
            insort(self._names.setdefault(bucket, []), name)
        objects[name] = stored
        return stored

    def write(self, bucket: str, name: str, data: bytes) -> StoredObject:
        """Put bytes that are at hand."""
        path = self.place()
        path.write_bytes(data)
        return self.put(bucket, name, path)

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """The live generation of an object."""
        return self._objects.get(bucket, {}).get(name)

    def get(self, bucket: str, name: str) -> StoredObject:
        """As `find`. Raises `Refused`: there is no such object."""
        found = self.find(bucket, name)
        if found is None:
            raise Refused(404, f"No such object: {bucket}/{name}")
        return found

    def kept(self, uri: str) -> Path:
        """Another name for an object's bytes, which stay under it until it is unlinked."""
        path = self.place()
        os.link(self.get(*split(uri)).path, path)
        return path

    def delete(self, bucket: str, name: str) -> None:
        """Remove an object. Raises `Refused`: there is no such one."""
        # Whoever is reading it has it open, and reads on.
        self.get(bucket, name).path.unlink()
        del self._objects[bucket][name]
        names = self._names[bucket]
        del names[bisect_left(names, name)]
        self.deletes.append(f"gs://{bucket}/{name}")

    def list(self, bucket: str, *, prefix: str, delimiter: str, after: str, limit: int) -> Page:
        """Names that start with `prefix` and sort after `after`, at most `limit`.

        With a delimiter, names that have it behind the prefix are folded into prefixes.
        """
        names = self._names.get(bucket, [])
        objects = self._objects.get(bucket, {})
        items: list[StoredObject] = []
        prefixes: list[str] = []
        last: str | None = None
        for name in names[bisect_left(names, prefix) :]:
            if not name.startswith(prefix):
                break
            folded = name
            if delimiter:
                end = name.find(delimiter, len(prefix))
                if end >= 0:
                    folded = name[: end + len(delimiter)]
            if folded <= after or (prefixes and folded == prefixes[-1]):
                continue
            if len(items) + len(prefixes) >= limit:
                return Page(items=items, prefixes=prefixes, after=last)
            last = folded
            # With a delimiter a folder's own marker is an item only of its own listing.
            if folded == name and not (delimiter and name.endswith(delimiter) and name != prefix):
                items.append(objects[name])
            else:
                prefixes.append(folded)
        return Page(items=items, prefixes=prefixes, after=None)

    def present(self) -> dict[str, int]:
        """Sizes in bytes by URI of everything that lies in any bucket."""
        return {
            f"gs://{bucket}/{name}": stored.size
            for bucket, objects in self._objects.items()
            for name, stored in objects.items()
        }

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


def split(uri: str) -> tuple[str, str]:
    """Bucket and name of `gs://bucket/name`. Raises `ValueError`: it is none."""
    if not uri.startswith("gs://"):
        raise ValueError("not a URI of Cloud Storage")
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not bucket:
        raise ValueError("no bucket")
    return bucket, name
