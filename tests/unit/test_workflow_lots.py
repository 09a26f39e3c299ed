"""`workflows.plan`: lines whose shapes conflict, and lines that one of the two ways cannot say."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.fakes import chat
from tests.unit.lots_world import Formed, found, plan_of, scan_of, scanned, shaped

from batchway.domain.batch import BatchError
from batchway.domain.routing import Target
from batchway.domain.run_online import RunOnline
from batchway.domain.shard import Mode
from batchway.ports import Dialect, Encoded, Unfaithful
from batchway.workflows.plan import lots
from batchway.workflows.plan.scan import ScanLimits

# ----------------------------------------------------------------------------- shapes


def test_lines_whose_shapes_conflict_share_no_job() -> None:
    lines = [
        shaped("a", x="s"),
        shaped("b", x="o", y="s"),
        shaped("c"),
        shaped("d", y="a"),  # agrees with the first, not with the second
        shaped("e", x="o", z="s"),
        shaped("f", x="o", y="a"),  # with neither: the first has x="s", the second y="s"
        shaped("g", z="s"),
        shaped("h", x="a"),
    ]
    shards, errors, groups = scanned(*lines)
    assert errors == []
    assert plan_of(shards, *lines) == {
        "p/m": ["acdg"],
        "shape 2 p/m": ["be"],
        "shape 3 p/m": ["f"],
        "shape 4 p/m": ["h"],
    }
    assert [shard.mode for shard in shards] == [Mode.NATIVE] * 4
    assert [shard.models for shard in shards] == [None] * 4
    assert [group.name for group in groups] == sorted(plan_of(shards, *lines))
    first = groups[0]
    assert groups == [replace(first, name=group.name) for group in groups]


def test_lines_that_agree_are_one_lot_whose_shards_name_no_lines() -> None:
    lines = [shaped(str(n), **{f"x{n}": "s"}) for n in range(9)]
    shards, errors, groups = scanned(*lines, max_lines=4)
    assert [(s.group, s.lines, s.members) for s in shards] == [
        ("p/m", 4, None),
        ("p/m", 4, None),
        ("p/m", 1, None),
    ]
    assert (errors, len(groups)) == ([], 1)


def test_other_models_of_the_file_are_told_apart_as_ever() -> None:
    lines = [
        shaped("a", "m", x="s"),
        shaped("b", "n", x="o"),
        shaped("c", "m", x="o"),
        shaped("d", "n", x="o"),
    ]
    shards, _, _ = scanned(*lines)
    assert plan_of(shards, *lines) == {"p/m": ["a"], "shape 2 p/m": ["c"], "p/n": ["bd"]}
    assert [(s.group, s.models, s.members is None) for s in shards] == [
        ("p/m", None, False),
        ("p/n", ("n",), True),
        ("shape 2 p/m", None, False),
    ]


@pytest.mark.parametrize("online", [True, False])
def test_a_place_is_of_the_dialect_that_a_line_is_said_in(online: bool) -> None:
    """Where a job may go to either of two targets, lines must agree in both."""

    class Other(Formed):
        def encode(self, body: bytes, *, named: str) -> Encoded | Unfaithful:
            fields = json.loads(body)
            if "user" in fields:
                return Unfaithful("user", "It knows none.")
            return Encoded((body,), shape=(("x", fields["metadata"]["other"]),))

    lines = [
        shaped("a", x="s", other="s"),
        shaped("b", x="s", other="o"),
        shaped("c", x="s", other="s"),
        chat("d", metadata={"x": "o"}, user="u"),  # only the first can be asked for it
    ]

    def dialect(target: Target, mode: Mode) -> Dialect:
        return Formed(mode) if target.provider == "p" else Other(mode)

    scan = scan_of(*lines, online=online, targets=("p", "q"), dialect=dialect)
    assert scan.errors == []
    other = "online p/m" if online else "shape 3 p/m"
    assert plan_of(scan.shards, *lines) == {"p/m": ["ac"], "shape 2 p/m": ["b"], other: ["d"]}
    assert [told.reason for told in scan.online.told] == online * [
        "No job takes them: It knows none. The first is line 7 (body.user)."
    ]


def test_a_lot_of_fewer_lines_than_a_job_takes_runs_managed_or_fails() -> None:
    lines = [*(shaped(str(n), x="s") for n in range(3)), shaped("o", x="o")]
    shards, errors, groups = scanned(*lines, min_lines=2)
    assert [(s.group, s.mode, s.lines) for s in shards] == [
        ("p/m", Mode.NATIVE, 3),
        ("shape 2 p/m", Mode.MANAGED, 1),
    ]
    assert (errors, [group.mode for group in groups]) == ([], [Mode.NATIVE, Mode.MANAGED])
    _, errors, _ = scanned(*lines, min_lines=2, online=False)
    assert [error.code for error in errors] == ["too_few_requests"]


@pytest.mark.parametrize("online", [True, False])
def test_there_are_no_more_lots_than_so_many(monkeypatch: pytest.MonkeyPatch, online: bool) -> None:
    monkeypatch.setattr(lots, "MOST_LOTS", 2)
    lines = [shaped("a", x="s"), shaped("b", x="o"), shaped("c", x="a"), shaped("d", x="a", y="s")]
    shards, errors, groups = scanned(*lines, online=online)
    if online:
        assert plan_of(shards, *lines) == {
            "p/m": ["a"],
            "shape 2 p/m": ["b"],
            "online p/m": ["cd"],
        }
        assert [group.mode for group in groups] == [Mode.MANAGED, Mode.NATIVE, Mode.NATIVE]
    else:
        assert [(error.code, error.param, error.line) for error in errors] == [
            ("too_many_shapes", "body", 5),
            ("too_many_shapes", "body", 7),
        ]


def test_a_lot_has_no_more_places_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "MOST_PLACES", 3)
    lines = [
        shaped("a", a="s", b="s"),
        shaped("b", c="s", d="s"),
        shaped("c", a="s", c="s"),
        shaped("d", a="s", b="s", c="s", d="s"),
    ]
    shards, errors, _ = scanned(*lines)
    assert errors == []
    assert plan_of(shards, *lines) == {
        "p/m": ["ac"],
        "shape 2 p/m": ["b"],
        "online p/m": ["d"],
    }


# ----------------------------------------------------------------------------- one of two ways


def test_in_auto_a_line_that_a_batch_cannot_be_asked_goes_online() -> None:
    lines = [shaped("a"), shaped("b", stop="batch"), shaped("c"), shaped("d", stop="batch")]
    shards, errors, groups = scanned(*lines)
    assert errors == []
    assert plan_of(shards, *lines) == {"p/m": ["ac"], "online p/m": ["bd"]}
    native, online = next(g for g in groups if g.name == "p/m"), groups[0]
    assert online == replace(
        native, name="online p/m", mode=Mode.MANAGED, traits=None, rescue=False
    )
    assert online.destination("m").primaries == native.destination("m").primaries


def test_what_goes_online_is_counted_by_its_reason_with_the_first_line() -> None:
    lines = [shaped("a"), *(shaped(name, stop="batch") for name in "bcd"), shaped("e")]
    assert scan_of(*lines).online.told == (
        RunOnline(
            lines=3,
            reason="No job takes them: It has no such word (native). The first is line 3 "
            "(body.stop).",
        ),
    )
    (told,) = scan_of(*lines, min_lines=9).online.told[:1]
    few = "The batch API of the provider 'p' takes no fewer than 9 requests at once."
    assert told == RunOnline(lines=2, reason=few)


def test_in_auto_all_lines_may_go_online() -> None:
    lines = [shaped(name, stop="batch") for name in "abc"]
    shards, errors, groups = scanned(*lines)
    assert [(s.group, s.mode, s.lines, s.members) for s in shards] == [
        ("online p/m", Mode.MANAGED, 3, None)
    ]
    assert (errors, [group.name for group in groups]) == ([], ["online p/m"])


def test_natively_a_line_that_a_batch_cannot_be_asked_stays_to_become_its_own_error() -> None:
    lines = [shaped("a"), shaped("b", stop="batch"), shaped("c")]
    shards, errors, groups = scanned(*lines, online=False, max_lines=2)
    assert [(s.group, s.lines, s.members) for s in shards] == [("p/m", 3, None)]
    assert (errors, len(groups)) == ([], 1)


@pytest.mark.parametrize("online", [True, False])
def test_a_line_that_neither_can_be_asked_fails_the_batch(online: bool) -> None:
    _, errors, _ = scanned(shaped("a"), shaped("b", stop="ever"), online=online)
    assert errors == [
        BatchError(
            code="unsupported_parameter",
            message="This request cannot be sent to the provider 'p' without changing what it "
            "asks for: It has no such word (managed).",
            param="body.stop",
            line=3,
        )
    ]


@pytest.mark.parametrize("online", [True, False])
def test_so_does_one_that_a_batch_alone_could_be_asked(online: bool) -> None:
    _, errors, _ = scanned(
        shaped("a", stop="batch"),
        online=online,
        dialect=lambda _, mode: Formed(mode) if mode is Mode.NATIVE else None,
    )
    assert [(error.code, error.message[-8:]) for error in errors] == [
        ("unsupported_parameter", "native).")
    ]


def test_lines_that_go_online_are_cut_like_others() -> None:
    lines = [shaped(str(n), stop="batch" if n % 2 else None) for n in range(20)]
    limits = ScanLimits(shard_lines_min=4, shard_lines_max=4)
    shards, _, _ = scanned(*lines, limits=limits)
    assert plan_of(shards, *lines) == {
        "p/m": ["024681012141618"],
        "online p/m": ["1357", "9111315", "1719"],
    }


KINDS = st.sampled_from(["s", "a", "o"])
SHAPES = st.dictionaries(st.sampled_from("xyz"), KINDS, max_size=3)


@given(
    lines=st.lists(
        st.tuples(
            SHAPES, st.sampled_from(["m", "n"]), st.sampled_from([None, None, None, "batch"])
        ),
        max_size=50,
    ),
    least=st.integers(0, 4),
    most=st.integers(4, 9),
)
@settings(max_examples=150, deadline=None)
def test_every_line_is_in_one_shard_and_no_job_holds_a_conflict(
    lines: list[tuple[dict[str, str], str, str | None]], least: int, most: int
) -> None:
    data = [shaped(str(n), model, stop, **shape) for n, (shape, model, stop) in enumerate(lines)]
    shards, errors, groups = scanned(*data, min_lines=least, max_lines=most)
    assert [error for error in errors if lines] == []
    held: list[str] = []
    for shard in shards:
        mine = found(shard, *data)
        held += mine
        assert len({lines[int(name)][1] for name in mine}) == 1
        if shard.mode is Mode.NATIVE:
            assert most >= len(mine) >= least
            kinds: dict[str, str] = {}
            for name in mine:
                shape, _, stop = lines[int(name)]
                assert stop is None
                assert all(kinds.setdefault(place, kind) == kind for place, kind in shape.items())
    assert sorted(held, key=int) == [str(n) for n in range(len(lines))]
    assert {shard.group for shard in shards} == {group.name for group in groups}
