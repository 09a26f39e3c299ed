"""Gemini: the types of Google's SDK, and an echo."""

from typing import Any, Final

from google.genai import types as google
from tests.unit.dialects.bodies import JSON
from tests.unit.dialects.families import Family, Heard, called

from batchway.dialects.gemini.dialect import GeminiDialect


def sent_to_gemini(body: JSON) -> None:
    """What the SDK's types say: they refuse keys that they do not know."""
    kinds: dict[str, Any] = {
        "contents": google.Content,
        "systemInstruction": google.Content,
        "tools": google.Tool,
        "toolConfig": google.ToolConfig,
        "generationConfig": google.GenerationConfig,
    }
    assert set(body) <= set(kinds)
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            kinds[name].model_validate(each)


def gemini_echo(body: JSON) -> tuple[Heard, JSON]:
    """What Gemini was told, and an answer that repeats the last of it. It has no ids of calls."""
    instructions: JSON = body.get("systemInstruction", {"parts": []})
    heard = [("system", part["text"]) for part in instructions["parts"]]
    calls: list[JSON] = []
    roles = {"user": "user", "model": "assistant"}
    for turn in body["contents"]:
        for part in turn["parts"]:
            if "text" in part:
                heard.append((roles[turn["role"]], part["text"]))
            elif "functionCall" in part:
                call = part["functionCall"]
                calls.append(call)
                heard.append(("call", called("", call["name"], call["args"])))
            else:
                result = part["functionResponse"]
                heard.append(("result", f" {result['response']['output']}"))
    parts = [{"text": heard[-1][1]}, *({"functionCall": call} for call in calls)]
    answer = {
        "responseId": "r1",
        "modelVersion": "gemini",
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 9,
            "candidatesTokenCount": 4,
            "thoughtsTokenCount": 1,
            "cachedContentTokenCount": 2,
            "totalTokenCount": 14,
        },
    }
    google.GenerateContentResponse.model_validate(answer)
    return heard, answer


GEMINI: Final = Family(
    chats={
        "gemini 2.5": GeminiDialect(model="gemini-2.5-flash", batch=False),
        "gemini 2.5, batch": GeminiDialect(model="gemini-2.5-flash", batch=True),
        "gemini 3, batch": GeminiDialect(model="gemini-3-pro-preview", batch=True),
    },
    sent=sent_to_gemini,
    echo=gemini_echo,
    ids=False,
    mute={},
)
