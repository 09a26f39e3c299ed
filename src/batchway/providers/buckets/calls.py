"""Calls of obstore: in threads, with a few buckets' connections kept, errors read.

    404                                           NOT_FOUND
    another status than 2xx, with an error in XML as the vendor reads it (`ReadStoreRefusal`)
    no connection, no credentials                 UNREACHABLE
    a name that no address can hold               NOT_FOUND
    anything else                                 UNCERTAIN

Owns obstore's connections and exceptions. Does not own how a vendor's store is reached or what its
words mean: see `Service` and `ReadStoreRefusal`.
"""

import asyncio
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from batchway.domain.remote import RemoteError, Trouble
from batchway.providers.buckets.checksums import Checksums
from batchway.providers.http import trouble as remote_trouble
from batchway.providers.http.trouble import Said

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_MOST_BUCKETS: Final = 16  # whose connections are kept
_MOST_READ: Final = 16_384  # characters of an error
_STATUS: Final = re.compile(
    r"status code: ([0-9]{3})[^:]*:? ?(.*?)(?:\n\nDebug source|$)", re.DOTALL
)
_FIELD: Final = re.compile(r"<([A-Za-z]{1,64})>([^<]*)</\1>")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer other than 2xx: its status, and the fields of its `<Error>`, by name.

    There are no fields where an answer has no body (a look at an object), or something else in it.
    """

    status: int
    fields: Mapping[str, str]

    @property
    def code(self) -> str:
        """`AccessDenied`, `NoSuchBucket`, ..."""
        return self.fields.get("Code", "")

    @property
    def message(self) -> str:
        """The sentence beside it."""
        return self.fields.get("Message", "")


# What a refusal means, of a call to a bucket of that name. Never raises.
ReadStoreRefusal = Callable[[str, Refusal], Said]


class Service(Protocol):
    """A vendor's store of objects, as an account uses it."""

    @property
    def title(self) -> str:
        """What sentences call it: `Cloud Storage`."""
        ...

    @property
    def checksums(self) -> Checksums:
        """How it sums objects up."""
        ...

    def connect(self, bucket: str) -> "ObjectStore":
        """A new store of obstore's for a bucket. Called in threads."""
        ...

    async def ready(self) -> None:
        """Raises `RemoteError`, in words about credentials, where there are none to be had."""
        ...

    def secrets(self) -> Collection[str]:
        """Credentials of the last requests: they are cut out of what is said of them."""
        ...


class Stores:
    """An account's connections to buckets. Shared by everything that it does."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._stores: OrderedDict[str, ObjectStore] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, bucket: str) -> "ObjectStore":
        """The connections to a bucket. Called in threads."""
        with self._lock:
            store = self._stores.pop(bucket, None) or self.service.connect(bucket)
            self._stores[bucket] = store
            if len(self._stores) > _MOST_BUCKETS:
                self._stores.popitem(last=False)  # transfers under way hold theirs
            return store

    def close(self) -> None:
        """Let go of connections. Transfers under way end by themselves."""
        with self._lock:
            self._stores.clear()


class Calls:
    """Calls of an account, whose errors `read` reads."""

    def __init__(self, *, provider: str, stores: Stores, read: ReadStoreRefusal) -> None:
        self.provider = provider
        self.service = stores.service
        self._stores = stores
        self._read = read

    async def run(self, work: "Callable[[ObjectStore], T]", bucket: str) -> T:
        """What a call comes to, handed the connections to the bucket.

        Raises:
            RemoteError: it failed, or there are no credentials for it.
        """
        await self.service.ready()
        return await self.go_on(lambda: work(self._stores.of(bucket)), bucket)

    async def go_on(self, work: Callable[[], T], bucket: str) -> T:
        """What the rest of a call that has begun comes to. Raises `RemoteError`."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            return await asyncio.to_thread(work)
        except (BaseError, ValueError, OSError) as error:
            raise self._error(error, bucket) from error

    def uncertain(self, what: str) -> RemoteError:
        """Something was sent, and what is there is not known."""
        return remote_trouble.uncertain(self.provider, what)

    def unreachable(self, why: str) -> RemoteError:
        """Nothing was sent."""
        return remote_trouble.unreachable(self.provider, why)

    def _error(self, error: Exception, bucket: str) -> RemoteError:
        """What an exception of obstore's stands for. It quotes addresses: none is repeated."""
        from obstore.exceptions import InvalidPathError, UnauthenticatedError  # noqa: PLC0415

        text = str(error)[:_MOST_READ]
        refusal = refusal_in(text)
        if refusal is not None:
            return remote_trouble.of_answer(
                self.provider,
                refusal.status,
                b"",
                {},
                read=lambda _body, _header: self._read(bucket, refusal),
                secrets=self.service.secrets(),
                now=0.0,
            )
        match error:
            case FileNotFoundError():
                return RemoteError(
                    Trouble.NOT_FOUND, f"The provider '{self.provider}' has no such file."
                )
            case ValueError():
                return RemoteError(
                    Trouble.NOT_FOUND, f"The provider '{self.provider}' has nothing of that name."
                )
            case InvalidPathError():
                return self.uncertain("has a file there whose name cannot be read")
            case UnauthenticatedError():
                return self.unreachable(f"no credentials for {self.service.title}")
            case _ if "kind: Connect" in text:
                return self.unreachable(f"no connection to {self.service.title}")
            case _:
                return self.uncertain(
                    f"closed the connection to {self.service.title} before its answer was complete"
                )


def refusal_in(text: str) -> Refusal | None:
    """The answer that an exception of obstore's tells of; `None` where there was none."""
    found = _STATUS.search(text)
    if found is None:
        return None
    fields = {name: unescape(value).strip() for name, value in _FIELD.findall(found[2])}
    return Refusal(status=int(found[1]), fields=fields)
