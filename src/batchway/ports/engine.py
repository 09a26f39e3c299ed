"""Durable stories, and the engine that runs them."""

from typing import Protocol


class Story(Protocol):
    """The durable story of a batch, in re-entrant chapters.

    Each chapter may be run again from its start after a crash and then only does what is missing.
    Chapters of a batch that has moved on do nothing.
    """

    async def ingest(self, batch_id: str) -> None:
        """Validate and plan; ends `in_progress`, `failed`, `expired` or `cancelled`."""
        ...

    async def execute(self, batch_id: str) -> None:
        """Run open shards until every line has a result or the batch must stop."""
        ...

    async def finalize(self, batch_id: str) -> None:
        """Merge results into files and make the terminal move."""
        ...


class Engine(Protocol):
    """Runs stories durably: what was started goes on after a crash of this process."""

    async def launch(self, story: Story) -> None:
        """Take up the stories that an earlier life of this executor left, then accept new ones."""
        ...

    async def start(self, batch_id: str) -> None:
        """Start a batch's story; starting twice is harmless."""
        ...

    async def running(self) -> frozenset[str]:
        """Batches whose story this process is running now."""
        ...

    async def prune(self, before: float) -> None:
        """Forget the engine's own rows of stories that ended before that Unix time."""
        ...

    async def close(self) -> None:
        """Stop taking work and let go; unfinished stories go on at the next `launch`."""
        ...
