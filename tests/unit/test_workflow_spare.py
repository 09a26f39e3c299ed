"""`workflows.plan`: lines that only a fallback of their route can be asked."""

import pytest
from tests.unit.fakes import CHAT, MemoryBlob, chat
from tests.unit.test_workflow_lots import Formed

from batchway.dialects.openai.dialect import OpenAIDialect
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Destination, Target
from batchway.domain.shard import Mode
from batchway.ports import Dialect
from batchway.workflows.plan.scan import Scan, ScanLimits

# What each target cannot be asked, beside "batch" in a job.
UNSAID = {"one": ("a", "b", "all"), "two": ("b", "all"), "spare": ("a", "all")}
# A line names what it asks for.
LINES = [chat(word, stop=word) for word in ("plain", "a", "b", "all", "batch")]


def scanned(
    *targets: str, mode: Mode, spare: str, may_go_online: bool = False, min_lines: int = 0
) -> Scan:
    """A pass over all lines, whose route falls back to `spare`."""

    def dialect(target: Target, mode: Mode) -> Dialect | None:
        if target.provider == "openai":
            return OpenAIDialect(endpoint=CHAT, model="m")
        if target.provider == "nothing":
            return None
        unsaid = UNSAID[target.provider]
        return Formed(mode, *unsaid, *(("batch",) if mode is Mode.NATIVE else ()))

    route = Destination(
        group="route m",
        mode=mode,
        primaries=tuple(Target(provider=name, model=f"m-{name}") for name in targets),
        fallbacks=(Target(provider=spare, model="m"),),
        traits=NativeTraits(
            endpoints=frozenset({CHAT}), max_lines=100, max_bytes=1 << 20, min_lines=min_lines
        )
        if mode is Mode.NATIVE
        else None,
        rescue=may_go_online,
        may_go_online=may_go_online,
    )
    made = Scan(
        blobs=MemoryBlob(b"".join(line + b"\n" for line in LINES)),
        key="input",
        batch_id="b",
        endpoint=CHAT,
        limits=ScanLimits(),
        resolve=lambda _: route,
        dialect=dialect,
    )
    for piece in made.pieces():
        made.take(piece)
    made.finish()
    return made


@pytest.mark.parametrize(
    ("targets", "spare", "refused"),
    [
        (("one",), "spare", [2, 4]),
        (("one",), "nothing", [2, 3, 4]),
        (("one",), "openai", []),
        (("one", "two"), "spare", [4]),
        (("one", "openai"), "spare", []),
    ],
)
def test_online_a_fallback_that_can_be_asked_does(
    targets: tuple[str, ...], spare: str, refused: list[int]
) -> None:
    made = scanned(*targets, mode=Mode.MANAGED, spare=spare)
    assert [error.line for error in made.errors] == refused
    # It is told in the words of the target that is preferred.
    assert {error.param for error in made.errors} <= {"body.stop"}
    assert all("'one'" in error.message for error in made.errors)


@pytest.mark.parametrize(
    ("spare", "online", "refused"),
    [("spare", 2, [2, 4]), ("openai", 4, []), ("nothing", 1, [2, 3, 4])],
)
def test_of_a_job_it_goes_online_for_it(spare: str, online: int, refused: list[int]) -> None:
    made = scanned("one", mode=Mode.NATIVE, spare=spare, may_go_online=True)
    assert [error.line for error in made.errors] == refused
    assert sum(told.lines for told in made.online.told) == online
    assert {group.mode for group in made.groups} == {Mode.NATIVE, Mode.MANAGED}


def test_what_is_too_little_for_one_of_several_names_all() -> None:
    """A job may go to any of them, so the least is the largest; whose it is, is not said.

    `spare` can be asked for two of the lines.
    """
    made = scanned("openai", "spare", mode=Mode.NATIVE, spare="nothing", min_lines=9)
    assert [error.message for error in made.errors] == [
        "The batch API of the provider 'openai' or 'spare' takes no fewer than 9 requests at once, "
        "and would get 2 for the model 'm-openai' or 'm-spare'. Add requests, or set the "
        "provider's `mode` to `auto`, which sends so few one by one."
    ]
