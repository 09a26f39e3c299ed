"""Embeddings as bodies of InvokeModel: Titan's three, Cohere's two, and Nova's.

Owns their tables and answers; the vectors are the simulator's. Cohere's and Nova's answers have no
count of tokens: it is in a header of InvokeModel alone.
Sources:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html,
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from batchway.simulator.aws.answering import Ran
from batchway.simulator.aws.refusals import invalid
from batchway.simulator.aws.schema import Table, checked, malformed, table
from batchway.simulator.online.answers import answer, expected_embedding
from batchway.simulator.online.endpoints import Endpoint

_TYPES: Final = "(float|int8|uint8|binary|ubinary)"
_INPUT_TYPES: Final = "search_document|search_query|classification|clustering"
_TABLES: Final[Mapping[str, Table]] = {
    "titan-v1": table("inputText!=s"),
    "titan-v2": table("inputText!=s dimensions=i normalize=b embeddingTypes=*(float|binary)"),
    "titan-image": table("inputText=s inputImage=s embeddingConfig=Length"),
    "Length": table("outputEmbeddingLength=i"),
    "cohere-v3": table(
        f"texts=*s images=*s input_type!=({_INPUT_TYPES}|image) truncate=(NONE|START|END) "
        f"embedding_types=*{_TYPES}"
    ),
    "cohere-v4": table(
        f"texts=*s images=*s inputs=*Input input_type!=({_INPUT_TYPES}) "
        f"truncate=(NONE|LEFT|RIGHT) embedding_types=*{_TYPES} output_dimension=i "
        "max_tokens=i:1:128000"
    ),
    "Input": table("content!=*Part"),
    "Part": table("type!=(text|image_url) text=s image_url=any"),
    "nova": table(
        "schemaVersion=(nova-multimodal-embed-v1) taskType!=(SINGLE_EMBEDDING) "
        "singleEmbeddingParams!=Single"
    ),
    "Single": table(
        "embeddingPurpose!=(GENERIC_INDEX|GENERIC_RETRIEVAL|TEXT_RETRIEVAL|IMAGE_RETRIEVAL|"
        "VIDEO_RETRIEVAL|DOCUMENT_RETRIEVAL|AUDIO_RETRIEVAL|CLASSIFICATION|CLUSTERING) "
        "embeddingDimension=i text=Text image=struct audio=struct video=struct"
    ),
    "Text": table("truncationMode!=(START|END|NONE) value=s source=struct"),
}
_SIZES: Final = {
    "titan-v2": (256, 512, 1024),
    "titan-image": (256, 384, 1024),
    "cohere-v4": (256, 512, 1024, 1536),
    "nova": (256, 384, 1024, 3072),
}
# Texts in a request of Cohere's, and the characters of a text.
_MOST: Final = 96
_COHERE_MOST: Final = 2_048
_TITAN_MOST: Final = 50_000


def run_titan(body: object, *, model: str, version: str, size: int) -> Ran:
    """Answer a body of Titan's: one text, one vector. Raises `Refused`."""
    fields = checked(body, version, _TABLES)
    text: str = fields.get("inputText") or fields.get("inputImage") or ""
    if not text:
        raise malformed("expected minLength: 1, actual: 0")
    if len(text) > _TITAN_MOST and "inputImage" not in fields:
        raise malformed(f"expected maxLength: {_TITAN_MOST}, actual: {len(text)}")
    config: Mapping[str, Any] = fields.get("embeddingConfig") or {}
    given = fields.get("dimensions") or config.get("outputEmbeddingLength")
    dimensions = _sized(given, version, size)
    vector = expected_embedding(text, model, dimensions)
    tokens, digest = _counted([text], model)
    response: dict[str, Any] = {"embedding": vector, "inputTextTokenCount": tokens}
    if version == "titan-v2":
        types: Sequence[str] = fields.get("embeddingTypes") or ["float"]
        by_type = {
            "float": vector,
            "binary": [int(number > 0) for number in vector],
        }
        response["embeddingsByType"] = {kind: by_type[kind] for kind in types}
        if "float" not in types:
            del response["embedding"]
    return Ran(response=response, digest=digest, input_tokens=tokens)


def run_cohere(body: object, *, model: str, version: str, size: int) -> Ran:
    """Answer a body of Cohere's: up to 96 texts, as many vectors. Raises `Refused`."""
    fields = checked(body, version, _TABLES)
    given = [name for name in ("texts", "images", "inputs") if fields.get(name)]
    if len(given) != 1:
        raise invalid("exactly one of texts, images or inputs must be provided")
    texts = _subjects(fields, given[0])
    if len(texts) > _MOST:
        raise malformed(f"#/{given[0]}: expected maximum item count: {_MOST}, found: {len(texts)}")
    if "" in texts:
        raise malformed("#/texts/0: expected minLength: 1, actual: 0")
    longest = max(len(text) for text in texts)
    if version == "cohere-v3" and given[0] == "texts" and longest > _COHERE_MOST:
        raise malformed(f"#/texts/0: expected maxLength: {_COHERE_MOST}, actual: {longest}")
    dimensions = _sized(fields.get("output_dimension"), version, size)
    vectors = [expected_embedding(text, model, dimensions) for text in texts]
    tokens, digest = _counted(texts, model)
    types: Sequence[str] = fields.get("embedding_types") or []
    embeddings: Any = {kind: [_typed(vector, kind) for vector in vectors] for kind in types}
    response: dict[str, Any] = {
        "id": str(uuid.UUID(digest * 2)),
        "response_type": "embeddings_by_type" if types else "embeddings_floats",
        "embeddings": embeddings or vectors,
    }
    if given[0] == "texts":
        response["texts"] = [text.lower() for text in texts]
    return Ran(response=response, digest=digest, input_tokens=tokens)


def run_nova(body: object, *, model: str, size: int) -> Ran:
    """Answer a body of Nova's: one subject, one vector. Raises `Refused`."""
    single = checked(body, "nova", _TABLES)["singleEmbeddingParams"]
    subjects = [name for name in ("text", "image", "audio", "video") if name in single]
    if len(subjects) != 1:
        raise invalid("Exactly one of text, image, audio or video must be specified.")
    subject = single[subjects[0]]
    text = subject.get("value")
    if subjects[0] == "text" and not text:
        raise invalid("The text to embed must not be empty.")
    text = str(subject) if text is None else text
    dimensions = _sized(single.get("embeddingDimension"), "nova", size)
    tokens, digest = _counted([text], model)
    return Ran(
        response={
            "embeddings": [
                {
                    "embeddingType": subjects[0].upper(),
                    "embedding": expected_embedding(text, model, dimensions),
                }
            ]
        },
        digest=digest,
        input_tokens=tokens,
    )


def _subjects(fields: Mapping[str, Any], name: str) -> list[str]:
    if name != "inputs":
        return list(fields[name])
    return [
        "\n".join(str(part.get("text") or part.get("image_url")) for part in one["content"])
        for one in fields["inputs"]
    ]


def _sized(given: int | None, family: str, default: int) -> int:
    if given is None:
        return default
    sizes = _SIZES[family]
    if given not in sizes:
        raise malformed(f"#/dimensions: {given} is not a valid enum value")
    return given


def _typed(vector: list[float], kind: str) -> list[Any]:
    if kind == "float":
        return list(vector)
    if kind.endswith("binary"):
        bits = [number > 0 for number in vector]
        packed = [
            sum(bit << (7 - place) for place, bit in enumerate(bits[at : at + 8]))
            for at in range(0, len(bits), 8)
        ]
        return packed if kind == "ubinary" else [byte - 128 for byte in packed]
    whole = [round(number * 127) for number in vector]
    return whole if kind == "int8" else [number + 128 for number in whole]


def _counted(texts: list[str], model: str) -> tuple[int, str]:
    """The tokens of texts and their digest, that of a caller's list or single text."""
    subject: Any = texts[0] if len(texts) == 1 else texts
    worked = answer(Endpoint.EMBEDDINGS, {"input": subject}, model=model)
    return worked.prompt_tokens, worked.digest
