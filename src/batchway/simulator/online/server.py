"""The simulator on a socket.

Owns the listening socket, the composition of the parts with a real clock and dice, and the running
of a whole process. What is answered is `simulator`'s.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable
from typing import Final

from batchway.simulator.online.protocol import Connection
from batchway.simulator.online.settings import SimulatorSettings
from batchway.simulator.online.simulator import Simulator

if sys.platform != "win32":
    import resource

    import uvloop

# Thousands of clients connect in the same instant when a batch starts.
_BACKLOG: Final = 4096
_FILES: Final = 65_536


async def serve(settings: SimulatorSettings, *, ready: Callable[[str], None]) -> None:
    """Serve until cancelled.

    `ready` is called once with the base URL, such as `http://127.0.0.1:9009/v1`, when the socket
    listens. Cancelling closes the socket and drops every connection.

    Raises:
        OSError: the address cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    simulator = Simulator(
        settings=settings,
        clock=time.monotonic,
        now=time.time,
        # Never the seed: ids must differ between two runs, and seeded choices need no dice.
        dice=random.Random(),  # noqa: S311 - simulated misfortune, not secrets
    )
    connections: set[Connection] = set()
    server = await loop.create_server(
        lambda: Connection(application=simulator, connections=connections),
        settings.host,
        settings.port,
        backlog=_BACKLOG,
    )
    port: int = server.sockets[0].getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        ready(f"http://{host}:{port}/v1")
        await loop.create_future()
    finally:
        server.close()
        for connection in list(connections):
            connection.abort()
        await server.wait_closed()


def run(settings: SimulatorSettings, *, ready: Callable[[str], None]) -> None:
    """Serve for the rest of this process's life, until interrupted.

    Raises:
        OSError: the address cannot be listened on.
    """
    loop_factory = None
    if sys.platform != "win32":
        loop_factory = uvloop.new_event_loop
        # The usual soft limit of 1,024 files is fewer than the connections of one busy batch.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve(settings, ready=ready))
    except KeyboardInterrupt:
        return
