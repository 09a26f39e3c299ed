"""AWS Bedrock line by line: every model's dialect, who calls, routes, and mistakes of a set-up."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.journeys.bedrock import CLAUDE, LLAMA, NOVA, OPUS, ROLE, bedrock, named
from tests.journeys.cli_harness import batchway
from tests.journeys.conftest import NewServer, NewSimulator, provider, running_servers
from tests.journeys.lines import (
    Line,
    chat,
    chats,
    completed,
    counts,
    ended,
    jsonl,
    line,
    results,
    submit,
)
from tests.journeys.processes import Server, eventually

from batchway.simulator.aws import BedrockFake, running

EMBEDDINGS, RESPONSES = "/v1/embeddings", "/v1/responses"


def _said(client: openai.OpenAI, batch_id: str, words: str) -> str:
    """What a batch says once it says these words."""

    def look() -> str:
        said = str(client.batches.retrieve(batch_id).to_dict()["status_details"] or "")
        return said if words in said else ""

    return eventually(words, look)


# ----------------------------------------------------------------------------- every dialect


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BedrockFake, Server]]:
    """A server over a fake that is well, unless a test dials it otherwise and back."""
    folder = tmp_path_factory.mktemp("bedrock")
    with running() as fake, running_servers(folder) as servers:
        yield fake, servers(bedrock(fake))


def test_chat_of_every_maker_in_one_file(aws: tuple[BedrockFake, Server]) -> None:
    fake, server = aws
    client = server.client()
    makers = {
        "claude": CLAUDE,
        "nova": NOVA,
        "llama": LLAMA,  # over Converse, online
        "gpt": "openai.gpt-oss-20b-1:0",
        "qwen": "qwen.qwen3-32b-v1:0",
        "mistral": "mistral.devstral-2-123b",
        "mixtral": "mistral.mixtral-8x7b-instruct-v0:1",  # over Converse
        "named": f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE}",
    }
    asked = [line for name, model in makers.items() for line in chats(20, name, model=model)]
    asked = [asked[at * 9 % len(asked)] for at in range(len(asked))]
    models = {each["custom_id"]: makers[each["custom_id"].partition("-")[0]] for each in asked}
    last = completed(client, submit(client, asked), asked, models=models)
    assert last.usage is not None
    assert last.usage.output_tokens > 0
    assert set(fake.stats()["online_by_digest"].values()) == {1}
    assert fake.keys.secret not in server.process.output()


def test_embeddings_with_arrays(aws: tuple[BedrockFake, Server]) -> None:
    client = aws[1].client()
    asked: list[Line] = []
    for n, model in enumerate(("amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1")):
        asked += [
            line(f"one-{n}", EMBEDDINGS, model=model, input=f"text {n}"),
            line(f"many-{n}", EMBEDDINGS, model=model, input=["a", "b", "c"]),
            line(f"packed-{n}", EMBEDDINGS, model=model, input=["d"], encoding_format="base64"),
        ]
    models = {each["custom_id"]: each["body"]["model"] for each in asked}
    completed(client, submit(client, asked, endpoint=EMBEDDINGS), asked, models=models)
    # The bodies of these tell no counts of tokens: headers do.
    asked = [
        line(model, EMBEDDINGS, model=model, input=["a", "b"], input_type="search_query")
        for model in ("us.cohere.embed-v4:0", "amazon.nova-2-multimodal-embeddings-v1:0")
    ]
    last = ended(client, submit(client, asked, endpoint=EMBEDDINGS))
    given = results(client, last)
    assert counts(last) == (2, 2, 0), (given.errors, last.errors)
    bodies = [each["response"]["body"] for each in given.output]
    assert [len(body["data"]) for body in bodies] == [2, 2]
    assert last.usage is not None
    counted = [body["usage"]["prompt_tokens"] for body in bodies]
    assert (min(counted) > 0, sum(counted)) == (True, last.usage.input_tokens)


def test_responses_over_every_chat(aws: tuple[BedrockFake, Server]) -> None:
    client = aws[1].client()
    asked = [
        line(f"{model}-{n}", RESPONSES, model=model, input=f"Say {model} {n}")
        for model in (CLAUDE, NOVA, LLAMA, "openai.gpt-oss-20b-1:0")
        for n in range(5)
    ]
    last = ended(client, submit(client, asked, endpoint=RESPONSES))
    given = results(client, last)
    assert (last.status, counts(last)) == ("completed", (20, 20, 0)), given.errors
    texts = set[str]()
    for each in given.output:
        body = each["response"]["body"]
        assert (body["object"], body["status"]) == ("response", "completed")
        assert body["model"] in each["custom_id"]
        texts.add(body["output"][0]["content"][0]["text"])
    assert len(texts) == 20


def test_what_a_line_leaves_out_is_told_and_what_it_cannot_have_is_refused(
    aws: tuple[BedrockFake, Server],
) -> None:
    client = aws[1].client()
    asked = [chat("a", model=CLAUDE, seed=1)]
    (row,) = results(client, ended(client, submit(client, asked))).output
    refused = ended(client, submit(client, [chat("b", model=CLAUDE, logit_bias={"1": 2})]))
    warnings = row["response"]["body"]["batchway"]["warnings"]
    assert [warning["param"] for warning in warnings] == ["seed"]
    assert (refused.status, refused.errors is None) == ("failed", False)
    assert refused.errors is not None
    (error,) = refused.errors.data or []
    assert (error.line, error.param) == (1, "body.logit_bias")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-tfy-aws-bedrock-model": CLAUDE},
        {"x-tfy-aws-bedrock-model": f"aws/{CLAUDE}"},
        {"x-tfy-provider-model": NOVA, "x-tfy-aws-bedrock-model": CLAUDE},
        {"x-tfy-provider-model": CLAUDE},
        {
            "x-tfy-aws-bedrock-model": "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
            + CLAUDE
        },
    ],
)
def test_a_batch_names_its_own_model(
    aws: tuple[BedrockFake, Server], headers: dict[str, str]
) -> None:
    client = aws[1].client()
    asked = [
        {"custom_id": "named", "body": chat("x", model="gpt-4o-mini")["body"]},
        {"custom_id": "bare", "body": {"messages": [{"role": "user", "content": "Hello"}]}},
    ]
    headers = {"x-tfy-provider-name": "aws", **headers}
    last = ended(client, submit(client, asked, extra_headers=headers))
    given = results(client, last)
    assert (last.status, counts(last)) == ("completed", (2, 2, 0)), (given.errors, last.errors)
    models = {each["response"]["body"]["model"] for each in given.output}
    assert models == {"claude-sonnet-4-5-20250929"}


# ----------------------------------------------------------------------------- who calls


def test_an_api_key_and_an_assumed_role_call(new_server: NewServer) -> None:
    with running(external_id="of-ours") as fake:
        key = fake.bearer()
        server = new_server(
            bedrock(fake, "key", api_key=key),
            bedrock(fake, "role", assume_role_arn=ROLE, external_id="of-ours"),
        )
        client = server.client()
        asked = [
            *chats(10, "key", model=f"key/{CLAUDE}"),
            *chats(10, "role", model=f"role/{CLAUDE}"),
        ]
        completed(client, submit(client, asked), asked, models=named(asked, CLAUDE))
        assert 1 <= fake.stats()["sessions"] <= 2  # one for each event loop, none for each line
        said = server.process.output()
        assert key not in said
        assert fake.keys.secret not in said


def test_a_clock_that_is_off_is_no_matter(aws: tuple[BedrockFake, Server]) -> None:
    fake, server = aws
    client = server.client()
    asked = chats(30, "late", model=CLAUDE)
    fake.control(clock_skew=7_200.0)
    completed(client, submit(client, asked), asked)
    fake.control(clock_skew=0.0)
    completed(client, submit(client, asked), asked)


def test_throttling_is_the_accounts_and_no_lines(new_server: NewServer) -> None:
    with running(throttle_calls=6) as fake:
        client = new_server(bedrock(fake, limits={"max_attempts": 2})).client()
        asked = chats(30, model=CLAUDE)
        completed(client, submit(client, asked), asked)
        assert set(fake.stats()["online_by_digest"].values()) == {1}


# ----------------------------------------------------------------------------- routes


def test_a_route_falls_back_across_wires(
    new_simulator: NewSimulator, new_server: NewServer
) -> None:
    simulator = new_simulator()
    with running(no_access=[OPUS]) as fake:
        server = new_server(
            bedrock(fake),
            provider(simulator, "own"),
            routes=[
                {
                    "model": "smart",
                    "targets": [
                        {"provider": "aws", "model": OPUS},
                        {"provider": "aws", "model": NOVA, "fallback": True},
                        {"provider": "own", "model": "own-m", "fallback": True},
                    ],
                }
            ],
        )
        client = server.client()
        asked = chats(20, model="smart")
        completed(client, submit(client, asked), asked, models=named(asked, NOVA))
        fake.control(no_access=[OPUS, NOVA])
        completed(client, submit(client, asked), asked, models=named(asked, "own-m"))


# ----------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("dials", "mended", "code", "advice"),
    [
        (
            {"profile_only": [NOVA]},
            {"profile_only": []},
            "404 ValidationException",
            f"call the model by an inference profile: put its id, such as 'us.{NOVA}'",
        ),
        (
            {"revoked": True},
            {"revoked": False},
            "403 UnrecognizedClientException",
            "check `access_key_id`",
        ),
    ],
)
def test_a_mistake_of_the_set_up_is_told_and_waited_for(
    aws: tuple[BedrockFake, Server],
    *,
    dials: dict[str, Any],
    mended: dict[str, Any],
    code: str,
    advice: str,
) -> None:
    fake, server = aws
    client = server.client()
    asked = chats(8, code, model=NOVA if "profile_only" in dials else CLAUDE)
    fake.control(**dials)
    try:
        batch = submit(client, asked)
        said = _said(client, batch.id, advice)
    finally:
        fake.control(**mended)
    assert code in said
    completed(client, batch, asked)
    assert fake.keys.secret not in server.process.output()


def test_no_credentials_at_all(new_server: NewServer) -> None:
    with running() as fake:
        server = new_server(bedrock(fake, profile="nobody-has-this"))
        client = server.client()
        batch = submit(client, chats(3, model=CLAUDE))
        said = _said(client, batch.id, "give the provider credentials: `access_key_id`")
        assert "403 MissingAuthenticationTokenException" in said
        assert "AWS's configuration files have no profile of that name" in server.process.output()
        client.batches.cancel(batch.id)
        ended(client, batch)


def test_a_model_that_nobody_knows_is_told_before_anything_is_sent(
    aws: tuple[BedrockFake, Server],
) -> None:
    fake, server = aws
    client = server.client()
    sent = fake.stats()["requests"].get("online", 0)
    asked = [
        chat("known", model=CLAUDE),
        chat("unknown", model="no-such-thing"),
        chat("own", model="arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl"),
        chat("away", model=f"arn:aws:bedrock:eu-west-1::foundation-model/{NOVA}"),
    ]
    last = ended(client, submit(client, asked))
    assert last.errors is not None
    errors = last.errors.data or []
    assert [(error.line, error.param) for error in errors] == [
        (number, "body.model") for number in (2, 3, 4)
    ]
    for error, words in zip(
        errors,
        (
            "Nothing is known of a model of this name on AWS Bedrock: write the model's id",
            "The ARN of an imported model does not say what its model speaks",
            "runs models in 'us-east-1', and this ARN is one of 'eu-west-1'",
        ),
        strict=True,
    ):
        assert words in (error.message or "")
    assert fake.stats()["requests"].get("online", 0) == sent


@pytest.mark.parametrize(
    ("dials", "advice"),
    [
        ({"no_access": [CLAUDE]}, "Request access to the model in the Bedrock console"),
        ({"denied": ["bedrock:InvokeModel"]}, "Allow these credentials bedrock:InvokeModel"),
    ],
)
def test_a_run_ends_before_it_begins(tmp_path: Path, dials: dict[str, Any], advice: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(chats(50, model=CLAUDE)))
    with running(**dials) as fake:
        (tmp_path / "batchway.yaml").write_text(json.dumps({"providers": [bedrock(fake)]}))
        done = batchway("run", "in.jsonl", "-o", "out.jsonl", cwd=tmp_path)
        asked = fake.stats()["requests"]
    assert done.code == 1
    assert advice in done.err
    assert "Traceback" not in done.err
    assert asked.get("online", 0) <= 1
