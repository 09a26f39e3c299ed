"""Starting fakes of batch APIs: in a thread of the test, or as processes of their own."""

import json
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from batchway.simulator.batches.listening import Listening, in_process, in_thread
from batchway.simulator.batches.office import Office
from batchway.simulator.batches.remote import Remote
from batchway.simulator.batches.server import Server
from batchway.simulator.batches.vendors import VENDORS


class Fake(Remote):
    """A running fake, by its URLs.

    `base_url` is what a client is configured with: the origin with the vendor's path, for Azure
    without one.
    """

    def __init__(self, *, vendor: str, origin: str) -> None:
        super().__init__(origin=origin)
        self.vendor = vendor
        self.base_url = origin + ("" if vendor == "azure" else VENDORS[vendor].base)


@asynccontextmanager
async def serving(
    vendor: str, *, port: int = 0, behaviour: Mapping[str, Any] | None = None
) -> AsyncGenerator[str]:
    """Serve on this event loop; yields the origin."""
    folder = Path(tempfile.mkdtemp(prefix=f"fake-{vendor}-"))
    office = Office(vendor=VENDORS[vendor], folder=folder, behaviour=behaviour or {})
    listening = Listening(server=lambda down: Server(office=office, down=down).handle, port=port)
    try:
        yield await listening.start()
    finally:
        await listening.close()
        await office.jobs.close()
        office.store.close()


@contextmanager
def running(vendor: str, *, port: int = 0, **behaviour: Any) -> Generator[Fake]:
    """A fake in a thread of its own."""
    with in_thread(vendor, serving(vendor, port=port, behaviour=behaviour)) as origin:
        yield Fake(vendor=vendor, origin=origin)


@contextmanager
def process(vendor: str, *, port: int = 0, **behaviour: Any) -> Generator[Fake]:
    """A fake in a process of its own: it survives whatever is killed around it."""
    arguments = ("--vendor", vendor, "--port", str(port), "--behaviour", json.dumps(behaviour))
    with in_process(vendor, "batchway.simulator.batches", arguments) as line:
        yield Fake(vendor=vendor, origin="/".join(line.split("/", 3)[:3]))
