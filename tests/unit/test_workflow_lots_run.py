"""Lots as they are run: who reads which line, and how a batch of several ends."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.parts import new_finalize
from tests.unit.fakes import CHAT, MemoryBlob, a_batch, fresh_ledger
from tests.unit.lots_world import Formed, file_of, scanned, shaped
from tests.unit.native_world import World, run

from batchway.domain.call import Call
from batchway.domain.routing import Choice
from batchway.domain.shard import Mode
from batchway.domain.status import BatchStatus
from batchway.lines.envelope import LineReader
from batchway.lines.shard_lines import ShardReader
from batchway.ports import Dialect, Encoded, Unfaithful
from batchway.workflows.run import Ending

# ----------------------------------------------------------------------------- reading


def test_a_line_that_can_no_longer_be_read_is_told_to_the_shard_that_has_it() -> None:
    lines = [shaped("a", x="s"), shaped("b", x="o"), shaped("c", x="s"), shaped("d", x="o")]
    shards, _, _ = scanned(*lines)
    broken = lines[1].replace(b'"POST"', b'"post"')
    data = file_of(lines[0], broken, *lines[2:])
    for shard, expected, told in ((shards[0], ["a", "c"], []), (shards[1], ["d"], [(2, "b")])):
        unreadable: list[tuple[int, str]] = []

        def tell(line: int, name: str, told: list[tuple[int, str]] = unreadable) -> None:
            told.append((line, name))

        reading = ShardReader(
            MemoryBlob(data),
            "input",
            shard,
            reader=LineReader(endpoint=CHAT),
            unreadable=tell,
        )
        assert [request.custom_id for _, request in _all(reading)] == expected
        assert unreadable == told


def _all(reading: ShardReader) -> Iterator[tuple[int, Any]]:
    while (piece := reading.next()) is not None:
        yield from piece


# ----------------------------------------------------------------------------- a whole batch


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        yield World(ledger, tmp_path)


class Users(Formed):
    """Lines' shapes and words by their `user`, which is their number."""

    unsaid: Sequence[str] = ("u2", "u5")
    objects: Sequence[str] = ("u1", "u4")

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        user = json.loads(body)["user"]
        if user in self.unsaid and self._mode is Mode.NATIVE:
            return Unfaithful("user", "Not in a batch.")
        kind = "o" if user in self.objects else "s"
        return Encoded((body,), b"", ("user",), (("x", kind),))


class LaterUsers(Users):
    """As another release sees them."""

    objects = ("u0", "u4", "u5")


def natively(dialect: type[Users]) -> Callable[[Call], Dialect]:
    return lambda _: dialect(Mode.NATIVE)


@pytest.mark.parametrize("later", [Users, LaterUsers])
@pytest.mark.parametrize("mode", [Choice.AUTO, Choice.NATIVE])
async def test_a_batch_of_several_lots(world: World, mode: Choice, later: type[Users]) -> None:
    world.speaks = lambda _provider, _call, mode: Users(mode)
    world.vendor.traits = replace(world.vendor.traits, max_lines=9)
    world.account = replace(world.account, traits=world.vendor.traits, mode=mode)
    batch = await world.begin(7, rescue=False)
    # Whatever the dialect says by the time of the run: it was decided when the batch began.
    world.vendor.new_dialect = natively(later)
    assert batch.warnings == {"user": 7 if mode is Choice.AUTO else 5}
    assert await run(world) == (Ending.DONE, [])
    sent = [sorted(str(row["custom_id"]) for row in rows) for rows in world.vendor.inputs.values()]
    assert sorted(sent) == [
        ["r0000000000", "r0000000006", "r0000000012"],
        ["r0000000002", "r0000000008"],
    ]
    open_ = await world.ledger.shards.open(a_batch().id)
    found = await world.results()
    if mode is Choice.AUTO:
        assert found == world.good(0, 1, 3, 4, 6)
        assert [(s.group, s.mode, s.lines) for s in open_] == [("online p/m", Mode.MANAGED, 2)]
    else:
        unsaid = (0, "unsupported_parameter")
        assert found == {**world.good(0, 1, 3, 4, 6), "id-2": unsaid, "id-5": unsaid}
        assert open_ == []


async def test_a_batch_of_several_lots_that_is_cancelled_has_every_line_once(world: World) -> None:
    world.speaks = lambda _provider, _call, mode: Users(mode)
    world.account = replace(world.account, mode=Choice.AUTO)
    batch = await world.begin(7)
    assert len(await world.ledger.shards.plan(batch.id)) == 3
    await world.ledger.batches.move(batch.id, BatchStatus.CANCELLING, at=1)
    finalize = new_finalize(ledger=world.ledger, blobs=world.blobs, clock=world.clock)
    assert await finalize.run(await world.load())
    ended = await world.load()
    assert ended.error_file_id is not None
    file = await world.ledger.files.get(ended.tenant, ended.error_file_id)
    assert file is not None
    rows = world.blobs.read(file.blob, 0, 1 << 20).splitlines()
    assert [json.loads(row)["custom_id"] for row in rows] == [f"id-{n}" for n in range(7)]
