"""The fake of AWS, driven by boto3 over the socket: what models answer and refuse."""

import base64
import json
from collections.abc import Generator
from typing import Any

import pytest
from tests.contract.aws_clients import CLAUDE, NOVA, body, client, openai_line

from batchway.simulator.aws import BedrockFake, running
from batchway.simulator.aws.expected import belongs, digest_of, vectors_of
from batchway.simulator.online import expected_text, verify

CHAT = "/v1/chat/completions"
GPT = "openai.gpt-oss-20b-1:0"
QWEN = "qwen.qwen3-32b-v1:0"
R1 = "us.deepseek.r1-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
LLAMA_4 = "us.meta.llama4-scout-17b-instruct-v1:0"
MISTRAL = "mistral.mistral-7b-instruct-v0:2"
LARGE = "mistral.mistral-large-2407-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
TITAN_1 = "amazon.titan-embed-text-v1"
PICTURES = "amazon.titan-embed-image-v1"
COHERE = "cohere.embed-english-v3"
COHERE_4 = "us.cohere.embed-v4:0"
NOVA_EMBED = "amazon.nova-2-multimodal-embeddings-v1:0"
USER = [{"role": "user", "content": "Line 1: é漢😀"}]
NOVA_USER = [{"role": "user", "content": [{"text": "Line 1: é漢😀"}]}]
TEXT = {
    model: expected_text(CHAT, {"messages": USER}, model=model)
    for model in (CLAUDE, NOVA, GPT, QWEN, LLAMA, LLAMA_4, MISTRAL, LARGE)
}
PROMPT_3 = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nLine 1: é漢😀<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
PROMPT_4 = (
    "<|begin_of_text|><|header_start|>user<|header_end|>\n\nLine 1: é漢😀<|eot|>"
    "<|header_start|>assistant<|header_end|>\n\n"
)


@pytest.fixture(scope="module")
def fake() -> Generator[BedrockFake]:
    with running() as fake:
        yield fake


def invoke(fake: BedrockFake, model: str, given: Any) -> dict[str, Any]:
    answer = client("bedrock-runtime", fake).invoke_model(modelId=model, body=json.dumps(given))
    assert answer["contentType"] == "application/json"
    return json.loads(answer["body"].read())


def test_claude(fake: BedrockFake) -> None:
    answer = invoke(fake, CLAUDE, body(1))
    assert answer["content"] == [{"type": "text", "text": TEXT[CLAUDE]}]
    assert (answer["stop_reason"], answer["model"]) == ("end_turn", "claude-3-haiku-20240307")
    assert answer["usage"]["input_tokens"] > 0


def test_nova(fake: BedrockFake) -> None:
    answer = invoke(fake, NOVA, {"schemaVersion": "messages-v1", "messages": NOVA_USER})
    assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": TEXT[NOVA]}]}
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]


@pytest.mark.parametrize("model", [CLAUDE, NOVA, LLAMA, MISTRAL, "ai21.jamba-1-5-large-v1:0"])
def test_converse(fake: BedrockFake, model: str) -> None:
    answer = client("bedrock-runtime", fake).converse(
        modelId=model,
        system=[{"text": "Be brief."}],
        messages=NOVA_USER,
        inferenceConfig={"maxTokens": 500},
    )
    line = {"messages": [{"role": "system", "content": "Be brief."}, *USER], "max_tokens": 500}
    text = answer["output"]["message"]["content"][0]["text"]
    assert text == expected_text(CHAT, line, model=model)
    assert (answer["stopReason"], answer["metrics"]) == ("end_turn", {"latencyMs": 10})
    assert answer["usage"]["totalTokens"] == (
        answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"]
    )


def test_openai_shape(fake: BedrockFake) -> None:
    answer = invoke(fake, QWEN, {"messages": USER, "max_tokens": 100})
    line = openai_line(1, model=QWEN)
    assert verify(CHAT, line, answer) is None
    answer = invoke(fake, GPT, {"messages": USER, "max_completion_tokens": 100})
    text = answer["choices"][0]["message"]["content"]
    digest = digest_of({"messages": USER}, model=GPT)
    assert text == f"<reasoning>Thinking of {digest}.</reasoning>{TEXT[GPT]}"


@pytest.mark.parametrize(("model", "prompt"), [(LLAMA, PROMPT_3), (LLAMA_4, PROMPT_4)])
def test_llama(fake: BedrockFake, model: str, prompt: str) -> None:
    answer = invoke(fake, model, {"prompt": prompt, "max_gen_len": 512})
    assert (answer["generation"], answer["stop_reason"]) == (TEXT[model], "stop")
    assert answer["prompt_token_count"] > 0
    assert answer["generation_token_count"] > 0
    cut = invoke(fake, model, {"prompt": prompt, "max_gen_len": 2})
    assert (cut["stop_reason"], cut["generation_token_count"]) == ("length", 2)


def test_deepseek_thinks_aloud(fake: BedrockFake) -> None:
    prompt = "<｜begin▁of▁sentence｜>Brief.<｜User｜>Line 1: é漢😀<｜Assistant｜><think>\n"
    answer = invoke(fake, R1, {"prompt": prompt, "max_tokens": 100})
    line = {"messages": [{"role": "system", "content": "Brief."}, *USER]}
    digest = digest_of(line, model=R1)
    said = expected_text(CHAT, line, model=R1)
    assert answer == {
        "choices": [{"text": f"Thinking of {digest}.\n</think>\n\n{said}", "stop_reason": "stop"}]
    }


def test_mistral_in_both_shapes(fake: BedrockFake) -> None:
    answer = invoke(fake, MISTRAL, {"prompt": "<s>[INST] Line 1: é漢😀 [/INST]"})
    assert answer == {"outputs": [{"text": f" {TEXT[MISTRAL]}", "stop_reason": "stop"}]}
    prompt = {"prompt": "<s>[INST] Brief.\n\nLine 1: é漢😀 [/INST]"}
    line = {"messages": [{"role": "system", "content": "Brief."}, *USER]}
    assert belongs(line, invoke(fake, MISTRAL, prompt), model=MISTRAL)
    answer = invoke(fake, LARGE, {"messages": USER, "max_tokens": 100})
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT[LARGE]},
            "stop_reason": "stop",
        }
    ]


def test_a_conversation_is_read_back_from_its_template(fake: BedrockFake) -> None:
    talk = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": "Three"},
    ]
    answer = invoke(fake, MISTRAL, {"prompt": "<s>[INST] One [/INST] Two</s>[INST] Three [/INST]"})
    assert answer["outputs"][0]["text"].strip() == expected_text(
        CHAT, {"messages": talk}, model=MISTRAL
    )
    headed = "".join(
        f"<|start_header_id|>{turn['role']}<|end_header_id|>\n\n{turn['content']}<|eot_id|>"
        for turn in [{"role": "system", "content": "Brief."}, *talk]
    )
    prompt = f"<|begin_of_text|>{headed}<|start_header_id|>assistant<|end_header_id|>\n\n"
    line = {"messages": [{"role": "system", "content": "Brief."}, *talk]}
    assert invoke(fake, LLAMA, {"prompt": prompt})["generation"] == expected_text(
        CHAT, line, model=LLAMA
    )


def test_vectors(fake: BedrockFake) -> None:
    answer = invoke(fake, TITAN, {"inputText": "One", "dimensions": 256, "normalize": True})
    assert [answer["embedding"]] == vectors_of(["One"], model=TITAN, dimensions=256)
    assert answer["embeddingsByType"]["float"] == answer["embedding"]
    assert answer["inputTextTokenCount"] == 1
    config = {"outputEmbeddingLength": 384}
    answer = invoke(fake, PICTURES, {"inputText": "One", "embeddingConfig": config})
    assert [answer["embedding"]] == vectors_of(["One"], model=PICTURES, dimensions=384)
    answer = invoke(fake, TITAN_1, {"inputText": "One"})
    assert set(answer) == {"embedding", "inputTextTokenCount"}
    given = {"texts": ["One", "Two"], "input_type": "search_document"}
    answer = invoke(fake, COHERE, given)
    assert answer["embeddings"] == vectors_of(["One", "Two"], model=COHERE, dimensions=8)
    assert answer["response_type"] == "embeddings_floats"
    answer = invoke(
        fake, COHERE_4, {**given, "embedding_types": ["float", "int8"], "output_dimension": 256}
    )
    assert answer["response_type"] == "embeddings_by_type"
    assert answer["embeddings"]["float"] == vectors_of(
        ["One", "Two"], model=COHERE_4, dimensions=256
    )
    assert set(map(type, answer["embeddings"]["int8"][0])) == {int}
    answer = invoke(
        fake,
        NOVA_EMBED,
        {
            "taskType": "SINGLE_EMBEDDING",
            "singleEmbeddingParams": {
                "embeddingPurpose": "GENERIC_INDEX",
                "embeddingDimension": 384,
                "text": {"truncationMode": "END", "value": "One"},
            },
        },
    )
    assert answer["embeddings"][0]["embeddingType"] == "TEXT"
    assert [answer["embeddings"][0]["embedding"]] == vectors_of(
        ["One"], model=NOVA_EMBED, dimensions=384
    )


def test_counts_of_an_invocation_are_in_its_headers(fake: BedrockFake) -> None:
    answer = client("bedrock-runtime", fake).invoke_model(
        modelId=COHERE, body=json.dumps({"texts": ["One two"], "input_type": "search_query"})
    )
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == "2"
    assert headers["x-amzn-bedrock-output-token-count"] == "0"


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["name"],
}


def marked(mark: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"Line 1 [[fake:{mark}]]"}]


def in_blocks(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": each["role"], "content": [{"text": each["content"]}]} for each in messages]


@pytest.mark.parametrize(("mark", "count"), [("call", 1), ("calls", 2)])
def test_tools_are_called_when_the_prompt_says_so(fake: BedrockFake, mark: str, count: int) -> None:
    spec = {"toolSpec": {"name": "find", "inputSchema": {"json": SCHEMA}}}
    answer = client("bedrock-runtime", fake).converse(
        modelId=NOVA, messages=in_blocks(marked(mark)), toolConfig={"tools": [spec]}
    )
    assert answer["stopReason"] == "tool_use"
    calls = [block["toolUse"] for block in answer["output"]["message"]["content"]]
    digest = digest_of({"messages": marked(mark)}, model=NOVA)
    assert [(call["name"], call["input"]["name"]) for call in calls] == [("find", digest)] * count
    native = invoke(
        fake, NOVA, {"messages": in_blocks(marked(mark)), "toolConfig": {"tools": [spec]}}
    )
    assert [block["toolUse"]["input"] for block in native["output"]["message"]["content"]] == [
        call["input"] for call in calls
    ]
    function = {"type": "function", "function": {"name": "find", "parameters": SCHEMA}}
    answer = invoke(fake, QWEN, {"messages": marked(mark), "tools": [function]})
    choice = answer["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == (
        ["find"] * count
    )


def test_tools_are_called_when_they_have_to_be(fake: BedrockFake) -> None:
    spec = {"toolSpec": {"name": "find", "inputSchema": {"json": SCHEMA}}}
    other = {"toolSpec": {"name": "other", "inputSchema": {"json": SCHEMA}}}
    answer = client("bedrock-runtime", fake).converse(
        modelId=NOVA,
        messages=NOVA_USER,
        toolConfig={"tools": [spec, other], "toolChoice": {"tool": {"name": "other"}}},
    )
    assert answer["output"]["message"]["content"][0]["toolUse"]["name"] == "other"
    tool = {"name": "find", "input_schema": SCHEMA}
    answer = invoke(fake, CLAUDE, {**body(1), "tools": [tool], "tool_choice": {"type": "any"}})
    assert (answer["stop_reason"], answer["content"][0]["name"]) == ("tool_use", "find")


def test_answers_that_a_schema_holds(fake: BedrockFake) -> None:
    digest = digest_of({"messages": USER}, model=NOVA)
    form = {
        "type": "json_schema",
        "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "found"}},
    }
    answer = client("bedrock-runtime", fake).converse(
        modelId=NOVA, messages=NOVA_USER, outputConfig={"textFormat": form}
    )
    text = answer["output"]["message"]["content"][0]["text"]
    assert json.loads(text)["name"] == digest
    held = {"type": "json_schema", "json_schema": {"name": "found", "schema": SCHEMA}}
    answer = invoke(fake, QWEN, {"messages": USER, "response_format": held})
    assert json.loads(answer["choices"][0]["message"]["content"])["name"] == digest_of(
        {"messages": USER}, model=QWEN
    )


def test_other_ends_and_other_blocks(fake: BedrockFake) -> None:
    runtime = client("bedrock-runtime", fake)
    cut = runtime.converse(modelId=NOVA, messages=NOVA_USER, inferenceConfig={"maxTokens": 2})
    assert (cut["stopReason"], cut["usage"]["outputTokens"]) == ("max_tokens", 2)
    word = TEXT[NOVA].split()[2]
    stopped = runtime.converse(
        modelId=NOVA, messages=NOVA_USER, inferenceConfig={"stopSequences": [word]}
    )
    assert stopped["stopReason"] == "stop_sequence"
    text = stopped["output"]["message"]["content"][0]["text"]
    assert text == TEXT[NOVA].partition(word)[0]
    filtered = runtime.converse(modelId=NOVA, messages=in_blocks(marked("filtered")))
    assert (filtered["stopReason"], filtered["output"]["message"]["content"]) == (
        "content_filtered",
        [],
    )
    thought = runtime.converse(modelId=NOVA, messages=in_blocks(marked("reasoning")))
    first = thought["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]
    assert first["text"].startswith("Thinking of ")
    cached = runtime.converse(modelId=NOVA, messages=in_blocks(marked("cached")))
    assert cached["usage"]["cacheReadInputTokens"] > 0


def test_media_and_results_count_by_what_they_hold(fake: BedrockFake) -> None:
    picture = b"\x89PNG not really"
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    line = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": url}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "a cat"},
    ]
    spec = {"toolSpec": {"name": "find", "inputSchema": {"json": SCHEMA}}}
    use = {"toolUseId": "1", "name": "find", "input": {}}
    answer = client("bedrock-runtime", fake).converse(
        modelId=CLAUDE,
        messages=[
            {
                "role": "user",
                "content": [
                    {"text": "What is it?"},
                    {"image": {"format": "png", "source": {"bytes": picture}}},
                ],
            },
            {"role": "assistant", "content": [{"toolUse": use}]},
            {
                "role": "user",
                "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "a cat"}]}}],
            },
        ],
        toolConfig={"tools": [spec]},
    )
    assert belongs({"messages": line}, answer["output"], model=CLAUDE)
