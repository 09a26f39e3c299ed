"""What becomes of OpenAI's embeddings parameters at Google, and what its models are limited to.

Data, with its source. Models that are not here have no limits here: the API tells.
"""

from typing import Final

import msgspec

from batchway.dialects.requests.parameters import Handling, Parameter, Parameters

_TEXT: Final = (
    "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/embeddings/"
    "get-text-embeddings"
)
_MULTIMODAL: Final = (
    "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/embeddings/"
    "get-multimodal-embeddings"
)

EMBEDDINGS: Final = Parameters(
    [
        Parameter(
            "input",
            Handling.MAPPED,
            "Texts. Tokens of OpenAI's models and empty texts are refused. A text longer than the "
            "model takes is cut, and the result says so.",
            source=_TEXT,
        ),
        Parameter("model", Handling.MAPPED, "The model, in the address.", source=_TEXT),
        Parameter(
            "dimensions",
            Handling.MAPPED,
            "outputDimensionality. A longer vector is cut to it and scaled to length 1 again.",
            source=_TEXT,
        ),
        Parameter(
            "encoding_format",
            Handling.MAPPED,
            "Batchway writes base64 itself, as OpenAI does: floats of 32 bits.",
            source=_TEXT,
        ),
        Parameter(
            "user",
            Handling.IGNORED,
            "Google's API knows no end users.",
            source=_TEXT,
        ),
    ]
)


class EmbeddingModel(msgspec.Struct, frozen=True, kw_only=True):
    """A family of models: `prefix` of their names, the most `tokens` of a text, and how many
    `numbers` a whole vector has. `source` is the page that says so, `date` when it was read.
    """

    prefix: str
    tokens: int
    numbers: int
    source: str
    date: str


MODELS: Final = (
    EmbeddingModel(
        prefix="gemini-embedding-001", tokens=2_048, numbers=3_072, source=_TEXT, date="2026-11"
    ),
    EmbeddingModel(
        prefix="gemini-embedding-2", tokens=8_192, numbers=3_072, source=_MULTIMODAL, date="2026-11"
    ),
    EmbeddingModel(
        prefix="text-embedding-00", tokens=2_048, numbers=768, source=_TEXT, date="2026-11"
    ),
    EmbeddingModel(
        prefix="text-multilingual-embedding-",
        tokens=2_048,
        numbers=768,
        source=_TEXT,
        date="2026-11",
    ),
)


def limits_of(model: str) -> EmbeddingModel | None:
    """What is known of a model; its name may be a whole resource name."""
    name = model.rpartition("/")[2]
    return next((each for each in MODELS if name.startswith(each.prefix)), None)
