"""Converse: the one body for every model.

Owns its rules beyond names and types (`modelled`), and the JSON of the answer. Marks in the prompt:
`[[fake:call]]`, `[[fake:calls]]`, `[[fake:refusal]]`, `[[fake:filtered]]`, `[[fake:cached]]`,
`[[fake:reasoning]]`.
Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
botocore's service model, and the messages in public issue threads.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from batchway.simulator.aws import modelled
from batchway.simulator.aws.answering import Ran, calls, chat, ended, held
from batchway.simulator.aws.refusals import invalid
from batchway.simulator.languages.prompts import of_converse
from batchway.simulator.online.answers import Answer

_SIGNATURE: Final = "c2lnbmVk"


def check(body: object, *, batch: bool) -> dict[str, Any]:
    """The body, when it is fit to be answered. Raises `Refused`."""
    fields = modelled.checked(body, service="bedrock-runtime", shape="ConverseRequest")
    if batch and fields.get("toolConfig"):
        raise invalid("toolConfig is not supported for batch inference with the Converse API.")
    rules(fields)
    return fields


def rules(fields: Mapping[str, Any]) -> None:
    """The rules of conversations. Raises `Refused`."""
    messages: Sequence[Any] = fields.get("messages") or []
    if not messages:
        raise invalid("The conversation must have at least one message.")
    if messages[0]["role"] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that "
            "starts with a user message."
        )
    before: str | None = None
    for message in messages:
        if message["role"] == before:
            raise invalid(
                "A conversation must alternate between user and assistant roles. Make sure the "
                "conversation alternates between user and assistant roles and try again."
            )
        before = message["role"]
    for index, message in enumerate(messages):
        _content(message, f"messages.{index}")
    _pairs(messages)
    used = any(
        "toolUse" in block or "toolResult" in block
        for message in messages
        for block in message["content"]
    )
    if used and not (fields.get("toolConfig") or {}).get("tools"):
        raise invalid(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )
    _tools(fields.get("toolConfig") or {})


def _content(message: Mapping[str, Any], place: str) -> None:
    if not message["content"]:
        raise invalid(
            f"The content field in the Message object at {place} is empty. Add a ContentBlock "
            "object to the content field and try again."
        )
    documents = [block["document"] for block in message["content"] if "document" in block]
    for number, block in enumerate(message["content"]):
        if "text" in block and not block["text"].strip():
            raise invalid(
                f"The text field in the ContentBlock object at {place}.content.{number} is blank. "
                "Add text to the text field, and try again."
            )
        if message["role"] == "assistant" and ({"image", "document"} & set(block)):
            raise invalid("Images and documents are only supported in messages with the user role.")
    if documents and not any("text" in block for block in message["content"]):
        raise invalid(
            "A text block is required when using documents. Add a text block and try again."
        )
    names = [document["name"] for document in documents]
    if len(set(names)) < len(names):
        raise invalid("Messages can not contain duplicate document names.")


def _pairs(messages: Sequence[Any]) -> None:
    asked: list[str] = []
    for index, message in enumerate(messages):
        results = [
            block["toolResult"]["toolUseId"]
            for block in message["content"]
            if "toolResult" in block
        ]
        missing = [name for name in asked if name not in results]
        if missing:
            raise invalid(
                f"Expected toolResult blocks at messages.{index}.content for the following Ids: "
                f"{', '.join(missing)}"
            )
        if len(results) > len(asked) or any(name not in asked for name in results):
            raise invalid(
                f"The number of toolResult blocks at messages.{index}.content exceeds the number "
                "of toolUse blocks of previous turn."
            )
        asked = [
            block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block
        ]
        if asked and message["role"] != "assistant":
            raise invalid("toolUse blocks are only supported in messages with the assistant role.")
    if asked:
        raise invalid("The conversation must not end with a toolUse block.")


def _tools(config: Mapping[str, Any]) -> None:
    specs = [tool["toolSpec"] for tool in config.get("tools") or [] if "toolSpec" in tool]
    names = [spec["name"] for spec in specs]
    if len(set(names)) < len(names):
        raise invalid(f"The tool names must be unique: {', '.join(names)}.")
    for index, spec in enumerate(specs):
        schema = spec["inputSchema"].get("json")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise invalid(
                f"The value at toolConfig.tools.{index}.toolSpec.inputSchema.json.type must be one "
                "of the following: object."
            )
    chosen = ((config.get("toolChoice") or {}).get("tool") or {}).get("name")
    if chosen is not None and chosen not in names:
        raise invalid(f"toolChoice.tool.name {chosen} is not among the tools.")


def run(body: object, *, model: str, batch: bool) -> Ran:
    """Answer a body. Raises `Refused`."""
    fields = check(body, batch=batch)
    config: Mapping[str, Any] = fields.get("inferenceConfig") or {}
    worked = chat(of_converse(fields), model=model, cap=config.get("maxTokens"))
    form = (fields.get("outputConfig") or {}).get("textFormat") or {}
    text = (form.get("structure") or {}).get("jsonSchema", {}).get("schema")
    content, reason, stop = content_of(
        worked,
        tools=fields.get("toolConfig") or {},
        stops=list(config.get("stopSequences") or []),
        schema=None if text is None else _schema(text),
    )
    response = message(worked, content=content, reason=reason)
    response["metrics"] = {"latencyMs": 10}
    if stop is not None:
        response["additionalModelResponseFields"] = {"stop_sequence": stop}
    return Ran(
        response=response,
        digest=worked.digest,
        input_tokens=worked.prompt_tokens,
        output_tokens=worked.output_tokens,
    )


def message(worked: Answer, *, content: list[dict[str, Any]], reason: str) -> dict[str, Any]:
    """The answer, as Converse and Nova write it."""
    cached = worked.prompt_tokens // 2 if "[[fake:cached]]" in worked.prompts[0].text else 0
    usage = {
        "inputTokens": worked.prompt_tokens - cached,
        "outputTokens": worked.output_tokens,
        "totalTokens": worked.prompt_tokens + worked.output_tokens,
    }
    if cached:
        usage |= {"cacheReadInputTokens": cached, "cacheWriteInputTokens": 0}
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reason,
        "usage": usage,
    }


def content_of(
    worked: Answer,
    *,
    tools: Mapping[str, Any],
    stops: list[str],
    schema: Mapping[str, Any] | None,
) -> tuple[list[dict[str, Any]], str, str | None]:
    """The blocks, why they end, and at which stop sequence."""
    prompt, output = worked.prompts[0].text, worked.outputs[0]
    if "[[fake:refusal]]" in prompt or "[[fake:filtered]]" in prompt:
        return [], "content_filtered", None
    schemas = {
        tool["toolSpec"]["name"]: tool["toolSpec"]["inputSchema"]["json"]
        for tool in tools.get("tools") or []
        if "toolSpec" in tool
    }
    choice: Mapping[str, Any] = tools.get("toolChoice") or {}
    asked = calls(
        schemas,
        worked,
        forced="any" in choice or "tool" in choice,
        name=(choice.get("tool") or {}).get("name"),
    )
    if asked:
        blocks: list[dict[str, Any]] = [
            {
                "toolUse": {
                    "toolUseId": f"tooluse_{worked.digest}{index}",
                    "name": name,
                    "input": given,
                }
            }
            for index, (name, given) in enumerate(asked)
        ]
        return blocks, "tool_use", None
    text, stop = ended(output, stops)
    if schema is not None:
        text = held(schema, worked)
    content: list[dict[str, Any]] = [{"text": text}]
    if "[[fake:reasoning]]" in prompt:
        thought = {"text": f"Thinking of {worked.digest}.", "signature": _SIGNATURE}
        content.insert(0, {"reasoningContent": {"reasoningText": thought}})
    if stop is not None:
        return content, "stop_sequence", stop
    return content, "max_tokens" if output.finish == "length" else "end_turn", None


def _schema(text: str) -> Mapping[str, Any]:
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise invalid("The schema in outputConfig.textFormat is not valid JSON.") from error
    if not isinstance(schema, dict):
        raise invalid("The schema in outputConfig.textFormat must be an object.")
    return schema
