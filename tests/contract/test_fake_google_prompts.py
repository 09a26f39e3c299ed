"""A line and its translations are one prompt to Google's fake: its answers can be checked."""

from typing import Any

import pytest

from batchway.simulator.google.expected import belongs, digest_of
from batchway.simulator.languages.prompts import of_claude, of_gemini, of_openai
from batchway.simulator.online.answers import prompt_digest

USER = {"role": "user", "content": "Hi"}
PNG = "iVBORw0KGgo="

# What a caller says, what Gemini is told, and what Claude is.
SAME: dict[str, tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = {
    "a text": (
        [USER],
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
        {"messages": [USER]},
    ),
    "what the system says": (
        [
            {"role": "system", "content": "A"},
            {"role": "developer", "content": [{"type": "text", "text": "B"}]},
            USER,
        ],
        {
            "systemInstruction": {"parts": [{"text": "A"}, {"text": "B"}]},
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        },
        {
            "system": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}],
            "messages": [USER],
        },
    ),
    "the system alone": (
        [{"role": "system", "content": "A"}],
        {"contents": [{"role": "user", "parts": [{"text": "A"}]}]},
        {"messages": [{"role": "user", "content": "A"}]},
    ),
    "an image and an empty text": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": ""},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            }
        ],
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}],
                }
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                        }
                    ],
                }
            ]
        },
    ),
    "calls and their results, in another order": (
        [
            USER,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "function": {"name": "f", "arguments": '{"a":1}'}},
                    {"id": "2", "function": {"name": "g", "arguments": ""}},
                ],
            },
            {"role": "tool", "tool_call_id": "2", "content": "G"},
            {"role": "tool", "tool_call_id": "1", "content": '{"b":null,"c":2}'},
        ],
        {
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {
                    "role": "model",
                    "parts": [
                        {"functionCall": {"name": "f", "args": {"a": 1.0}}},
                        {"functionCall": {"name": "g"}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"name": "f", "response": {"c": 2}}},
                        {"functionResponse": {"name": "g", "response": {"output": "G"}}},
                    ],
                },
            ]
        },
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}},
                        {"type": "tool_use", "id": "y", "name": "g", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "x", "content": '{"c":2}'},
                        {
                            "type": "tool_result",
                            "tool_use_id": "y",
                            "content": [{"type": "text", "text": "G"}],
                        },
                    ],
                },
            ]
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(SAME))
def test_three_languages_say_the_same(case: str) -> None:
    openai, gemini, claude = SAME[case]
    said = of_openai({"messages": openai})
    assert of_gemini(gemini) == said
    assert of_claude(claude) == said


def test_plain_texts_are_what_the_other_simulators_take_them_for() -> None:
    body = {"messages": [{"role": "system", "content": "A"}, USER]}
    assert digest_of(body, model="m") == prompt_digest("/v1/chat/completions", body, model="m")


def test_other_prompts_are_not_the_same() -> None:
    digest = digest_of({"messages": [USER]}, model="m")
    for other in ([{"role": "user", "content": "Hi!"}], [USER, {"role": "user", "content": "?"}]):
        assert digest_of({"messages": other}, model="m") != digest
        assert not belongs({"messages": other}, {"id": f"chatcmpl-{digest}"}, model="m")
    assert belongs({"messages": [USER]}, {"id": f"chatcmpl-{digest}"}, model="m")
    assert not belongs({"messages": [USER]}, {"id": f"chatcmpl-{digest}"}, model="another")
