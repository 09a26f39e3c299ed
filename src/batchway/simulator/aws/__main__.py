"""The fake as a process: prints its origins, Bedrock's and S3's, and serves until it is ended."""

import argparse
import asyncio
import json
import signal
from typing import Any

from batchway.simulator.aws.handle import BedrockFake, serving


async def serve(port: int, s3_port: int, bucket: str | None, behaviour: dict[str, Any]) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(port=port, s3_port=s3_port, behaviour=behaviour) as origins:
        if bucket is not None:
            await asyncio.to_thread(BedrockFake(urls=origins).make_bucket, bucket)
        print(origins, flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m batchway.simulator.aws", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--s3-port", type=int, default=0, help="the same, for S3")
    parser.add_argument("--bucket", help="a bucket to make, in us-east-1")
    parser.add_argument("--behaviour", type=json.loads, default={}, help="JSON, see behaviour.py")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.port, given.s3_port, given.bucket, given.behaviour))
    except (RuntimeError, OSError) as problem:  # a package is missing, or a port is taken
        parser.exit(1, f"{problem}\n")


main()
