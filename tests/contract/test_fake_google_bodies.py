"""What Google's fake reads of a request's body, and what it refuses, as the platform does."""

from typing import Any

import pytest
from google.genai import errors, types
from pydantic.alias_generators import to_camel
from tests.contract.google_clients import GEMINI, ended, gen_ai, line, rows_of, submit

from batchway.simulator.google import running
from batchway.simulator.google.messages import MESSAGES


def _function(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", "parameters": parameters}]}]}


def test_what_gemini_refuses() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"contents": []}, "at least one contents field"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "use a valid role"),
        ({"colour": 1}, 'Unknown name "colour": Cannot find field'),
        ({"generationConfig": {"temperature": 3}}, "temperature value of 3"),
        ({"generationConfig": {"temp": 1}}, "Unknown name \"temp\" at 'generation_config'"),
        ({"generationConfig": {"topK": "x"}}, "Invalid value at 'generation_config.top_k'"),
        ({"generationConfig": {"stopSequences": list("abcdef")}}, "more than 5 stop_sequences"),
        ({"generationConfig": {"stopSequences": ["a", ""]}}, "a stop_sequence is empty"),
        (_function({"type": "OBJECT", "properties": {"a": {"description": "?"}}}),
         "`f` functionDeclaration `parameters.a` schema didn't specify the schema type field"),
        ({"generationConfig": {"responseMimeType": "application/json", "responseSchema": {
            "type": "ARRAY", "items": {"nullable": True}}}},
         "one or more response schemas didn't specify the schema type field"),
        (_function({"type": "OBJECT", "properties": {"a": {
            "anyOf": [{"type": "STRING"}], "title": "A"}}}), "it must be the only field set"),
        (_function({"type": "STRING"}), "should be of type OBJECT"),
        ({"labels": {"Key": "v"}}, "Invalid label"),
        ({"safetySettings": [{"category": "X"}]}, "HarmCategory"),
        ({"contents": [{"role": "user", "parts": [{"inlineData": {
            "mimeType": "image/png", "data": "%"}}]}]}, "Base64 decoding failed"),
    ]  # fmt: skip
    with running() as fake:
        client = gen_ai(fake)
        for change, words in cases:
            body = {**line(0)["request"], **change}
            with pytest.raises(errors.ClientError) as caught:
                client._api_client.request(  # pyright: ignore[reportPrivateUsage] - past its types
                    "post", f"publishers/google/models/{GEMINI}:generateContent", body
                )
            assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
            assert words in (caught.value.message or ""), change
        assert fake.state.online_by_digest == {}


def test_both_spellings_of_a_name_are_read() -> None:
    snake = line(0, generation_config={"max_output_tokens": 3})
    with running() as fake:
        done = ended(fake, submit(fake, [snake]))
        (row,) = rows_of(fake, done)
        assert row["response"]["usageMetadata"]["candidatesTokenCount"] == 3


def test_every_name_that_googles_types_know_for_vertex_is_known_here() -> None:
    # Names of the SDK's that are for its other API, as its converters to Vertex AI say.
    elsewhere = {
        "Part": {"toolCall", "toolResponse", "partMetadata"},
        "FunctionResponse": {"willContinue"},
        "FunctionResponsePart": {"mediaProcessing"},
        "FunctionDeclaration": {"behavior"},
        "Tool": {"fileSearch"},
        "ToolConfig": {"includeServerSideToolInvocations"},
        "GenerationConfig": {"enableEnhancedCivicAnswers"},
        # Sent beside an instance of the older method, or never.
        "EmbedContentConfig": {"httpOptions", "mimeType"},
    }
    checked = 0
    for name, fields in MESSAGES.items():
        kind: Any = getattr(types, name, None)
        if kind is None or name == "OutputConfig":
            continue
        theirs = {to_camel(field) for field in kind.model_fields}
        assert theirs - set(fields) == elsewhere.get(name, set()), name
        checked += 1
    assert checked > 15


def test_calls_are_signed_by_gemini_3_and_have_to_be_said_again_so() -> None:
    tools = [types.Tool(function_declarations=[types.FunctionDeclaration(name="f")])]
    config = types.GenerateContentConfig(
        tools=tools,
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(
                mode=types.FunctionCallingConfigMode.ANY
            )
        ),
    )
    asked = types.Content(role="user", parts=[types.Part(text="Hi")])
    result = types.Part(
        function_response=types.FunctionResponse(name="f", response={"output": "x"})
    )
    with running() as fake:
        client = gen_ai(fake)

        def told(model: str, call: types.Content, *further: types.Content) -> None:
            replied = types.Content(role="user", parts=[result])
            client.models.generate_content(
                model=model, contents=[asked, call, replied, *further], config=config
            )

        for model, signed in (("gemini-2.5-pro", False), ("gemini-3-pro-preview", True)):
            answer = client.models.generate_content(model=model, contents="Hi", config=config)
            assert answer.candidates is not None
            call = answer.candidates[0].content
            assert call is not None
            assert call.parts is not None
            assert (call.parts[0].thought_signature is not None) == signed
            told(model, call)
            call.parts[0].thought_signature = None
            if not signed:
                told(model, call)
                continue
            with pytest.raises(errors.ClientError, match="missing a `thought_signature`"):
                told(model, call)
            # Of earlier turns it is not asked.
            told(model, call, types.Content(role="model", parts=[types.Part(text="x")]), asked)
