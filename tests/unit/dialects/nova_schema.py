"""The body of Amazon Nova's InvokeModel as a JSON Schema, every object closed.

Written from the vendor's pages, and knowing nothing of the dialect:
https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html (Nova 2),
https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html (Nova 1). Where they
differ in a range, the wider one counts.
"""

from itertools import pairwise
from typing import Any, Final

from jsonschema import Draft202012Validator

JSON = dict[str, Any]


def _object(required: str, properties: JSON) -> JSON:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def _one_of(properties: JSON) -> JSON:
    """An object of which exactly one member is set."""
    return {**_object("", properties), "minProperties": 1, "maxProperties": 1}


def _list(items: JSON, least: int = 1) -> JSON:
    return {"type": "array", "items": items, "minItems": least}


_TEXT: Final[JSON] = {"type": "string", "minLength": 1, "pattern": r"\S"}
_BASE64: Final[JSON] = {"type": "string", "minLength": 1, "pattern": r"^[A-Za-z0-9+/]+=*$"}
_STORED: Final = _object(
    "uri",
    {
        "uri": {"type": "string", "pattern": r"^s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?$"},
        "bucketOwner": {"type": "string", "pattern": "^[0-9]{12}$"},
    },
)
_ANYWHERE: Final = _one_of({"bytes": _BASE64, "s3Location": _STORED})
_NAME: Final[JSON] = {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}
_ID: Final[JSON] = {"type": "string", "pattern": "^[a-zA-Z0-9_.:-]{1,64}$"}


def _media(formats: str, source: JSON) -> JSON:
    return _object("format source", {"format": {"enum": formats.split()}, "source": source})


_FORMATS_OF_VIDEO: Final = "mkv mov mp4 webm three_gp flv mpeg mpg wmv"
_FORMATS_OF_SOUND: Final = "mp3 opus wav aac flac mp4 ogg mkv"
_BLOCK: Final = _one_of(
    {
        "text": _TEXT,
        "image": _media("jpeg png gif webp", _one_of({"bytes": _BASE64})),
        "video": _media(_FORMATS_OF_VIDEO, _ANYWHERE),
        "audio": _media(_FORMATS_OF_SOUND, _ANYWHERE),
        "toolUse": _object(
            "toolUseId name input", {"toolUseId": _ID, "name": _NAME, "input": {"type": "object"}}
        ),
        "toolResult": _object(
            "toolUseId content",
            {
                "toolUseId": _ID,
                "content": _list(_one_of({"text": _TEXT, "json": {"type": "object"}}), 0),
                "status": {"enum": ["success", "error"]},
            },
        ),
    }
)
# "Only three fields are supported" at the root of a tool's schema.
_INPUT: Final = _object(
    "type",
    {
        "type": {"const": "object"},
        "properties": {"type": "object"},
        "required": _list({"type": "string"}),
    },
)
_TOOL: Final = _object(
    "toolSpec",
    {
        "toolSpec": _object(
            "name inputSchema",
            {
                "name": _NAME,
                "description": _TEXT,
                "inputSchema": _object("json", {"json": _INPUT}),
            },
        )
    },
)
_INFERENCE: Final = _object(
    "",
    {
        "maxTokens": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1},
        "topP": {"type": "number", "minimum": 0, "maximum": 1},
        "topK": {"type": "integer", "minimum": 0, "maximum": 128},
        "stopSequences": _list({"type": "string", "minLength": 1}),
        "reasoningConfig": _object(
            "type maxReasoningEffort",
            {
                "type": {"enum": ["enabled", "disabled"]},
                "maxReasoningEffort": {"enum": ["low", "medium", "high"]},
            },
        ),
    },
)
_MESSAGE: Final = _object(
    "role content", {"role": {"enum": ["user", "assistant"]}, "content": _list(_BLOCK)}
)
_FROM_THE_USER: Final = {"properties": {"role": {"const": "user"}}}
BODY: Final = _object(
    "messages schemaVersion",
    {
        "schemaVersion": {"const": "messages-v1"},
        "system": _list(_object("text", {"text": _TEXT})),
        "messages": {"allOf": [_list(_MESSAGE), {"prefixItems": [_FROM_THE_USER]}]},
        "inferenceConfig": {**_INFERENCE, "minProperties": 1},
        "toolConfig": _object(
            "tools",
            {
                "tools": _list(_TOOL),
                "toolChoice": _one_of(
                    {
                        "auto": _object("", {}),
                        "any": _object("", {}),
                        "tool": _object("name", {"name": _NAME}),
                    }
                ),
            },
        ),
    },
)
_OF_TOOLS: Final = {"anyOf": [{"required": ["toolUse"]}, {"required": ["toolResult"]}]}
_HAS_CALLS: Final = {"properties": {"content": {"contains": _OF_TOOLS}}}
# Messages with calls stand beside the tools only.
BODY["if"] = {"properties": {"messages": {"contains": _HAS_CALLS}}}
BODY["then"] = {"required": ["toolConfig"]}
Draft202012Validator.check_schema(BODY)
_validator: Final = Draft202012Validator(BODY)


def sent_to_nova(body: JSON) -> None:
    """Raises `jsonschema.ValidationError` for what Nova does not take."""
    _validator.validate(body)
    _alternate(body["messages"])


def _alternate(messages: list[JSON]) -> None:
    """What no schema says: the roles take turns."""
    for before, after in pairwise(messages):
        assert before["role"] != after["role"]
