"""What a request says, whatever its dialect: the canonical prompt that answers are a function of.

Owns the reading of Gemini's contents, of Anthropic's, Bedrock's and OpenAI's messages. All come to
the same list of OpenAI's plain messages (`role`, `content` a string), so that an answer does not
depend on the dialect that a line was translated to, and `online.verify` of the caller's own line
holds for plain texts. Media count by the digest of their bytes, calls and results of tools by their
names and arguments, never by ids.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

Message = dict[str, str]

_ROLES: Final = {"model": "assistant", "developer": "system", "function": "tool"}


def of_gemini(body: Mapping[str, Any]) -> list[Message]:
    """The messages of a `GenerateContentRequest` in camelCase."""
    system = cast("dict[str, Any]", body.get("systemInstruction") or {})
    said = [("system", _gemini_part(part)[1]) for part in system.get("parts", [])]
    for content in body.get("contents", []):
        role = content.get("role") or "user"
        for part in content.get("parts", []):
            forced, text = _gemini_part(part)
            if not part.get("thought"):
                said.append((forced or role, text))
    return merged(said)


def of_claude(body: Mapping[str, Any]) -> list[Message]:
    """The messages of an Anthropic request."""
    said: list[tuple[str, str]] = []
    system = body.get("system")
    if isinstance(system, str):
        said.append(("system", system))
    elif system:
        said += [("system", str(block.get("text", ""))) for block in system]
    names: dict[str, str] = {}
    for message in body.get("messages", []):
        said += _claude_blocks(message["role"], message["content"], names)
    return merged(said)


def of_openai(body: Mapping[str, Any]) -> list[Message]:
    """The messages of a chat completion's body."""
    said: list[tuple[str, str]] = []
    names: dict[str, str] = {}
    for message in body.get("messages", []):
        role = message["role"]
        if role in ("tool", "function"):
            name = message.get("name") or names.get(message.get("tool_call_id", ""), "")
            text = "".join(text for _, text in _openai_parts(role, message.get("content")))
            said.append(("tool", _result(name, text)))
            continue
        said += _openai_parts(role, message.get("content"))
        if message.get("refusal"):
            said.append((role, message["refusal"]))
        for call in message.get("tool_calls") or []:
            names[call.get("id", "")] = call.get("function", {}).get("name", "")
        calls = [call.get("function", {}) for call in message.get("tool_calls") or []]
        for function in [*calls, *filter(None, [message.get("function_call")])]:
            said.append((role, _call(function.get("name", ""), _value(function.get("arguments")))))
    return merged(said)


def of_converse(body: Mapping[str, Any]) -> list[Message]:
    """The messages of Bedrock's Converse, or of a body of Nova."""
    said = [("system", str(block["text"])) for block in body.get("system") or [] if "text" in block]
    names: dict[str, str] = {}
    for message in body.get("messages", []):
        for block in message["content"]:
            forced, text = _converse_block(block, names)
            if text:
                said.append((forced or message["role"], text))
    return merged(said)


def merged(said: Iterable[tuple[str, str]]) -> list[Message]:
    """One message for all that a role says in a row; what the system says comes first.

    Where the system alone speaks it is taken for the user: Gemini refuses a request without
    contents, so a translation has to say it there.
    """
    given = [(_ROLES.get(role, role), text) for role, text in said if text]
    if all(role == "system" for role, _ in given):
        given = [("user", text) for _, text in given]
    turns: list[tuple[str, list[str]]] = []
    for role, text in sorted(given, key=lambda pair: pair[0] != "system"):
        if turns and turns[-1][0] == role:
            turns[-1][1].append(text)
        else:
            turns.append((role, [text]))
    # Results are told apart by their names: a translation puts them in the order of the calls.
    return [
        {"role": role, "content": "\n".join(sorted(texts) if role == "tool" else texts)}
        for role, texts in turns
    ]


def _gemini_part(part: Mapping[str, Any]) -> tuple[str | None, str]:
    """The role that a part forces, if any, and what it says."""
    match part:
        case {"text": text}:
            return None, str(text)
        case {"inlineData": {"data": data}}:
            return None, media(str(data))
        case {"fileData": {"fileUri": uri}}:
            return None, f"<{uri}>"
        case {"functionCall": call}:
            return None, _call(call.get("name", ""), call.get("args") or {})
        case {"functionResponse": response}:
            result: Any = response.get("response")
            # A plain text or value is wrapped, by convention, under one of these names.
            if isinstance(result, dict) and len(cast("dict[str, Any]", result)) == 1:
                for name in ("output", "result", "content", "error"):
                    result = cast("dict[str, Any]", result).get(name, result)
                    if not isinstance(result, dict):
                        break
            return "tool", _result(response.get("name", ""), result)
        case _:
            return None, json.dumps(part, sort_keys=True)


def _claude_blocks(role: str, content: Any, names: dict[str, str]) -> list[tuple[str, str]]:
    if isinstance(content, str):
        return [(role, content)]
    said: list[tuple[str, str]] = []
    for block in content:
        match block:
            case {"type": "text", "text": text}:
                said.append((role, text))
            case {"type": "image" | "document", "source": {"type": "base64", "data": data}}:
                said.append((role, media(data)))
            case {"type": "image" | "document", "source": {"url": url}}:
                said.append((role, f"<{url}>"))
            case {"type": "document", "source": {"type": "text", "data": text}}:
                said.append((role, _media(text.encode())))
            case {"type": "tool_use", "id": id, "name": name}:
                names[id] = name
                said.append((role, _call(name, block.get("input"))))
            case {"type": "tool_result", "tool_use_id": id}:
                inner = _claude_blocks("tool", block.get("content", ""), names)
                text = "".join(text for _, text in inner)
                said.append(("tool", _result(names.get(id, ""), text)))
            case {"type": "thinking" | "redacted_thinking"}:
                continue
            case _:
                said.append((role, json.dumps(block, sort_keys=True)))
    return said


def _converse_block(block: Mapping[str, Any], names: dict[str, str]) -> tuple[str | None, str]:
    """The role that a block forces, if any, and what it says."""
    match block:
        case {"text": text}:
            return None, str(text)
        case {"image": held} | {"document": held} | {"video": held} | {"audio": held}:
            return None, _converse_source(held.get("source") or {})
        case {"toolUse": call}:
            names[call.get("toolUseId", "")] = call.get("name", "")
            return None, _call(call.get("name", ""), call.get("input"))
        case {"toolResult": result}:
            texts = [
                json.dumps(part["json"]) if "json" in part else _converse_block(part, {})[1]
                for part in result.get("content") or []
            ]
            return "tool", _result(names.get(result.get("toolUseId", ""), ""), "".join(texts))
        case {"reasoningContent": _} | {"cachePoint": _}:
            return None, ""
        case _:
            return None, json.dumps(block, sort_keys=True)


def _converse_source(source: Mapping[str, Any]) -> str:
    match source:
        case {"bytes": data}:
            return media(str(data))
        case {"text": text}:
            return _media(str(text).encode())
        case {"s3Location": {"uri": uri}}:
            return f"<{uri}>"
        case _:
            return json.dumps(source, sort_keys=True)


def _openai_parts(role: str, content: Any) -> list[tuple[str, str]]:
    if content is None:
        return []
    if isinstance(content, str):
        return [(role, content)]
    said: list[tuple[str, str]] = []
    for part in content:
        match part:
            case {"type": "text", "text": text} | {"type": "refusal", "refusal": text}:
                said.append((role, text))
            case {"type": "image_url", "image_url": {"url": url}}:
                said.append((role, _address(url)))
            case {"type": "file", "file": {"file_data": url} | {"file_id": url}}:
                said.append((role, _address(url)))
            case {"type": "input_audio", "input_audio": {"data": data}}:
                said.append((role, media(data)))
            case _:
                said.append((role, json.dumps(part, sort_keys=True)))
    return said


def media(data: str) -> str:
    """Bytes in Base64, of either alphabet, by their digest."""
    plain = data.replace("-", "+").replace("_", "/")
    return _media(base64.b64decode(plain + "=" * (-len(data) % 4)))


def _media(raw: bytes) -> str:
    return f"<{len(raw)} bytes {hashlib.sha256(raw).hexdigest()[:16]}>"


def _address(url: str) -> str:
    """What lies at a URL, or in it."""
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        return media(data) if head.endswith(";base64") else _media(unquote_to_bytes(data))
    return f"<{url}>" if "://" in url else media(url)


def _call(name: str, arguments: Any) -> str:
    return f"call {name} {json.dumps(_plain(arguments) or {}, sort_keys=True)}"


def _result(name: str, value: Any) -> str:
    return f"result {name} {json.dumps(_plain(_value(value)), sort_keys=True)}"


def _value(text: Any) -> Any:
    """JSON objects as values, everything else as the text it is."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return text
    return value if isinstance(value, dict) else text


def _plain(value: Any) -> Any:
    """A value without what a batch's importer makes a translation leave out or change."""
    if isinstance(value, dict):
        fields = {name: _plain(each) for name, each in cast("dict[str, Any]", value).items()}
        return {name: each for name, each in fields.items() if each not in (None, {}, [])}
    if isinstance(value, list):
        return [_plain(each) for each in cast("list[Any]", value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
