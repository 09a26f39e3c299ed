"""The fake of AWS, driven by boto3 over the socket: bodies and models that Bedrock refuses."""

import json
from collections.abc import Generator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.contract.aws_clients import CLAUDE, NOVA, body, client

from batchway.simulator.aws import BedrockFake, running

USER = [{"role": "user", "content": "Hello"}]
BLOCKS = [{"role": "user", "content": [{"text": "Hello"}]}]
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
MISTRAL = "mistral.mistral-7b-instruct-v0:2"
LARGE = "mistral.mistral-large-2407-v1:0"
GPT = "openai.gpt-oss-20b-1:0"
TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-english-v3"
COHERE_4 = "us.cohere.embed-v4:0"
NOVA_EMBED = "amazon.nova-2-multimodal-embeddings-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
CALL = {"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "1", "content": [{"text": "x"}]}}
TOOLS = {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}


@pytest.fixture(scope="module")
def shared() -> Generator[BedrockFake]:
    with running() as fake:
        yield fake


@pytest.fixture
def fake(shared: BedrockFake) -> Generator[BedrockFake]:
    before = shared.control()
    yield shared
    shared.control(**before)


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in body(1).items() if field != name}


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        (CLAUDE, without("max_tokens"), "max_tokens: Field required"),
        (CLAUDE, without("anthropic_version"), "anthropic_version: Field required"),
        (CLAUDE, {**body(1), "model": CLAUDE}, "model: Extra inputs are not permitted"),
        (CLAUDE, {**body(1), "stream": True}, "stream: Extra inputs are not permitted"),
        (
            CLAUDE,
            {**body(1), "anthropic_version": "vertex-2023-10-16"},
            '"vertex-2023-10-16" is not a valid version',
        ),
        (
            CLAUDE,
            {**body(1), "messages": [{"role": "user", "content": [IMAGE]}]},
            "URL sources are not supported on Bedrock",
        ),
        (NOVA, {"messages": BLOCKS, "max_tokens": 1}, "#: extraneous key [max_tokens] is not"),
        (NOVA, {"messages": USER}, "#/messages/0/content: expected type: JSONArray, found: Str"),
        (NOVA, {"schemaVersion": "v2", "messages": BLOCKS}, "v2 is not a valid enum value"),
        (NOVA, {}, "#: required key [messages] not found"),
        (
            NOVA,
            {"messages": BLOCKS, "inferenceConfig": {"topP": 2, "maxTokens": "1"}},
            "2 schema violations found",
        ),
        (NOVA, {"messages": [*BLOCKS, *BLOCKS]}, "must alternate between user and assistant"),
        (GPT, {"max_tokens": 5}, "#: required key [messages] not found"),
        (GPT, {"messages": USER, "model": "another"}, "must match the one in the header"),
        (GPT, {"messages": USER, "store": True}, "#: extraneous key [store] is not permitted"),
        (
            GPT,
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "doesn't support the image content block",
        ),
        (LLAMA, {"messages": USER}, "2 schema violations found"),
        (LLAMA, {"prompt": "x", "max_gen_len": 0}, "0 is not greater or equal to 1"),
        (LLAMA, {"prompt": "x", "temperature": "1"}, "expected type: Number, found: String"),
        (MISTRAL, {"prompt": "x", "max_tokens": 9_000}, "9000 is not less or equal to 8192"),
        (LARGE, {"messages": USER, "stop": ["x"]}, "#: extraneous key [stop] is not permitted"),
        (TITAN, {"inputText": "x", "dimensions": 3}, "3 is not a valid enum value"),
        (TITAN, {"inputText": ""}, "expected minLength: 1, actual: 0"),
        (COHERE, {"texts": ["x" * 2_049], "input_type": "search_query"}, "maxLength: 2048"),
        (COHERE, {"texts": ["x"]}, "#: required key [input_type] not found"),
        (
            COHERE,
            {"texts": ["x"] * 97, "input_type": "search_query"},
            "expected maximum item count: 96, found: 97",
        ),
        (
            COHERE,
            {"texts": ["x"], "input_type": "search_query", "truncate": "RIGHT"},
            "RIGHT is not a valid enum value",
        ),
        (
            COHERE_4,
            {"texts": ["x"], "input_type": "search_query", "truncate": "END"},
            "END is not a valid enum value",
        ),
        (NOVA_EMBED, {"taskType": "SINGLE_EMBEDDING"}, "required key [singleEmbeddingParams]"),
        (CLAUDE, {**body(1), "tool_choice": "auto"}, "it cannot be read (AttributeError)"),
        (
            NOVA,
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"image": {"format": "png", "source": {"bytes": "-"}}}],
                    }
                ]
            },
            "it cannot be read (Error)",
        ),
        ("acme.model-v1:0", {}, "The provided model identifier is invalid."),
        (
            "arn:aws:bedrock:eu-west-1::foundation-model/" + CLAUDE,
            body(1),
            "The provided ARN is invalid for the service region.",
        ),
    ],
)
def test_bodies_of_invoke_model(
    fake: BedrockFake, model: str, given: dict[str, Any], words: str
) -> None:
    runtime = client("bedrock-runtime", fake)
    with pytest.raises(runtime.exceptions.ValidationException) as caught:
        runtime.invoke_model(modelId=model, body=json.dumps(given))
    assert words in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"messages": []}, "The conversation must have at least one message."),
        (
            {"messages": [{"role": "assistant", "content": [{"text": "x"}]}]},
            "A conversation must start with a user message.",
        ),
        ({"messages": [*BLOCKS, *BLOCKS]}, "must alternate between user and assistant roles"),
        ({"messages": [{"role": "user", "content": []}]}, "content field in the Message object"),
        ({"messages": [{"role": "user", "content": [{"text": " "}]}]}, "is blank"),
        ({"messages": [*BLOCKS, {"role": "assistant", "content": [CALL]}]}, "must not end with"),
        (
            {
                "messages": [*BLOCKS, {"role": "assistant", "content": [CALL]}, *BLOCKS],
                "toolConfig": TOOLS,
            },
            "Expected toolResult blocks at messages.2.content for the following Ids: 1",
        ),
        (
            {"messages": [{"role": "user", "content": [RESULT]}], "toolConfig": TOOLS},
            "exceeds the number of toolUse blocks of previous turn",
        ),
        (
            {
                "messages": [
                    *BLOCKS,
                    {"role": "assistant", "content": [CALL]},
                    {"role": "user", "content": [RESULT]},
                ]
            },
            "The toolConfig field must be defined",
        ),
        (
            {"messages": BLOCKS, "inferenceConfig": {"temperature": 1.5}},
            "at 'inferenceConfig.temperature' failed to satisfy constraint",
        ),
        (
            {"messages": BLOCKS, "toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "g"}}}},
            "toolChoice.tool.name g is not among the tools",
        ),
    ],
)
def test_bodies_of_converse(fake: BedrockFake, given: dict[str, Any], words: str) -> None:
    runtime = client("bedrock-runtime", fake)
    with pytest.raises(runtime.exceptions.ValidationException) as caught:
        runtime.converse(modelId=CLAUDE, **given)
    assert words in caught.value.response["Error"]["Message"]


def test_converse_is_not_for_vectors(fake: BedrockFake) -> None:
    runtime = client("bedrock-runtime", fake)
    with pytest.raises(runtime.exceptions.ValidationException, match="doesn't support the model"):
        runtime.converse(modelId=TITAN, messages=BLOCKS)


@pytest.mark.parametrize(
    ("dials", "status", "code", "words"),
    [
        (
            {"no_access": [CLAUDE]},
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        (
            {"profile_only": [CLAUDE]},
            400,
            "ValidationException",
            f"Invocation of model ID {CLAUDE} with on-demand throughput isn’t supported.",
        ),
        ({"no_such_model": [CLAUDE]}, 400, "ValidationException", "The provided model identif"),
        ({"models": [NOVA]}, 400, "ValidationException", "The provided model identifier is inv"),
        ({"no_use_case": [CLAUDE]}, 404, "ResourceNotFoundException", "Model use case details"),
        ({"end_of_life": [CLAUDE]}, 404, "ResourceNotFoundException", "reached the end of its"),
        (
            {"rules": [{"on": "online", "status": 424, "message": "It failed."}]},
            424,
            "ModelErrorException",
            "It failed.",
        ),
        (
            {"rules": [{"on": "online", "status": 408}]},
            408,
            "ModelTimeoutException",
            "The fake was told",
        ),
        (
            {"rules": [{"on": "online", "status": 429, "name": "ModelNotReadyException"}]},
            429,
            "ModelNotReadyException",
            "The fake was told",
        ),
        (
            {"rules": [{"on": "online", "status": 503}]},
            503,
            "ServiceUnavailableException",
            "The fake was told",
        ),
    ],
)
def test_models_and_their_troubles(
    fake: BedrockFake, dials: dict[str, Any], status: int, code: str, words: str
) -> None:
    fake.control(**dials)
    with pytest.raises(ClientError) as caught:
        client("bedrock-runtime", fake).invoke_model(modelId=CLAUDE, body=json.dumps(body(1)))
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["Error"]["Code"] == code
    assert words in answer["Error"]["Message"]


def test_profiles_and_arns_find_their_family(fake: BedrockFake) -> None:
    fake.control(profile_only=[CLAUDE], families={PROFILE: "anthropic"})
    runtime = client("bedrock-runtime", fake)
    for model in (
        f"us.{CLAUDE}",
        f"global.{CLAUDE}",
        f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{CLAUDE}",
        f"arn:aws:bedrock:us-east-1:123456789012:custom-model/{CLAUDE}/abcdefghijk1",
        PROFILE,
    ):
        runtime.invoke_model(modelId=model, body=json.dumps(body(1)))
    with pytest.raises(runtime.exceptions.ValidationException, match="isn’t supported"):
        runtime.invoke_model(modelId=CLAUDE, body=json.dumps(body(1)))
    with pytest.raises(runtime.exceptions.AccessDeniedException, match="bedrock:InvokeModel"):
        runtime.invoke_model(
            modelId=PROFILE.replace("123456789012", "999999999999"), body=json.dumps(body(1))
        )
