"""One fake as a process: prints its base URL, and serves until it is ended."""

import argparse
import asyncio
import json
import signal
from typing import Any

from batchway.simulator.batches.handle import Fake, serving
from batchway.simulator.batches.vendors import VENDORS


async def serve(vendor: str, port: int, behaviour: dict[str, Any]) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(vendor, port=port, behaviour=behaviour) as origin:
        print(Fake(vendor=vendor, origin=origin).base_url, flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m batchway.simulator.batches", description=__doc__
    )
    parser.add_argument("--vendor", choices=sorted(VENDORS), required=True)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--behaviour", type=json.loads, default={}, help="JSON, see behaviour.py")
    parser.add_argument("--discard", action="store_true", help="answer lines without reading them")
    given = parser.parse_args()
    behaviour: dict[str, Any] = {**given.behaviour}
    if given.discard:
        behaviour["discard"] = True
    asyncio.run(serve(given.vendor, given.port, behaviour))


main()
