"""An engine that is loaded and launched when the first story needs it.

    idle --start--> launching --> launched      (the next start tries again one that fails)

Loading DBOS takes a third of a second and twenty megabytes, its threads and polls not counted; a
server that is idle, or runs short batches only (`workflows.starter`), has no use for it. What an
earlier life of this executor left is taken up at the launch, which the sweep brings about: batches
that have not ended are in the ledger. Owns when; does not own what an engine does.
"""

import asyncio
from collections.abc import Callable

from batchway.ports import Engine, Story


class LateEngine:
    """`ports.Engine` over the one that `load` makes. `load` is called in a thread."""

    def __init__(self, *, load: Callable[[], Engine]) -> None:
        self._load = load
        self._engine: Engine | None = None
        self._story: Story | None = None
        self._launching = asyncio.Lock()
        self._closed = False

    async def launch(self, story: Story) -> None:
        """Remember whose stories these are."""
        self._story = story

    async def start(self, batch_id: str) -> None:
        """Start a batch's story, on an engine that is launched if it was not."""
        engine = self._engine or await self._launched()
        if engine is not None:
            await engine.start(batch_id)

    async def running(self) -> frozenset[str]:
        """Batches whose story the engine is running now."""
        return frozenset() if self._engine is None else await self._engine.running()

    async def prune(self, before: float) -> None:
        """Forget old rows; without a story in this life there are none that matter."""
        if self._engine is not None:
            await self._engine.prune(before)

    async def close(self) -> None:
        """Stop taking work and let go."""
        async with self._launching:
            self._closed = True
            if self._engine is not None:
                await self._engine.close()

    async def _launched(self) -> Engine | None:
        """The engine; `None` when this one has been closed meanwhile."""
        async with self._launching:
            if self._engine is None and not self._closed:
                if self._story is None:
                    raise RuntimeError("an engine is launched before it starts anything")
                engine = await asyncio.to_thread(self._load)
                await engine.launch(self._story)
                self._engine = engine
            return None if self._closed else self._engine
