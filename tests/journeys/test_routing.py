"""Which provider runs a line: by header, by `provider/model`, by route, or as the only one."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.journeys.conftest import (
    NewServer,
    NewSimulator,
    provider,
    running_servers,
    running_simulators,
)
from tests.journeys.lines import (
    Line,
    chat,
    chats,
    check,
    completed,
    counts,
    ended,
    line,
    reached,
    results,
    submit,
)
from tests.journeys.processes import Server, eventually


def test_routes_weights_and_fallbacks_in_one_file(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    east, west, spare = (new_simulator(record=True) for _ in range(3))
    broken = new_simulator(error_rate=1)
    without = new_simulator(models="something-else")
    server = new_server(
        provider(east, "east"),
        provider(west, "west"),
        provider(spare, "spare"),
        provider(broken, "broken", limits={"max_attempts": 2}),
        provider(without, "without"),
        routes=[
            {
                "model": "fast",
                "targets": [
                    {"provider": "east", "model": "fast-e", "weight": 3},
                    {"provider": "west", "model": "fast-w"},
                ],
            },
            {
                "model": "backed",
                "targets": [
                    {"provider": "broken", "model": "backed-b"},
                    {"provider": "spare", "model": "backed-s", "fallback": True},
                ],
            },
            {
                "model": "denied",
                "targets": [
                    {"provider": "without", "model": "denied-w"},
                    {"provider": "spare", "model": "denied-s", "fallback": True},
                ],
            },
        ],
    )
    client = server.client()
    asked = [
        *chats(300, "fast", model="fast"),
        *chats(20, "backed", model="backed"),
        *chats(20, "denied", model="denied"),
        *chats(20, "east", model="east/plain"),
        *chats(20, "slash", model="west/org/plain"),
    ]
    # As if shuffled: neighbours go different ways.
    asked = [asked[at * 7 % len(asked)] for at in range(len(asked))]
    last = ended(client, submit(client, asked))
    given = results(client, last)
    models = {each["custom_id"]: each["response"]["body"]["model"] for each in given.output}

    assert (last.status, counts(last), last.model) == ("completed", (380, 380, 0), None)
    check(asked, given, models=models)
    served = Counter((custom_id.partition("-")[0], model) for custom_id, model in models.items())
    by_weight = served.pop(("fast", "fast-e")), served.pop(("fast", "fast-w"))
    assert served == {
        ("backed", "backed-s"): 20,
        ("denied", "denied-s"): 20,
        ("east", "plain"): 20,
        ("slash", "org/plain"): 20,
    }
    # Three in four, give or take six standard deviations.
    assert sum(by_weight) == 300
    assert 180 <= by_weight[0] <= 270
    assert [each.stats()["answered"] for each in (east, west, spare)] == [
        by_weight[0] + 20,
        by_weight[1] + 20,
        40,
    ]


@pytest.fixture
def two_providers(new_simulator: NewSimulator, new_server: NewServer) -> Server:
    """A server that cannot guess which of two providers is meant."""
    simulator = new_simulator()
    return new_server(provider(simulator, "one"), provider(simulator, "two"))


def test_the_header_names_the_provider(two_providers: Server) -> None:
    client = two_providers.client()
    asked = [chat("plain", model="m"), chat("prefixed", model="two/m")]
    batch = submit(client, asked, extra_headers={"x-tfy-provider-name": "two"})
    last = completed(client, batch, asked, models={"plain": "m", "prefixed": "m"})
    assert last.to_dict()["provider"] == "two"


def test_nothing_names_the_provider(two_providers: Server) -> None:
    client = two_providers.client()
    last = ended(client, submit(client, [chat("a", model="one/m"), chat("b", model="m")]))

    assert last.status == "failed"
    assert last.errors is not None
    assert [error.to_dict() for error in last.errors.data or []] == [
        {
            "code": "model_not_found",
            "message": "No provider serves the model 'm'. Write the model as 'provider/model', or "
            "send the header x-tfy-provider-name. Providers: one, two. Routes: none.",
            "param": "body.model",
            "line": 2,
        }
    ]


def test_the_header_names_no_provider(two_providers: Server) -> None:
    client = two_providers.client()
    with pytest.raises(openai.BadRequestError) as refused:
        submit(client, [chat("a")], extra_headers={"x-tfy-provider-name": "three"})
    assert refused.value.body == {
        "message": "No provider named 'three' is configured. Configured: 'one', 'two'.",
        "type": "invalid_request_error",
        "param": "x-tfy-provider-name",
        "code": "provider_not_found",
    }


def test_a_key_keeps_to_its_providers(new_simulator: NewSimulator, new_server: NewServer) -> None:
    simulator = new_simulator()
    server = new_server(
        provider(simulator, "one"),
        provider(simulator, "two"),
        auth={"keys": [{"name": "k", "key": "sk-one-only-0123456789", "providers": ["one"]}]},
    )
    client = server.client("sk-one-only-0123456789")
    asked = [chat("a", model="one/m")]
    completed(client, submit(client, asked), asked, models={"a": "m"})
    last = ended(client, submit(client, [chat("a", model="one/m"), chat("b", model="two/m")]))
    assert last.errors is not None
    assert [(error.line, error.code, error.message) for error in last.errors.data or []] == [
        (
            2,
            "provider_not_allowed",
            "This API key may not use the provider 'two' that the model 'two/m' needs.",
        )
    ]


@pytest.mark.parametrize("api_version", ["2024-10-21", "v1", "preview"])
@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
        ("/v1/embeddings", {"input": "hello"}),
        ("/v1/completions", {"prompt": "hello"}),
        ("/v1/responses", {"input": "hello"}),
    ],
)
def test_azure(azure_server: Server, api_version: str, endpoint: str, body: Any) -> None:
    client = azure_server.client()
    asked: list[Line] = [
        line(f"r-{number}", endpoint, model=f"azure-{api_version}/gpt 4o, ours", **body)
        for number in range(3)
    ]
    models = {each["custom_id"]: "gpt 4o, ours" for each in asked}
    completed(client, submit(client, asked, endpoint=endpoint), asked, models=models)


@pytest.fixture(scope="module")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose providers are an Azure resource, in every spelling, that checks its key."""
    directory = tmp_path_factory.mktemp("azure")
    with running_simulators(directory) as simulators, running_servers(directory) as servers:
        simulator = simulators(api_key="azure-key")
        yield servers(
            *(
                {
                    "name": f"azure-{version}",
                    "type": "azure-openai",
                    "endpoint": simulator.origin,
                    "api_key": "azure-key",
                    "api_version": version,
                    "mode": "managed",
                }
                for version in ("2024-10-21", "v1", "preview")
            )
        )


def test_openai_with_its_key(new_simulator: NewSimulator, new_server: NewServer) -> None:
    simulator = new_simulator(api_key="sk-openai")
    entry = {
        "name": "main",
        "type": "openai",
        "base_url": simulator.base_url,
        "mode": "managed",
    }
    server = new_server(
        {**entry, "api_key": "sk-openai", "organization": "org-1", "project": "proj-1"},
        {**entry, "name": "wrong", "api_key": "sk-wrong"},
    )
    client = server.client()
    asked = [chat("a", model="main/m"), chat("b", model="wrong/m")]
    batch = reached(client, submit(client, asked), completed=1)

    def said() -> str:
        return str(client.batches.retrieve(batch.id).to_dict()["status_details"] or "")

    # A wrong key is no line's fault: what needs it waits for a better one.
    assert "'wrong' has refused its credentials (401 invalid_api_key)" in eventually("why", said)
    client.batches.cancel(batch.id)
    last = ended(client, batch)
    given = results(client, last)

    assert counts(last) == (2, 1, 0)
    check(asked, given, models={"a": "m"})
    assert given.codes() == {"b": "batch_cancelled"}
    assert "sk-" not in server.process.output()
