"""The bodies of Bedrock's embedding models as JSON Schemas, every object closed.

Written from the vendor's pages, and knowing nothing of the dialects:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html,
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html.
"""

from collections.abc import Callable
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


def _some_of(*values: str) -> JSON:
    return {"type": "array", "items": {"enum": values}, "minItems": 1, "uniqueItems": True}


def _text(most: int) -> JSON:
    return {"type": "string", "minLength": 1, "maxLength": most}


_TYPES: Final = _some_of("float", "int8", "uint8", "binary", "ubinary")
_USES: Final = ("search_document", "search_query", "classification", "clustering")
_PURPOSES: Final = (
    "GENERIC_INDEX GENERIC_RETRIEVAL TEXT_RETRIEVAL IMAGE_RETRIEVAL VIDEO_RETRIEVAL "
    "DOCUMENT_RETRIEVAL AUDIO_RETRIEVAL CLASSIFICATION CLUSTERING"
)
_OPEN: Final[JSON] = {"type": "integer"}  # what a model of one's own takes nobody tells


def _titan_v2(dimensions: JSON) -> JSON:
    return _object(
        "inputText",
        {
            "inputText": _text(50_000),
            "dimensions": dimensions,
            "normalize": {"type": "boolean"},
            "embeddingTypes": _some_of("float", "binary"),
        },
    )


def _cohere_v4(dimensions: JSON) -> JSON:
    return _object(
        "input_type",
        {
            "input_type": {"enum": _USES},
            "texts": {"type": "array", "items": _text(1 << 20), "minItems": 1, "maxItems": 96},
            "embedding_types": _TYPES,
            "output_dimension": dimensions,
            "max_tokens": {"type": "integer", "minimum": 1, "maximum": 128_000},
            "truncate": {"enum": ["NONE", "LEFT", "RIGHT"]},
        },
    )


def _nova(dimensions: JSON) -> JSON:
    return _object(
        "taskType singleEmbeddingParams",
        {
            "schemaVersion": {"const": "nova-multimodal-embed-v1"},
            "taskType": {"const": "SINGLE_EMBEDDING"},
            "singleEmbeddingParams": _object(
                "embeddingPurpose text",
                {
                    "embeddingPurpose": {"enum": _PURPOSES.split()},
                    "embeddingDimension": dimensions,
                    "text": _object(
                        "truncationMode value",
                        {
                            "truncationMode": {"enum": ["START", "END", "NONE"]},
                            "value": _text(50_000),
                        },
                    ),
                },
            ),
        },
    )


_TITAN_V1: Final = _object("inputText", {"inputText": _text(50_000)})
_TITAN_IMAGE: Final = _object(
    "inputText",
    {
        "inputText": _text(1 << 20),
        "embeddingConfig": _object(
            "outputEmbeddingLength", {"outputEmbeddingLength": {"enum": [256, 384, 1024]}}
        ),
    },
)
_COHERE_V3: Final = _object(
    "texts input_type",
    {
        "texts": {"type": "array", "items": _text(2_048), "minItems": 1, "maxItems": 96},
        "input_type": {"enum": [*_USES, "image"]},
        "truncate": {"enum": ["NONE", "START", "END"]},
        "embedding_types": _TYPES,
    },
)

SCHEMAS: Final[dict[str, JSON]] = {
    "titan v2": _titan_v2({"enum": [256, 512, 1024]}),
    "titan v1": _TITAN_V1,
    "titan g1": _TITAN_V1,
    "titan image": _TITAN_IMAGE,
    "titan own": _titan_v2(_OPEN),
    "cohere english": _COHERE_V3,
    "cohere multilingual": _COHERE_V3,
    "cohere v4": _cohere_v4({"enum": [256, 512, 1024, 1536]}),
    "cohere own": _cohere_v4(_OPEN),
    "nova nova": _nova({"enum": [256, 384, 1024, 3072]}),
    "nova own": _nova(_OPEN),
}


def sent_to(name: str) -> Callable[[Any], None]:
    """A check that raises `jsonschema.ValidationError` for what is no body of a model."""
    return Draft202012Validator(SCHEMAS[name]).validate
