"""The fake as a process: prints its origins, and serves until it is ended."""

import argparse
import asyncio
import json
import signal
from typing import Any

from batchway.simulator.aws.handle import serving


async def serve(port: int, behaviour: dict[str, Any]) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(port=port, behaviour=behaviour) as origins:
        print(origins, flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m batchway.simulator.aws", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--behaviour", type=json.loads, default={}, help="JSON, see behaviour.py")
    given = parser.parse_args()
    asyncio.run(serve(given.port, given.behaviour))


main()
