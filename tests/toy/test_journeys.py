"""Batches on a provider of another wire, by the official SDK, managed and native."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from openai.types import Batch
from tests.journeys.conftest import provider, running_servers, running_simulators
from tests.journeys.lines import (
    Line,
    Results,
    chat,
    chats,
    check,
    completed,
    counts,
    ended,
    jsonl,
    line,
    results,
    submit,
)
from tests.journeys.processes import Server, run_batchway
from tests.toy.account import TRAITS
from tests.toy.fake import ToyFake, running
from tests.toy.server import KEY

EMBEDDINGS = "/v1/embeddings"
QUICK = {"poll_min": 0.05, "poll_max": 0.3, "settle": 0.5, "lateness": 1, "cancel_patience": 5}
WELL: dict[str, Any] = {"rules": [], "hold": [], "rows": {"shuffle": True, "drop": 0.0, "fail": {}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One server, one toy under three names, and what routes lead to."""

    toy: ToyFake
    broken: ToyFake
    server: Server


def entry(fake: ToyFake, name: str, **further: Any) -> dict[str, Any]:
    """The toy as a provider."""
    return {
        "name": name,
        "type": "python",
        "class": "tests.toy.account:ToyAccount",
        "options": {"url": fake.origin, "key": KEY},
        "native": QUICK,
        **further,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("toy")
    with (
        running(least=TRAITS.min_lines) as toy,
        running(rules=[{"on": "online", "status": 503}]) as broken,
        running_simulators(folder) as new_simulator,
        running_servers(folder) as new_server,
    ):
        quick = {"max_attempts": 1}
        simulator = new_simulator()
        server = new_server(
            entry(toy, "managed", mode="managed"),
            entry(toy, "auto"),
            entry(toy, "native", mode="native"),
            entry(broken, "broken", mode="managed", limits=quick),
            provider(simulator, "well"),
            provider(simulator, "flawed", limits=quick),
            routes=[
                {
                    "model": "to-openai",
                    "targets": [
                        {"provider": "broken", "model": "m"},
                        {"provider": "well", "model": "w", "fallback": True},
                    ],
                },
                {
                    "model": "to-the-toy",
                    "targets": [
                        {"provider": "flawed", "model": "m"},
                        {"provider": "managed", "model": "t", "fallback": True},
                    ],
                },
            ],
        )
        yield World(toy=toy, broken=broken, server=server)
        assert toy.stats()["forged"] == broken.stats()["forged"] == 0
        assert KEY not in server.process.output()


@pytest.fixture
def toy(world: World) -> ToyFake:
    """The toy, well."""
    world.toy.control(**WELL)
    return world.toy


@pytest.fixture
def client(world: World, toy: ToyFake) -> openai.OpenAI:
    del toy  # it is well before anything is asked
    return world.server.client()


def named(asked: list[Line], model: str) -> dict[str, str]:
    """The upstream model of every line."""
    return {each["custom_id"]: model for each in asked}


def embeddings(count: int, model: str, **further: Any) -> list[Line]:
    """Lines of three texts each, of which every third is in base64."""
    return [
        line(
            f"e-{number:04}",
            EMBEDDINGS,
            model=model,
            input=[f"{number} {word}" for word in ("one", "two", "three")],
            encoding_format="float" if number % 3 else "base64",
            **further,
        )
        for number in range(count)
    ]


def problems(last: Batch) -> list[tuple[str | None, int | None, str | None]]:
    """Code, line and parameter of what a failed batch says."""
    assert last.status == "failed"
    assert last.errors is not None
    return [(error.code, error.line, error.param) for error in last.errors.data or []]


def asked_since(toy: ToyFake, before: dict[str, Any]) -> Counter[str]:
    """How often what kind of request was made."""
    return Counter(toy.stats()["requests"]) - Counter(before["requests"])


# ----------------------------------------------------------------------------- managed


def test_chat_managed(client: openai.OpenAI, toy: ToyFake) -> None:
    before = toy.stats()
    asked = [*chats(30, "r", model="managed/m"), chat("capped", model="managed/m", max_tokens=3)]
    last = completed(client, submit(client, asked), asked, models=named(asked, "m"))
    assert asked_since(toy, before) == {"online": 31}
    assert last.usage is not None
    assert last.usage.output_tokens > 0
    ids = [each["response"]["request_id"] for each in results(client, last).output]
    assert all(text.startswith("ticket-") for text in ids)
    assert len(set(ids)) == len(asked)


def test_a_busy_toy_is_asked_again(client: openai.OpenAI, toy: ToyFake) -> None:
    # An error in a 200, and one in a 429.
    toy.trouble(
        {"on": "online", "status": 200, "times": 2},
        {"on": "online", "status": 429, "times": 1, "retry_after": "1"},
    )
    asked = chats(5, "again", model="managed/m")
    completed(client, submit(client, asked), asked, models=named(asked, "m"))


@pytest.mark.parametrize(("name", "count", "by"), [("managed", 4, "online"), ("auto", 12, "job")])
def test_texts_to_embed_are_asked_for_one_by_one_and_answered_as_one(
    client: openai.OpenAI, toy: ToyFake, name: str, count: int, by: str
) -> None:
    before = toy.stats()
    asked = embeddings(count, f"{name}/m")
    batch = submit(client, asked, endpoint=EMBEDDINGS)
    last = completed(client, batch, asked, models=named(asked, "m"))
    data = [each["response"]["body"]["data"] for each in results(client, last).output]
    assert [[item["index"] for item in items] for items in data] == [[0, 1, 2]] * count
    assert [isinstance(items[0]["embedding"], str) for items in data[:4]] == [1, 0, 0, 1]
    found = asked_since(toy, before)
    if by == "online":
        assert found == {"online": 3 * count}
    else:
        assert (found["create"], found["online"]) == (1, 0)
        assert toy.stats()["jobs"][-1]["total"] == 3 * count


@pytest.mark.parametrize("name", ["managed", "auto", "native"])
def test_what_the_toy_cannot_say_is_told_with_line_and_parameter(
    client: openai.OpenAI, toy: ToyFake, name: str
) -> None:
    before = toy.stats()
    asked = chats(20, "u", model=f"{name}/m")
    asked[3]["body"]["logprobs"] = True
    asked[7]["body"]["messages"].append({"role": "user", "content": [{"type": "text"}]})
    last = ended(client, submit(client, asked))
    assert problems(last) == [
        ("unsupported_parameter", 4, "body.logprobs"),
        ("unsupported_parameter", 8, "body.messages[1]"),
    ]
    assert asked_since(toy, before) == {}


def test_a_fallback_speaks_another_wire(client: openai.OpenAI, world: World) -> None:
    asked = chats(12, "over", model="to-openai")
    completed(client, submit(client, asked), asked, models=named(asked, "w"))
    assert world.broken.stats()["requests"]["online"] >= 1


def test_a_fallback_that_cannot_say_a_line(client: openai.OpenAI, toy: ToyFake) -> None:
    before = toy.stats()
    asked = chats(8, "back", model="to-the-toy")
    asked[2] = chat("back-0002", "said [[503]]", model="to-the-toy")
    asked[5] = chat("back-0005", "unsaid [[503]]", model="to-the-toy", logprobs=True)
    asked[6] = chat("back-0006", "unsaid [[truncate]]", model="to-the-toy", logprobs=True)
    last = ended(client, submit(client, asked))
    given = results(client, last)
    check(asked, given, models={**named(asked, "m"), "back-0002": "t"})
    assert counts(last) == (8, 6, 2)
    # What the first target answered is the result; where that was nothing, why the other cannot.
    assert given.codes() == {"back-0005": 503, "back-0006": "unsupported_parameter"}
    assert "because of 'body.logprobs': The toy knows" in given.errors[1]["error"]["message"]
    assert asked_since(toy, before) == {"online": 1}


# ----------------------------------------------------------------------------- native


def test_a_job_of_the_toy(client: openai.OpenAI, toy: ToyFake) -> None:
    toy.control(rows={"duplicate": 0.3, "fail": {"400": ["r0000000004"]}})
    before = toy.stats()
    asked = chats(30, "job", model="native/m")
    last = ended(client, submit(client, asked))
    given = results(client, last)
    check(asked, given, models=named(asked, "m"))
    assert given.codes() == {"job-0004": 400}
    found = asked_since(toy, before)
    assert (found["upload"], found["create"], found["online"]) == (1, 1, 0)
    assert toy.stats()["files"] == []  # nothing of ours is left there


def test_no_room_and_dough_that_is_not_ready(client: openai.OpenAI, toy: ToyFake) -> None:
    toy.trouble(
        {"on": "create", "status": 409, "code": "full", "times": 1, "retry_after": "1"},
        {"on": "create", "status": 425, "code": "rising", "times": 1, "retry_after": "1"},
    )
    before = toy.stats()
    asked = chats(12, "wait", model="native/m")
    completed(client, submit(client, asked), asked, models=named(asked, "m"))
    found = asked_since(toy, before)
    assert (found["upload"], found["create"]) == (1, 3)  # refused twice, and never brought again
    assert len(toy.stats()["creates"]) == len(before["creates"]) + 1


def test_rows_that_are_missing(client: openai.OpenAI, toy: ToyFake) -> None:
    # The second text of the third line, among others.
    dropped = [f"r{number:010}" for number in (4, 9)] + ["r0000000002-1"]
    toy.control(rows={"drop": dropped})
    asked = embeddings(12, "native/m")
    last = ended(client, submit(client, asked, endpoint=EMBEDDINGS))
    given = results(client, last)
    check(asked, given, models=named(asked, "m"))
    assert given.codes() == dict.fromkeys(("e-0002", "e-0004", "e-0009"), "result_not_fetched")
    before = toy.stats()
    asked = embeddings(12, "auto/m")
    batch = submit(client, asked, endpoint=EMBEDDINGS)
    completed(client, batch, asked, models=named(asked, "m"))
    assert asked_since(toy, before)["online"] == 9  # the whole of the three lines


def test_fewer_lines_than_a_job_takes(client: openai.OpenAI, toy: ToyFake) -> None:
    before = toy.stats()
    asked = chats(TRAITS.min_lines - 1, "few", model="auto/m")
    completed(client, submit(client, asked), asked, models=named(asked, "m"))
    assert asked_since(toy, before) == {"online": TRAITS.min_lines - 1}
    last = ended(client, submit(client, chats(TRAITS.min_lines - 1, "few", model="native/m")))
    assert problems(last) == [("too_few_requests", None, None)]
    assert asked_since(toy, before) == {"online": TRAITS.min_lines - 1}


def test_few_lines_of_several_texts_are_enough_for_a_job(
    client: openai.OpenAI, toy: ToyFake
) -> None:
    before = toy.stats()
    asked = embeddings(4, "native/m")  # three texts each
    batch = submit(client, asked, endpoint=EMBEDDINGS)
    completed(client, batch, asked, models=named(asked, "m"))
    assert asked_since(toy, before).get("online", 0) == 0


def test_cancelling_a_job_of_the_toy(client: openai.OpenAI, toy: ToyFake) -> None:
    toy.control(hold=["in_progress"], share=0.5, phases={"in_progress": 0.0})
    before = len(toy.stats()["creates"])
    asked = chats(20, "off", model="native/m")
    batch = submit(client, asked)
    toy.eventually(lambda stats: len(stats["creates"]) > before)
    toy.eventually(lambda stats: stats["jobs"][-1]["status"] == "in_progress")
    client.batches.cancel(batch.id)
    last = ended(client, batch)
    given = results(client, last)
    check(asked, given, models=named(asked, "m"))
    assert (last.status, counts(last)) == ("cancelled", (20, 10, 0))
    assert set(given.codes().values()) == {"batch_cancelled"}
    assert len(toy.stats()["creates"]) == before + 1


def test_rows_of_the_same_line_on_both_sides_of_a_kill(tmp_path: Path) -> None:
    """Killed while results arrive: the rows of a line are read again, and paid for once."""
    rows = {"shuffle": True, "duplicate": 0.2}
    with running(rows=rows) as fake, running_servers(tmp_path) as new:
        # No transfer comes to its end before the last kill.
        fake.trouble({"on": "content", "do": "cut", "bytes": 6_000})
        server = new(entry(fake, "native", mode="native", native={**QUICK, "max_lines": 60}))
        asked = embeddings(60, "native/m")
        batch = submit(server.client(), asked, endpoint=EMBEDDINGS)
        for _ in range(3):
            before = fake.stats()["requests"].get("content", 0)
            fake.eventually(lambda now, n=before: now["requests"].get("content", 0) > n + 1)
            server.process.kill()
            server.start()
        fake.trouble()
        completed(server.client(), batch, asked, models=named(asked, "m"))
        stats = fake.stats()
    assert len(stats["creates"]) == 3  # sixty rows a job
    assert set(stats["lines_by_id"].values()) == {1}
    assert len(stats["lines_by_id"]) == 180


# ----------------------------------------------------------------------------- without a server


@pytest.mark.parametrize(
    ("mode", "options", "dials", "told"),
    [
        ("managed", {}, {}, None),
        ("native", {}, {}, None),
        ("managed", {"key": "x"}, {}, "refuses the key (401, stranger). Check `options` of"),
        ("native", {"key": "x"}, {}, "answered 401: The seal is invalid. Check `options` of"),
        ("managed", {"url": "http://127.0.0.1:1"}, {}, "cannot be reached"),
        ("managed", {}, {"models": ["other"]}, "has no such model (404, nobody)"),
        ("managed", {"kee": "x"}, {}, "its `options` do not do: the toy takes `url` and `key`"),
    ],
)
def test_a_run_at_the_toy(
    tmp_path: Path,
    *,
    mode: str,
    options: dict[str, str],
    dials: dict[str, Any],
    told: str | None,
) -> None:
    with running(**dials) as fake:
        given = entry(fake, "toy", mode=mode)
        given["options"] |= options
        asked = chats(12, model="m")
        (tmp_path / "batchway.yaml").write_text(yaml.safe_dump({"providers": [given]}))
        (tmp_path / "in.jsonl").write_bytes(jsonl(asked))
        ran = run_batchway("run", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path)
    shown = " ".join((ran.stdout + ran.stderr).split())
    assert KEY not in shown
    if told is None:
        assert ran.returncode == 0, ran.stderr
        output = (tmp_path / "out.jsonl").read_bytes().splitlines()
        check(asked, Results(output=[json.loads(text) for text in output]))
    else:
        assert ran.returncode != 0
        assert told in shown
