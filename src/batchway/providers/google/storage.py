"""Cloud Storage as the wing of buckets sees it: connections, credentials, checksums, errors.

Owns the stores of obstore (the `google` extra) and the words of its XML API. Bytes are
`buckets.transfer`'s, everything without bytes is `objects`'.
"""

import base64
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import msgspec

from batchway.providers.buckets.calls import ReadStoreRefusal, Refusal
from batchway.providers.buckets.checksums import Checksums
from batchway.providers.google.credentials import Tokens
from batchway.providers.google.objects import TITLE
from batchway.providers.google.place import Place
from batchway.providers.google.refusal import said_in
from batchway.providers.http.secrets import SentSecrets
from batchway.providers.http.session import Timeouts
from batchway.providers.http.trouble import Said

if TYPE_CHECKING:
    from obstore.store import GCSStore

MISSING_EXTRA: Final = (
    "Cloud Storage needs the packages obstore and google-crc32c: install `batchway[google]`"
)

_RETRIES: Final = 3
_RETRY_SECONDS: Final = 30.0


class Crc32c:
    """`buckets.checksums.Sum` as Cloud Storage writes it, however many parts a file goes in."""

    def __init__(self, part: int) -> None:
        import google_crc32c  # noqa: PLC0415 - an extra

        del part
        self._sum: Any = google_crc32c.Checksum()

    def update(self, data: bytes, /) -> None:
        """The next bytes."""
        self._sum.update(data)

    @property
    def text(self) -> str:
        """In base64."""
        return base64.b64encode(self._sum.digest()).decode()


class CloudStorage:
    """`buckets.calls.Service` at one address (`base`).

    Raises:
        ValueError: obstore is not installed.
    """

    def __init__(self, *, base: str, tokens: Tokens, timeouts: Timeouts) -> None:
        if find_spec("obstore") is None or find_spec("google_crc32c") is None:
            raise ValueError(MISSING_EXTRA)
        self.title = TITLE
        self.checksums = Checksums(new=Crc32c, sure=True)
        self._base = base
        self._tokens = tokens
        self._timeouts = timeouts
        self._sent = SentSecrets()

    def connect(self, bucket: str) -> "GCSStore":
        """See `buckets.calls.Service`."""
        from obstore.store import GCSStore  # noqa: PLC0415 - an extra

        timeouts = self._timeouts
        return GCSStore(
            bucket,
            # Or an environment that asks for no signature would win.
            config={"base_url": self._base, "skip_signature": False},
            credential_provider=self._credential,
            client_options={
                "allow_http": self._base.startswith("http://"),
                "connect_timeout": timedelta(seconds=timeouts.connect),
                "timeout": timedelta(seconds=timeouts.idle),
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=min(_RETRY_SECONDS, timeouts.idle)),
            },
        )

    async def ready(self) -> None:
        """A token that is not to be had tells so in its own words."""
        await self._tokens.authorization()

    def secrets(self) -> Collection[str]:
        """Those of late requests."""
        return self._sent.all()

    def _credential(self) -> Any:
        """What obstore asks for when it has no token, or one that ends soon; in a thread."""
        token = self._tokens.token()
        self._sent.keep(token.value)
        return {"token": token.value, "expires_at": datetime.fromtimestamp(token.until, UTC)}


def storage_refusals_at(place: Place) -> ReadStoreRefusal:
    """What reads the errors of its XML API, as those of Google's others are."""

    def read(bucket: str, refusal: Refusal) -> Said:
        words = " ".join(filter(None, (refusal.message, refusal.fields.get("Details", ""))))
        error = {"code": refusal.status, "message": words}
        return said_in(msgspec.json.encode({"error": error}), replace(place, bucket=bucket))

    return read
