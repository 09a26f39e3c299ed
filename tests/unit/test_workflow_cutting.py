"""`workflows.plan`: lines in dialects that cannot say everything, and jobs of a least number."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.fakes import CHAT, MemoryBlob, chat

from batchway.domain.batch import BatchError, Usage
from batchway.domain.group import Group, GroupTarget
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Destination, Resolution, Target
from batchway.domain.shard import Mode, Shard
from batchway.lines.envelope import LineReader
from batchway.lines.shard_lines import read_requests
from batchway.ports import Dialect, Encoded, Refused, Result, Size, Unfaithful
from batchway.workflows.plan.scan import Scan, ScanLimits

NATIVE, MANAGED = Mode.NATIVE, Mode.MANAGED


class Picky:
    """A dialect of a model that knows no such words, and makes a request of each `+`."""

    def __init__(self, *cannot: str, faithful: bool = False) -> None:
        self.cannot = cannot
        self.faithful = faithful
        self.asked = 0

    def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
        assert named
        self.asked += 1
        if b'"broken"' in body:
            raise ValueError("no request")
        for word in self.cannot:
            if word.encode() in body:
                return Unfaithful(param=word, why=f"It does not know {word}.")
        return Encoded((b"x" * 10,) * (1 + body.count(b"+")))

    def decode(
        self, status: int, body: bytes, context: bytes, *, at: int = 0
    ) -> Result | Refused | None:
        return None

    def join(self, results: Sequence[Result], context: bytes) -> Result:
        return Result(b"{}", Usage())

    def measure(self, body: bytes) -> Size:
        return Size(tokens=len(body), inputs=1)


def to(
    *providers: str,
    fallbacks: Sequence[str] = (),
    mode: Mode = Mode.MANAGED,
    may_go_online: bool = False,
    **traits: Any,
) -> Callable[[str], Resolution]:
    """Every model goes to these providers; `m/...` to a group of its own."""
    limits: dict[str, Any] = {
        "endpoints": frozenset({CHAT}),
        "max_lines": 100,
        "max_bytes": 1 << 20,
    }

    def resolve(model: str) -> Resolution:
        return Destination(
            group=f"route {model}",
            mode=mode,
            primaries=tuple(Target(provider=name, model=model) for name in providers),
            fallbacks=tuple(Target(provider=name, model=model) for name in fallbacks),
            traits=NativeTraits(**limits | traits) if mode is Mode.NATIVE else None,
            rescue=mode is Mode.NATIVE,
            may_go_online=may_go_online,
        )

    return resolve


def scanned(
    data: bytes,
    resolve: Callable[[str], Resolution],
    limits: ScanLimits | None = None,
    **dialects: Dialect,
) -> tuple[list[Shard], list[BatchError], list[Group]]:
    made = Scan(
        blobs=MemoryBlob(data),
        key="input",
        batch_id="b",
        endpoint=CHAT,
        limits=limits or ScanLimits(),
        resolve=resolve,
        dialect=lambda target, _: dialects.get(target.provider) or Picky(faithful=True),
    )
    for piece in made.pieces():
        made.take(piece)
        if made.full:
            break
    shards = made.finish()
    return shards, made.errors, made.groups


def file_of(*lines: bytes) -> bytes:
    return b"".join(line + b"\n" for line in lines)


# ----------------------------------------------------------------------------- dialects


@pytest.mark.parametrize("mode", list(Mode))
def test_a_line_that_cannot_be_said_names_line_and_parameter(mode: Mode) -> None:
    data = file_of(chat("a"), chat("b", logprobs=True), b"", chat("c"), chat("d", seed=1))
    _, errors, _ = scanned(data, to("p", mode=mode), p=Picky("logprobs", "seed"))
    assert errors == [
        BatchError(
            code="unsupported_parameter",
            message="This request cannot be sent to the provider 'p' without changing what it "
            f"asks for: It does not know {param}.",
            param=f"body.{param}",
            line=line,
        )
        for line, param in ((2, "logprobs"), (5, "seed"))
    ]


def test_a_body_that_is_wrong_as_such_is_named_as_such() -> None:
    _, errors, _ = scanned(file_of(chat("a", seed=1)), to("p"), p=Picky(""))
    assert [error.param for error in errors] == ["body"]


@pytest.mark.parametrize("mode", list(Mode))
def test_one_primary_that_can_say_it_is_enough(mode: Mode) -> None:
    data = file_of(chat("a", logprobs=True), chat("b", seed=1), chat("c", logprobs=1, seed=1))
    _, errors, _ = scanned(data, to("p", "q", mode=mode), p=Picky("logprobs"), q=Picky("seed"))
    assert [(error.line, error.param) for error in errors] == [(3, "body.logprobs")]


def test_a_fallback_that_can_say_it_is_enough() -> None:
    data = file_of(chat("a", logprobs=True), chat("b", seed=1), chat("c", logprobs=1, seed=1))
    p, q = Picky("logprobs"), Picky("seed")
    _, errors, _ = scanned(data, to("p", fallbacks="q"), p=p, q=q)
    assert [(error.line, error.param) for error in errors] == [(3, "body.logprobs")]
    assert (p.asked, q.asked) == (3, 2)  # of the fallback only what the primary cannot say
    shards, errors, _ = scanned(data, to("p", fallbacks="qx"), p=p, q=q)  # `x` can say everything
    assert ([shard.lines for shard in shards], errors) == ([3], [])


@pytest.mark.parametrize("way", [Mode.NATIVE, Mode.MANAGED])
def test_what_no_job_can_say_and_a_fallback_can_runs_online(way: Mode) -> None:
    """Where it may; else it is an error of its own, and the batch runs."""
    auto = way is Mode.MANAGED
    resolve = to("p", fallbacks="q", mode=Mode.NATIVE, may_go_online=auto)
    data = file_of(chat("a"), chat("b", seed=1), chat("c"))
    shards, errors, _ = scanned(data, resolve, p=Picky("seed"), q=Picky("logprobs"))
    assert errors == []
    assert sorted((shard.mode.value, shard.lines) for shard in shards) == (
        [("managed", 1), ("native", 2)] if auto else [("native", 3)]
    )
    _, errors, _ = scanned(data, resolve, p=Picky("seed"), q=Picky("seed"))
    assert [(error.line, error.param) for error in errors] == [(2, "body.seed")]


@pytest.mark.parametrize("other", [Picky("logprobs"), Picky(faithful=True)])
def test_in_auto_a_job_that_may_go_to_several_holds_what_all_of_them_can_say(other: Picky) -> None:
    lines = [chat("a"), chat("b", seed=1), chat("c"), chat("d", seed=1)]
    for auto, plan in (
        (True, [(Mode.MANAGED, 2), (Mode.NATIVE, 2)]),
        (False, [(Mode.NATIVE, 4)]),  # for a job of the one that can
    ):
        resolve = to("p", "q", mode=Mode.NATIVE, may_go_online=auto)
        shards, errors, _ = scanned(file_of(*lines), resolve, p=Picky("seed"), q=other)
        found = sorted(((shard.mode, shard.lines) for shard in shards), key=lambda each: each[0])
        assert (found, errors) == (plan, [])


def test_a_faithful_primary_saves_the_trying() -> None:
    picky = Picky("seed")
    shards, errors, _ = scanned(
        file_of(*(chat(str(n), seed=1) for n in range(9))), to("p", "q"), p=picky
    )
    assert ([shard.lines for shard in shards], errors, picky.asked) == ([9], [], 0)


def test_a_line_of_which_no_request_can_be_made_is_left_to_its_run() -> None:
    shards, errors, _ = scanned(file_of(chat("a", stop="broken")), to("p"), p=Picky("seed"))
    assert ([shard.lines for shard in shards], errors) == ([1], [])


def test_a_job_is_as_large_as_its_rows() -> None:
    lines = [chat(str(n), stop="+" * (n % 3)) for n in range(9)]  # of 1, 2 and 3 rows
    shards, errors, _ = scanned(file_of(*lines), to("p", mode=Mode.NATIVE, max_lines=6), p=Picky())
    assert ([shard.lines for shard in shards], errors) == ([3, 3, 3], [])
    shards, _, _ = scanned(file_of(*lines), to("p", mode=Mode.NATIVE, max_lines=5), p=Picky())
    assert [shard.lines for shard in shards] == [2, 2, 2, 2, 1]


def test_a_job_that_may_go_to_several_is_cut_for_each_of_them() -> None:
    """At `p` a line is 1, 2 or 3 rows, at `q` one."""

    def cut(targets: str, **traits: Any) -> list[tuple[Mode, int]]:
        lines = [chat(str(n), stop="+" * (n % 3)) for n in range(9)]
        resolve = to(*targets, mode=Mode.NATIVE, may_go_online=True, **traits)
        shards, errors, _ = scanned(file_of(*lines), resolve, p=Picky(), q=Picky(faithful=True))
        assert errors == []
        return [(shard.mode, shard.lines) for shard in shards]

    for targets in ("pq", "qp"):
        assert cut(targets, max_lines=6) == [(NATIVE, 3)] * 3
        assert cut(targets, min_lines=10) == [(MANAGED, 9)]
        assert cut(targets, min_lines=9) == [(NATIVE, 9)]
        # The last job is filled up with lines that are enough at the one that makes one row each.
        assert cut(targets, max_lines=15, min_lines=2) == [(NATIVE, 7), (NATIVE, 2)]
    assert cut("p", min_lines=18) == [(NATIVE, 9)]


def test_managed_lines_that_were_tried_are_cut_like_others() -> None:
    limits = ScanLimits(shard_lines_min=4, shard_lines_max=4)
    shards, _, _ = scanned(file_of(*(chat(str(n)) for n in range(10))), to("p"), limits, p=Picky())
    assert [(shard.first_line, shard.lines) for shard in shards] == [(0, 4), (4, 4), (8, 2)]


# ----------------------------------------------------------------------------- few lines


def native(count: int, **traits: Any) -> tuple[list[Shard], list[BatchError], list[Group]]:
    data = file_of(*(chat(str(n)) for n in range(count)))
    return scanned(data, to("p", mode=Mode.NATIVE, **traits))


@pytest.mark.parametrize(
    ("count", "mode"),
    [(1, Mode.MANAGED), (4, Mode.MANAGED), (5, Mode.NATIVE), (6, Mode.NATIVE)],
)
def test_in_auto_fewer_lines_than_a_job_takes_run_managed(count: int, mode: Mode) -> None:
    shards, errors, groups = native(count, min_lines=5, may_go_online=True)
    assert (errors, [(shard.mode, shard.lines) for shard in shards]) == ([], [(mode, count)])
    assert [(group.mode, group.rescue) for group in groups] == [(mode, mode is Mode.NATIVE)]
    assert groups[0].primaries == (GroupTarget(provider="p", model="m"),)


def test_natively_fewer_lines_than_a_job_takes_fail_the_batch() -> None:
    _, errors, _ = native(4, min_lines=5)
    assert errors == [
        BatchError(
            code="too_few_requests",
            message="The batch API of the provider 'p' takes no fewer than 5 requests at once, and "
            "would get 4 for the model 'm'. Add requests, or set the provider's `mode` to `auto`, "
            "which sends so few one by one.",
        )
    ]


def test_lines_with_errors_are_not_said_to_be_too_few() -> None:
    data = file_of(chat("a"), b"{")
    _, errors, _ = scanned(data, to("p", mode=Mode.NATIVE, min_lines=2))
    assert [error.code for error in errors] == ["invalid_json_line"]


@pytest.mark.parametrize(
    ("count", "lines"),
    [(10, [10]), (11, [7, 4]), (13, [9, 4]), (14, [10, 4]), (21, [10, 7, 4])],
)
def test_a_last_job_is_filled_up_from_the_one_before(count: int, lines: list[int]) -> None:
    shards, errors, _ = native(count, min_lines=4, max_lines=10)
    assert ([shard.lines for shard in shards], errors) == (lines, [])
    assert {shard.mode for shard in shards} == {Mode.NATIVE}


def test_a_last_job_that_cannot_be_filled_up_runs_managed_or_fails() -> None:
    shards, errors, groups = native(7, min_lines=4, max_lines=6, may_go_online=True)
    assert ([(s.mode, s.lines) for s in shards], errors) == (
        [(Mode.NATIVE, 6), (Mode.MANAGED, 1)],
        [],
    )
    assert [group.mode for group in groups] == [Mode.NATIVE]
    _, errors, _ = native(7, min_lines=4, max_lines=6)
    assert ["and would get 1 " in error.message for error in errors] == [True]


def rows_of(
    rows: Sequence[int], **traits: Any
) -> tuple[list[tuple[Mode, int]], list[BatchError], list[Group]]:
    """Lines of so many rows each, as shards: where they run, and their lines."""
    data = file_of(*(chat(str(n), stop="+" * (count - 1)) for n, count in enumerate(rows)))
    shards, errors, groups = scanned(data, to("p", mode=Mode.NATIVE, **traits), p=Picky())
    return [(shard.mode, shard.lines) for shard in shards], errors, groups


@pytest.mark.parametrize(
    ("rows", "most", "shards"),
    [
        ([3, 1], 6, [(NATIVE, 2)]),  # two lines, but four rows of a job's
        ([2, 1], 6, [(MANAGED, 2)]),
        ([1] * 7, 6, [(NATIVE, 6), (MANAGED, 1)]),
        ([3, 3, 3], 6, [(NATIVE, 2), (MANAGED, 1)]),  # another line would leave too few before it
        ([3, 3, 3, 1, 2], 10, [(NATIVE, 2), (NATIVE, 3)]),
        ([2, 2, 2, 2, 2, 1], 10, [(NATIVE, 3), (NATIVE, 3)]),
        ([9, 1, 3], 10, [(NATIVE, 1), (NATIVE, 2)]),
        ([6, 4, 1], 10, [(NATIVE, 1), (NATIVE, 2)]),
        ([7, 4, 7], 10, [(NATIVE, 1), (NATIVE, 1), (NATIVE, 1)]),
    ],
)
def test_what_a_provider_takes_at_least_is_rows(
    rows: list[int], most: int, shards: list[tuple[Mode, int]]
) -> None:
    found, errors, _ = rows_of(rows, min_lines=4, max_lines=most, may_go_online=True)
    assert (found, errors) == (shards, [])
    _, errors, _ = rows_of(rows, min_lines=4, max_lines=most)
    few = any(mode is MANAGED for mode, _ in shards)
    assert [error.code for error in errors] == ["too_few_requests"] * few


def test_a_job_that_is_full_of_long_lines_before_it_has_enough_runs_managed_or_fails() -> None:
    traits = {"min_lines": 3, "max_bytes": 1_000}  # a row is 196 bytes
    found, errors, groups = rows_of([1, 1, 5, 5], **traits, may_go_online=True)
    assert (found, errors) == ([(MANAGED, 2), (NATIVE, 1), (NATIVE, 1)], [])
    assert [group.mode for group in groups] == [NATIVE]
    _, errors, _ = rows_of([1, 1, 5, 5], **traits)
    assert ["and would get 2 " in error.message for error in errors] == [True]
    found, _, groups = rows_of([1, 1, 1], min_lines=3, max_bytes=400, may_go_online=True)
    assert found == [(MANAGED, 2), (MANAGED, 1)]
    assert [(group.mode, group.traits) for group in groups] == [(MANAGED, None)]


@given(
    rows=st.lists(st.integers(1, 5), min_size=1, max_size=60),
    least=st.integers(0, 5),
    most=st.integers(17, 22),
)
@settings(max_examples=150, deadline=None)
def test_no_job_has_too_few_rows_where_the_batch_has_enough(
    rows: list[int], least: int, most: int
) -> None:
    """A full job has all but four of its rows, and gives up to eight: both have five then."""
    found, errors, _ = rows_of(rows, min_lines=least, max_lines=most, may_go_online=True)
    assert errors == []
    assert sum(lines for _, lines in found) == len(rows)
    start = 0
    for mode, lines in found:
        here = sum(rows[start : start + lines])
        start += lines
        assert here <= most or mode is MANAGED
        assert (here >= least) == (mode is NATIVE)
    if sum(rows) >= least:
        assert MANAGED not in [mode for mode, _ in found]


@given(
    models=st.lists(st.sampled_from(["m", "n"]), max_size=60),
    least=st.integers(0, 6),
    most=st.integers(6, 14),
)
@settings(max_examples=150, deadline=None)
def test_every_line_is_in_one_shard_however_they_are_cut(
    models: list[str], least: int, most: int
) -> None:
    data = file_of(*(chat(str(n), model) + b"\n" * (n % 2) for n, model in enumerate(models)))
    resolve = to("p", mode=Mode.NATIVE, min_lines=least, max_lines=most, may_go_online=True)
    shards, _, _ = scanned(data, resolve)
    found: list[str] = []
    for shard in shards:
        assert shard.mode is (Mode.MANAGED if shard.lines < least else Mode.NATIVE)
        requests = read_requests(
            MemoryBlob(data), "input", shard, reader=LineReader(endpoint=CHAT)
        )  # which counts them
        found += [request.custom_id for piece in requests for _, request in piece]
    assert sorted(found, key=int) == [str(n) for n in range(len(models))]
