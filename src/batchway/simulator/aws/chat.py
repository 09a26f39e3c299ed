"""Chat completions in OpenAI's shape as bodies of InvokeModel: gpt-oss, Qwen, DeepSeek, and others.

Owns which fields there are, and the answers; Mistral's own variant of both is here too. No body has
to name the model. Marks in the prompt: `[[fake:call]]`, `[[fake:calls]]`.
Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from batchway.simulator.aws.answering import Ran, calls, chat, ended, held
from batchway.simulator.aws.families import named
from batchway.simulator.aws.refusals import invalid
from batchway.simulator.aws.schema import Table, checked, table
from batchway.simulator.languages.prompts import of_openai
from batchway.simulator.online import shapes, validation
from batchway.simulator.online.answers import Answer, answer
from batchway.simulator.online.endpoints import Endpoint

_TABLES: Final[Mapping[str, Table]] = {
    "OpenAI": table(
        "messages!=*Message model=s max_tokens=i:1:200000 max_completion_tokens=i:1:200000 "
        "temperature=f:0:2 top_p=f:0:1 stop=any n=i:1:8 tools=*Tool tool_choice=any "
        "parallel_tool_calls=b response_format=struct reasoning_effort=(minimal|low|medium|high) "
        "seed=i presence_penalty=f:-2:2 frequency_penalty=f:-2:2 logprobs=b top_logprobs=i:0:20 "
        "logit_bias=struct user=s stream=b"
    ),
    "Mistral": table(
        "messages!=*Message tools=*Tool tool_choice=(auto|any|none) max_tokens=i:1:8192 "
        "top_p=f:0:1 temperature=f:0:1"
    ),
    "Message": table(
        "role!=(system|developer|user|assistant|tool) content=any name=s tool_calls=any "
        "tool_call_id=s refusal=s reasoning_content=s"
    ),
    "Tool": table("type!=(function) function!=Function"),
    "Function": table("name!=s description=s parameters=struct strict=b"),
}


def run(body: object, *, model: str, created: float, reasoning: bool) -> Ran:
    """Answer a body of OpenAI's shape. Raises `Refused`."""
    fields = checked(body, "OpenAI", _TABLES)
    stated = fields.get("model")
    if stated is not None and stated != model:
        raise invalid("The value in the model field must match the one in the header.")
    refusal = validation.refuse(Endpoint.CHAT, fields, model_in_path=True)
    if refusal is not None:
        raise invalid(refusal.message)
    gpt = named(model).rpartition("openai.")[2].startswith("gpt-oss")
    if gpt:
        _texts(fields)
    worked = answer(Endpoint.CHAT, fields, model=model)
    response = shapes.render(
        Endpoint.CHAT,
        worked,
        body=fields,
        model=model,
        unique=worked.digest * 2,
        created=int(created),
    )
    for choice in response["choices"]:
        _finish(choice, fields, worked)
        text = choice["message"]["content"]
        if gpt and reasoning and text is not None:
            thought = f"<reasoning>Thinking of {worked.digest}.</reasoning>"
            choice["message"]["content"] = thought + text
    return _ran(response, worked)


def run_mistral(body: object, *, model: str) -> Ran:
    """Answer a body of Mistral's chat completion. Raises `Refused`."""
    fields = checked(body, "Mistral", _TABLES)
    if not fields["messages"]:
        raise invalid("messages: at least one message is required")
    # Roles, images and ids were translated: what is said counts, as in the other families.
    worked = chat(of_openai(fields), model=model, cap=fields.get("max_tokens"))
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": worked.outputs[0].text},
        "finish_reason": worked.outputs[0].finish,
    }
    _finish(choice, fields, worked)
    choice["stop_reason"] = choice.pop("finish_reason")
    return _ran({"choices": [choice]}, worked)


def _finish(choice: dict[str, Any], fields: Mapping[str, Any], worked: Answer) -> None:
    """What tools, a schema and stop sequences make of a choice."""
    message = choice["message"]
    tools = {
        tool["function"]["name"]: tool["function"].get("parameters") or {"type": "object"}
        for tool in fields.get("tools") or []
    }
    choosing: Any = fields.get("tool_choice") or "auto"
    name = choosing["function"]["name"] if isinstance(choosing, dict) else None
    asked = (
        []
        if choosing == "none"
        else calls(tools, worked, forced=choosing in ("required", "any") or bool(name), name=name)
    )
    if asked:
        message["content"] = None
        message["tool_calls"] = [
            {
                "id": f"chatcmpl-tool-{worked.digest}{index}",
                "type": "function",
                "function": {"name": called, "arguments": json.dumps(given)},
            }
            for index, (called, given) in enumerate(asked)
        ]
        choice["finish_reason"] = "tool_calls"
        return
    form = fields.get("response_format") or {}
    if form.get("type") == "json_schema":
        message["content"] = held(form["json_schema"]["schema"], worked)
        return
    stops = fields.get("stop") or []
    text, stop = ended(
        worked.outputs[choice["index"]], [stops] if isinstance(stops, str) else stops
    )
    message["content"] = text
    if stop is not None:
        choice["finish_reason"] = "stop"


def _texts(fields: Mapping[str, Any]) -> None:
    """gpt-oss takes texts alone."""
    for message in fields["messages"]:
        content = message.get("content")
        parts: list[Any] = content if isinstance(content, list) else []
        if any(part.get("type") != "text" for part in parts):
            raise invalid("This model doesn't support the image content block that you provided.")


def _ran(response: dict[str, Any], worked: Answer) -> Ran:
    return Ran(
        response=response,
        digest=worked.digest,
        input_tokens=worked.prompt_tokens,
        output_tokens=worked.output_tokens,
    )
