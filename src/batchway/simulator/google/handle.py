"""Starting a fake of Google: in a thread of the test, or as a process of its own."""

import json
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from batchway.simulator.batches.listening import Listening, in_process, in_thread
from batchway.simulator.batches.remote import Dials, Remote
from batchway.simulator.google.account import Account
from batchway.simulator.google.server import Server


class GoogleFake(Remote):
    """A running fake, by its URL: `url` is the origin of the platform, storage and tokens alike."""

    @property
    def url(self) -> str:
        """The origin."""
        return self.origin

    @property
    def token_uri(self) -> str:
        """Where tokens are had."""
        return f"{self.origin}/token"

    def key(self, *, project: str = "fake-project") -> dict[str, str]:
        """A new service account's key, whose `token_uri` is the fake."""
        return cast("dict[str, str]", self.asked(f"/__key__?project={project}"))

    def key_file(self, path: Path, *, project: str = "fake-project") -> Path:
        """As `key`, written to a file."""
        path.write_text(json.dumps(self.key(project=project)))
        return path

    @property
    def behaviour(self) -> Dials:
        """The dials, as attributes that can be set: `fake.behaviour.shards = 3`."""
        return Dials(self)

    @property
    def state(self) -> "Seen":
        """What has happened so far, as attributes."""
        return Seen(**self.stats())

    def objects(self) -> dict[str, int]:
        """Everything that lies in any bucket now: sizes in bytes by URI."""
        return cast("dict[str, int]", self.brief()["objects"])

    def put(self, uri: str, data: bytes) -> None:
        """Lay an object into a bucket, past every permission."""
        self.asked("/__put__", {"uri": uri, "text": data.decode()})

    def read(self, uri: str) -> bytes:
        """The bytes of an object, past every permission."""
        return cast("str", self.asked("/__read__", {"uri": uri})["text"]).encode()


class Seen(SimpleNamespace):
    """The stats of `Account.stats` as attributes: `jobs`, `objects`, `paid`, `deleted`, …"""

    jobs: list[dict[str, Any]]
    deleted: list[dict[str, Any]]
    creates: list[dict[str, str]]
    objects: dict[str, int]
    deletes: list[str]
    paid: dict[str, dict[str, int]]
    lines_by_id: dict[str, int]
    lines_by_digest: dict[str, int]
    online_by_digest: dict[str, int]


@asynccontextmanager
async def serving(
    *, port: int = 0, behaviour: Mapping[str, Any] | None = None
) -> AsyncGenerator[str]:
    """Serve on this event loop; yields the origin."""
    folder = Path(tempfile.mkdtemp(prefix="fake-google-"))
    account = Account(folder=folder, behaviour=behaviour or {})
    listening = Listening(server=lambda down: Server(account=account, down=down).handle, port=port)
    try:
        yield await listening.start()
    finally:
        await listening.close()
        await account.close()


@contextmanager
def running(*, port: int = 0, **behaviour: Any) -> Generator[GoogleFake]:
    """A fake in a thread of its own."""
    with in_thread("google", serving(port=port, behaviour=behaviour)) as origin:
        yield GoogleFake(origin=origin)


@contextmanager
def process(*, port: int = 0, **behaviour: Any) -> Generator[GoogleFake]:
    """A fake in a process of its own: it survives whatever is killed around it."""
    arguments = ("--port", str(port), "--behaviour", json.dumps(behaviour))
    with in_process("google", "batchway.simulator.google", arguments) as origin:
        yield GoogleFake(origin=origin)
