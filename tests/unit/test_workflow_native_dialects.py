"""`workflows.native` over a dialect that is not OpenAI's: lines of several requests, lines whose
answers need a context to be read, and lines that cannot be said.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from tests.unit.fakes import CHAT, a_batch, fresh_ledger
from tests.unit.native_world import World, answer, counts, run

from batchway.dialects.line_ids import line_id
from batchway.dialects.openai.framing import OpenAIFraming
from batchway.domain.batch import RequestCounts, Usage
from batchway.domain.call import Call
from batchway.domain.remote import JobStage
from batchway.domain.shard import Mode
from batchway.domain.status import BatchStatus
from batchway.lines.envelope import Request
from batchway.lines.shard_lines import LineTable
from batchway.ports import Encoded, Refused, Result, Size, Unfaithful
from batchway.results.records import Records
from batchway.results.segments import merged
from batchway.workflows.native.results import Join
from batchway.workflows.run import Ending

USAGE = Usage(input_tokens=1, output_tokens=1)


class Toy:
    """Says each line three times; those of the users `unsaid` it cannot say at all.

    Whose line an answer is for stands in its context alone.
    """

    unsaid: Sequence[str] = ()

    def __init__(self, call: Call) -> None:
        self._model = call.model

    @property
    def faithful(self) -> bool:
        return False

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        user: str = json.loads(body)["user"]
        if user in self.unsaid:
            return Unfaithful(param="user", why="It has no word for it.")
        return Encoded(tuple(b'{"say":%d}' % part for part in range(3)), context=user.encode())

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        if status != 200:
            error = b'{"error":{"message":"toy"}}'
            return Refused(
                status=status, code="", kind="", message="", of_account=False, body=error
            )
        of = json.loads(body)["of"]
        return Result(json.dumps({"of": of, "user": context.decode()}).encode(), USAGE)

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        said = [json.loads(result.body)["of"][-2:] for result in results]
        body = {"of": json.loads(results[0].body)["of"], "all": said, "user": context.decode()}
        return Result(json.dumps(body).encode(), USAGE)

    def measure(self, body: bytes) -> Size:
        return Size(tokens=len(body))


@pytest.fixture
async def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    async with fresh_ledger(tmp_path, tmp_path_factory) as ledger:
        world = World(ledger, tmp_path)
        world.vendor.new_dialect = Toy
        yield world


async def bodies(world: World) -> dict[str, object]:
    """The bodies of what is committed, or the code of the error, by custom_id."""
    found: dict[str, object] = {}
    for shard in await world.ledger.shards.plan(a_batch().id):
        segments = await world.ledger.shards.segments(a_batch().id, shard.number)
        for _, _, record in merged(world.blobs, segments):
            row = json.loads(record)
            response = row["response"]
            found[row["custom_id"]] = response["body"] if response else row["error"]["code"]
    return found


async def test_a_line_is_joined_of_all_its_rows(world: World) -> None:
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    (sent,) = world.vendor.inputs.values()
    assert [row["custom_id"] for row in sent[:4]] == [
        "r0000000000", "p0000000001", "p0000000002", "r0000000002",
    ]  # fmt: skip
    assert world.vendor.orders[0].lines == 9
    assert await bodies(world) == {
        f"id-{n}": {"of": f"r000000000{2 * n}", "all": [f"0{2 * n}", "01", "02"], "user": f"u{n}"}
        for n in range(3)
    }


@pytest.mark.parametrize("rescue", [False, True])
async def test_a_line_without_all_its_rows_is_missing(world: World, rescue: bool) -> None:
    world.vendor.rows = lambda lines: [answer(line) for line in lines[:-1]]
    await world.begin(3, rescue=rescue)
    assert await run(world) == (Ending.DONE, [0] if rescue else [])
    found = await bodies(world)
    assert found.get("id-2") == (None if rescue else "missing_result")
    assert len(found) == (2 if rescue else 3)


@pytest.mark.parametrize(
    ("statuses", "left"),
    [((200, 400, 503), False), ((200, 200, 503), True), ((503, 200, 400), False)],
)
async def test_the_most_final_of_its_rows_decides(
    world: World, statuses: tuple[int, ...], left: bool
) -> None:
    def rows(lines: list[dict[str, object]]) -> list[bytes]:
        return [answer(line, statuses[n % 3]) for n, line in enumerate(lines)]

    world.vendor.rows = rows
    await world.begin(1, rescue=True)
    assert await run(world) == (Ending.DONE, [0] if left else [])
    toy_error = {"error": {"message": "toy"}}
    assert await bodies(world) == ({} if left else {"id-0": toy_error})


@pytest.mark.parametrize("rescue", [False, True])
@pytest.mark.parametrize("unsaid", [1, 3])
async def test_a_line_that_cannot_be_said(
    world: World, monkeypatch: pytest.MonkeyPatch, rescue: bool, unsaid: int
) -> None:
    monkeypatch.setattr(Toy, "unsaid", [f"u{n}" for n in range(unsaid)])
    await world.begin(3, rescue=rescue)
    assert await run(world) == (Ending.DONE, [0] if rescue else [])
    found = await bodies(world)
    errors = {f"id-{n}": "unsupported_parameter" for n in range(0 if rescue else unsaid)}
    assert {name: code for name, code in found.items() if isinstance(code, str)} == errors
    assert len(found) == (3 - unsaid if rescue else 3)
    assert [order.lines for order in world.vendor.orders] == ([] if unsaid == 3 else [6])
    still_open = await world.ledger.shards.open(a_batch().id)
    assert [shard.mode for shard in still_open] == ([Mode.MANAGED] if rescue else [])
    assert [record.stage for record in await world.jobs()] == [JobStage.ENDED]


@pytest.mark.parametrize("shown", [None, counts(3)])
async def test_a_line_that_cannot_be_said_is_no_row_that_has_come(
    world: World, monkeypatch: pytest.MonkeyPatch, shown: RequestCounts | None
) -> None:
    """The rows of the others come late: they are asked for again as if it were not there."""
    monkeypatch.setattr(Toy, "unsaid", ["u0", "u1"])
    late = True

    def rows(lines: list[dict[str, object]]) -> list[bytes]:
        early = 0 if shown is None else 2
        return [answer(line) for line in (lines[:early] if late else lines)]

    async def hook(what: str) -> None:
        nonlocal late
        if what == "before fetch" and world.vendor.looks.get("job-0", 0) > 3:
            late = False

    world.vendor.script = [{"status": BatchStatus.COMPLETED, "counts": shown}]
    world.vendor.rows, world.vendor.hook = rows, hook
    await world.begin(3)
    assert await run(world) == (Ending.DONE, [])
    found = await bodies(world)
    assert [isinstance(found[f"id-{n}"], str) for n in range(3)] == [True, True, False]


def test_rows_of_a_line_that_is_done_come_again() -> None:
    """However many requests it was: a run that goes on after a crash does not know that."""
    table = LineTable(Toy(Call(CHAT, "m")))
    body = b'{"model":"m","messages":[],"user":"u"}'
    requests = [(n, Request(custom_id=f"id-{n}", model="m", body=body)) for n in range(2)]
    table.add(requests, {0})
    join = Join(
        table=table,
        framing=OpenAIFraming(endpoint=CHAT),
        dialect=Toy(Call(CHAT, "m")),
        records=Records(random_bytes=bytes),
        leave=lambda _: False,
        provider="far",
    )
    ids = [line_id(n, part).decode() for n in range(2) for part in range(3)]
    rows = [answer({"custom_id": name}) for name in [line_id(1, 3).decode(), *ids]]
    assert [result.line for result in join.take(b"\n".join(rows), last=True)] == [1]
    assert (join.rows, join.duplicates, join.unknown) == (6, 3, 1)


def test_contexts_belong_to_their_lines() -> None:
    """Equal ones are kept once, up to a number; none is another line's, before or behind it."""
    users = ["", "", "a", "b", "a", "", *(f"u-{n}" for n in range(1_500)), "a", "u-7", "u-1499", ""]
    table = LineTable(Toy(Call(CHAT, "m")))
    done = {3}
    table.add(
        [
            (n, Request(custom_id="", model="m", body=json.dumps({"user": user}).encode()))
            for n, user in enumerate(users)
        ],
        done,
    )
    found = [table.context(n).decode() for n in range(len(users))]
    assert found == ["" if n in done else user for n, user in enumerate(users)]
