"""What becomes of OpenAI's embeddings parameters at Amazon Titan, and what its models take.

Data, with its source.
"""

from typing import Final

from batchway.dialects.requests.parameters import Handling, Parameter, Parameters
from batchway.dialects.vectors.limits import Limits

_GUIDE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide"
_TEXT: Final = f"{_GUIDE}/model-parameters-titan-embed-text.html"
_IMAGE: Final = f"{_GUIDE}/model-parameters-titan-embed-mm.html"
_MODELS: Final = f"{_GUIDE}/titan-embedding-models.html"

EMBEDDINGS: Final = Parameters(
    [
        Parameter(
            "input",
            Handling.MAPPED,
            "inputText. Each text is a request of its own. Tokens of OpenAI's models and empty "
            "texts are refused, and so is a text of more than 50,000 characters. One of more "
            "tokens than the model takes fails: nothing is cut.",
            source=_MODELS,
        ),
        Parameter("model", Handling.MAPPED, "The model, in the address or the job.", source=_TEXT),
        Parameter(
            "dimensions",
            Handling.MAPPED,
            "dimensions: 256, 512 or 1,024 at Titan Text Embeddings V2. At Titan Multimodal "
            "Embeddings G1 outputEmbeddingLength: 256, 384 or 1,024. Vectors of Titan Embeddings "
            "G1 have 1,536 numbers. Another number is refused.",
            source=_TEXT,
        ),
        Parameter(
            "encoding_format",
            Handling.MAPPED,
            "Batchway writes base64 itself, as OpenAI does: floats of 32 bits.",
            source=_TEXT,
        ),
        Parameter("user", Handling.IGNORED, "Amazon Titan knows no end users.", source=_TEXT),
    ]
)

MULTIMODAL: Final = Limits(
    named="amazon.titan-embed-image-v1",
    numbers=(256, 384, 1_024),
    source=_IMAGE,
    date="2026-11",
)
MODELS: Final = (
    MULTIMODAL,
    *(
        Limits(
            named=named,  # the same model by two names
            numbers=(1_536,),
            characters=50_000,  # by its errors: "expected maxLength: 50000"
            source=_MODELS,
            date="2026-11",
        )
        for named in ("amazon.titan-embed-text-v1", "amazon.titan-embed-g1-text")
    ),
    Limits(
        named="amazon.titan-embed-text-v2",
        numbers=(256, 512, 1_024),
        characters=50_000,
        source=_MODELS,
        date="2026-11",
    ),
)
