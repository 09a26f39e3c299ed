"""Nova on Bedrock: its body of InvokeModel, which is almost Converse's.

Owns its table; rules and answer are Converse's. Documents are for Converse alone.
Sources: https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html.
"""

from collections.abc import Mapping
from typing import Any, Final

from batchway.simulator.aws import converse
from batchway.simulator.aws.answering import Ran, chat
from batchway.simulator.aws.schema import Table, checked, malformed, table
from batchway.simulator.languages.prompts import of_converse

_TABLES: Final[Mapping[str, Table]] = {
    "Body": table(
        "schemaVersion=(messages-v1) messages!=*Message system=*System "
        "inferenceConfig=Inference toolConfig=Tools"
    ),
    "Message": table("role!=(user|assistant) content!=*Block"),
    "System": table("text=s cachePoint=struct"),
    "Block": table(
        "text=s image=Image video=Video audio=Audio toolUse=ToolUse toolResult=ToolResult "
        "reasoningContent=struct cachePoint=struct"
    ),
    "Image": table("format!=(jpeg|png|gif|webp) source!=Source"),
    "Video": table("format!=(mkv|mov|mp4|webm|three_gp|flv|mpeg|mpg|wmv) source!=Source"),
    "Audio": table("format!=(mp3|opus|wav|aac|flac|mp4|ogg|mkv) source!=Source"),
    "Source": table("bytes=s s3Location=Location"),
    "Location": table("uri!=s bucketOwner=s"),
    "ToolUse": table("toolUseId!=s name!=s input!=struct"),
    "ToolResult": table("toolUseId!=s content!=*Result status=(success|error)"),
    "Result": table("text=s json=any image=Image"),
    "Inference": table(
        "maxTokens=i:1:65535 temperature=f:0:1 topP=f:0:1 topK=i:0:128 stopSequences=*s "
        "reasoningConfig=Reasoning"
    ),
    "Reasoning": table("type!=(enabled|disabled) maxReasoningEffort=(low|medium|high)"),
    "Tools": table("tools!=*Tool toolChoice=struct"),
    "Tool": table("toolSpec=ToolSpec systemTool=struct cachePoint=struct"),
    "ToolSpec": table("name!=s description=s inputSchema!=InputSchema"),
    "InputSchema": table("json!=struct"),
}


def run(body: object, *, model: str) -> Ran:
    """Answer a body. Raises `Refused`."""
    fields = checked(body, "Body", _TABLES)
    for message in fields["messages"]:
        for block in message["content"]:
            if len(block) != 1:
                raise malformed("#/messages/0/content/0: a block has exactly one member")
    converse.rules(fields)
    config: Mapping[str, Any] = fields.get("inferenceConfig") or {}
    worked = chat(of_converse(fields), model=model, cap=config.get("maxTokens"))
    content, reason, _ = converse.content_of(
        worked,
        tools=fields.get("toolConfig") or {},
        stops=list(config.get("stopSequences") or []),
        schema=None,
    )
    response = converse.message(worked, content=content, reason=reason)
    response["usage"].setdefault("cacheReadInputTokenCount", 0)
    response["usage"].setdefault("cacheWriteInputTokenCount", 0)
    return Ran(
        response=response,
        digest=worked.digest,
        input_tokens=worked.prompt_tokens,
        output_tokens=worked.output_tokens,
    )
