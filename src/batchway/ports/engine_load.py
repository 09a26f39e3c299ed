"""What an inference engine says of itself."""

from typing import Protocol


class EngineMetrics(Protocol):
    """The metrics of one engine. Belongs to one event loop."""

    async def read(self) -> bytes | None:
        """Its metrics in Prometheus' text format; `None` when it has none or does not answer.

        At most a MiB, within a few seconds. Never raises for what the engine does.
        """
        ...
