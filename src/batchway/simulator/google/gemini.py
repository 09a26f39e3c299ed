"""Gemini's answers: `GenerateContentResponse`, a pure function of model and request.

Owns the JSON of the answer and what makes it what it is: a text by default, a call where a tool is
forced, a value where a schema is given. Marks in the prompt ask for what a real model does by
chance: `[[fake:block]]` (the prompt is blocked), `[[fake:safety]]`, `[[fake:recitation]]`,
`[[fake:malformed]]`, `[[fake:empty]]`, `[[fake:cite]]`, `[[fake:cached]]`, `[[fake:call]]` (a call
although none is forced) and `[[fake:calls]]` (two).
Source: https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from batchway.simulator.google.gemini_rules import signs
from batchway.simulator.languages.instances import instance
from batchway.simulator.languages.prompts import of_gemini
from batchway.simulator.online.answers import Answer, Output, answer
from batchway.simulator.online.endpoints import Endpoint

_FINISH: Final = {"stop": "STOP", "length": "MAX_TOKENS"}
_MARKED: Final = {
    "[[fake:safety]]": "SAFETY",
    "[[fake:recitation]]": "RECITATION",
    "[[fake:malformed]]": "MALFORMED_FUNCTION_CALL",
}
_RATINGS: Final = [
    {"category": category, "probability": "NEGLIGIBLE", "severity": "HARM_SEVERITY_NEGLIGIBLE"}
    for category in (
        "HARM_CATEGORY_HATE_SPEECH",
        "HARM_CATEGORY_DANGEROUS_CONTENT",
        "HARM_CATEGORY_HARASSMENT",
        "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    )
]


def worked_out(body: Mapping[str, Any], *, model: str) -> Answer:
    """The simulator's answer to a request in camelCase."""
    config: Mapping[str, Any] = body.get("generationConfig") or {}
    asked = {
        "messages": of_gemini(body),
        "max_tokens": config.get("maxOutputTokens"),
        "n": config.get("candidateCount"),
    }
    return answer(Endpoint.CHAT, asked, model=model)


def generated(
    body: Mapping[str, Any], *, model: str, created: str, thoughts: int, worked: Answer
) -> dict[str, Any]:
    """The answer to a valid request in camelCase; `created` is RFC 3339."""
    config: Mapping[str, Any] = body.get("generationConfig") or {}
    prompt = worked.prompts[0].text
    thinking: Mapping[str, Any] = config.get("thinkingConfig") or {}
    budget = thinking.get("thinkingBudget")
    if not thoughts and (thinking.get("thinkingLevel") or budget):
        # It thinks as long as it may, up to a number that no budget allows.
        thoughts = 32 if budget is None or budget < 0 else min(32, int(budget))
    if budget == 0:
        thoughts = 0
    usage: dict[str, Any] = {
        "promptTokenCount": worked.prompt_tokens,
        "totalTokenCount": worked.prompt_tokens,
        "trafficType": "ON_DEMAND",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": worked.prompt_tokens}],
    }
    response: dict[str, Any] = {
        "modelVersion": model,
        "createTime": created,
        "responseId": worked.digest,
    }
    if "[[fake:block]]" in prompt:
        response["promptFeedback"] = {
            "blockReason": "PROHIBITED_CONTENT",
            "blockReasonMessage": "The prompt was blocked.",
        }
        return {**response, "usageMetadata": usage}
    candidates: list[dict[str, Any]] = []
    spent = 0
    for index, output in enumerate(worked.outputs):
        candidate, tokens = _candidate(
            body, config, prompt, output, worked.digest, signed=signs(model)
        )
        # Google leaves out what is zero.
        candidates.append(candidate if index == 0 else {**candidate, "index": index})
        spent += tokens
    if thoughts and thinking.get("includeThoughts"):
        content = candidates[0].get("content")
        if content is not None:
            content["parts"].insert(0, {"text": f"Thinking of {worked.digest}.", "thought": True})
    usage["candidatesTokenCount"] = spent
    usage["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": spent}]
    if "[[fake:cached]]" in prompt:
        usage["cachedContentTokenCount"] = worked.prompt_tokens // 2
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    usage["totalTokenCount"] = worked.prompt_tokens + spent + thoughts
    return {"candidates": candidates, **response, "usageMetadata": usage}


def _candidate(
    body: Mapping[str, Any],
    config: Mapping[str, Any],
    prompt: str,
    output: Output,
    digest: str,
    *,
    signed: bool,
) -> tuple[dict[str, Any], int]:
    """One candidate, and the tokens it counts."""
    for mark, reason in _MARKED.items():
        if mark in prompt:
            stopped: dict[str, Any] = {"finishReason": reason}
            if reason == "SAFETY":
                ratings: list[dict[str, Any]] = [dict(rating) for rating in _RATINGS]
                ratings[0] = {**ratings[0], "probability": "HIGH", "blocked": True}
                stopped["safetyRatings"] = ratings
            else:
                stopped["finishMessage"] = f"Stopped: {reason}."
            return stopped, 0
    if "[[fake:empty]]" in prompt:
        return {"content": {"role": "model"}, "finishReason": "STOP"}, 0
    calls = _calls(body, prompt, digest)
    parts: list[dict[str, Any]]
    if calls:
        parts = [{"functionCall": call} for call in calls]
        if signed:
            parts[0]["thoughtSignature"] = base64.b64encode(f"signed {digest}".encode()).decode()
        return _finished(parts, "STOP", config, output), output.tokens
    text, reason = _text(config, output, digest), _FINISH[output.finish]
    for stop in config.get("stopSequences") or []:
        text = text.partition(stop)[0]
    candidate = _finished([{"text": text}], reason, config, output)
    if "[[fake:cite]]" in prompt:
        candidate["citationMetadata"] = {
            "citations": [
                {
                    "startIndex": 0,
                    "endIndex": 10,
                    "uri": "https://example.com/source",
                    "title": "A source",
                }
            ]
        }
    return candidate, output.tokens


def _finished(
    parts: list[dict[str, Any]], reason: str, config: Mapping[str, Any], output: Output
) -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": parts},
        "finishReason": reason,
        "avgLogprobs": -0.25,
    }
    if config.get("responseLogprobs") and "text" in parts[0]:
        candidate["logprobsResult"] = _logprobs(parts[0]["text"], int(config.get("logprobs") or 0))
    return candidate


def _text(config: Mapping[str, Any], output: Output, digest: str) -> str:
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    kind = config.get("responseMimeType")
    if kind == "application/json":
        number = int(digest[:4], 16)
        if not schema:
            return json.dumps({"answer": output.text, "number": number})
        return json.dumps(instance(schema, text=digest, number=number), ensure_ascii=False)
    if kind == "text/x.enum" and schema:
        return str(instance(schema, text=digest, number=int(digest[:4], 16)))
    return output.text


def _calls(body: Mapping[str, Any], prompt: str, digest: str) -> list[dict[str, Any]]:
    """The calls of tools that the answer is made of; usually none."""
    declared = [
        function
        for tool in body.get("tools") or []
        for function in tool.get("functionDeclarations") or []
    ]
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode = config.get("mode", "AUTO")
    marked = "[[fake:call" in prompt
    if not declared or mode == "NONE" or (mode != "ANY" and not marked):
        return []
    allowed = config.get("allowedFunctionNames") or [function["name"] for function in declared]
    fit = [function for function in declared if function["name"] in allowed]
    number = int(digest[:4], 16)
    count = 2 if "[[fake:calls]]" in prompt else 1
    calls: list[dict[str, Any]] = []
    for index in range(count):
        function = fit[(number + index) % len(fit)]
        schema = function.get("parametersJsonSchema") or function.get("parameters")
        args = {} if not schema else instance(schema, text=digest, number=number + index)
        calls.append({"name": function["name"], "args": args})
    return calls


def _logprobs(text: str, top: int) -> dict[str, Any]:
    tokens = [text[at : at + 4] for at in range(0, len(text), 4)]
    chosen = [
        {"token": token, "tokenId": 1_000 + index, "logProbability": -0.25}
        for index, token in enumerate(tokens)
    ]
    result: dict[str, Any] = {"chosenCandidates": chosen}
    if top:
        result["topCandidates"] = [
            {
                "candidates": [
                    {**token, "logProbability": -0.25 * (rank + 1), "tokenId": 1_000 + rank}
                    for rank in range(top)
                ]
            }
            for token in chosen
        ]
    return result
