"""One route over three wires: OpenAI's, Gemini's on Vertex AI, and those of Bedrock.

Whatever befalls two of its three providers, the third ends the batch, and each result says whose it
is. One server and one fake of each vendor for all. A target that was in trouble is looked at only
now and then, so each test has models of its own.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import pytest
from tests.journeys.bedrock import CLAUDE, LLAMA, NOVA, OPUS, bedrock
from tests.journeys.conftest import running_servers, running_simulators
from tests.journeys.lines import (
    CHAT,
    Line,
    chat,
    chats,
    check,
    counts,
    ended,
    line,
    reached,
    results,
    submit,
)
from tests.journeys.processes import Server, Simulator
from tests.journeys.vertex import vertex

from batchway.simulator import aws, google

HAIKU: Final = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
AT_ONCE: Final = {"concurrency": 8}


def route(name: str, *targets: tuple[str, str], fall_back: bool = False) -> dict[str, Any]:
    """A route over these; with `fall_back` all but the first are there for what it gives up on."""
    return {
        "model": name,
        "targets": [
            {"provider": provider, "model": model, "fallback": fall_back and at > 0}
            for at, (provider, model) in enumerate(targets)
        ],
    }


ROUTES: Final = [
    route("a", ("openai", "gpt-a"), ("vertex", "gemini-2.5-flash"), ("aws", CLAUDE)),
    route("b", ("openai", "gpt-b"), ("vertex", "gemini-2.5-pro"), ("aws", OPUS)),
    route("c", ("openai", "gpt-c"), ("vertex", "gemini-2.5-flash-lite"), ("aws", HAIKU)),
    route(
        "spoken",
        ("vertex", "gemini-2.0-flash"),
        ("aws", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("aws", NOVA),
        ("aws", LLAMA),
        fall_back=True,
    ),
    route(
        "picky",
        ("aws", CLAUDE),
        ("vertex", "gemini-3-flash-preview"),
        ("openai", "gpt-picky"),
        fall_back=True,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The three vendors, and one Batchway in front of them."""

    openai: Simulator
    google: google.GoogleFake
    aws: aws.BedrockFake
    server: Server

    def paid(self) -> dict[str, int]:
        """Lines that each of them has answered."""
        return {
            "openai": self.openai.stats()["answered"],
            "vertex": self.google.stats()["online"],
            "aws": self.aws.stats()["online"],
        }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("mixed")
    with ExitStack() as stack:
        simulator = stack.enter_context(running_simulators(folder))(latency=0.005, record=True)
        of_google = stack.enter_context(google.running())
        of_aws = stack.enter_context(aws.running())
        servers = stack.enter_context(running_servers(folder))
        main = {"name": "openai", "type": "openai", "api_key": "sk-main", "mode": "managed"}
        server = servers(
            {**main, "base_url": simulator.base_url, "limits": AT_ONCE},
            vertex(of_google, folder, limits=AT_ONCE),
            bedrock(of_aws, limits=AT_ONCE),
            routes=ROUTES,
        )
        yield World(openai=simulator, google=of_google, aws=of_aws, server=server)


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The dials as they were afterwards."""
    before = shared.google.control(), shared.aws.control()
    yield shared
    if not shared.openai.process.running:
        shared.openai.restart()
    shared.openai.dial(error_rate=0)
    shared.google.control(**before[0])
    shared.aws.control(**before[1])


def _five_hundreds(world: World) -> None:
    world.openai.dial(error_rate=1)


def _unreachable(world: World) -> None:
    world.openai.process.kill()


def _of_google(**dials: Any) -> Callable[[World], object]:
    return lambda world: world.google.control(**dials)


def _of_aws(**dials: Any) -> Callable[[World], object]:
    return lambda world: world.aws.control(**dials)


FIND: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "find",
        "description": "Find a thing.",
        "parameters": {
            "type": "object",
            "properties": {"thing": {"type": "string"}, "count": {"type": "integer"}},
            "required": ["thing", "count"],
            "additionalProperties": False,
        },
    },
}
SCHEMA: Final = {
    "type": "json_schema",
    "json_schema": {
        "name": "found",
        "strict": True,
        "schema": FIND["function"]["parameters"],
    },
}


def _kinds(values: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in values.items()}


def test_tools_and_schemas_fall_back_from_one_wire_to_another(world: World) -> None:
    """Gemini's, Anthropic's, Nova's and Converse's: the caller sees OpenAI's from each."""
    client = world.server.client()
    talk = [
        {"role": "user", "content": "Where is it?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "find", "arguments": '{"thing": "it", "count": 1}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Under the sofa."},
    ]
    asked: list[Line] = [
        chat("call", model="spoken", tools=[FIND], tool_choice="required"),
        line("answer", CHAT, model="spoken", messages=talk, tools=[FIND]),
        chat("schema", model="spoken", response_format=SCHEMA),
    ]
    targets = next(each["targets"] for each in ROUTES if each["model"] == "spoken")
    gone: list[str] = []
    for target in targets:
        if target["model"] == LLAMA:
            asked = [asked[1]]  # its Converse can be told neither to call a tool nor a schema
        last = ended(client, submit(client, asked))
        given = results(client, last)
        assert (last.status, counts(last)[1]) == ("completed", len(asked)), (target, given.errors)
        rows = {row["custom_id"]: row for row in given.output}
        assert {row["provider"] for row in given.output} == {target["provider"]}, target
        said = {name: row["response"]["body"]["choices"][0] for name, row in rows.items()}
        assert said["answer"]["message"]["content"]
        assert said["answer"]["finish_reason"] == "stop"
        if len(asked) == 1:
            break
        (call,) = said["call"]["message"]["tool_calls"]
        assert (said["call"]["finish_reason"], call["type"], call["function"]["name"]) == (
            "tool_calls",
            "function",
            "find",
        )
        kinds = {"thing": str, "count": int}
        assert _kinds(json.loads(call["function"]["arguments"])) == kinds
        assert _kinds(json.loads(said["schema"]["message"]["content"])) == kinds
        assert said["schema"]["finish_reason"] == "stop"
        if target["provider"] == "vertex":
            world.google.control(revoked=True)
        else:
            gone.append(target["model"])
            world.aws.control(no_access=gone)


def test_what_one_cannot_be_asked_the_next_is(world: World) -> None:
    """No target is asked for what it cannot do, and no line fails for it while one can."""
    client = world.server.client()
    asked = [
        chat("plain", model="picky"),
        chat("pair", model="picky", n=2),  # Claude gives one answer
        chat("biased", model="picky", logit_bias={"50256": -100}),  # OpenAI's alone
        chat("called", model="picky", tools=[FIND], tool_choice="required"),
    ]
    before = world.paid()
    last = ended(client, submit(client, asked))
    given = results(client, last)
    assert (last.status, counts(last)) == ("completed", (4, 4, 0)), (last.errors, given.errors)
    assert {row["custom_id"]: row["provider"] for row in given.output} == {
        "plain": "aws",
        "pair": "vertex",
        "biased": "openai",
        "called": "aws",
    }
    assert [len(row["response"]["body"]["choices"]) for row in given.output] == [1, 2, 1, 1]
    after = world.paid()
    assert {name: after[name] - before[name] for name in after} == {
        "aws": 2,
        "vertex": 1,
        "openai": 1,
    }
    # What none can be asked is told before anything is sent.
    refused = ended(client, submit(client, [chat("x", model=f"aws/{CLAUDE}", n=2)]))
    assert refused.errors is not None
    assert [(error.line, error.param) for error in refused.errors.data or []] == [(1, "body.n")]
    assert world.paid() == after


@pytest.mark.parametrize(
    ("name", "last", "troubles"),
    [
        ("a", "vertex", [_five_hundreds, _of_aws(denied=["bedrock:InvokeModel"])]),
        (
            "c",
            "openai",
            [_of_google(rules=[{"on": "online", "status": 500}]), _of_aws(revoked=True)],
        ),
        ("b", "aws", [_unreachable, _of_google(revoked=True)]),
    ],
)
def test_two_of_three_fail_half_way(
    world: World, name: str, last: str, troubles: list[Callable[[World], object]]
) -> None:
    client = world.server.client()
    before, asked = world.paid(), chats(1_000, name, model=name)
    batch = reached(client, submit(client, asked), completed=150)
    at_that_time = world.paid()
    for trouble in troubles:
        trouble(world)

    batch = ended(client, batch)
    given = results(client, batch)

    assert (batch.status, counts(batch)) == ("completed", (1_000, 1_000, 0)), given.errors[:3]
    # A prompt's answer is another one from each model: a result that names the wrong provider,
    # or another line's answer, is found out.
    models = {
        target["provider"]: target["model"]
        for targets in ROUTES
        if targets["model"] == name
        for target in targets["targets"]
    }
    named = {row["custom_id"]: models[row["provider"]] for row in given.output}
    check(asked, given, models=named)
    by = Counter(row["provider"] for row in given.output)
    assert set(by) == set(models)
    assert by[last] > 400
    # What was answered is what was delivered: no line was paid for twice.
    stats = {"vertex": world.google.stats()["online"], "aws": world.aws.stats()["online"]}
    assert {each: stats[each] - before[each] for each in stats} == {
        each: by[each] for each in stats
    }
    for failed in set(models) - {last}:
        assert at_that_time[failed] > before[failed]
